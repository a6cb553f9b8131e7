"""Money paid by hand: booked once, on the order that was meant, and never lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import config
from orders import expiry_services
from orders import services as orders
from orders.schemas import Order
from payments import attempt_services, callback_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.c2b import balance_of, confirm, hand_payment, money_of, outcomes, payment_with, payments_of, receive, verdict
from tests.conftest import Clock
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import User, make_order, make_product, make_user
from tests.threads import at_once
from utils import db
from utils.idempotency import Claim

RECEIPT = "RKL51ZDR4F"
OTHER = "RKL51ZDR4G"
ROUNDS = 5


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


@pytest.fixture
def push(buyer: User, order: Order) -> Callable[[], Payment]:
    def run() -> Payment:
        return services.start_stk_push(
            order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
        )

    return run


def cancel(order: Order, buyer: User) -> None:
    orders.cancel_order(order_id=order.id, user_id=buyer.id, manages=False, reason="", claim=Claim())


def shape(order: Order) -> list[tuple[str, str, str | None]]:
    return [(row["method"], row["status"], row["receipt"]) for row in payments_of(order.id)]


# --- one payment


def test_money_paid_by_hand_pays_the_order(order: Order) -> None:
    assert confirm(order.number) == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)
    assert shape(order) == [("mpesa_c2b", "succeeded", RECEIPT)]
    assert (balance_of("mpesa_clearing"), balance_of("receivable"), balance_of("unallocated")) == (100, 0, 0)


@pytest.mark.parametrize(
    "typed", [str.lower, "order {}".format, "#{}".format, lambda number: f" {number[:3]}-{number[3:7]} {number[7:]}."]
)
def test_a_number_that_is_typed_sloppily_finds_its_order(order: Order, typed: Callable[[str], str]) -> None:
    assert confirm(typed(order.number)) == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)


def rename(order: Order, number: str) -> None:
    @db.in_transaction
    def write(tx: db.Tx) -> None:
        tx.execute_one("UPDATE orders SET number = %(number)s WHERE id = %(id)s", {"id": order.id, "number": number})

    write()


@pytest.mark.parametrize("typed", ["AB0Q3467MN", "abOq-3467-mn", "A8DQ3467MN", "ABDQ346IMN", "ABDQ34l7MN"])
def test_a_look_alike_finds_the_one_order_that_can_be_meant(order: Order, typed: str) -> None:
    rename(order, {"ABDQ34l7MN": "ABDQ3477MN"}.get(typed, "ABDQ3467MN"))
    assert confirm(typed) == "settled"


def test_an_account_that_may_mean_two_orders_means_none(order: Order, buyer: User) -> None:
    other = make_order(buyer, (make_product(price="100.00").variant, 1))
    rename(order, "ABDD3467MN")
    rename(other, "ABQD3467MN")
    assert confirm("ABOD3467MN") == "unallocated"
    assert confirm("ABQD3467MN", receipt=OTHER) == "settled"
    assert (money_of(order.id)[2], money_of(other.id)[2]) == (0, 100)


def test_parts_add_up(order: Order) -> None:
    assert confirm(order.number, "40.00") == "settled"
    assert money_of(order.id) == ("pending", "unpaid", 40)
    assert confirm(order.number, "60.00", OTHER) == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)
    assert (balance_of("mpesa_clearing"), balance_of("receivable")) == (100, 0)


def test_after_a_part_by_hand_the_prompt_asks_for_the_rest(
    order: Order, push: Callable[[], Payment], daraja: Daraja
) -> None:
    confirm(order.number, "40.00")
    payment = push()
    assert daraja.body_of("processrequest")["Amount"] == 60
    assert scripted.call_back(payment.id, success_body(payment.checkout_request_id, 60)) == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)


def test_too_much_pays_the_order_and_leaves_a_balance_to_give_back(order: Order) -> None:
    assert confirm(order.number, "150.00") == "settled"
    assert money_of(order.id) == ("processing", "paid", 150)
    assert balance_of("receivable") == -50


def test_more_money_for_a_paid_order_is_kept_for_a_person(order: Order) -> None:
    confirm(order.number)
    assert confirm(order.number, receipt=OTHER) == "review"
    assert money_of(order.id) == ("processing", "paid", 100)
    assert shape(order) == [("mpesa_c2b", "succeeded", RECEIPT), ("mpesa_c2b", "review", OTHER)]
    assert balance_of("unallocated") == -100


def test_money_for_an_unknown_account_is_kept_with_what_was_typed(order: Order) -> None:
    assert confirm("rent november") == "unallocated"
    row = payment_with(RECEIPT)
    assert (row["order_id"], row["status"], row["settled_amount"]) == (None, "review", 100)
    assert (row["typed_account"], row["review_reason"]) == ("rent november", "no order has this account number")
    assert (balance_of("mpesa_clearing"), balance_of("unallocated")) == (100, -100)


@pytest.mark.parametrize("account", ["", "\0", "😀", "x" * 500, "' OR 1=1 -- ", "%(id)s {where}"])
def test_no_account_breaks_anything(order: Order, account: str) -> None:
    assert confirm(account) == "unallocated"


def test_money_for_a_cancelled_order_is_kept_with_the_order_named(order: Order, buyer: User) -> None:
    cancel(order, buyer)
    assert confirm(order.number) == "review"
    row = payment_with(RECEIPT)
    assert (row["order_id"], row["review_reason"]) == (order.id, "the order is cancelled: a refund is proposed")
    assert money_of(order.id) == ("cancelled", "review", 0)
    assert balance_of("unallocated") == -100


def expire(order: Order) -> None:
    @db.in_transaction
    def end_its_time(tx: db.Tx) -> None:
        tx.execute_one("UPDATE orders SET expires_at = created_at WHERE id = %(id)s", {"id": order.id})

    end_its_time()
    expiry_services.expire_due_orders()


def test_money_for_an_order_that_has_expired_takes_it_up_again(order: Order) -> None:
    expire(order)
    assert verdict(order.number) == "C2B00016"
    assert confirm(order.number) == "settled"
    assert money_of(order.id) == ("processing", "paid", 100)


# --- told more than once


@pytest.mark.parametrize("account", [None, "RENT"])
def test_second_identical_confirmation_changes_nothing(order: Order, account: str | None) -> None:
    first = confirm(account or order.number)
    before = (payment_with(RECEIPT), money_of(order.id), balance_of("mpesa_clearing"))
    assert confirm(account or order.number) == "repeated"
    assert first in ("settled", "unallocated")
    assert (payment_with(RECEIPT), money_of(order.id), balance_of("mpesa_clearing")) == before


@pytest.mark.parametrize("account", [None, "RENT"])
@pytest.mark.parametrize("round_", range(ROUNDS))
def test_two_confirmations_at_once_are_one_payment(order: Order, account: str | None, round_: int) -> None:
    for _ in range(2):
        receive(hand_payment(account or order.number))
    apply_one = partial(callback_services.apply_due, limit=1)
    assert at_once(apply_one, apply_one) == [1, 1]
    callback_services.apply_due()
    assert sorted(outcomes()) == sorted(["repeated", "unallocated" if account else "settled"])
    assert balance_of("mpesa_clearing") == 100


def test_a_confirmation_after_the_prompts_callback_changes_nothing(order: Order, push: Callable[[], Payment]) -> None:
    payment = push()
    scripted.call_back(payment.id, success_body(payment.checkout_request_id, receipt=RECEIPT))
    assert confirm(order.number) == "repeated"
    assert shape(order) == [("mpesa_stk", "succeeded", RECEIPT)]
    assert money_of(order.id) == ("processing", "paid", 100)


def test_a_confirmation_before_the_prompts_callback_settles_the_prompt(
    order: Order, push: Callable[[], Payment]
) -> None:
    payment = push()
    assert confirm(order.number) == "settled"
    assert scripted.call_back(payment.id, success_body(payment.checkout_request_id, receipt=RECEIPT)) == "repeated"
    assert query_services.apply_answer(payment_id=payment.id, result=scripted.query_result("0")) == "repeated"
    assert shape(order) == [("mpesa_stk", "succeeded", RECEIPT)]
    assert money_of(order.id) == ("processing", "paid", 100)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_confirmation_and_the_prompts_callback_at_once_are_one_payment(
    order: Order, push: Callable[[], Payment], round_: int
) -> None:
    payment = push()
    receive(hand_payment(order.number))
    body = success_body(payment.checkout_request_id, receipt=RECEIPT)
    callback_services.receive(kind="stk", payment_id=payment.id, body=body, address="")
    apply_one = partial(callback_services.apply_due, limit=1)
    assert at_once(apply_one, apply_one) == [1, 1]
    callback_services.apply_due()
    assert sorted([*outcomes(), *scripted.outcomes(payment.id)]) == ["repeated", "settled"]
    assert shape(order) == [("mpesa_stk", "succeeded", RECEIPT)]
    assert money_of(order.id) == ("processing", "paid", 100)


def test_a_payment_settled_by_query_gets_its_receipt(order: Order, push: Callable[[], Payment]) -> None:
    payment = push()
    query_services.apply_answer(payment_id=payment.id, result=scripted.query_result("0"))
    assert confirm(order.number) == "receipt_filled"
    assert confirm(order.number) == "repeated"
    assert shape(order) == [("mpesa_stk", "succeeded", RECEIPT)]
    assert money_of(order.id)[2] == 100


def test_money_kept_without_its_receipt_gets_it(order: Order, push: Callable[[], Payment], buyer: User) -> None:
    payment = push()
    cancel(order, buyer)
    assert query_services.apply_answer(payment_id=payment.id, result=scripted.query_result("0")) == "review"
    assert confirm(order.number) == "receipt_filled"
    assert shape(order) == [("mpesa_stk", "review", RECEIPT)]
    assert balance_of("unallocated") == -100


def test_another_amount_than_the_open_prompts_is_a_payment_of_its_own(
    order: Order, push: Callable[[], Payment]
) -> None:
    payment = push()
    assert confirm(order.number, "40.00") == "settled"
    assert scripted.payment_row(payment.id)["status"] == "sent"
    assert scripted.call_back(payment.id, success_body(payment.checkout_request_id, receipt=OTHER)) == "settled"
    assert money_of(order.id) == ("processing", "paid", 140)
    assert balance_of("receivable") == -40


def test_a_prompt_that_is_paid_after_the_hand_payment_it_was_taken_for_is_other_money(
    order: Order, push: Callable[[], Payment]
) -> None:
    payment = push()
    assert confirm(order.number) == "settled"
    assert scripted.call_back(payment.id, success_body(payment.checkout_request_id, receipt=OTHER)) == "review"
    assert (money_of(order.id)[2], balance_of("mpesa_clearing"), balance_of("unallocated")) == (100, 200, -100)


def test_a_prompt_said_to_have_failed_and_paid_after_all_gives_way_to_the_confirmation(
    order: Order, push: Callable[[], Payment]
) -> None:
    payment = push()
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    assert confirm(order.number) == "settled"
    assert scripted.call_back(payment.id, success_body(payment.checkout_request_id, receipt=RECEIPT)) == "repeated"
    assert shape(order) == [("mpesa_stk", "failed", None), ("mpesa_c2b", "succeeded", RECEIPT)]
    assert (money_of(order.id)[2], balance_of("mpesa_clearing")) == (100, 100)


def test_a_success_that_waits_for_the_query_while_its_confirmation_comes_is_not_counted_again(
    order: Order, push: Callable[[], Payment]
) -> None:
    payment = push()
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    with config.override(MPESA_CONFIRM_BY_QUERY=True):
        body = success_body(payment.checkout_request_id, receipt=RECEIPT)
        callback_services.receive(kind="stk", payment_id=payment.id, body=body, address="")
        callback_services.apply_due()
        assert confirm(order.number) == "settled"
        query_services.apply_answer(payment_id=payment.id, result=scripted.query_result("0"))
    assert money_of(order.id) == ("processing", "paid", 100)
    assert (balance_of("mpesa_clearing"), balance_of("unallocated")) == (100, 0)


def open_two(push: Callable[[], Payment], frozen_clock: Clock) -> tuple[Payment, Payment]:
    """Have a second prompt opened while nobody knows how the first one ended."""
    first = push()
    frozen_clock.forward(minutes=4)
    attempt_services.give_up_dead_prompts()
    return first, push()


@pytest.mark.parametrize("paid", [0, 1])
def test_a_confirmation_waits_until_it_is_known_which_of_two_prompts_was_paid(
    order: Order, push: Callable[[], Payment], frozen_clock: Clock, paid: int
) -> None:
    prompts = open_two(push, frozen_clock)
    assert confirm(order.number) == "waiting"
    assert query_services.apply_answer(payment_id=prompts[paid].id, result=scripted.query_result("0")) == "settled"
    frozen_clock.forward(minutes=1)
    callback_services.apply_due()
    assert outcomes() == ["receipt_filled"]
    ended = [(row["status"], row["receipt"]) for row in payments_of(order.id)]
    assert ended[paid] == ("succeeded", RECEIPT)
    assert (money_of(order.id)[2], balance_of("mpesa_clearing")) == (100, 100)


@pytest.mark.parametrize("paid", [0, 1])
def test_a_query_that_answers_hours_later_still_finds_the_money_counted_once(
    order: Order, push: Callable[[], Payment], frozen_clock: Clock, paid: int
) -> None:
    prompts = open_two(push, frozen_clock)
    assert confirm(order.number) == "waiting"
    frozen_clock.forward(hours=12)
    callback_services.apply_due()
    assert outcomes() == ["waiting"]
    query_services.apply_answer(payment_id=prompts[paid].id, result=scripted.query_result("0"))
    frozen_clock.forward(hours=14)
    callback_services.apply_due()
    assert [row["receipt"] for row in payments_of(order.id) if row["status"] == "succeeded"] == [RECEIPT]
    assert (money_of(order.id)[2], balance_of("mpesa_clearing"), balance_of("unallocated")) == (100, 100, 0)


def test_when_nobody_tells_which_of_two_prompts_was_paid_the_money_is_still_counted_once(
    order: Order, push: Callable[[], Payment], frozen_clock: Clock
) -> None:
    first, second = open_two(push, frozen_clock)
    assert confirm(order.number) == "waiting"
    frozen_clock.forward(hours=26)
    callback_services.apply_due()
    assert outcomes() == ["settled"]
    assert scripted.call_back(first.id, success_body(first.checkout_request_id, receipt=RECEIPT)) == "repeated"
    row = scripted.payment_row(first.id)
    assert (row["status"], row["query_due_at"], row["prompt_until"]) == ("failed", None, None)
    assert scripted.call_back(second.id, failure_body(second.checkout_request_id)) == "repeated"
    assert shape(order) == [("mpesa_stk", "failed", None), ("mpesa_stk", "succeeded", RECEIPT)]
    assert (money_of(order.id)[2], balance_of("mpesa_clearing")) == (100, 100)


# --- odd confirmations, and what is not told


@pytest.mark.parametrize("changes", [{"TransAmount": "0.00"}, {"TransAmount": None}, {"TransID": ""}])
def test_a_confirmation_without_receipt_or_amount_stays_in_the_inbox_as_unreadable(
    order: Order, changes: dict[str, Any]
) -> None:
    assert confirm(order.number, **changes) == "unreadable"
    assert payments_of(order.id) == []


def test_no_name_and_no_number_of_the_payer_is_logged_or_kept_beside_the_inbox(order: Order, log_lines: Any) -> None:
    confirm(order.number, FirstName="NICHOLAS", MSISDN="254712345126")
    confirm("RENT OF NICHOLAS", receipt=OTHER, MSISDN="254712345126")
    confirm(order.number, "0.00")
    verdict("RENT OF NICHOLAS")
    told = json.dumps(log_lines())
    assert "NICHOLAS" not in told
    assert "254712345126" not in told
    assert payment_with(OTHER)["phone_number"] is None
