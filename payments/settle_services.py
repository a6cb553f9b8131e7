"""Settlement: the one place where money is booked, whoever brings word of it.

Callback, confirmation, query, mock and delivery all come through `settle_tx`, and what a person has decided through
`allocate_tx`: both count it by `_count_tx`. Locks the order, then the payment. Keeps: a success
is booked once, and wins over any failure; what does not fit goes to `review`, where a person decides, and never to
the order; no receipt is ever dropped. An order that had expired is taken up again by its money, while its goods are
there. All money that is written down is posted to the ledger with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from orders import services as orders
from payments import attempt_services as attempts
from payments import ledger_services as ledger
from utils import clock, db, log, money, trace
from utils.errors import AlreadyPaid, OrderClosed, OutOfStock

logger = log.get_logger(__name__)

WAITING = "waiting"  # for more to be known; the callback stays in the inbox
UNSETTLED = {"created", "sent", "unknown", "failed"}


class BelongsElsewhere(Exception):
    """This receipt or CheckoutRequestID stands on another payment."""


OWN_KEYS = {"uq_payments_receipt": BelongsElsewhere, "uq_payments_checkout_request_id": BelongsElsewhere}


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """Word that money has moved. What the source does not tell is None: a query knows neither amount nor receipt."""

    source: str
    amount: Decimal | None = None
    receipt: str | None = None
    checkout_request_id: str | None = None
    merchant_request_id: str | None = None
    code: str = "0"
    description: str = ""


def settle_tx(tx: db.Tx, *, payment_id: int, success: Success, actor_id: int | None = None) -> str:
    """Book a success and count it towards its order; return `settled`, `repeated`, `receipt_filled` or `review`."""
    order, payment = attempts.lock_payment_tx(tx, payment_id=payment_id)
    if payment["status"] not in UNSETTLED:
        return _meet_again_tx(tx, payment, success)
    misfit = find_misfit(order, payment, success)
    if misfit is None:
        count = _count_late_tx if order["status"] == "cancelled" else _count_tx
        try:
            count(tx, order=order, payment=payment, success=success, actor_id=actor_id)
        except BelongsElsewhere:
            misfit = f"{success.receipt or success.checkout_request_id} belongs to another payment"
        except OrderClosed:
            misfit = "the order is cancelled: a refund is proposed"
        except OutOfStock:
            misfit = "the order had expired and its goods are sold: a refund is proposed"
    if misfit is not None:
        if (twin_id := _find_twin_tx(tx, order, success)) is not None:
            return _give_way_tx(tx, payment, twin_id)
        send_to_review_tx(tx, order=order, payment=payment, success=success, reason=misfit)
        return "review"
    logger.info(
        "payment settled",
        payment_id=payment_id,
        order_id=order["id"],
        provider_ref=success.receipt or payment["checkout_request_id"],
        source=success.source,
        before=payment["status"],
    )
    return "settled"


def allocate_tx(tx: db.Tx, *, payment_id: int, actor_id: int) -> None:
    """Count money in review towards the order that a person has claimed it for.

    Raises AlreadyPaid, OrderClosed and OutOfStock (an expired order is taken up again, if it can be).
    """
    order, payment = attempts.lock_payment_tx(tx, payment_id=payment_id)
    if order["paid"] >= order["total"]:
        raise AlreadyPaid
    success = Success(source="staff", amount=payment["settled_amount"], receipt=payment["receipt"])
    count = _count_late_tx if order["status"] == "cancelled" else _count_tx
    count(tx, order=order, payment=payment, success=success, actor_id=actor_id)


def _count_tx(tx: db.Tx, *, order: db.Row, payment: db.Row, success: Success, actor_id: int | None) -> None:
    """Book a success that fits, count it towards its order and post it."""
    amount = payment["amount"] if success.amount is None else success.amount
    _book_tx(tx, payment, success, amount)
    reason = " ".join(filter(None, (payment["method"], success.receipt, f"by {success.source}")))
    orders.mark_paid_tx(tx, order_id=order["id"], amount=amount, actor_id=actor_id, reason=reason)
    if payment["status"] == "review":
        ledger.post_allocated_tx(tx, order=order, payment_id=payment["id"], amount=amount)
    else:
        ledger.post_settled_tx(tx, order=order, payment_id=payment["id"], method=payment["method"], amount=amount)


def _count_late_tx(tx: db.Tx, *, order: db.Row, payment: db.Row, success: Success, actor_id: int | None) -> None:
    """Do the same for an order that is cancelled: it is revived, or nothing is done and the error tells why not."""
    with tx.attempt():
        orders.revive_tx(tx, order_id=order["id"])
        _count_tx(tx, order=order, payment=payment, success=success, actor_id=actor_id)


def find_misfit(order: db.Row, payment: db.Row, success: Success) -> str | None:
    """Return why a success cannot be booked on this order, None when it fits."""
    if oddity := find_oddity(payment, success):
        return oddity
    return "the order was already paid: paid twice" if order["paid"] >= order["total"] else None


def find_oddity(payment: db.Row, success: Success) -> str | None:
    """Return why a success cannot tell of this payment at all, None when it may."""
    if not _names_same_prompt(payment, success):
        return "the word is of another CheckoutRequestID"
    if success.amount is not None and success.amount != payment["amount"]:
        return f"{money.text(success.amount)} came where {money.text(payment['amount'])} was asked for"
    return None


def _names_same_prompt(payment: db.Row, success: Success) -> bool:
    known, named = payment["checkout_request_id"], success.checkout_request_id
    return known is None or named is None or known == named


def send_to_review_tx(tx: db.Tx, *, order: db.Row, payment: db.Row, success: Success, reason: str) -> None:
    """Keep money that does not fit before a person, with its receipt; its order too, unless that is paid anyway.

    A receipt or CheckoutRequestID that stands on another payment tells of that payment's money: nothing more has come.
    """
    came = payment["amount"] if success.amount is None else success.amount
    try:
        _require_own_prompt_tx(tx, payment, success)
        _write_review_tx(tx, payment, success, reason, amount=came, receipt=success.receipt)
    except BelongsElsewhere:
        came, reason = None, f"{reason}; receipt {success.receipt}"
        _write_review_tx(tx, payment, success, reason, amount=came, receipt=None)
    ledger.post_unallocated_tx(
        tx, order_id=order["id"], payment_id=payment["id"], method=payment["method"], amount=came
    )
    if order["paid"] < order["total"]:
        orders.send_to_review_tx(tx, order_id=order["id"], reason=f"payment {payment['id']}: {reason}")
    logger.error(
        "payment to review",
        payment_id=payment["id"],
        order_id=order["id"],
        provider_ref=success.receipt,
        source=success.source,
        reason=reason,
    )


def keep_unallocated_tx(tx: db.Tx, *, method: str, typed_account: str, success: Success, reason: str) -> str:
    """Keep money that no order is known for; return `unallocated`, or `repeated` for a receipt that stands already."""
    try:
        payment_id = _insert_unallocated_tx(tx, method, typed_account, success, reason)
    except BelongsElsewhere:
        return "repeated"
    ledger.post_unallocated_tx(tx, order_id=None, payment_id=payment_id, method=method, amount=success.amount)
    logger.warning(
        "money without an order",
        payment_id=payment_id,
        provider_ref=success.receipt,
        source=success.source,
        reason=reason,
    )
    return "unallocated"


def is_known_tx(tx: db.Tx, *, receipt: str) -> bool:
    """Tell whether a receipt stands on a payment."""
    known = tx.fetch_value("SELECT id FROM payments WHERE receipt = %(receipt)s", {"receipt": receipt})
    return known is not None


def _give_way_tx(tx: db.Tx, payment: db.Row, twin_id: int) -> str:
    """Close an attempt whose very money is booked as another payment of its order: nothing more has come.

    The confirmation of a prompt was there first, and could not tell which prompt it was of.
    """
    reason = f"its money is booked as payment {twin_id}"
    attempts.fail_tx(tx, payment_id=payment["id"], code="0", description=reason)
    logger.info("payment gives way", payment_id=payment["id"], order_id=payment["order_id"], twin_id=twin_id)
    return "repeated"


def _meet_again_tx(tx: db.Tx, payment: db.Row, success: Success) -> str:
    """Take word of a payment that has its outcome: the same again, the receipt it lacked, or other money."""
    if success.receipt is None or success.receipt == payment["receipt"]:
        return "repeated"
    try:
        if payment["receipt"] is None and _names_same_prompt(payment, success) and _is_same_money(payment, success):
            _fill_receipt_tx(tx, payment, success)
            return "receipt_filled"
        _require_own_prompt_tx(tx, payment, success)
        _write_other_money_tx(tx, payment, success)
    except BelongsElsewhere:
        logger.warning("receipt known elsewhere", payment_id=payment["id"], provider_ref=success.receipt)
        return "repeated"
    logger.error("second receipt", payment_id=payment["id"], provider_ref=success.receipt, source=success.source)
    return "review"


def _is_same_money(payment: db.Row, success: Success) -> bool:
    booked = payment["settled_amount"]
    return booked is not None and success.amount in (None, booked)


# --- leaves


def _book_tx(tx: db.Tx, payment: db.Row, success: Success, amount: Decimal) -> None:
    """Write the success. Raises BelongsElsewhere, and StaleRow when the payment is settled (the caller has looked)."""
    with db.naming(OWN_KEYS):
        tx.execute_one(
            """
            UPDATE payments
               SET status = 'succeeded',
                   settled_amount = %(amount)s,
                   settled_at = %(now)s,
                   receipt = %(receipt)s,
                   checkout_request_id = COALESCE(checkout_request_id, %(checkout_request_id)s),
                   merchant_request_id = COALESCE(merchant_request_id, %(merchant_request_id)s),
                   result_code = %(code)s,
                   result_desc = %(description)s,
                   query_due_at = NULL,
                   prompt_until = NULL,
                   updated_at = %(now)s
             WHERE id = %(id)s
               AND status = %(before)s
               AND status IN ('created', 'sent', 'unknown', 'failed', 'review')
            """,
            {
                "id": payment["id"],
                "before": payment["status"],
                "amount": amount,
                "receipt": success.receipt,
                "checkout_request_id": success.checkout_request_id,
                "merchant_request_id": success.merchant_request_id,
                "code": success.code,
                "description": success.description,
                "now": clock.now(),
            },
        )


def _require_own_prompt_tx(tx: db.Tx, payment: db.Row, success: Success) -> None:
    """Raise BelongsElsewhere when a word names the prompt of another payment: that one will have the money booked."""
    other = tx.fetch_value(
        "SELECT id FROM payments WHERE checkout_request_id = %(checkout_request_id)s AND id <> %(id)s",
        {"checkout_request_id": success.checkout_request_id, "id": payment["id"]},
    )
    if other is not None:
        raise BelongsElsewhere


def _find_twin_tx(tx: db.Tx, order: db.Row, success: Success) -> int | None:
    """Return the payment of this order that has this receipt and this much money."""
    twin_id: int | None = tx.fetch_value(
        """
        SELECT id
          FROM payments
         WHERE receipt = %(receipt)s
           AND order_id = %(order_id)s
           AND settled_amount = %(amount)s
        """,
        {"receipt": success.receipt, "order_id": order["id"], "amount": success.amount},
    )
    return twin_id


def _write_review_tx(
    tx: db.Tx, payment: db.Row, success: Success, reason: str, *, amount: Decimal | None, receipt: str | None
) -> None:
    with db.naming(OWN_KEYS):
        tx.execute_one(
            """
            UPDATE payments
               SET status = 'review',
                   review_reason = %(reason)s,
                   settled_amount = %(amount)s,
                   receipt = %(receipt)s,
                   result_code = %(code)s,
                   result_desc = %(description)s,
                   query_due_at = NULL,
                   prompt_until = NULL,
                   updated_at = %(now)s
             WHERE id = %(id)s
               AND status IN ('created', 'sent', 'unknown', 'failed')
            """,
            {
                "id": payment["id"],
                "reason": reason[:300],
                "amount": amount,
                "receipt": receipt,
                "code": success.code,
                "description": success.description,
                "now": clock.now(),
            },
        )


def _insert_unallocated_tx(tx: db.Tx, method: str, typed_account: str, success: Success, reason: str) -> int:
    with db.naming(OWN_KEYS):
        return tx.insert(
            """
            INSERT INTO payments
                (method, status, amount, settled_amount, currency, typed_account, receipt, result_code, result_desc,
                 review_reason, request_id, created_at, updated_at)
            VALUES
                (%(method)s, 'review', %(amount)s, %(amount)s, %(currency)s, %(typed_account)s, %(receipt)s, %(code)s,
                 %(description)s, %(reason)s, %(request_id)s, %(now)s, %(now)s)
            """,
            {
                "method": method,
                "amount": success.amount,
                "currency": money.CURRENCY,
                "typed_account": typed_account,
                "receipt": success.receipt,
                "code": success.code,
                "description": success.description,
                "reason": reason,
                "request_id": trace.request_id(),
                "now": clock.now(),
            },
        )


def _fill_receipt_tx(tx: db.Tx, payment: db.Row, success: Success) -> None:
    with db.naming(OWN_KEYS):
        tx.execute_one(
            """
            UPDATE payments
               SET receipt = %(receipt)s,
                   updated_at = %(now)s
             WHERE id = %(id)s
               AND receipt IS NULL
            """,
            {"id": payment["id"], "receipt": success.receipt, "now": clock.now()},
        )


def _write_other_money_tx(tx: db.Tx, payment: db.Row, success: Success) -> None:
    """Give a second receipt under one prompt a row of its own, in review: money that may have moved twice."""
    amount = success.amount or payment["amount"]
    with db.naming(OWN_KEYS):
        other_id = tx.insert(
            """
            INSERT INTO payments
                (order_id, method, status, amount, settled_amount, currency, phone_number, receipt, result_code,
                 result_desc, review_reason, request_id, created_at, updated_at)
            SELECT p.order_id, p.method, 'review', %(amount)s, %(amount)s, p.currency, p.phone_number, %(receipt)s,
                   %(code)s, %(description)s, %(reason)s, p.request_id, %(now)s, %(now)s
              FROM payments p
             WHERE p.id = %(id)s
            """,
            {
                "id": payment["id"],
                "amount": amount,
                "receipt": success.receipt,
                "code": success.code,
                "description": success.description,
                "reason": f"a second receipt under the prompt of payment {payment['id']}",
                "now": clock.now(),
            },
        )
    ledger.post_unallocated_tx(
        tx, order_id=payment["order_id"], payment_id=other_id, method=payment["method"], amount=amount
    )
