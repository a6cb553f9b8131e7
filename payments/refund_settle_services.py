"""The end of a refund: the one place where it is booked, failed or put before a person, whoever brings word of it.

Owns, with the other refund services, the table refunds; writes payments.refund_claimed. Locks the order, then the
payment, then the refund. Keeps: a refund is booked once, with its journal and its order; what failed gives its claim
on the payment free; what is not known holds it, so that no shilling is sent twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from orders import refund_services as order_refunds
from orders import services as orders
from payments import ledger_services as ledger
from payments.refund_schemas import Refund
from payments.refund_states import OPEN
from utils import clock, db, log
from utils.errors import NotFound, StaleRow

logger = log.get_logger(__name__)


class BelongsElsewhere(Exception):
    """This receipt stands on another refund."""


OWN_KEYS = {"uq_refunds_receipt": BelongsElsewhere}


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Word of how a refund ended, and whose it is: a Result, Transaction Status, the call's own answer, a person."""

    succeeded: bool
    source: str
    code: str
    description: str = ""
    receipt: str | None = None
    moved_at: datetime | None = None
    actor_id: int | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """A refund with its payment, and its order when there is one, all locked."""

    order: db.Row | None
    payment: db.Row
    refund: db.Row


def lock_payment_tx(tx: db.Tx, *, payment_id: int) -> tuple[db.Row | None, db.Row]:
    """Lock a payment's order, when it has one, then the payment, and return both rows. Raises NotFound, StaleRow."""
    seen = tx.fetch_one("SELECT order_id FROM payments WHERE id = %(id)s", {"id": payment_id})
    order_id = seen["order_id"] if seen else None
    order = None if order_id is None else orders.lock_order_tx(tx, order_id=order_id)
    payment = tx.require_one(
        """
        SELECT id, order_id, method, status, currency, settled_amount, refund_claimed, receipt, phone_number
          FROM payments
         WHERE id = %(id)s
           FOR UPDATE
        """,
        {"id": payment_id},
        missing=NotFound(what="transaction"),
    )
    if payment["order_id"] != order_id:
        raise StaleRow  # it found its order while we waited for the lock
    return order, payment


def lock_refund_tx(tx: db.Tx, *, refund_id: int) -> Locked:
    """Lock a refund after its order and its payment. Raises NotFound, StaleRow."""
    payment_id = tx.fetch_value("SELECT payment_id FROM refunds WHERE id = %(id)s", {"id": refund_id})
    if payment_id is None:
        raise NotFound(what="refund")
    order, payment = lock_payment_tx(tx, payment_id=payment_id)
    refund = tx.require_one(
        """
        SELECT id, payment_id, order_id, method, status, amount, phone_number, originator_conversation_id,
               conversation_id, receipt, review_reason, created_at, called_at, attempts, query_count
          FROM refunds
         WHERE id = %(id)s
           FOR UPDATE
        """,
        {"id": refund_id},
        missing=NotFound(what="refund"),
    )
    return Locked(order, payment, refund)


def settle_refund_tx(tx: db.Tx, *, locked: Locked, word: Word) -> str:
    """Book the end of a refund; return `succeeded`, `failed`, `repeated`, `receipt_filled`, `review` or `contradicted`.

    A success is booked in the ledger and on the order and told to the customer; a failure gives the claim free. A
    success after a failure takes the claim again; where another refund has it by then, the books cannot hold both:
    the word is kept on the refund for a person (`contradicted`).
    """
    refund = locked.refund
    if refund["status"] == "succeeded":
        return _meet_again_tx(tx, refund, word)
    if not word.succeeded:
        return _fail_tx(tx, locked, word)
    if refund["status"] == "failed" and not claim_tx(tx, payment_id=locked.payment["id"], amount=refund["amount"]):
        return _contradict_tx(tx, refund, word)
    try:
        _write_success_tx(tx, refund, word)
    except BelongsElsewhere:
        if refund["status"] == "failed":
            _free_claim_tx(tx, refund)
            return _contradict_tx(tx, refund, word)
        reason = f"The receipt {word.receipt} stands on another refund: look into the M-Pesa portal, then settle this."
        send_to_review_tx(tx, refund=refund, reason=reason)
        return "review"
    _book_tx(tx, locked, word)
    logger.info("refund succeeded", **_facts(refund), provider_ref=word.receipt, source=word.source)
    return "succeeded"


def _book_tx(tx: db.Tx, locked: Locked, word: Word) -> None:
    """Post a refund and count it on its order; money in review never counted there."""
    order, payment, refund = locked.order, locked.payment, locked.refund
    ledger.post_refunded_tx(
        tx, order=order, payment=payment, refund_id=refund["id"], method=refund["method"], amount=refund["amount"]
    )
    if order is None:
        return
    tell = order_refunds.note_refund_tx if payment["status"] == "review" else order_refunds.count_refund_tx
    tell(tx, order_id=order["id"], amount=refund["amount"], receipt=word.receipt, actor_id=word.actor_id)


def _fail_tx(tx: db.Tx, locked: Locked, word: Word) -> str:
    """Write a failure and give the claim free. One in review is a person's to decide, whatever comes late."""
    refund = locked.refund
    may_fail = refund["status"] in OPEN or (refund["status"] == "review" and word.actor_id is not None)
    if not may_fail:
        return "repeated"
    _write_failure_tx(tx, refund, word)
    _free_claim_tx(tx, refund)
    logger.warning("refund failed", **_facts(refund), code=word.code, source=word.source)
    return "failed"


