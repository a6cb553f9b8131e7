"""The life of an order after checkout."""

from __future__ import annotations

from decimal import Decimal

import pytest

import config
from orders import expiry_services, handlers, reading_services, services
from orders.schemas import OrderChange, OrderQuery
from tests.conftest import Clock
from tests.factories import make_order, make_product, make_user, settle, stock_of
from tests.threads import at_once
from utils import db, outbox
from utils.errors import AlreadyPaid, BadCursor, IllegalTransition, NotFound, OrderClosed, PaymentInProgress
from utils.idempotency import Claim

pytestmark = pytest.mark.usefixtures("app")


def cancel(order_id: int, user_id: int, *, manages: bool = False) -> None:
    services.cancel_order(order_id=order_id, user_id=user_id, manages=manages, reason="changed my mind", claim=Claim())


def pay(order_id: int, amount: str) -> None:
    settle(order_id, amount=amount, method="mock")


@db.in_transaction
def claim_prompt(tx: db.Tx, order_id: int) -> None:
    services.claim_prompt_tx(tx, order_id=order_id)
    tx.insert(
        """
        INSERT INTO payments
            (order_id, method, status, amount, currency, request_id, created_at, updated_at, prompt_until)
        VALUES
            (%(order_id)s, 'mpesa_stk', 'sent', 100, 'KES', '-', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
        """,
        {"order_id": order_id},
    )


def read(order_id: int) -> db.Row:
    row = db.reading().fetch_one(
        "SELECT status, payment_status, paid, expires_at FROM orders WHERE id = %(id)s", {"id": order_id}
    )
    assert row is not None
    return row


def test_a_paid_order_moves_on_to_processing_and_holds_its_stock_for_good() -> None:
    order = make_order(make_user(), (make_product(price="100.00").variant, 1))
    pay(order.id, "100.00")
    assert read(order.id) == {
        "status": "processing",
        "payment_status": "paid",
        "paid": Decimal("100.00"),
        "expires_at": None,
    }


def test_part_payments_add_up_until_the_total_is_reached() -> None:
    order = make_order(make_user(), (make_product(price="100.00").variant, 1))
    pay(order.id, "60.00")
    assert read(order.id)["payment_status"] == "unpaid"
    pay(order.id, "40.00")
    assert read(order.id)["payment_status"] == "paid"


def test_staff_move_an_order_along_the_table_and_nowhere_else() -> None:
    staff, order = make_user(role="admin"), make_order(make_user(), (make_product().variant, 1))
    pay(order.id, "100.00")
    with pytest.raises(IllegalTransition):
        services.change_order(order_id=order.id, change=OrderChange(status="delivered"), actor_id=staff.id)
    for status in ("shipped", "delivered"):
        services.change_order(
            order_id=order.id, change=OrderChange.model_validate({"status": status}), actor_id=staff.id
        )
    assert read(order.id)["status"] == "delivered"
    events = reading_services.list_events(order_id=order.id, user_id=0, sees_all=True).items
    assert [event.name for event in events] == [
        "order.placed",
        "order.paid",
        "order.processing",
        "order.shipped",
        "order.delivered",
    ]


def test_an_order_that_is_not_paid_cannot_be_shipped() -> None:
    order = make_order(make_user(), (make_product().variant, 1))
    with pytest.raises(IllegalTransition, match="before it is paid"):
        services.change_order(order_id=order.id, change=OrderChange(status="processing"), actor_id=1)


def test_cash_on_delivery_is_shipped_unpaid() -> None:
    order = make_order(make_user(), (make_product().variant, 1), method="cod")
    services.change_order(order_id=order.id, change=OrderChange(status="shipped", tracking_number="G4S-1"), actor_id=1)
    assert read(order.id)["status"] == "shipped"


def test_cancelling_gives_the_stock_back_once() -> None:
    user, product = make_user(), make_product(stock=5)
    order = make_order(user, (product.variant, 2))
    cancel(order.id, user.id)
    with pytest.raises(IllegalTransition):
        cancel(order.id, user.id)
    assert stock_of(product.variant) == 5


def test_two_who_cancel_at_once_give_the_stock_back_once() -> None:
    user, product = make_user(), make_product(stock=5)
    order = make_order(user, (product.variant, 2))
    results = at_once(*[lambda: cancel(order.id, user.id)] * 4)
    assert sorted(type(result).__name__ for result in results) == ["IllegalTransition"] * 3 + ["NoneType"]
    assert stock_of(product.variant) == 5


def test_a_paid_order_that_is_cancelled_waits_for_its_refund_in_review() -> None:
    user = make_user()
    order = make_order(user, (make_product(price="100.00").variant, 1))
    pay(order.id, "100.00")
    cancel(order.id, user.id)
    assert (read(order.id)["status"], read(order.id)["payment_status"]) == ("cancelled", "review")


