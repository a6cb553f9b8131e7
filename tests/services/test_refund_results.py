"""Every word about how a refund ended, whatever it says, in whatever order: nothing is lost, nothing is doubled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

import config
from payments import refund_call_services, refund_services, review_services
from payments.refund_schemas import RefundDecision
from tests import daraja as scripted
from tests.daraja import Daraja
from tests.factories import make_user
from tests.refunds import NOT_TAKEN, REFUSED, UNREADABLE, outcomes, pay, refund, refund_row, result_body, send, tell
from tests.threads import at_once
from utils import clock, db
from utils.errors import IllegalTransition

pytestmark = pytest.mark.usefixtures("daraja")


# --- Results


def test_a_result_before_the_calls_own_answer_is_kept(daraja: Daraja) -> None:
    opened = refund(pay())

    def answer_late(_body: dict[str, Any]) -> scripted.Answer:
        at_once(lambda: tell(opened.id, result_body(receipt="SKE52PAWR9")))
        return scripted.call_taken("theirs-1")

    daraja.reversals.append(answer_late)
    row = send(opened.id)
    assert (row["status"], row["receipt"], row["refunded"]) == ("succeeded", "SKE52PAWR9", 100)
    assert row["originator_conversation_id"] == "theirs-1"


def test_a_result_told_three_times_is_booked_once() -> None:
    opened = refund(pay())
    send(opened.id)
    body = result_body(receipt="SKE52PAWR9")
    assert [tell(opened.id, body) for _ in range(3)] == ["succeeded", "repeated", "repeated"]
    assert refund_row(opened.id)["refunded"] == 100


def test_a_failure_never_undoes_a_success() -> None:
    opened = refund(pay())
    send(opened.id)
    tell(opened.id, result_body())
    assert tell(opened.id, result_body(1)) == "repeated"
    assert refund_row(opened.id)["status"] == "succeeded"


def test_a_success_after_a_failure_takes_its_claim_again() -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body(1)) == "failed"
    assert tell(opened.id, result_body(receipt="SKE52PAWR9")) == "succeeded"
    row = refund_row(opened.id)
    assert (row["refund_claimed"], row["refunded"], row["receipt"]) == (100, 100, "SKE52PAWR9")


def test_a_success_after_a_failure_whose_claim_is_gone_is_kept_for_a_person() -> None:
    payment_id = pay()
    first = refund(payment_id)
    send(first.id)
    tell(first.id, result_body(1))
    second = refund(payment_id)
    assert tell(first.id, result_body(receipt="SKE52PAWR9")) == "contradicted"
    row = refund_row(first.id)
    assert (row["status"], row["refund_claimed"]) == ("failed", 100)
    assert "SKE52PAWR9" in row["review_reason"]
    assert refund_row(second.id)["status"] == "created"
    (waiting,) = review_services.list_waiting().items
    assert (waiting.kind, waiting.id) == ("contradiction", first.id)
    looked = RefundDecision.model_validate({"status": "failed", "note": "the customer sent it back to the till"})
    refund_services.decide(refund_id=first.id, decision=looked, user_id=make_user(role="admin").id)
    assert review_services.list_waiting().items == []
    with pytest.raises(IllegalTransition):
        refund_services.decide(refund_id=first.id, decision=looked, user_id=make_user(role="admin").id)


def test_another_amount_than_was_sent_goes_before_a_person() -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body(amount=50)) == "review"
    row = refund_row(opened.id)
    assert (row["status"], row["refund_claimed"], row["refunded"]) == ("review", 100, 0)


def test_a_result_of_another_conversation_is_not_believed() -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body(originator="somebody-elses")) == "mismatch"
    assert refund_row(opened.id)["status"] == "sent"


def test_a_receipt_that_another_refund_has_goes_before_a_person() -> None:
    first, second = refund(pay()), refund(pay())
    send(first.id)
    tell(first.id, result_body(receipt="SKE52PAWR9"))
    assert tell(second.id, result_body(receipt="SKE52PAWR9")) == "review"
    assert refund_row(second.id)["refunded"] == 0


@pytest.mark.parametrize("code", [26, "7777"])
def test_a_code_that_nobody_knows_leaves_the_refund_open(code: object) -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body(code)) == "unknown_code"
    assert refund_row(opened.id)["status"] == "sent"


def test_a_result_that_cannot_be_read_is_kept_and_changes_nothing() -> None:
    opened = refund(pay())
    assert tell(opened.id, "[]") == "unreadable"
    assert refund_row(opened.id)["status"] == "created"


# --- what cannot be reversed


def test_what_cannot_be_reversed_is_paid_out(daraja: Daraja) -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body("R000002")) == "sent_otherwise"
    row = refund_row(opened.id)
    assert (row["method"], row["status"], row["refund_claimed"]) == ("b2c", "created", 100)
    row = send(opened.id)
    assert (row["status"], daraja.count("b2c")) == ("sent", 1)
    assert tell(opened.id, result_body("R000002")) == "repeated"
    assert tell(opened.id, result_body(amount=100), call="b2c") == "succeeded"


def test_what_can_neither_be_reversed_nor_paid_out_goes_before_a_person() -> None:
    opened = refund(pay("5.00"))
    send(opened.id)
    assert tell(opened.id, result_body("R000002")) == "review"
    row = refund_row(opened.id)
    assert (row["status"], row["result_code"], row["refund_claimed"]) == ("review", "R000002", 5)
    assert "10 to 250000" in row["review_reason"]


def test_a_refusal_to_reverse_that_comes_before_the_answer_leaves_the_payout_its_own_ids(daraja: Daraja) -> None:
    opened = refund(pay())

    def answer_late(_body: dict[str, Any]) -> scripted.Answer:
        at_once(lambda: tell(opened.id, result_body("R000002")))
        return scripted.call_taken("theirs-1")

    daraja.reversals.append(answer_late)
    row = send(opened.id)
    assert (row["method"], row["status"]) == ("b2c", "created")
    assert row["originator_conversation_id"].startswith("duka-")


def test_a_reversal_that_succeeds_after_it_was_refused_stops_what_is_under_way() -> None:
    opened = refund(pay())
    send(opened.id)
    tell(opened.id, result_body("R000002"))
    assert tell(opened.id, result_body(receipt="SKE52PAWR9")) == "review"
    row = refund_row(opened.id)
    assert (row["status"], row["due_at"], row["refund_claimed"]) == ("review", None, 100)
    assert "SKE52PAWR9" in row["review_reason"]


def test_already_reversed_by_nobody_of_ours_goes_before_a_person() -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body("R000001")) == "review"
    row = refund_row(opened.id)
    assert (row["status"], row["result_code"], row["refund_claimed"], row["refunded"]) == ("review", "R000001", 100, 0)


def test_already_reversed_by_an_earlier_refund_of_ours_that_was_called_failed_has_succeeded(daraja: Daraja) -> None:
    payment_id = pay()
    first = refund(payment_id)
    send(first.id)
    tell(first.id, result_body(1))
    second = refund(payment_id)
    send(second.id)
    assert tell(second.id, result_body("R000001")) == "succeeded"
    row = refund_row(second.id)
    assert (row["status"], row["receipt"], row["refunded"]) == ("succeeded", None, 100)


def test_an_earlier_refund_that_was_refused_before_any_call_reversed_nothing(daraja: Daraja) -> None:
    payment_id = pay()
    with config.override(MPESA_INITIATOR_NAME=""):
        first = refund(payment_id)

    @db.in_transaction
    def fail(tx: db.Tx) -> None:
        settlement = refund_call_services.settlement
        word = settlement.Word(succeeded=False, source="a person", code="by hand", actor_id=1)
        settlement.settle_refund_tx(tx, locked=settlement.lock_refund_tx(tx, refund_id=first.id), word=word)

    fail()
    second = refund(payment_id)
    send(second.id)
    assert tell(second.id, result_body("R000001")) == "review"


def test_already_reversed_by_an_earlier_call_for_the_same_refund_has_succeeded(
    daraja: Daraja, frozen_clock: Any
) -> None:
    opened = refund(pay())
    daraja.reversals.append((500, {"errorCode": "500.003.02", "errorMessage": "Spike arrest violation"}))
    send(opened.id)
    frozen_clock.forward(minutes=4)
    send(opened.id)
    assert tell(opened.id, result_body("R000001")) == "succeeded"


# --- Transaction status


def ask_after(opened_id: int, frozen_clock: Any) -> dict[str, Any]:
    frozen_clock.forward(seconds=26)
    return send(opened_id)


def test_a_lost_result_is_found_by_transaction_status(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay())
    conversation = send(opened.id)["originator_conversation_id"]
    assert ask_after(opened.id, frozen_clock)["query_count"] == 1
    body = daraja.body_of("status")
    assert (body["OriginalConversationID"], body["TransactionID"]) == (conversation, "")
    told = result_body(TransactionStatus="Completed", ReceiptNo="SKE52PAWR9", Amount=100, FinalisedTime=20261120110000)
    assert tell(opened.id, told, call="reversal_status") == "succeeded"
    row = refund_row(opened.id)
    assert (row["status"], row["receipt"], row["moved_at"].hour) == ("succeeded", "SKE52PAWR9", 8)


def test_b2c_is_asked_after_by_the_id_of_ours(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay(), 40)
    send(opened.id)
    row = ask_after(opened.id, frozen_clock)
    assert daraja.body_of("status")["OriginalConversationID"] == row["originator_conversation_id"]
    assert tell(opened.id, result_body(TransactionStatus="Failed"), call="b2c_status") == "failed"
    assert refund_row(opened.id)["refund_claimed"] == 0


@pytest.mark.parametrize(
    "told",
    [
        result_body(TransactionStatus="Pending"),
        result_body(TransactionStatus="Authorised"),
        result_body(),
        result_body("R000002"),
        result_body(2001),
    ],
)
def test_whatever_is_not_final_is_not_known_yet(frozen_clock: Any, told: str) -> None:
    opened = refund(pay())
    send(opened.id)
    ask_after(opened.id, frozen_clock)
    assert tell(opened.id, told, call="reversal_status") == "not_known"
    assert refund_row(opened.id)["status"] == "sent"


def test_the_state_of_the_payment_itself_says_nothing_of_its_refund(frozen_clock: Any) -> None:
    opened = refund(pay())
    receipt = send(opened.id)["payment_receipt"]
    told = result_body(TransactionStatus="Completed", ReceiptNo=receipt, Amount=100)
    assert tell(opened.id, told, call="reversal_status") == "not_known"


def test_what_is_said_of_the_reversal_says_nothing_of_the_payout_that_followed(frozen_clock: Any) -> None:
    opened = refund(pay())
    send(opened.id)
    tell(opened.id, result_body("R000002"))
    send(opened.id)
    assert tell(opened.id, result_body(TransactionStatus="Failed"), call="reversal_status") == "not_known"
    assert refund_row(opened.id)["status"] == "sent"


@pytest.mark.parametrize("answer", [*UNREADABLE, *NOT_TAKEN, REFUSED], ids=repr)
def test_a_question_that_goes_wrong_is_put_again(daraja: Daraja, frozen_clock: Any, answer: scripted.Answer) -> None:
    opened = refund(pay())
    send(opened.id)
    daraja.statuses.append(answer)
    assert ask_after(opened.id, frozen_clock)["status"] == "sent"
    frozen_clock.forward(minutes=4)
    assert send(opened.id)["query_count"] == 2


def test_questions_come_ever_later_and_after_a_day_a_person_looks(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay())
    started, waits = clock.now(), []
    while (due_at := refund_row(opened.id)["due_at"]) is not None:
        waits.append(due_at - clock.now())
        frozen_clock.moment = max(due_at, clock.now())
        send(opened.id)
    assert waits[2:] == sorted(waits[2:])
    assert max(waits) == timedelta(hours=1)
    assert clock.now() - started < timedelta(hours=26)
    row = refund_row(opened.id)
    assert (row["status"], row["refund_claimed"]) == ("review", 100)
    assert tell(opened.id, result_body()) == "succeeded"  # however late


# --- timeout notices


def test_a_timeout_notice_is_not_a_failure(daraja: Daraja) -> None:
    opened = refund(pay())
    send(opened.id)
    assert tell(opened.id, result_body(26), kind="timeout") == "noted"
    assert refund_row(opened.id)["status"] == "sent"
    assert tell(opened.id, result_body()) == "succeeded"


def test_a_timeout_notice_names_the_conversation_of_a_reversal_without_an_answer(
    daraja: Daraja, frozen_clock: Any
) -> None:
    opened = refund(pay())
    daraja.reversals.append(requests.ReadTimeout())
    send(opened.id)
    tell(opened.id, result_body(26, originator="theirs-1"), kind="timeout")
    frozen_clock.forward(minutes=4)
    send(opened.id)
    assert daraja.body_of("status")["OriginalConversationID"] == "theirs-1"
    assert (daraja.count("reversal"), outcomes(opened.id)) == (1, ["noted"])


def test_a_timeout_of_a_question_changes_nothing() -> None:
    opened = refund(pay())
    row = send(opened.id)
    assert (
        tell(opened.id, result_body(26, originator="the-questions"), kind="timeout", call="reversal_status") == "noted"
    )
    assert refund_row(opened.id) == row
