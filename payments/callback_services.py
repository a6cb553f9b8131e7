"""The callback inbox: kept and committed before it is answered, applied afterwards by the worker.

Owns the table provider_callbacks. A callback and its effect are one transaction, so a worker that dies applies it
again, and settlement sees to it that this changes nothing. Locks order, payment, then the callback's row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import config
from payments import attempt_services as attempts
from payments import c2b_services, callback_json, result_services, stk_callback
from payments import settle_services as settlement
from payments.result_codes import Meaning, meaning_of
from payments.stk_callback import StkResult
from utils import clock, db, log, trace
from utils.errors import NotFound
from utils.together import Together

logger = log.get_logger(__name__)

LEASE = timedelta(seconds=60)
APPLIED_AT_ONCE = 50
WRITTEN_TOGETHER = 50  # bodies of 64 KiB, twice that in hex; the server takes 16 MiB in one statement
LONGEST_WAIT = timedelta(minutes=30)
# With MPESA_CONFIRM_BY_QUERY: how often a success that the query has not confirmed is looked at again, and after how
# long a person does: soon when the query has denied it, in a day when it could not be asked. A genuine one is confirmed
# within seconds, and as soon as the query answers again.
LONGEST_WAIT_TO_CONFIRM = timedelta(seconds=60)
CONFIRMED_WITHIN, DENIED_FOR = timedelta(hours=24), timedelta(minutes=30)
LEAST_LOOKS = 5  # however late the callback is first looked at
NAMED_BY_TOKEN = {
    "fk_provider_callbacks_payment_id": lambda: NotFound(what="payment"),
    "fk_provider_callbacks_refund_id": lambda: NotFound(what="refund"),
}


def receive(
    *,
    kind: str,
    body: str,
    address: str,
    payment_id: int | None = None,
    refund_id: int | None = None,
    refund_call: str | None = None,
) -> None:
    """Keep a callback word for word. Raises NotFound when the payment or refund its token names is not there.

    Callbacks that come at the same moment are written together; should that fail, each by itself.
    """
    callback = {
        "kind": kind,
        "payment_id": payment_id,
        "refund_id": refund_id,
        "refund_call": refund_call,
        "body": body.encode().hex(),  # to escape the many quotes of JSON takes longer than the rest of a row
        "address": address,
        "request_id": trace.request_id(),
        "now": clock.now(),
    }
    if not _inbox.bring(callback):
        _insert([callback])


@db.in_one_statement
def _insert(tx: db.Tx, callbacks: Sequence[db.Row]) -> None:
    with db.naming(NAMED_BY_TOKEN):
        tx.insert_many(
            """
            INSERT INTO provider_callbacks
                (kind, payment_id, refund_id, refund_call, body, address, request_id, received_at, due_at)
            VALUES
                (%(kind)s, %(payment_id)s, %(refund_id)s, %(refund_call)s, UNHEX(%(body)s), %(address)s,
                 %(request_id)s, %(now)s, %(now)s)
            """,
            callbacks,
        )


_inbox = Together(_insert, most=WRITTEN_TOGETHER)


def apply_due(*, limit: int = APPLIED_AT_ONCE) -> int:
    """Lease the callbacks that are due, apply each, and return how many were taken."""
    callbacks = lease_due(limit=limit)
    for callback in callbacks:
        with trace.span(callback["request_id"]):
            _apply_or_postpone(callback)
    return len(callbacks)


def _apply_or_postpone(callback: db.Row) -> None:
    facts = {name: callback[name] for name in ("kind", "payment_id", "refund_id") if callback[name] is not None}
    facts["callback_id"] = callback["id"]
    try:
        outcome = apply(callback=callback)
    except Exception as error:
        logger.exception("callback failed", attempts=callback["attempts"], **facts)
        wait = min(timedelta(seconds=2 ** min(callback["attempts"], 12)), LONGEST_WAIT)
        postpone(callback_id=callback["id"], wait=wait, reason=f"{type(error).__name__}: {error}")
    else:
        logger.info("callback applied", outcome=outcome, **facts)


@db.in_transaction
def lease_due(tx: db.Tx, *, limit: int) -> list[db.Row]:
    """Take callbacks that are due, oldest first; no other worker gets them while the lease lasts."""
    now = clock.now()
    rows = tx.fetch_all(
        """
        SELECT id, kind, payment_id, refund_id, refund_call, body, request_id, received_at,
               attempts + 1 AS attempts
          FROM provider_callbacks
         WHERE due_at <= %(now)s
         ORDER BY due_at, id
         LIMIT %(limit)s
           FOR UPDATE SKIP LOCKED
        """,
        {"now": now, "limit": limit},
    )
    if rows:
        tx.execute(
            """
            UPDATE provider_callbacks
               SET due_at = %(leased_until)s,
                   attempts = attempts + 1
             WHERE id IN {ids}
            """,
            {"leased_until": now + LEASE},
            ids=db.in_list("id", [row["id"] for row in rows]),
        )
    return rows


@db.in_transaction
def apply(tx: db.Tx, *, callback: db.Row) -> str:
    """Apply one callback and mark it, in one transaction; return what came of it."""
    try:
        outcome = APPLIED_BY[callback["kind"]](tx, callback)
    except callback_json.Unreadable as error:
        logger.error("callback unreadable", callback_id=callback["id"], reason=str(error))
        outcome = "unreadable"
    if outcome == settlement.WAITING:
        wait = min(timedelta(seconds=2 ** min(callback["attempts"], 12)), LONGEST_WAIT_TO_CONFIRM)
        reason = "more must be known of the prompt: by its callback, or the query"
        _postpone_tx(tx, callback_id=callback["id"], wait=wait, reason=reason, outcome=settlement.WAITING)
    else:
        _mark_applied_tx(tx, callback_id=callback["id"], outcome=outcome)
    return outcome


def _apply_stk_tx(tx: db.Tx, callback: db.Row) -> str:
    payment_id, result = callback["payment_id"], stk_callback.parse(callback["body"])
    meaning = meaning_of(result.code)
    if meaning is Meaning.PAID:
        return _apply_success_tx(tx, callback, result)
    _order, payment = attempts.lock_payment_tx(tx, payment_id=payment_id)
    if payment["checkout_request_id"] not in (None, result.checkout_request_id):
        logger.warning("failure of another prompt not believed", payment_id=payment_id)
        return "mismatch"
    if meaning is Meaning.FAILED:
        failed = attempts.fail_tx(tx, payment_id=payment_id, code=result.code, description=result.description)
        return "failed" if failed else "repeated"
    logger.error("unknown result code", payment_id=payment_id, code=result.code)
    attempts.ask_soon_tx(tx, payment_id=payment_id, checkout_request_id=None)
    return "unknown_code"


def _apply_success_tx(tx: db.Tx, callback: db.Row, result: StkResult) -> str:
    """Settle a success; when it must be confirmed, have the provider asked and wait for the query to settle it.

    One without amount or receipt is odd, and nothing odd is believed before the provider was asked. Meanwhile the
    order is kept for it, unless the query has denied it.
    """
    success = success_of(result)
    is_odd = success.amount is None or success.receipt is None
    if not (is_odd or config.current().MPESA_CONFIRM_BY_QUERY):
        return settlement.settle_tx(tx, payment_id=callback["payment_id"], success=success)
    order, payment = attempts.lock_payment_tx(tx, payment_id=callback["payment_id"])
    is_settled = payment["status"] not in settlement.UNSETTLED
    if is_settled or settlement.find_misfit(order, payment, success) is not None:
        return settlement.settle_tx(tx, payment_id=payment["id"], success=success)
    is_denied = payment["status"] == "failed"
    waits_for = clock.now() - callback["received_at"]
    if callback["attempts"] > LEAST_LOOKS and waits_for > (DENIED_FOR if is_denied else CONFIRMED_WITHIN):
        reason = "the provider's query does not confirm the callback"
        settlement.send_to_review_tx(tx, order=order, payment=payment, success=success, reason=reason)
        return "review"
    try:
        with db.naming(settlement.OWN_KEYS):
            attempts.ask_soon_tx(tx, payment_id=payment["id"], checkout_request_id=success.checkout_request_id)
    except settlement.BelongsElsewhere:
        return settlement.settle_tx(tx, payment_id=payment["id"], success=success)  # which sends it to review
    if not is_denied:
        attempts.keep_order_tx(tx, payment=payment)
    return settlement.WAITING


# Who applies a callback of each kind: reads its body (Unreadable is caught here), and returns what came of it.
APPLIED_BY: dict[str, Callable[[db.Tx, db.Row], str]] = {
    "stk": _apply_stk_tx,
    "c2b": c2b_services.apply_tx,
    "result": result_services.apply_result_tx,
    "timeout": result_services.apply_timeout_tx,
}


def success_of(result: StkResult) -> settlement.Success:
    """Return the word of money in a callback."""
    return settlement.Success(
        source="callback",
        amount=result.amount,
        receipt=result.receipt,
        checkout_request_id=result.checkout_request_id,
        merchant_request_id=result.merchant_request_id,
        code=result.code,
        description=result.description,
    )


def list_waiting_successes_tx(tx: db.Tx, *, payment_id: int) -> list[settlement.Success]:
    """Return the successes that wait in the inbox for the query's word: they know the receipt, the query does not."""
    rows = tx.fetch_all(
        """
        SELECT body
          FROM provider_callbacks
         WHERE payment_id = %(payment_id)s
           AND applied_at IS NULL
         ORDER BY id
        """,
        {"payment_id": payment_id},
    )
    results = [stk_callback.find_result(row["body"]) for row in rows]
    return [success_of(result) for result in results if result and meaning_of(result.code) is Meaning.PAID]