def test_a_stranger_neither_sees_nor_cancels_an_order_and_staff_may() -> None:
    order, stranger = make_order(make_user(), (make_product().variant, 1)), make_user()
    with pytest.raises(NotFound):
        reading_services.get_order(order_id=order.id, user_id=stranger.id, sees_all=False)
    with pytest.raises(NotFound):
        cancel(order.id, stranger.id)
    cancel(order.id, stranger.id, manages=True)


def test_an_order_that_is_not_paid_in_time_is_cancelled_and_gives_its_stock_back(frozen_clock: Clock) -> None:
    product = make_product(stock=5)
    order = make_order(make_user(), (product.variant, 2))
    frozen_clock.forward(seconds=1799)
    assert expiry_services.expire_due_orders() == 0
    frozen_clock.forward(seconds=2)
    assert expiry_services.expire_due_orders() == 1
    assert expiry_services.expire_due_orders() == 0
    assert read(order.id)["status"] == "cancelled"
    assert stock_of(product.variant) == 5


def test_an_order_does_not_expire_under_an_open_prompt(frozen_clock: Clock) -> None:
    order = make_order(make_user(), (make_product().variant, 1))
    frozen_clock.forward(seconds=1790)
    claim_prompt(order.id)
    frozen_clock.forward(seconds=60)
    assert expiry_services.expire_due_orders() == 0
    frozen_clock.forward(seconds=300)
    expiry_services.expire_due_orders()
    assert read(order.id)["status"] == "pending"


def test_one_order_has_one_prompt_at_a_time() -> None:
    order = make_order(make_user(), (make_product().variant, 1))
    claim_prompt(order.id)
    with pytest.raises(PaymentInProgress):
        claim_prompt(order.id)


def test_a_paid_or_cancelled_order_takes_no_prompt() -> None:
    user = make_user()
    paid, cancelled = (make_order(user, (make_product(price="100.00").variant, 1)) for _ in range(2))
    pay(paid.id, "100.00")
    cancel(cancelled.id, user.id)
    with pytest.raises(AlreadyPaid):
        claim_prompt(paid.id)
    with pytest.raises(OrderClosed):
        claim_prompt(cancelled.id)


def test_a_list_is_paged_by_key_and_counted_on_demand() -> None:
    user, product = make_user(), make_product(stock=50)
    placed = [make_order(user, (product.variant, 1)).id for _ in range(5)]
    make_order(make_user(), (product.variant, 1))
    first = reading_services.list_orders(query=OrderQuery(limit=3, count=1), user_id=user.id)
    assert (first.total, first.total_capped) == (5, False)
    second = reading_services.list_orders(query=OrderQuery(limit=3, cursor=first.next_cursor), user_id=user.id)
    assert [order.id for order in first.items + second.items] == placed[::-1]
    assert second.next_cursor is None
    with pytest.raises(BadCursor):
        reading_services.list_orders(query=OrderQuery(cursor="%%%"), user_id=user.id)


def test_staff_find_an_order_by_number_phone_receipt_or_email() -> None:
    user = make_user()
    order = make_order(user, (make_product(price="100.00").variant, 1), phone_number="0712 345 678")
    make_order(make_user(), (make_product().variant, 1))
    pay(order.id, "100.00")
    set_receipt(order.id, "NLJ7RT61SV")
    for q in (order.number, order.number[:4].lower(), "+254 712 345678", "NLJ7RT", user.email, user.email[:-4]):
        found = reading_services.list_orders(query=OrderQuery(q=q), user_id=None)
        assert [item.id for item in found.items] == [order.id], q
    assert reading_services.list_orders(query=OrderQuery(q="100%"), user_id=None).items == []


@db.in_transaction
def set_receipt(tx: db.Tx, order_id: int, receipt: str) -> None:
    tx.execute_one(
        "UPDATE payments SET receipt = %(receipt)s WHERE order_id = %(id)s", {"id": order_id, "receipt": receipt}
    )


def test_the_customer_is_told_by_mail_of_every_step() -> None:
    user = make_user()
    order = make_order(user, (make_product(name="Kikoi", price="100.00").variant, 1))
    pay(order.id, "100.00")
    set_receipt(order.id, "NLJ7RT61SV")
    while outbox.deliver_due(handlers.HANDLERS):
        pass
    mails = {path.name.split("-")[0]: path.read_text() for path in config.current().INSTANCE_DIR.glob("mail/*.eml")}
    assert set(mails) == {"order.placed", "order.paid"}
    assert f"To: {user.email}" in mails["order.paid"]
    assert "NLJ7RT61SV" in mails["order.paid"]
    assert "1 x Kikoi  100.00" in mails["order.placed"]
