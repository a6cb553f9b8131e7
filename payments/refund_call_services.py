"""Send refunds and ask after them: what the worker does about each, when its time has come.

A turn is claimed by a guarded UPDATE that puts the next one off and, before a call that moves money, writes down that
it is begun (`called_at`). The call is made outside of any transaction; then its answer is recorded, unless a Result
was quicker. What a process that died left behind is told by `called_at`: a Reversal whose call was begun may have
been made and is never made again; B2C is called again under the same OriginatorConversationID, which the provider
sends once. Locks the refund alone, or order, payment, refund where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

import config
from payments import callback_tokens, daraja, query_services
from payments import refund_settle_services as settlement
from payments import token_services as tokens
from payments.daraja_answers import CallTaken, NotTaken, OutcomeUnknown, ProviderError, Refused, TakenBefore
from payments.refund_settle_services import Word
from payments.refund_states import Step, next_step
from utils import clock, db, log, trace

logger = log.get_logger(__name__)

AT_ONCE = 20
# A call takes at most some 125 s: certificate, token and call, the last two once more when the token was refused.
CALL_LEASE = timedelta(minutes=3)
NOT_KNOWN = (
    "M-Pesa did not tell in a day whether this was sent: look into the M-Pesa portal for {amount} that left after"
    " {created_at:%Y-%m-%d %H:%M} UTC. Then settle this refund by hand."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What is to be done about a refund now, and what the provider must be told for it."""

    step: Step
    refund_id: int
    method: str
    amount: int
    phone_number: str | None
    receipt: str | None
    conversation_id: str | None
    retry_after: timedelta


def act_on_due() -> int:
    """Turn to the refunds whose time has come, and return how many were due."""
    rows = db.reading().fetch_all(
        """
        SELECT r.id, r.request_id
          FROM refunds r
         WHERE r.due_at <= %(now)s
         ORDER BY r.due_at, r.id
         LIMIT %(limit)s
        """,
        {"now": clock.now(), "limit": AT_ONCE},
    )
    for row in rows:
        with trace.span(row["request_id"]):
            turn = claim_turn(refund_id=row["id"])
            if turn is not None:
                act(turn)
    return len(rows)


@db.in_transaction
def claim_turn(tx: db.Tx, *, refund_id: int) -> Turn | None:
    """Claim a refund's turn and put its next one off; None when another worker has it, or nothing is to be called."""
    now = clock.now()
    refund = tx.fetch_one(
        """
        SELECT id, payment_id, order_id, method, status, amount, phone_number, originator_conversation_id,
               created_at, called_at, attempts, query_count
          FROM refunds
         WHERE id = %(id)s
           AND due_at <= %(now)s
           FOR UPDATE
        """,
        {"id": refund_id, "now": now},
    )
    if refund is None:
        return None
    step = next_step(refund, now)
    if step is Step.GIVE_UP:
        settlement.send_to_review_tx(tx, refund=refund, reason=NOT_KNOWN.format(**refund))
        return None
    wait = query_services.wait_after(refund["attempts"] + refund["query_count"])
    _claim_turn_tx(tx, refund=refund, step=step, due_at=now + (max(wait, CALL_LEASE) if step is Step.CALL else wait))
    receipt = tx.fetch_value("SELECT receipt FROM payments WHERE id = %(id)s", {"id": refund["payment_id"]})
    return Turn(
        step=step,
        refund_id=refund["id"],
        method=refund["method"],
        amount=int(refund["amount"]),
        phone_number=refund["phone_number"],
        receipt=receipt,
        conversation_id=refund["originator_conversation_id"],
        retry_after=wait,
    )


def _claim_turn_tx(tx: db.Tx, *, refund: db.Row, step: Step, due_at: object) -> None:
    """Put the next turn off; a call that was begun and never ended makes the refund `unknown` for good."""
    calls = step is Step.CALL
    tx.execute_one(
        """
        UPDATE refunds
           SET status = CASE WHEN status = 'created' AND called_at IS NOT NULL THEN 'unknown' ELSE status END,
               called_at = CASE WHEN %(calls)s THEN %(now)s ELSE called_at END,
               attempts = attempts + %(calls)s,
               query_count = query_count + %(asks)s,
               due_at = %(due_at)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'sent', 'unknown')
        """,
        {"id": refund["id"], "calls": int(calls), "asks": int(not calls), "due_at": due_at, "now": clock.now()},
    )


def act(turn: Turn) -> None:
    """Do what a turn says."""
    match turn.step:
        case Step.CALL:
            call(turn)
        case Step.ASK:
            ask(turn)
        case Step.WAIT:
            logger.warning("refund without a conversation to ask after", refund_id=turn.refund_id)
        case Step.GIVE_UP:
            raise AssertionError("a refund that is given up has no turn")
        case _:
            assert_never(turn.step)


