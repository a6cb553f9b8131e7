"""Rivals for one payment, with real threads: whoever is first, the books are the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from orders import expiry_services
from orders import services as orders
from orders.schemas import Order
from payments import attempt_services, callback_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import User, make_order, make_product, make_user, stock_of
from tests.threads import at_once
from utils import db
from utils.errors import ShopError
from utils.idempotency import Claim

ROUNDS = 5


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


def place(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00", stock=5).variant, 1))


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


def receive(payment: Payment, body: str) -> None:
    callback_services.receive(kind="stk", payment_id=payment.id, body=body, address="")


def let_expire(order: Order) -> None:
    @db.in_transaction
    def end_its_time(tx: db.Tx) -> None:
        tx.execute_one("UPDATE orders SET expires_at = created_at WHERE id = %(id)s", {"id": order.id})

    end_its_time()


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_callback_and_query_book_the_money_once(buyer: User, round_: int) -> None:
    payment = push(buyer, place(buyer))
    receive(payment, success_body(payment.checkout_request_id))
    answer = partial(query_services.apply_answer, payment_id=payment.id, result=scripted.query_result("0"))
    at_once(callback_services.apply_due, answer)
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["paid"], row["receipt"]) == ("succeeded", 100, "NLJ7RT61SV")


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_success_and_failure_at_once_end_in_success(buyer: User, round_: int) -> None:
    payment = push(buyer, place(buyer))
    receive(payment, success_body(payment.checkout_request_id))
    denial = partial(query_services.apply_answer, payment_id=payment.id, result=scripted.query_result("1037"))
    at_once(callback_services.apply_due, denial)
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["payment_status"], row["paid"]) == ("succeeded", "paid", 100)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_money_that_races_with_expiry_pays_the_order(buyer: User, round_: int) -> None:
    product = make_product(price="100.00", stock=1)
    order = make_order(buyer, (product.variant, 1))
    payment = push(buyer, order)
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    let_expire(order)
    receive(payment, success_body(payment.checkout_request_id))
    at_once(callback_services.apply_due, expiry_services.expire_due_orders)
    row = scripted.payment_row(payment.id)
    seen = (row["status"], row["order_status"], row["payment_status"], stock_of(product.variant))
    assert seen == ("succeeded", "processing", "paid", 0)
    assert row["receipt"] == "NLJ7RT61SV"


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_money_that_races_with_a_cancellation_is_never_lost(buyer: User, round_: int) -> None:
    order = place(buyer)
    payment = push(buyer, order)
    receive(payment, success_body(payment.checkout_request_id))
    cancel: Callable[[], Any] = partial(
        orders.cancel_order, order_id=order.id, user_id=buyer.id, manages=False, reason="", claim=Claim()
    )
    at_once(callback_services.apply_due, cancel)
    row = scripted.payment_row(payment.id)
    assert (row["order_status"], row["payment_status"]) == ("cancelled", "review")
    assert (row["status"], row["paid"]) in [("succeeded", 100), ("review", 0)]
    assert row["receipt"] == "NLJ7RT61SV"


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_prompt_that_is_given_up_while_its_money_comes_is_paid(buyer: User, frozen_clock: Any, round_: int) -> None:
    payment = push(buyer, place(buyer))
    frozen_clock.forward(minutes=4)
    receive(payment, success_body(payment.checkout_request_id))
    at_once(callback_services.apply_due, attempt_services.give_up_dead_prompts)
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["payment_status"], row["prompt_until"]) == ("succeeded", "paid", None)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_two_prompts_of_one_order_paid_at_once_leave_one_of_them_for_a_person(buyer: User, round_: int) -> None:
    order = place(buyer)
    first = push(buyer, order)
    scripted.call_back(first.id, failure_body(first.checkout_request_id, 1037))
    second = push(buyer, order)
    receive(first, success_body(first.checkout_request_id, receipt="NLJ7RT61S1"))
    receive(second, success_body(second.checkout_request_id, receipt="NLJ7RT61S2"))
    apply_one = partial(callback_services.apply_due, limit=1)
    at_once(apply_one, apply_one)
    callback_services.apply_due()
    rows = [scripted.payment_row(payment.id) for payment in (first, second)]
    assert sorted(row["status"] for row in rows) == ["review", "succeeded"]
    assert {row["receipt"] for row in rows} == {"NLJ7RT61S1", "NLJ7RT61S2"}
    assert (rows[0]["payment_status"], rows[0]["paid"]) == ("paid", 100)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_a_push_that_races_with_expiry_has_an_order_or_is_refused(buyer: User, daraja: Daraja, round_: int) -> None:
    order = place(buyer)
    let_expire(order)
    pushed, _ = at_once(partial(push, buyer, order), expiry_services.expire_due_orders)
    status = db.reading().fetch_one("SELECT status, payment_status FROM orders WHERE id = %(id)s", {"id": order.id})
    if isinstance(pushed, ShopError):
        assert pushed.code == "order_closed"
        assert daraja.count("processrequest") == 0
        assert status == {"status": "cancelled", "payment_status": "unpaid"}
    else:
        assert status == {"status": "pending", "payment_status": "pending"}