# --- leaves


def _mark_applied_tx(tx: db.Tx, *, callback_id: int, outcome: str) -> None:
    """Mark a callback. Raises StaleRow when another worker has applied it meanwhile: then nothing of ours stands."""
    tx.execute_one(
        """
        UPDATE provider_callbacks
           SET applied_at = %(now)s,
               due_at = NULL,
               outcome = %(outcome)s,
               last_error = NULL
         WHERE id = %(id)s
           AND applied_at IS NULL
        """,
        {"id": callback_id, "outcome": outcome, "now": clock.now()},
    )


@db.in_transaction
def postpone(tx: db.Tx, *, callback_id: int, wait: timedelta, reason: str) -> None:
    """Try a callback again later; it is never given up, because it may be money."""
    _postpone_tx(tx, callback_id=callback_id, wait=wait, reason=reason)


def _postpone_tx(tx: db.Tx, *, callback_id: int, wait: timedelta, reason: str, outcome: str | None = None) -> None:
    tx.execute(
        """
        UPDATE provider_callbacks
           SET due_at = %(due_at)s,
               outcome = %(outcome)s,
               last_error = %(reason)s
         WHERE id = %(id)s
           AND applied_at IS NULL
        """,
        {"id": callback_id, "due_at": clock.now() + wait, "reason": reason[:500], "outcome": outcome},
    )