def call(turn: Turn) -> None:
    """Make the call that moves the money, and record what it told."""
    try:
        taken = tokens.with_token(lambda token: _call(token, turn))
    except TakenBefore:
        record_taken(turn=turn, taken=None)
    except NotTaken as error:
        record_not_taken(turn=turn, error=error)
    except Refused as error:
        record_refused(turn=turn, error=error)
    except OutcomeUnknown as error:
        record_unknown(turn=turn, error=error)
    else:
        record_taken(turn=turn, taken=taken)


def _call(token: str, turn: Turn) -> CallTaken:
    addresses = _addresses(turn, turn.method)
    if turn.method == "reversal":
        return daraja.reverse(token=token, receipt=turn.receipt or "", amount=turn.amount, addresses=addresses)
    return daraja.pay_out(
        token=token,
        conversation_id=turn.conversation_id or "",
        phone_number=turn.phone_number or "",
        amount=turn.amount,
        addresses=addresses,
    )


def ask(turn: Turn) -> None:
    """Ask what became of a refund; a Result answers, or nothing does and it is asked again."""
    addresses = _addresses(turn, f"{turn.method}_status")
    try:
        tokens.with_token(
            lambda token: daraja.ask_status(
                token=token, conversation_id=turn.conversation_id or "", addresses=addresses
            )
        )
    except ProviderError as error:
        logger.warning("question after a refund not taken", refund_id=turn.refund_id, code=error.code)


def _addresses(turn: Turn, call: str) -> daraja.Addresses:
    return daraja.Addresses(
        result=callback_tokens.refund_url(door="result", call=call, refund_id=turn.refund_id),
        timeout=callback_tokens.refund_url(door="timeout", call=call, refund_id=turn.refund_id),
    )


# --- what the call told


@db.in_transaction
def record_taken(tx: db.Tx, *, turn: Turn, taken: CallTaken | None) -> None:
    """Record that the provider has the call, and when to ask after it; `taken` is None when it had it before."""
    now = clock.now()
    ids = {
        "originator_id": None if taken is None else taken.originator_conversation_id,
        "conversation_id": None if taken is None else taken.conversation_id,
    }
    tx.execute(
        """
        UPDATE refunds
           SET originator_conversation_id = COALESCE(originator_conversation_id, %(originator_id)s),
               conversation_id = COALESCE(conversation_id, %(conversation_id)s),
               sent_at = COALESCE(sent_at, %(now)s),
               updated_at = %(now)s
         WHERE id = %(id)s
           AND method = %(method)s
        """,
        {**ids, "id": turn.refund_id, "method": turn.method, "now": now},
    )
    tx.execute(
        """
        UPDATE refunds
           SET status = 'sent',
               called_at = NULL,
               due_at = %(due_at)s
         WHERE id = %(id)s
           AND method = %(method)s
           AND status IN ('created', 'unknown')
        """,
        {
            "id": turn.refund_id,
            "method": turn.method,
            "due_at": now + timedelta(seconds=config.current().MPESA_QUERY_AFTER_SECONDS),
        },
    )
    logger.info("refund sent", refund_id=turn.refund_id, method=turn.method, provider_ref=ids["originator_id"])


@db.in_transaction
def record_not_taken(tx: db.Tx, *, turn: Turn, error: ProviderError) -> None:
    """Record that this call never arrived: it is made again later. An earlier one stays as unknown as it was."""
    tx.execute(
        """
        UPDATE refunds
           SET called_at = NULL,
               due_at = %(due_at)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND method = %(method)s
           AND status IN ('created', 'unknown')
        """,
        {
            "id": turn.refund_id,
            "method": turn.method,
            "due_at": clock.now() + turn.retry_after,
            "now": clock.now(),
        },
    )
    logger.warning("refund not taken", refund_id=turn.refund_id, code=error.code, reason=error.message)


@db.in_transaction
def record_refused(tx: db.Tx, *, turn: Turn, error: Refused) -> None:
    """Record a refusal: the refund has failed, unless an earlier call of it may have been taken."""
    locked = settlement.lock_refund_tx(tx, refund_id=turn.refund_id)
    refund = locked.refund
    if refund["method"] != turn.method:
        return
    if refund["status"] == "created":
        word = Word(succeeded=False, source="refusal", code=error.code, description=error.message)
        settlement.settle_refund_tx(tx, locked=locked, word=word)
    else:
        logger.error("repeated refund refused", refund_id=turn.refund_id, code=error.code, reason=error.message)


@db.in_transaction
def record_unknown(tx: db.Tx, *, turn: Turn, error: ProviderError) -> None:
    """Record that the money may be on its way: never called failed; only B2C is called again."""
    tx.execute(
        """
        UPDATE refunds
           SET status = 'unknown',
               called_at = NULL,
               result_desc = %(description)s,
               due_at = %(due_at)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND method = %(method)s
           AND status IN ('created', 'unknown')
        """,
        {
            "id": turn.refund_id,
            "method": turn.method,
            "description": f"no readable answer: {error}"[:300],
            "due_at": clock.now() + turn.retry_after,
            "now": clock.now(),
        },
    )
    logger.warning("refund without a readable answer", refund_id=turn.refund_id, code=error.code)
