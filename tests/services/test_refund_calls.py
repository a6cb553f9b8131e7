"""The calls that move money back, and what is left when a process dies in one: nothing is sent twice."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

import config
from payments import callback_tokens, refund_call_services
from payments.simulator_keys import KEYS_FOLDER, decrypt_credential, simulator_certificate
from tests import daraja as scripted
from tests.daraja import Daraja
from tests.refunds import (
    DUPLICATE,
    NOT_TAKEN,
    PHONE,
    REFUSED,
    UNREADABLE,
    pay,
    place,
    refund,
    refund_row,
    result_body,
    send,
    settle,
    tell,
)
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("daraja")


def wait(frozen_clock: Any, **span: float) -> None:
    frozen_clock.forward(**(span or {"minutes": 4}))


# --- what is sent


def test_a_whole_payment_with_a_receipt_is_reversed(daraja: Daraja) -> None:
    opened = refund(pay())
    row = send(opened.id)
    body = daraja.body_of("reversal")
    assert decrypt_credential(body.pop("SecurityCredential"), KEYS_FOLDER) == "simulator-initiator-password"
    assert "/api/payments/callbacks/result/" in body.pop("ResultURL")
    assert "/api/payments/callbacks/timeout/" in body.pop("QueueTimeOutURL")
    assert body == {
        "Initiator": "simulator-initiator",
        "CommandID": "TransactionReversal",
        "TransactionID": row["payment_receipt"],
        "Amount": 100,
        "ReceiverParty": "174379",
        "RecieverIdentifierType": "11",
        "Remarks": "Refund of an order",
        "Occasion": "Refund of an order",
    }
    assert (row["status"], row["called_at"], row["attempts"]) == ("sent", None, 1)
    assert row["originator_conversation_id"].startswith("dad6-")
    assert row["conversation_id"].startswith("AG_")


def test_a_part_is_paid_out_to_the_payers_phone_under_an_id_of_ours(daraja: Daraja) -> None:
    opened = refund(pay(), 40)
    ours = refund_row(opened.id)["originator_conversation_id"]
    row = send(opened.id)
    body = daraja.body_of("b2c")
    assert body["OriginatorConversationID"] == ours == row["originator_conversation_id"]
    assert (body["Amount"], body["PartyA"], body["PartyB"]) == (40, "174379", int(PHONE))
    assert (body["CommandID"], body["InitiatorName"], "Occassion" in body) == (
        "BusinessPayment",
        "simulator-initiator",
        True,
    )
    assert row["status"] == "sent"


def test_a_payment_without_a_receipt_is_paid_out_whole(daraja: Daraja) -> None:
    opened = refund(settle(place().id))
    assert opened.method == "b2c"
    assert send(opened.id)["status"] == "sent"
    assert daraja.body_of("b2c")["Amount"] == 100


def test_a_refund_is_written_down_before_it_is_called_for(daraja: Daraja) -> None:
    opened, seen = refund(pay()), []

    def look(_body: dict[str, Any]) -> scripted.Answer:
        row = refund_row(opened.id)
        seen.append((row["status"], row["called_at"] is not None, row["refund_claimed"]))
        return scripted.call_taken()

    daraja.reversals.append(look)
    send(opened.id)
    assert seen == [("created", True, 100)]


def test_each_call_has_addresses_of_its_own(daraja: Daraja) -> None:
    addresses = {
        callback_tokens.refund_url(door=door, call=call, refund_id=7)
        for door in ("result", "timeout")
        for call in callback_tokens.REFUND_CALLS
    }
    assert len(addresses) == 8
    for address in addresses:
        assert not config.WORDS_REFUSED_IN_CALLBACKS.search(address)
        door, token = address.rsplit("/", 2)[1:]
        assert callback_tokens.read_refund_token(token, door=door) is not None
        other = {"result": "timeout", "timeout": "result"}[door]
        assert callback_tokens.read_refund_token(token, door=other) is None
        assert callback_tokens.read_token(token, kind="stk") is None


def test_two_workers_send_once(daraja: Daraja) -> None:
    refund(pay())
    at_once(refund_call_services.act_on_due, refund_call_services.act_on_due)
    assert daraja.count("reversal") == 1


def test_an_invalid_token_is_renewed_once(daraja: Daraja) -> None:
    daraja.payouts.append((401, {"errorCode": "401.002.01", "errorMessage": "Error Occurred - Invalid Access Token"}))
    assert send(refund(pay(), 40).id)["status"] == "sent"
    assert daraja.count("b2c") == 2


# --- what the call's answer tells


@pytest.mark.parametrize("amount", [None, 40])
@pytest.mark.parametrize("answer", NOT_TAKEN, ids=repr)
def test_what_was_not_taken_is_sent_later(
    daraja: Daraja, frozen_clock: Any, amount: int | None, answer: scripted.Answer
) -> None:
    opened = refund(pay(), amount)
    (daraja.payouts if amount else daraja.reversals).append(answer)
    assert (send(opened.id)["status"], refund_row(opened.id)["called_at"]) == ("created", None)
    assert refund_call_services.act_on_due() == 0
    wait(frozen_clock, seconds=60)
    assert send(opened.id)["status"] == "sent"


@pytest.mark.parametrize("amount", [None, 40])
def test_what_is_refused_has_failed(daraja: Daraja, amount: int | None) -> None:
    opened = refund(pay(), amount)
    (daraja.payouts if amount else daraja.reversals).append(REFUSED)
    row = send(opened.id)
    assert (row["status"], row["result_code"], row["refund_claimed"]) == ("failed", "400.002.02", 0)


@pytest.mark.parametrize("answer", UNREADABLE, ids=repr)
def test_a_reversal_without_a_readable_answer_is_never_made_again(
    daraja: Daraja, frozen_clock: Any, answer: scripted.Answer
) -> None:
    opened = refund(pay())
    daraja.reversals.append(answer)
    assert send(opened.id)["status"] == "unknown"
    while refund_row(opened.id)["status"] == "unknown":
        wait(frozen_clock, hours=1)
        send(opened.id)
    row = refund_row(opened.id)
    assert (row["status"], row["refund_claimed"], row["due_at"]) == ("review", 100, None)
    assert "portal" in row["review_reason"]
    assert daraja.count("reversal") == 1


@pytest.mark.parametrize("answer", UNREADABLE, ids=repr)
def test_b2c_without_a_readable_answer_is_repeated_under_the_same_id(
    daraja: Daraja, frozen_clock: Any, answer: scripted.Answer
) -> None:
    opened = refund(pay(), 40)
    daraja.payouts.extend([answer, DUPLICATE])
    assert send(opened.id)["status"] == "unknown"
    wait(frozen_clock)
    assert send(opened.id)["status"] == "sent"
    ids = {body["OriginatorConversationID"] for kind, body in daraja.sent if kind == "b2c"}
    assert (len(ids), daraja.count("b2c")) == (1, 2)
    assert tell(opened.id, result_body(), call="b2c") == "succeeded"


def test_a_repeated_b2c_that_is_refused_is_not_called_failed(daraja: Daraja, frozen_clock: Any) -> None:
    """The first call may have been taken: the refusal is of the second alone."""
    opened = refund(pay(), 40)
    daraja.payouts.extend([requests.ReadTimeout(), REFUSED])
    send(opened.id)
    wait(frozen_clock)
    row = send(opened.id)
    assert (row["status"], row["refund_claimed"]) == ("unknown", 40)


def test_a_certificate_that_cannot_be_had_sends_nothing(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay())
    with config.override(MPESA_CERTIFICATE="/nowhere/production.cer"):
        row = send(opened.id)
    assert (row["status"], row["called_at"], daraja.count("reversal")) == ("created", None, 0)
    daraja.certificates.append((500, ""))
    wait(frozen_clock)
    assert send(opened.id)["status"] == "created"
    wait(frozen_clock)
    assert send(opened.id)["status"] == "sent"


@pytest.mark.parametrize("form", ["text", "one line", "file"])
def test_the_certificate_is_text_or_a_file(daraja: Daraja, tmp_path: Any, form: str) -> None:
    text, file = simulator_certificate(), tmp_path / "production.cer"
    file.write_text(text)
    setting = {"text": text, "one line": text.replace("\n", "\\n"), "file": str(file)}[form]
    with config.override(MPESA_CERTIFICATE=setting):
        send(refund(pay()).id)
    credential = daraja.body_of("reversal")["SecurityCredential"]
    assert len(base64.b64decode(credential)) == 256
    assert decrypt_credential(credential, KEYS_FOLDER) == "simulator-initiator-password"
    assert daraja.count("certificate") == 0


# --- processes that died


def die_in_the_call(daraja: Daraja, opened_id: int, amount: int | None) -> None:
    """Leave what a process leaves that dies after its call was begun."""

    class Killed(BaseException):
        pass

    def die(_body: dict[str, Any]) -> scripted.Answer:
        raise Killed

    (daraja.payouts if amount else daraja.reversals).append(die)
    with pytest.raises(Killed):
        refund_call_services.act_on_due()
    row = refund_row(opened_id)
    assert (row["status"], row["called_at"] is not None) == ("created", True)


def test_a_refund_whose_process_died_before_the_call_is_sent(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay())
    wait(frozen_clock, hours=2)
    assert send(opened.id)["status"] == "sent"
    assert daraja.count("reversal") == 1


def test_a_reversal_whose_process_died_in_the_call_is_not_made_again(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay())
    die_in_the_call(daraja, opened.id, None)
    assert refund_call_services.act_on_due() == 0
    wait(frozen_clock)
    assert send(opened.id)["status"] == "unknown"
    assert daraja.count("reversal") == 1
    assert tell(opened.id, result_body()) == "succeeded"


def test_b2c_whose_process_died_in_the_call_is_called_again(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay(), 40)
    die_in_the_call(daraja, opened.id, 40)
    wait(frozen_clock)
    daraja.payouts.append(DUPLICATE)
    assert send(opened.id)["status"] == "sent"


def test_b2c_that_may_have_been_sent_before_a_death_is_not_called_failed(daraja: Daraja, frozen_clock: Any) -> None:
    opened = refund(pay(), 40)
    die_in_the_call(daraja, opened.id, 40)
    wait(frozen_clock)
    daraja.payouts.append(REFUSED)
    assert send(opened.id)["status"] == "unknown"
