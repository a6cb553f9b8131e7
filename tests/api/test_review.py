"""The operators' queue and the figures of /metrics: what waits for a person is there, with what to do, and leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from orders import services as orders
from orders.schemas import Order
from payments import (
    attempt_services,
    callback_services,
    query_services,
    refund_services,
    review_services,
    services,
)
from payments.refund_schemas import Refund, RefundDecision
from payments.schemas import Payment
from tests import daraja as scripted
from tests.conftest import Clock
from tests.daraja import Daraja, success_body
from tests.factories import User, make_order, make_product, make_user
from utils import clock, db, outbox
from utils.idempotency import Claim


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


@pytest.fixture
def payment(buyer: User, order: Order) -> Payment:
    return push(buyer, order)


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


def queue() -> list[dict[str, Any]]:
    return review_services.list_waiting().model_dump(mode="json")["items"]


# --- over HTTP


def test_the_queue_is_for_those_who_see_all_payments(client: FlaskClient, payment: Payment) -> None:
    def ask_as(role: str) -> int:
        user = make_user(role=role)
        answer = client.post("/api/auth/login", json={"username": user.username, "password": user.password})
        headers = {"Authorization": f"Bearer {answer.get_json()['access_token']}"}
        return client.get("/api/payments/review", headers=headers).status_code

    assert client.get("/api/payments/review").status_code == 401
    assert [ask_as(role) for role in ("customer", "support", "manager", "admin")] == [403, 200, 200, 200]


def test_an_item_tells_what_waits_since_when_why_and_what_to_do(
    client: FlaskClient, payment: Payment, order: Order
) -> None:
    scripted.call_back(payment.id, success_body(payment.checkout_request_id, amount=99))
    user = make_user(role="support")
    answer = client.post("/api/auth/login", json={"username": user.username, "password": user.password})
    headers = {"Authorization": f"Bearer {answer.get_json()['access_token']}"}
    (item,) = client.get("/api/payments/review", headers=headers).get_json()["items"]
    assert item.pop("since").endswith("Z")
    assert item == {
        "kind": "payment",
        "id": payment.id,
        "order_id": order.id,
        "order_number": order.number,
        "amount": "99.00",
        "currency": "KES",
        "receipt": "NLJ7RT61SV",
        "why": "99.00 came where 100.00 was asked for",
        "next": "Allocate it to the order that it was meant for"
        f" (POST /api/payments/unallocated/{payment.id}/allocate),"
        f" or give it back (POST /api/transactions/{payment.id}/refund).",
    }


# --- what waits, and until when


def test_a_sound_shop_has_an_empty_queue(payment: Payment) -> None:
    assert queue() == []
    scripted.call_back(payment.id, success_body(payment.checkout_request_id))
    assert queue() == []


@pytest.fixture
def cancelled(payment: Payment, buyer: User, order: Order) -> Payment:
    """A payment of an order that was paid and then cancelled."""
    scripted.call_back(payment.id, success_body(payment.checkout_request_id))
    orders.cancel_order(order_id=order.id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    return payment


def give_back(payment: Payment) -> Refund:
    return refund_services.start_refund(
        payment_id=payment.id, amount=None, reason="", user_id=make_user(role="admin").id, claim=Claim()
    )


def test_a_paid_order_that_was_cancelled_waits_until_its_money_is_on_its_way_back(
    cancelled: Payment, order: Order
) -> None:
    (item,) = queue()
    assert (item["kind"], item["order_id"], item["amount"]) == ("order", order.id, "100.00")
    assert item["why"] == "cancelled after payment: a refund is due"
    give_back(cancelled)
    assert queue() == []


def test_money_that_does_not_fit_waits_until_it_is_on_its_way_back(payment: Payment) -> None:
    scripted.call_back(payment.id, success_body(payment.checkout_request_id, amount=99))
    assert [item["kind"] for item in queue()] == ["payment"]
    give_back(payment)
    assert queue() == []


def test_a_refund_that_only_a_person_can_make_waits_until_he_has_settled_it(cancelled: Payment, order: Order) -> None:
    with config.override(MPESA_INITIATOR_NAME=""):
        refund = give_back(cancelled)
    (item,) = queue()
    assert (item["kind"], item["id"], item["order_id"], item["amount"]) == ("refund", refund.id, order.id, "100.00")
    assert "send it from the M-Pesa portal" in item["why"]
    assert item["next"].endswith(f"POST /api/refunds/{refund.id}/settle.")
    decision = RefundDecision.model_validate({"status": "succeeded", "note": "sent by hand"})
    refund_services.decide(refund_id=refund.id, decision=decision, user_id=make_user(role="admin").id)
    assert queue() == []


def test_an_order_whose_word_of_money_was_another_payments_waits_until_it_is_cancelled(
    payment: Payment, buyer: User
) -> None:
    """Nothing came for it: there is nothing to give back or to allocate."""
    scripted.call_back(payment.id, success_body(payment.checkout_request_id))
    other = push(buyer, make_order(buyer, (make_product(price="100.00").variant, 1)))
    scripted.call_back(other.id, success_body(other.checkout_request_id))
    (item,) = queue()
    assert (item["kind"], item["order_id"]) == ("order", other.order_id)
    assert "belongs to another payment" in item["why"]
    assert other.order_id is not None
    orders.cancel_order(order_id=other.order_id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    assert queue() == []


def test_an_attempt_waits_from_its_end_on_for_a_week(payment: Payment, order: Order, frozen_clock: Clock) -> None:
    while (due_at := scripted.payment_row(payment.id)["query_due_at"]) is not None:
        frozen_clock.moment = max(due_at, frozen_clock.moment)
        query_services.ask_due()
    assert queue() == []
    attempt_services.give_up_dead_prompts()
    frozen_clock.moment = payment.created_at + timedelta(hours=24)
    (item,) = queue()
    assert (item["kind"], item["id"], item["order_number"]) == ("attempt", payment.id, order.number)
    assert item["why"] == "for a day nobody could say how the prompt ended"
    assert "flask payments match" in item["next"]
    frozen_clock.forward(days=7)
    assert queue() == []


def test_an_attempt_that_was_never_answered_waits_after_a_day_too(
    buyer: User, order: Order, daraja: Daraja, frozen_clock: Clock
) -> None:
    daraja.pushes.append((500, ""))
    payment = push(buyer, order)
    frozen_clock.forward(hours=24)
    attempt_services.give_up_dead_prompts()
    (item,) = queue()
    assert (item["kind"], item["id"]) == ("attempt", payment.id)
    assert item["why"] == "the push was never answered, and nothing was heard of it"
    scripted.call_back(payment.id, success_body("ws_CO_late"))
    assert queue() == []


@pytest.fixture
def dead_event(app: APIFlask) -> None:
    @db.in_transaction
    def give_up(tx: db.Tx) -> None:
        outbox.stage_tx(tx, "order.paid", order_id=1)
        tx.execute(
            "UPDATE outbox_events SET due_at = NULL, dead_at = created_at, last_error = 'no mail server', attempts = 20"
        )

    give_up()


def test_an_event_that_was_given_up_waits_until_it_is_told_again(app: APIFlask, dead_event: None) -> None:
    event, check = sorted(queue(), key=lambda item: item["kind"] == "check")
    assert (event["kind"], event["why"]) == ("event", "order.paid could not be told: no mail server")
    assert check["why"].startswith("outbox_stuck: no event waits for an hour, and none was given up; but {")
    db.release()
    done = app.test_cli_runner().invoke(args=["outbox", "retry"])
    assert done.output == "1 events will be told again.\n"
    assert queue() == []
    told: list[int] = []
    assert outbox.deliver_due({"order.paid": [lambda event: told.append(event.payload["order_id"])]}) == 1
    assert told == [1]


# --- /metrics


@pytest.fixture
def figures(client: FlaskClient) -> Callable[[], dict[str, float]]:
    def read() -> dict[str, float]:
        text = client.get("/metrics").get_data(as_text=True)
        return {name: float(value) for name, value in re.findall(r"^duka_(\w+) (\S+)$", text, re.M)}

    return read


def test_the_figures_tell_how_long_callbacks_and_attempts_have_waited(
    payment: Payment, frozen_clock: Clock, figures: Callable[[], dict[str, float]]
) -> None:
    callback_services.receive(kind="stk", payment_id=payment.id, body="{}", address="")
    frozen_clock.forward(seconds=90)
    seen = figures()
    assert (seen["callbacks_due"], seen["callbacks_oldest_due_seconds"]) == (1, 90)
    assert seen["payments_open"] == 1
    assert seen["payments_oldest_open_seconds"] == pytest.approx(90, abs=1)
    callback_services.apply_due()
    scripted.call_back(payment.id, success_body(payment.checkout_request_id))
    seen = figures()
    assert [seen[name] for name in ("callbacks_due", "callbacks_oldest_due_seconds", "payments_open")] == [0, 0, 0]
    assert seen["payments_oldest_open_seconds"] == 0


def test_the_figures_tell_money_without_a_home(payment: Payment, figures: Callable[[], dict[str, float]]) -> None:
    scripted.call_back(payment.id, success_body(payment.checkout_request_id, amount=99))
    seen = figures()
    assert (seen["payments_in_review"], seen["payments_unallocated_shillings"]) == (1, 99)
    assert seen["ledger_drift_shillings"] == 0
    give_back(payment)
    seen = figures()
    assert (seen["payments_in_review"], seen["payments_unallocated_shillings"]) == (0, 0)


def test_the_figures_tell_refunds_on_their_way_and_those_that_wait(
    cancelled: Payment, frozen_clock: Clock, figures: Callable[[], dict[str, float]]
) -> None:
    give_back(cancelled)
    frozen_clock.forward(seconds=30)
    seen = figures()
    assert (seen["refunds_open"], seen["refunds_oldest_open_seconds"], seen["refunds_in_review"]) == (1, 30, 0)


def test_a_refund_that_was_settled_is_no_drift(cancelled: Payment, figures: Callable[[], dict[str, float]]) -> None:
    with config.override(MPESA_INITIATOR_NAME=""):
        refund = give_back(cancelled)
    assert figures()["refunds_in_review"] == 1
    decision = RefundDecision.model_validate({"status": "succeeded", "note": "sent by hand"})
    refund_services.decide(refund_id=refund.id, decision=decision, user_id=make_user(role="admin").id)
    seen = figures()
    assert (seen["refunds_in_review"], seen["ledger_drift_shillings"]) == (0, 0)


def test_an_attempt_is_open_for_a_day_and_unknown_for_a_week(
    buyer: User, order: Order, daraja: Daraja, frozen_clock: Clock, figures: Callable[[], dict[str, float]]
) -> None:
    daraja.pushes.append((500, ""))
    push(buyer, order)
    assert (figures()["payments_open"], figures()["payments_unknown"]) == (1, 0)
    frozen_clock.forward(hours=25)
    attempt_services.give_up_dead_prompts()
    assert (figures()["payments_open"], figures()["payments_unknown"]) == (0, 1)
    frozen_clock.forward(days=7)
    assert (figures()["payments_open"], figures()["payments_unknown"]) == (0, 0)


def test_a_ledger_that_holds_other_than_the_payments_say_is_a_drift(
    payment: Payment, figures: Callable[[], dict[str, float]]
) -> None:
    scripted.call_back(payment.id, success_body(payment.checkout_request_id))

    @db.in_transaction
    def change(tx: db.Tx, amount: int) -> None:
        tx.execute_one(
            "UPDATE payments SET settled_amount = %(amount)s, updated_at = %(now)s",
            {"amount": amount, "now": clock.now()},
        )

    change(60)
    assert figures()["ledger_drift_shillings"] == 40
    change(100)
    assert figures()["ledger_drift_shillings"] == 0
