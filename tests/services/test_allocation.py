"""Money without a home: told with suggestions, and put to an order once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from orders import expiry_services
from orders import services as orders
from orders.schemas import Order
from payments import allocation_services as allocation
from payments import services
from payments.allocation_schemas import UnallocatedQuery
from payments.schemas import Payment
from tests import daraja as scripted
from tests.c2b import balance_of, confirm, money_of, payment_with
from tests.conftest import Clock
from tests.daraja import Daraja, success_body
from tests.factories import User, make_order, make_product, make_user, stock_of
from tests.threads import at_once
from utils import db
from utils.errors import AlreadyAllocated, AlreadyPaid, MoneyGoesBack, NotFound, OrderClosed, OutOfStock
from utils.idempotency import Claim

RECEIPT = "RKL51ZDR4F"
ROUNDS = 5


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def staff(daraja: Daraja) -> User:
    return make_user(role="manager")


def place(buyer: User, price: str = "100.00", stock: int = 5) -> Order:
    return make_order(buyer, (make_product(price=price, stock=stock).variant, 1))


@pytest.fixture
def order(buyer: User) -> Order:
    return place(buyer)


@pytest.fixture
def lost(order: Order) -> int:
    """A hundred shillings that came with an account that says nothing."""
    assert confirm("RENT") == "unallocated"
    payment_id: int = payment_with(RECEIPT)["id"]
    return payment_id


@pytest.fixture
def allocate(staff: User) -> Callable[[int, Order], Payment]:
    return lambda payment_id, order: allocation.allocate(payment_id=payment_id, order_id=order.id, actor_id=staff.id)


def expire(order: Order) -> None:
    @db.in_transaction
    def end_its_time(tx: db.Tx) -> None:
        tx.execute_one("UPDATE orders SET expires_at = created_at WHERE id = %(id)s", {"id": order.id})

    end_its_time()
    expiry_services.expire_due_orders()


def events_of(order: Order) -> list[tuple[str, int | None]]:
    rows = db.reading().fetch_all(
        "SELECT name, actor_id FROM order_events WHERE order_id = %(id)s ORDER BY id", {"id": order.id}
    )
    return [(row["name"], row["actor_id"]) for row in rows]


Allocate = Callable[[int, Order], Payment]


def test_allocated_money_pays_the_order_and_tells_who_did_it(
    lost: int, order: Order, allocate: Allocate, staff: User
) -> None:
    payment = allocate(lost, order)
    assert (payment.status, payment.order_id, payment.receipt) == ("succeeded", order.id, RECEIPT)
    assert money_of(order.id) == ("processing", "paid", 100)
    row = payment_with(RECEIPT)
    assert (row["allocated_by"], row["typed_account"]) == (staff.id, "RENT")
    assert row["allocated_at"] is not None
    assert events_of(order)[-2:] == [("order.paid", staff.id), ("order.processing", staff.id)]
    assert (balance_of("unallocated"), balance_of("receivable"), balance_of("mpesa_clearing")) == (0, 0, 100)


def test_the_same_allocation_again_changes_nothing(lost: int, order: Order, allocate: Allocate) -> None:
    first = allocate(lost, order)
    before = (payment_with(RECEIPT), events_of(order))
    assert allocate(lost, order) == first
    assert (payment_with(RECEIPT), events_of(order)) == before


def test_allocated_money_is_not_allocated_to_another_order(
    lost: int, order: Order, allocate: Allocate, buyer: User
) -> None:
    allocate(lost, order)
    with pytest.raises(AlreadyAllocated) as refused:
        allocate(lost, place(buyer))
    assert refused.value.data == {"order_id": order.id}


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_two_clicks_at_once_allocate_once(lost: int, order: Order, allocate: Allocate, round_: int) -> None:
    results = at_once(*[partial(allocate, lost, order)] * 4)
    assert {result.status for result in results} == {"succeeded"}
    assert money_of(order.id) == ("processing", "paid", 100)
    assert (balance_of("unallocated"), balance_of("mpesa_clearing")) == (0, 100)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_two_people_who_allocate_to_two_orders_at_once_one_is_refused(
    lost: int, order: Order, buyer: User, allocate: Allocate, round_: int
) -> None:
    other = place(buyer)
    results = at_once(partial(allocate, lost, order), partial(allocate, lost, other))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyAllocated", "Payment"]
    assert sorted((money_of(order.id)[2], money_of(other.id)[2])) == [0, 100]
    assert (balance_of("unallocated"), balance_of("mpesa_clearing")) == (0, 100)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_two_payments_allocated_to_one_order_at_once_pay_it_once(
    lost: int, order: Order, allocate: Allocate, round_: int
) -> None:
    confirm("RENT", receipt="RKL51ZDR4G")
    second = payment_with("RKL51ZDR4G")["id"]
    results = at_once(partial(allocate, lost, order), partial(allocate, second, order))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyPaid", "Payment"]
    assert (money_of(order.id)[2], balance_of("unallocated")) == (100, -100)


def test_parts_may_be_allocated_too(order: Order, allocate: Allocate) -> None:
    for receipt, amount in (("RKL51ZDR41", "30.00"), ("RKL51ZDR42", "90.00")):
        confirm("RENT", amount, receipt)
        allocate(payment_with(receipt)["id"], order)
    assert money_of(order.id) == ("processing", "paid", 120)
    assert balance_of("receivable") == -20


def test_money_that_does_not_fit_its_prompt_may_be_put_to_its_order_all_the_same(
    order: Order, buyer: User, allocate: Allocate
) -> None:
    allocate(pay_oddly(order, buyer, 120), order)
    assert money_of(order.id) == ("processing", "paid", 120)
    assert (balance_of("unallocated"), balance_of("receivable")) == (0, -20)


def pay_oddly(order: Order, buyer: User, amount: int) -> int:
    """Have another amount come than the prompt asked for."""
    prompt = services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )
    scripted.call_back(prompt.id, success_body(prompt.checkout_request_id, amount=amount, receipt=RECEIPT))
    assert money_of(order.id) == ("pending", "review", 0)
    return prompt.id


def test_an_order_that_got_a_part_by_a_person_can_be_paid_for_the_rest(
    order: Order, buyer: User, allocate: Allocate
) -> None:
    allocate(pay_oddly(order, buyer, 60), order)
    assert money_of(order.id) == ("pending", "unpaid", 60)
    assert confirm(order.number, "40.00", "RKL51ZDR4G") == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)


def test_an_order_whose_odd_money_was_put_elsewhere_can_be_paid_again(
    order: Order, buyer: User, allocate: Allocate, staff: User
) -> None:
    other = place(buyer, price="60.00")
    allocate(pay_oddly(order, buyer, 60), other)
    assert money_of(other.id) == ("processing", "paid", 60)
    assert money_of(order.id) == ("pending", "unpaid", 0)
    assert events_of(order)[-1] == ("order.money_moved", staff.id)
    assert confirm(order.number, receipt="RKL51ZDR4G") == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)


def test_an_order_that_other_odd_money_waits_for_stays_in_review(order: Order, buyer: User, allocate: Allocate) -> None:
    odd = pay_oddly(order, buyer, 60)
    word = success_body(scripted.payment_row(odd)["checkout_request_id"], amount=60, receipt="RKL51ZDR4G")
    assert scripted.call_back(odd, word) == "review"
    other = place(buyer, price="60.00")
    allocate(odd, other)
    assert money_of(order.id) == ("pending", "review", 0)


def test_money_for_an_expired_order_takes_it_up_again_while_its_goods_are_there(
    lost: int, order: Order, allocate: Allocate
) -> None:
    expire(order)
    allocate(lost, order)
    assert money_of(order.id) == ("processing", "paid", 100)


def nothing_has_moved(order: Order) -> bool:
    row = payment_with(RECEIPT)
    untouched = (row["order_id"], row["status"], row["allocated_by"]) == (None, "review", None)
    return untouched and (balance_of("unallocated"), money_of(order.id)[2]) == (-100, 0)


def test_money_for_an_expired_order_whose_goods_are_gone_stays_where_it_is(
    buyer: User, allocate: Allocate, lost: int
) -> None:
    product = make_product(price="100.00", stock=1)
    expired = make_order(buyer, (product.variant, 1))
    expire(expired)
    make_order(buyer, (product.variant, 1))
    with pytest.raises(OutOfStock):
        allocate(lost, expired)
    assert nothing_has_moved(expired)
    assert stock_of(product.variant) == 0


def test_a_cancelled_order_takes_no_money(lost: int, order: Order, allocate: Allocate, buyer: User) -> None:
    orders.cancel_order(order_id=order.id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    with pytest.raises(OrderClosed):
        allocate(lost, order)
    assert nothing_has_moved(order)


def test_a_paid_order_takes_no_more(order: Order, allocate: Allocate) -> None:
    confirm(order.number)
    confirm("RENT", receipt="RKL51ZDR4G")
    with pytest.raises(AlreadyPaid):
        allocate(payment_with("RKL51ZDR4G")["id"], order)
    assert balance_of("unallocated") == -100


def test_money_that_goes_back_is_not_allocated(lost: int, order: Order, allocate: Allocate) -> None:
    @db.in_transaction
    def claim(tx: db.Tx, *, amount: int) -> None:
        tx.execute_one(
            "UPDATE payments SET refund_claimed = %(amount)s WHERE id = %(id)s", {"id": lost, "amount": amount}
        )

    claim(amount=40)
    with pytest.raises(MoneyGoesBack):
        allocate(lost, order)
    assert nothing_has_moved(order)
    claim(amount=100)
    assert tell() == []
    claim(amount=0)


def test_only_money_without_a_home_is_allocated(order: Order, allocate: Allocate, buyer: User, lost: int) -> None:
    other = place(buyer)
    confirm(other.number, receipt="RKL51ZDR4G")
    for payment_id in (payment_with("RKL51ZDR4G")["id"], 10**9):
        with pytest.raises(NotFound):
            allocate(payment_id, order)
    with pytest.raises(NotFound):
        allocation.allocate(payment_id=lost, order_id=10**9, actor_id=buyer.id)


def test_a_confirmation_that_comes_again_finds_the_money_where_it_was_put(
    lost: int, order: Order, allocate: Allocate
) -> None:
    allocate(lost, order)
    assert confirm("RENT") == "repeated"
    assert confirm(order.number) == "repeated"
    assert money_of(order.id)[2] == 100


# --- the list


def tell(**query: Any) -> list[tuple[int, list[tuple[int, list[str]]]]]:
    found = allocation.list_unallocated(query=UnallocatedQuery(**query)).items
    return [(item.id, [(one.order_id, one.reasons) for one in item.suggestions]) for item in found]


def test_the_list_tells_what_came_and_which_orders_it_may_be_for(order: Order, buyer: User) -> None:
    other = place(buyer, price="70.00")
    confirm(other.number[:-1], "100.00")
    payment_id = payment_with(RECEIPT)["id"]
    now = "it was placed 0 min before"
    assert tell() == [
        (
            payment_id,
            [(other.id, ["the account is a part of its number", now]), (order.id, ["exactly 100.00 is due", now])],
        )
    ]
    item = allocation.list_unallocated(query=UnallocatedQuery(limit=20)).items[0]
    assert (item.amount, item.account, item.reason) == (100, other.number[:-1], "no order has this account number")


def test_only_orders_that_may_still_be_paid_are_suggested(order: Order, buyer: User) -> None:
    paid, cancelled, expired = (place(buyer) for _ in range(3))
    confirm(paid.number)
    orders.cancel_order(order_id=cancelled.id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    expire(expired)
    confirm("RENT", receipt="RKL51ZDR4G")
    ((_, suggested),) = tell()
    assert {order_id for order_id, _ in suggested} == {order.id, expired.id}


def test_money_that_came_for_an_order_names_it_first(order: Order, buyer: User, staff: User) -> None:
    prompt = services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )
    place(buyer, price="70.00")
    scripted.call_back(prompt.id, success_body(prompt.checkout_request_id, amount=70))
    ((_, suggested),) = tell()
    assert suggested[0] == (order.id, ["it came for this order", "it was placed 0 min before"])


def test_orders_of_another_time_are_not_suggested(order: Order, frozen_clock: Clock) -> None:
    frozen_clock.forward(days=15)
    confirm("RENT")
    assert [suggested for _, suggested in tell()] == [[]]


def test_allocated_money_leaves_the_list(lost: int, order: Order, allocate: Allocate) -> None:
    assert [payment_id for payment_id, _ in tell()] == [lost]
    allocate(lost, order)
    assert tell() == []


def test_the_list_is_paged_from_the_newest_and_counted(order: Order, count_statements: Callable[..., int]) -> None:
    for place_ in range(5):
        confirm("RENT", receipt=f"RKL51ZDR4{place_}")
    first = allocation.list_unallocated(query=UnallocatedQuery(limit=3, count=True))
    rest = allocation.list_unallocated(query=UnallocatedQuery(limit=3, cursor=first.next_cursor))
    receipts = [item.receipt for item in [*first.items, *rest.items]]
    assert receipts == [f"RKL51ZDR4{place_}" for place_ in reversed(range(5))]
    assert (first.total, first.total_capped, rest.next_cursor) == (5, False, None)
    assert count_statements(tell) == 2
