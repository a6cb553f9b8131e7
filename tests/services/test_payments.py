"""A push and its two transactions, what ends it, and money without the provider."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

import config
from orders.schemas import Order
from payments import attempt_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.daraja import Daraja
from tests.factories import User, make_order, make_product, make_user
from tests.threads import at_once
from utils import clock, db
from utils.errors import (
    AlreadyPaid,
    AmountTooHigh,
    NotFound,
    OrderClosed,
    PaymentInProgress,
    PaymentRefused,
    PaymentUnavailable,
    PhoneBusy,
)
from utils.idempotency import Claim

PHONE = "254712345678"


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


@pytest.fixture
def push(buyer: User, order: Order) -> Callable[..., Payment]:
    def run(**changes: Any) -> Payment:
        asked = {"order_id": order.id, "phone_number": PHONE, "user_id": buyer.id, "manages": False} | changes
        return services.start_stk_push(**asked, claim=Claim())

    return run


def only_payment(order: Order) -> dict[str, Any]:
    payment_id = db.reading().fetch_value("SELECT id FROM payments WHERE order_id = %(id)s", {"id": order.id})
    return scripted.payment_row(payment_id)


def test_a_push_is_written_down_before_anybody_is_called(
    daraja: Daraja, push: Callable[..., Payment], order: Order
) -> None:
    seen: list[str] = []

    def look(_body: dict[str, Any]) -> scripted.Answer:
        seen.append(only_payment(order)["status"])
        return scripted.accepted("ws_CO_1")

    daraja.pushes.append(look)
    payment = push()
    assert seen == ["created"]
    assert (payment.status, payment.checkout_request_id, payment.amount) == ("pending", "ws_CO_1", Decimal(100))
    row = only_payment(order)
    assert (row["status"], row["payment_status"]) == ("sent", "pending")
    assert row["query_due_at"] is not None


def test_a_push_has_every_field_that_the_provider_wants(
    daraja: Daraja, push: Callable[..., Payment], order: Order
) -> None:
    payment = push()
    body = daraja.body_of("processrequest")
    assert body.pop("Timestamp")
    assert body.pop("Password")
    assert f"/api/payments/callbacks/stk/{payment.id:016x}" in body.pop("CallBackURL")
    assert body == {
        "BusinessShortCode": 174379,
        "TransactionType": "CustomerPayBillOnline",
        "Amount": 100,
        "PartyA": int(PHONE),
        "PartyB": 174379,
        "PhoneNumber": int(PHONE),
        "AccountReference": order.number,
        "TransactionDesc": "Order payment",
    }


@pytest.mark.parametrize(
    ("answer", "raised", "code"),
    [
        ((400, {"errorCode": "400.002.02", "errorMessage": "Bad Request"}), PaymentRefused, "400.002.02"),
        ((500, {"errorCode": "500.001.1001", "errorMessage": "Wrong credentials"}), PaymentRefused, "500.001.1001"),
        ((500, {"errorCode": "500.003.02", "errorMessage": "Spike arrest"}), PaymentUnavailable, "500.003.02"),
        ((500, {"errorCode": "500.001.1001", "errorMessage": "Unable to lock subscriber"}), PhoneBusy, "500.001.1001"),
        ((403, "<html></html>"), PaymentUnavailable, "403"),
        (requests.ConnectTimeout(), PaymentUnavailable, "away"),
    ],
)
def test_a_push_that_was_not_taken_fails_and_frees_the_order(
    daraja: Daraja,
    push: Callable[..., Payment],
    order: Order,
    answer: scripted.Answer,
    raised: type[Exception],
    code: str,
) -> None:
    daraja.pushes.append(answer)
    with pytest.raises(raised):
        push()
    row = only_payment(order)
    assert (row["status"], row["result_code"], row["payment_status"]) == ("failed", code, "unpaid")
    assert push().status == "pending"


@pytest.mark.parametrize(
    "answer",
    [requests.ReadTimeout(), requests.ConnectionError("reset"), (500, ""), (502, "<html></html>"), (200, "")],
)
def test_a_push_without_a_readable_answer_stays_pending_and_is_not_repeated(
    daraja: Daraja, push: Callable[..., Payment], order: Order, answer: scripted.Answer
) -> None:
    daraja.pushes.append(answer)
    payment = push()
    assert payment.status == "pending"
    assert daraja.count("processrequest") == 1
    row = only_payment(order)
    assert (row["status"], row["payment_status"]) == ("unknown", "pending")
    with pytest.raises(PaymentInProgress):
        push()


def test_a_push_that_timed_out_but_was_paid_is_paid(daraja: Daraja, push: Callable[..., Payment]) -> None:
    daraja.pushes.append(requests.ReadTimeout())
    payment = push()
    assert scripted.call_back(payment.id, scripted.success_body("ws_CO_late")) == "settled"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["checkout_request_id"], row["payment_status"]) == ("succeeded", "ws_CO_late", "paid")


def test_an_invalid_token_is_renewed_once_and_the_push_repeated_once(
    daraja: Daraja, push: Callable[..., Payment]
) -> None:
    daraja.pushes.append((404, {"errorCode": "404.001.03", "errorMessage": "Invalid Access Token"}))
    assert push().status == "pending"
    assert [kind for kind, _ in daraja.sent] == ["generate", "processrequest", "generate", "processrequest"]


def test_a_fresh_token_that_is_refused_too_is_the_end(
    daraja: Daraja, push: Callable[..., Payment], order: Order
) -> None:
    refusal = (401, {"errorCode": "401.002.01", "errorMessage": "Invalid Access Token"})
    daraja.pushes.extend([refusal, refusal])
    with pytest.raises(PaymentUnavailable):
        push()
    assert daraja.count("processrequest") == 2
    assert only_payment(order)["payment_status"] == "unpaid"


def test_wrong_credentials_are_refused_and_nothing_is_pushed(daraja: Daraja, push: Callable[..., Payment]) -> None:
    daraja.tokens.append((400, ""))
    with pytest.raises(PaymentRefused):
        push()
    assert daraja.count("processrequest") == 0


def test_two_clicks_at_once_make_one_prompt(daraja: Daraja, push: Callable[..., Payment]) -> None:
    results = at_once(push, push, push)
    assert sum(isinstance(result, Payment) for result in results) == 1
    assert sum(isinstance(result, PaymentInProgress) for result in results) == 2
    assert daraja.count("processrequest") == 1


def test_a_paid_order_is_not_asked_for_again(daraja: Daraja, push: Callable[..., Payment]) -> None:
    payment = push()
    scripted.call_back(payment.id, scripted.success_body(payment.checkout_request_id))
    with pytest.raises(AlreadyPaid):
        push()


def test_an_order_of_somebody_else_is_not_found_unless_one_manages_orders(push: Callable[..., Payment]) -> None:
    stranger = make_user()
    with pytest.raises(NotFound):
        push(user_id=stranger.id)
    assert push(user_id=stranger.id, manages=True).status == "pending"


def test_more_than_the_provider_moves_is_refused_before_anything_is_claimed(
    push: Callable[..., Payment], order: Order
) -> None:
    with config.override(MPESA_MAX_AMOUNT=99), pytest.raises(AmountTooHigh):
        push()
    assert push().status == "pending"


# --- the query


@pytest.fixture
def sent(push: Callable[..., Payment], frozen_clock: Any) -> int:
    payment = push()
    frozen_clock.forward(seconds=26)
    return payment.id


def test_a_lost_callback_is_found_by_the_query(sent: int, daraja: Daraja) -> None:
    daraja.queries.append(scripted.finished("0"))
    assert query_services.ask_due() == 1
    row = scripted.payment_row(sent)
    assert (row["status"], row["receipt"], row["payment_status"]) == ("succeeded", None, "paid")
    assert query_services.ask_due() == 0


def test_the_receipt_that_the_query_lacks_comes_with_the_callback(sent: int, daraja: Daraja) -> None:
    daraja.queries.append(scripted.finished("0"))
    query_services.ask_due()
    body = scripted.success_body(scripted.payment_row(sent)["checkout_request_id"])
    assert scripted.call_back(sent, body) == "receipt_filled"
    assert scripted.call_back(sent, body) == "repeated"
    assert scripted.payment_row(sent)["receipt"] == "NLJ7RT61SV"


@pytest.mark.parametrize("answer", scripted.IN_PROGRESS, ids=repr)
def test_whatever_is_no_result_is_asked_again_later(
    sent: int, daraja: Daraja, frozen_clock: Any, answer: scripted.Answer
) -> None:
    daraja.queries.extend([answer, scripted.finished("0")])
    assert query_services.ask_due() == 1
    assert scripted.payment_row(sent)["status"] == "sent"
    assert query_services.ask_due() == 0
    frozen_clock.forward(seconds=26)
    assert query_services.ask_due() == 1
    assert scripted.payment_row(sent)["status"] == "succeeded"


def test_a_cancelled_prompt_found_by_query_frees_the_order(sent: int, daraja: Daraja) -> None:
    daraja.queries.append(scripted.finished("1032", "Request cancelled by user"))
    query_services.ask_due()
    row = scripted.payment_row(sent)
    assert (row["status"], row["result_code"], row["payment_status"]) == ("failed", "1032", "unpaid")


def test_a_code_that_nobody_knows_leaves_the_payment_open(sent: int, daraja: Daraja) -> None:
    daraja.queries.append(scripted.finished("7777"))
    query_services.ask_due()
    assert scripted.payment_row(sent)["status"] == "sent"


def test_questions_come_ever_later_and_end_after_a_day(sent: int, daraja: Daraja, frozen_clock: Any) -> None:
    started, waits = clock.now(), []
    while (due_at := scripted.payment_row(sent)["query_due_at"]) is not None:
        waits.append(due_at - clock.now())
        frozen_clock.moment = max(due_at, clock.now())
        query_services.ask_due()
    assert waits[1:] == sorted(waits[1:])
    assert max(waits) == timedelta(hours=1)
    assert timedelta(hours=22) < clock.now() - started <= timedelta(hours=24)
    attempt_services.give_up_dead_prompts()


def test_two_workers_put_one_question(sent: int, daraja: Daraja) -> None:
    at_once(query_services.ask_due, query_services.ask_due)
    assert daraja.count("query") == 1


# --- without the provider


def test_mock_settles_at_once_but_not_in_production(buyer: User, order: Order) -> None:
    asked = {"order_id": order.id, "user_id": buyer.id, "manages": False, "claim": Claim()}
    with config.override(SHOP_ENV="production"), pytest.raises(NotFound):
        services.pay_by_mock(**asked)
    payment = services.pay_by_mock(**asked)
    assert payment.status == "succeeded"
    assert scripted.payment_row(payment.id)["order_status"] == "processing"
    with pytest.raises(AlreadyPaid):
        services.pay_by_mock(**asked)


def test_cash_at_the_door_is_booked_once(buyer: User) -> None:
    order = make_order(buyer, (make_product(price="250.00").variant, 2), method="cod")
    services.settle_on_delivery(order_id=order.id)
    services.settle_on_delivery(order_id=order.id)
    row = only_payment(order)
    assert (row["status"], row["settled_amount"], row["payment_status"]) == ("succeeded", 500, "paid")


def test_an_order_paid_otherwise_takes_no_cash_at_the_door(order: Order) -> None:
    services.settle_on_delivery(order_id=order.id)
    assert db.reading().fetch_value("SELECT COUNT(*) AS counted FROM payments") == 0


def test_an_order_on_delivery_gets_no_prompt(buyer: User, push: Callable[..., Payment]) -> None:
    order = make_order(buyer, (make_product().variant, 1), method="cod")
    with pytest.raises(OrderClosed):
        push(order_id=order.id)
