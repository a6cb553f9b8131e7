"""Refunds before anybody is called, and at their end: what is claimed, what is booked, what a person decides."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

import config
from orders import expiry_services
from orders import services as orders
from payments import refund_services as refunds
from payments.refund_schemas import Refund, RefundDecision
from tests import refunds as given
from tests.daraja import Daraja, new_receipt
from tests.factories import make_user
from tests.refunds import outcomes, pay, place, refund, refund_row, result_body, send, settle, tell, tell_outbox
from tests.threads import at_once
from utils import db
from utils.errors import IllegalTransition, InvalidFields, NotFound, NothingToRefund, OrderOpen
from utils.idempotency import Claim

pytestmark = pytest.mark.usefixtures("daraja")

ROUNDS = 5


def payment_row(payment_id: int) -> dict[str, Any]:
    return db.reading().require_one(
        """
        SELECT p.status, p.refund_claimed, o.status AS order_status, o.payment_status, o.paid, o.refunded, o.expires_at
          FROM payments p
          JOIN orders o ON o.id = p.order_id
         WHERE p.id = %(id)s
        """,
        {"id": payment_id},
        missing=LookupError(payment_id),
    )


def refunds_of(payment_id: int) -> list[dict[str, Any]]:
    return db.reading().fetch_all(
        "SELECT id, status, method, amount, reason FROM refunds WHERE payment_id = %(id)s ORDER BY id",
        {"id": payment_id},
    )


def cancel(order_id: int) -> None:
    orders.cancel_order(order_id=order_id, user_id=0, manages=True, reason="too slow", claim=Claim())


def order_of(payment_id: int) -> int:
    order_id: int = db.reading().fetch_value("SELECT order_id FROM payments WHERE id = %(id)s", {"id": payment_id})
    return order_id


# --- the claim


def test_a_refund_claims_its_part_before_anybody_is_called(daraja: Daraja) -> None:
    payment_id = pay()
    opened = refund(payment_id, 40)
    assert (opened.status, opened.method, opened.amount, opened.settled_at) == ("pending", "b2c", Decimal(40), None)
    assert refund_row(opened.id)["status"] == "created"
    assert payment_row(payment_id)["refund_claimed"] == 40
    assert daraja.sent == []


def test_without_an_amount_all_that_is_left_goes_back() -> None:
    payment_id = pay()
    assert refund(payment_id, 40).amount == 40
    assert refund(payment_id).amount == 60
    with pytest.raises(NothingToRefund) as told:
        refund(payment_id)
    assert told.value.data == {"refundable": "0.00"}


def test_more_than_is_left_is_refused_and_named() -> None:
    payment_id = pay()
    refund(payment_id, 40)
    with pytest.raises(InvalidFields) as told:
        refund(payment_id, 61)
    assert "60.00" in told.value.fields["amount"]


@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize(("amount", "fit"), [(None, 1), (60, 1), (40, 2)])
def test_clicks_at_once_never_give_back_more_than_came(round_: int, amount: int | None, fit: int) -> None:
    payment_id, staff = pay(), make_user(role="admin")
    click = partial(refund, payment_id, amount, user_id=staff.id)
    results = at_once(click, click, click)
    assert sum(isinstance(result, Refund) for result in results) == fit
    assert all(isinstance(result, Refund | NothingToRefund | InvalidFields) for result in results)
    assert payment_row(payment_id)["refund_claimed"] == fit * (amount or 100)


def test_the_claim_itself_refuses_what_is_not_left() -> None:
    """Guard in the write: even who read a stale row writes no second claim."""
    payment_id = pay()

    @db.in_transaction
    def claim_by_a_stale_row(tx: db.Tx) -> None:
        order, payment = refunds.settlement.lock_payment_tx(tx, payment_id=payment_id)
        refunds.open_refund_tx(tx, order=order, payment=payment, amount=Decimal(70), reason="first", user_id=None)
        refunds.open_refund_tx(tx, order=order, payment=payment, amount=Decimal(70), reason="second", user_id=None)

    with pytest.raises(NothingToRefund):
        claim_by_a_stale_row()
    assert refunds_of(payment_id) == []


def test_what_has_not_come_is_not_given_back() -> None:
    order = place()
    payment_id = given.settle(order.id, amount="100", came="70")  # in review: 70 came
    assert refund(payment_id).amount == 70
    with pytest.raises(NotFound):
        refund(4711)


def test_a_part_paid_order_is_cancelled_before_its_money_goes_back() -> None:
    order = place()
    payment_id = settle(order.id, amount="60", receipt=new_receipt())
    with pytest.raises(OrderOpen):
        refund(payment_id)
    cancel(order.id)
    tell_outbox()
    assert [row["amount"] for row in refunds_of(payment_id)] == [60]


# --- without the provider


def test_mock_money_goes_back_at_once() -> None:
    order = place(method="mock")
    payment_id = settle(order.id, method="mock")
    opened = refund(payment_id, 30)
    assert (opened.status, opened.method) == ("succeeded", "mock")
    row = payment_row(payment_id)
    assert (row["payment_status"], row["refunded"], row["order_status"]) == ("partially_refunded", 30, "processing")
    assert refund(payment_id).status == "succeeded"
    assert payment_row(payment_id)["payment_status"] == "refunded"


def test_a_partially_refunded_order_still_goes_its_way() -> None:
    order = place(method="mock")
    refund(settle(order.id, method="mock"), 30)
    change = orders.OrderChange.model_validate({"status": "shipped"})
    orders.change_order(order_id=order.id, change=change, actor_id=make_user(role="admin").id)


def test_cash_is_given_back_by_a_person_who_then_says_so() -> None:
    order = place(method="cod")
    payment_id = settle(order.id, method="cod")
    opened = refund(payment_id)
    assert (opened.status, opened.method) == ("review", "cod")
    assert "cash" in (opened.review_reason or "")
    staff = make_user(role="admin")
    decision = RefundDecision.model_validate({"status": "succeeded", "note": "given at the counter"})
    assert refunds.decide(refund_id=opened.id, decision=decision, user_id=staff.id).status == "succeeded"
    assert payment_row(payment_id)["payment_status"] == "refunded"
    with pytest.raises(IllegalTransition):
        refunds.decide(refund_id=opened.id, decision=decision, user_id=staff.id)


def test_a_person_who_finds_that_nothing_left_gives_the_claim_free() -> None:
    payment_id = pay()
    opened = refund(payment_id, 5)
    assert opened.status == "review"
    assert payment_row(payment_id)["refund_claimed"] == 5
    decision = RefundDecision.model_validate({"status": "failed", "note": "the customer does not want it"})
    refunds.decide(refund_id=opened.id, decision=decision, user_id=make_user(role="admin").id)
    assert payment_row(payment_id)["refund_claimed"] == 0
    assert refund(payment_id).amount == 100


def test_a_receipt_of_another_refund_is_no_proof(daraja: Daraja) -> None:
    first, second = refund(pay()), refund(pay(), 5)
    send(first.id)
    tell(first.id, result_body(receipt="SKE52PAWR9"))
    decision = RefundDecision.model_validate({"status": "succeeded", "receipt": "SKE52PAWR9", "note": "sent"})
    with pytest.raises(InvalidFields):
        refunds.decide(refund_id=second.id, decision=decision, user_id=make_user(role="admin").id)
    assert refund_row(second.id)["status"] == "review"


@pytest.mark.parametrize("unset", ["MPESA_INITIATOR_NAME", "MPESA_INITIATOR_PASSWORD"])
def test_a_shop_without_an_initiator_leaves_it_to_a_person(unset: str) -> None:
    with config.override(**{unset: ""}):
        opened = refund(pay())
    assert opened.status == "review"
    assert "portal" in (opened.review_reason or "")


# --- money in review


def test_money_that_came_for_nothing_goes_back_and_lets_its_order_go() -> None:
    order = place()
    payment_id = settle(order.id, came="70", receipt=new_receipt())
    assert payment_row(payment_id)["payment_status"] == "review"
    opened = refund(payment_id)
    assert opened.method == "reversal"
    send(opened.id)
    assert tell(opened.id, result_body()) == "succeeded"
    row = payment_row(payment_id)
    assert (row["status"], row["payment_status"], row["paid"], row["refunded"]) == ("review", "unpaid", 0, 0)
    assert row["expires_at"] is not None
    settle(order.id)
    assert payment_row(payment_id)["payment_status"] == "paid"


def test_an_order_stays_in_review_until_all_odd_money_has_gone() -> None:
    payment_id = settle(place().id, came="70", receipt=new_receipt())
    for part, expected in ((30, "review"), (40, "unpaid")):
        opened = refund(payment_id, part)
        send(opened.id)
        assert tell(opened.id, result_body(amount=part), call="b2c") == "succeeded"
        assert payment_row(payment_id)["payment_status"] == expected


def test_an_order_that_only_odd_money_held_back_moves_on() -> None:
    order = place()
    odd = settle(order.id, came="70", receipt=new_receipt())
    settle(order.id)  # the right money comes while the order is in review
    assert payment_row(odd)["order_status"] == "pending"
    opened = refund(odd)
    send(opened.id)
    tell(opened.id, result_body())
    row = payment_row(odd)
    assert (row["order_status"], row["payment_status"], row["paid"]) == ("processing", "paid", 100)


def test_money_that_came_twice_goes_back_and_leaves_the_order_paid() -> None:
    order = place()
    first = settle(order.id, receipt=new_receipt())
    second = settle(order.id, amount="100", receipt=new_receipt())
    opened = refund(second)
    send(opened.id)
    tell(opened.id, result_body())
    row = payment_row(first)
    assert (row["payment_status"], row["refunded"], row["refund_claimed"]) == ("paid", 0, 0)


# --- cancelled orders


def test_cancelling_a_paid_order_sends_its_money_back(daraja: Daraja) -> None:
    payment_id = pay()
    cancel(order_of(payment_id))
    assert payment_row(payment_id)["payment_status"] == "review"
    tell_outbox()
    (opened,) = refunds_of(payment_id)
    assert (opened["method"], opened["amount"], opened["reason"]) == ("reversal", 100, "the order was cancelled")
    send(opened["id"])
    assert daraja.count("reversal") == 1
    tell(opened["id"], result_body())
    row = payment_row(payment_id)
    assert (row["payment_status"], row["refunded"]) == ("refunded", 100)


def test_every_payment_of_a_cancelled_order_goes_back_and_the_order_waits_for_the_last() -> None:
    order = place()
    first = settle(order.id, amount="60", receipt=new_receipt())
    second = settle(order.id, amount="40", receipt=new_receipt())
    cancel(order.id)
    tell_outbox()
    seen = []
    for payment_id in (first, second):
        (opened,) = refunds_of(payment_id)
        send(opened["id"])
        tell(opened["id"], result_body())
        seen.append(payment_row(payment_id)["payment_status"])
    assert seen == ["review", "refunded"]


def test_a_part_paid_order_that_expires_gives_its_money_back(frozen_clock: Any) -> None:
    order = place()
    payment_id = settle(order.id, amount="60", receipt=new_receipt())
    frozen_clock.forward(hours=1)
    expiry_services.expire_due_orders()
    tell_outbox()
    (opened,) = refunds_of(payment_id)
    send(opened["id"])
    tell(opened["id"], result_body())
    row = payment_row(payment_id)
    assert (row["order_status"], row["payment_status"], row["refunded"]) == ("cancelled", "refunded", 60)


def test_a_cancelled_order_told_twice_is_refunded_once() -> None:
    payment_id = pay()
    order_id = order_of(payment_id)
    cancel(order_id)
    at_once(*[partial(refunds.refund_cancelled_order, order_id=order_id)] * 3)
    assert len(refunds_of(payment_id)) == 1


def test_what_was_given_back_before_the_cancellation_is_not_given_again() -> None:
    payment_id = pay()
    refund(payment_id, 30)
    cancel(order_of(payment_id))
    tell_outbox()
    assert [row["amount"] for row in refunds_of(payment_id)] == [30, 70]


def test_a_cancelled_mock_order_is_refunded_at_once() -> None:
    payment_id = settle(place(method="mock").id, method="mock")
    cancel(order_of(payment_id))
    tell_outbox()
    assert payment_row(payment_id)["payment_status"] == "refunded"


def test_a_setting_leaves_cancelled_orders_to_staff() -> None:
    payment_id = pay()
    with config.override(REFUND_ON_CANCEL=False):
        cancel(order_of(payment_id))
        tell_outbox()
    assert refunds_of(payment_id) == []
    assert payment_row(payment_id)["payment_status"] == "review"
    assert refund(payment_id).method == "reversal"


def test_an_order_that_was_not_cancelled_after_all_keeps_its_money() -> None:
    payment_id = pay()
    refunds.refund_cancelled_order(order_id=order_of(payment_id))
    assert refunds_of(payment_id) == []


# --- the end


def test_a_refund_is_booked_with_its_journal_and_the_customer_is_told() -> None:
    payment_id = pay()
    opened = refund(payment_id, 40)
    send(opened.id)
    tell(opened.id, result_body(receipt="SKE52PAWR9", amount=40), call="b2c")
    row = refund_row(opened.id)
    assert (row["status"], row["receipt"], row["refunded"], row["due_at"]) == ("succeeded", "SKE52PAWR9", 40, None)
    entries = db.reading().fetch_all(
        """
        SELECT le.account, le.amount
          FROM ledger_journals lj
          JOIN ledger_entries le ON le.journal_id = lj.id
         WHERE lj.refund_id = %(id)s
        """,
        {"id": opened.id},
    )
    moved = {entry["account"]: entry["amount"] for entry in entries}
    assert moved == {"mpesa_clearing": -40, "refunds": Decimal("34.48"), "vat": Decimal("5.52")}
    tell_outbox()
    (letter,) = config.current().INSTANCE_DIR.glob("mail/order.refunded-*.eml")
    text = letter.read_text()
    assert "KES 40.00" in text
    assert "SKE52PAWR9" in text


def test_a_failure_gives_the_claim_free_and_the_money_can_be_given_again() -> None:
    payment_id = pay()
    opened = refund(payment_id)
    send(opened.id)
    assert tell(opened.id, result_body(1)) == "failed"
    row = refund_row(opened.id)
    assert (row["status"], row["result_code"], row["refund_claimed"], row["payment_status"]) == (
        "failed",
        "1",
        0,
        "paid",
    )
    assert refund(payment_id).status == "pending"


def test_two_results_at_once_are_booked_once() -> None:
    opened = refund(pay())
    send(opened.id)
    receive: Callable[[], None] = partial(
        given.callback_services.receive,
        kind="result",
        refund_id=opened.id,
        refund_call="reversal",
        body=result_body(receipt="SKE52PAWR9"),
        address="",
    )
    receive()
    receive()
    apply_one = partial(given.callback_services.apply_due, limit=1)
    at_once(apply_one, apply_one)
    given.callback_services.apply_due()
    assert sorted(outcomes(opened.id)) == ["repeated", "succeeded"]
    assert refund_row(opened.id)["refunded"] == 100
