"""Ask after open prompts: a callback comes once, or never; the query finds what it would have told.

Claims each attempt by a guarded UPDATE that puts its next question off, asks outside of any transaction, and applies
the answer. Whatever is not a finished result means "not known yet", and is asked again, later and later, for a day.
"""

from __future__ import annotations

from datetime import timedelta

import config
from payments import attempt_services as attempts
from payments import callback_services as callbacks
from payments import daraja
from payments import settle_services as settlement
from payments import token_services as tokens
from payments.daraja_answers import ProviderError, QueryResult
from payments.result_codes import Meaning, meaning_of
from utils import clock, db, log, trace

logger = log.get_logger(__name__)

ASKED_AT_ONCE = 20
ASKED_FOR = timedelta(hours=24)
LONGEST_WAIT = timedelta(hours=1)


def ask_due() -> int:
    """Ask after the attempts whose time has come, and return how many were due."""
    rows = db.reading().fetch_all(
        """
        SELECT p.id, p.checkout_request_id, p.request_id, p.created_at, p.query_count, p.query_due_at
          FROM payments p
         WHERE p.query_due_at <= %(now)s
           AND p.checkout_request_id IS NOT NULL
         ORDER BY p.query_due_at, p.id
         LIMIT %(limit)s
        """,
        {"now": clock.now(), "limit": ASKED_AT_ONCE},
    )
    for row in rows:
        with trace.span(row["request_id"]):
            if claim_question(payment=row):
                ask(payment_id=row["id"], checkout_request_id=row["checkout_request_id"])
    return len(rows)


def wait_after(count: int) -> timedelta:
    """Return how long to wait after the question number `count`, counted from 0."""
    seconds = config.current().MPESA_QUERY_AFTER_SECONDS * 2 ** min(count, 20)
    return min(timedelta(seconds=seconds), LONGEST_WAIT)


@db.in_transaction
def claim_question(tx: db.Tx, *, payment: db.Row) -> bool:
    """Put an attempt's next question off, and tell whether it was ours to put this one.

    Before the last question the attempt gets its end: `unknown`, for a person to see, unless the answer is better.
    """
    now = clock.now()
    next_at = now + wait_after(payment["query_count"])
    is_last = next_at > payment["created_at"] + ASKED_FOR
    claimed = tx.execute(
        """
        UPDATE payments
           SET query_due_at = %(next_at)s,
               query_count = query_count + 1,
               status = CASE WHEN status = 'sent' AND %(is_last)s THEN 'unknown' ELSE status END,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND query_due_at <=> %(seen_due_at)s
           AND query_count = %(seen_count)s
        """,
        {
            "id": payment["id"],
            "seen_due_at": payment["query_due_at"],
            "seen_count": payment["query_count"],
            "next_at": None if is_last else next_at,
            "is_last": is_last,
            "now": now,
        },
    )
    if claimed and is_last:
        logger.error("prompt asked after for the last time", payment_id=payment["id"])
    return bool(claimed)


def ask(*, payment_id: int, checkout_request_id: str) -> str:
    """Ask the provider how a prompt ended, apply what it says and return what came of it.

    That is `open` or `no answer`, else what the settlement says, `failed`, `repeated` or `unknown_code`.
    """
    try:
        result = tokens.with_token(lambda token: daraja.query(token=token, checkout_request_id=checkout_request_id))
    except ProviderError as error:
        logger.warning("query without an answer", payment_id=payment_id, code=error.code)
        return "no answer"
    if result is None:
        logger.info("prompt still open", payment_id=payment_id)
        return "open"
    return apply_answer(payment_id=payment_id, result=result)


@db.in_transaction
def apply_answer(tx: db.Tx, *, payment_id: int, result: QueryResult) -> str:
    """Apply a finished result: settle, fail, or tell somebody of a code that nobody knows."""
    _order, payment = attempts.lock_payment_tx(tx, payment_id=payment_id)
    meaning = meaning_of(result.code)
    if meaning is Meaning.PAID:
        waiting = callbacks.list_waiting_successes_tx(tx, payment_id=payment_id)
        # Fit or not: with its receipt it is known again, should the order be paid by this very money already.
        telling = [success for success in waiting if settlement.find_oddity(payment, success) is None]
        by_query = settlement.Success(source="query", code=result.code, description=result.description)
        return settlement.settle_tx(tx, payment_id=payment_id, success=next(iter(telling), by_query))
    if meaning is Meaning.FAILED:
        failed = attempts.fail_tx(tx, payment_id=payment_id, code=result.code, description=result.description)
        return "failed" if failed else "repeated"
    logger.error("unknown result code", payment_id=payment_id, code=result.code)
    return "unknown_code"