def _meet_again_tx(tx: db.Tx, refund: db.Row, word: Word) -> str:
    """Take word of a refund that is booked: the same again, the receipt it lacked, or a contradiction."""
    if not word.succeeded or word.receipt is None or word.receipt == refund["receipt"]:
        return "repeated"
    if refund["receipt"] is not None:
        return _contradict_tx(tx, refund, word)
    try:
        with db.naming(OWN_KEYS):
            tx.execute_one(
                "UPDATE refunds SET receipt = %(receipt)s, updated_at = %(now)s WHERE id = %(id)s",
                {"id": refund["id"], "receipt": word.receipt, "now": clock.now()},
            )
    except BelongsElsewhere:
        return _contradict_tx(tx, refund, word)
    return "receipt_filled"


def _contradict_tx(tx: db.Tx, refund: db.Row, word: Word) -> str:
    """Keep word of money that left beyond what the books can hold; somebody must look."""
    reason = f"{word.source} says that money left under the receipt {word.receipt} as well: look into the M-Pesa portal"
    tx.execute_one(
        "UPDATE refunds SET review_reason = %(reason)s, updated_at = %(now)s WHERE id = %(id)s",
        {"id": refund["id"], "reason": reason, "now": clock.now()},
    )
    logger.error("refund contradicted", **_facts(refund), provider_ref=word.receipt, source=word.source)
    return "contradicted"


def clear_contradiction_tx(tx: db.Tx, *, refund: db.Row) -> None:
    """Note that somebody has looked at what contradicted the books; the refund itself stays as it is."""
    tx.execute_one(
        "UPDATE refunds SET review_reason = NULL, updated_at = %(now)s WHERE id = %(id)s",
        {"id": refund["id"], "now": clock.now()},
    )


def send_to_review_tx(tx: db.Tx, *, refund: db.Row, reason: str, code: str | None = None) -> None:
    """Put an open refund before a person, with what is to be done; its claim stays."""
    sent = tx.execute(
        """
        UPDATE refunds
           SET status = 'review',
               review_reason = %(reason)s,
               result_code = COALESCE(%(code)s, result_code),
               called_at = NULL,
               due_at = NULL,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'sent', 'unknown')
        """,
        {"id": refund["id"], "reason": reason[:300], "code": code, "now": clock.now()},
    )
    if sent:
        logger.error("refund to review", **_facts(refund), reason=reason)


def read_refund_tx(tx: db.Tx, *, refund_id: int) -> Refund:
    """Return a refund as staff read it, as it stands in your transaction."""
    row = tx.require_one(
        """
        SELECT id, payment_id, order_id, method, status, amount, currency, phone_number, receipt, result_code,
               result_desc, reason, review_reason, created_at, settled_at
          FROM refunds
         WHERE id = %(id)s
        """,
        {"id": refund_id},
        missing=NotFound(what="refund"),
    )
    return Refund.model_validate(row)


def _facts(refund: db.Row) -> dict[str, int | str | None]:
    return {name: refund[name] for name in ("payment_id", "order_id", "method")} | {"refund_id": refund["id"]}


# --- leaves


def claim_tx(tx: db.Tx, *, payment_id: int, amount: Decimal) -> bool:
    """Claim a part of a payment for a refund; False when that is not left of what came."""
    claimed = tx.execute(
        """
        UPDATE payments
           SET refund_claimed = refund_claimed + %(amount)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('succeeded', 'review')
           AND refund_claimed + %(amount)s <= settled_amount
        """,
        {"id": payment_id, "amount": amount, "now": clock.now()},
    )
    return bool(claimed)


def _free_claim_tx(tx: db.Tx, refund: db.Row) -> None:
    tx.execute_one(
        """
        UPDATE payments
           SET refund_claimed = refund_claimed - %(amount)s,
               updated_at = %(now)s
         WHERE id = %(id)s
        """,
        {"id": refund["payment_id"], "amount": refund["amount"], "now": clock.now()},
    )


def _write_success_tx(tx: db.Tx, refund: db.Row, word: Word) -> None:
    """Write the success. Raises BelongsElsewhere."""
    with db.naming(OWN_KEYS):
        tx.execute_one(
            """
            UPDATE refunds
               SET status = 'succeeded',
                   receipt = COALESCE(%(receipt)s, receipt),
                   result_code = %(code)s,
                   result_desc = %(description)s,
                   review_reason = NULL,
                   settled_at = %(now)s,
                   moved_at = %(moved_at)s,
                   called_at = NULL,
                   due_at = NULL,
                   updated_at = %(now)s
             WHERE id = %(id)s
               AND status IN ('created', 'sent', 'unknown', 'review', 'failed')
            """,
            {
                "id": refund["id"],
                "receipt": word.receipt,
                "code": word.code,
                "description": word.description[:300],
                "moved_at": word.moved_at,
                "now": clock.now(),
            },
        )


def _write_failure_tx(tx: db.Tx, refund: db.Row, word: Word) -> None:
    tx.execute_one(
        """
        UPDATE refunds
           SET status = 'failed',
               result_code = %(code)s,
               result_desc = %(description)s,
               review_reason = NULL,
               called_at = NULL,
               due_at = NULL,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'sent', 'unknown', 'review')
        """,
        {"id": refund["id"], "code": word.code, "description": word.description[:300], "now": clock.now()},
    )
