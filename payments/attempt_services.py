"""An attempt to be paid, from its row to its failure; its success is settle_services' alone.

Owns, with settle_services, the table payments. Locks the order, then the payment. An attempt whose prompt is on a
phone keeps its order's payment_status `pending`; `prompt_until` says that it does, and whoever clears it lets the
order go. So a late word about an old attempt never frees the order under a newer one.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from orders import services as orders
from payments.schemas import Payment
from utils import clock, db, log, trace
from utils.errors import NotFound

logger = log.get_logger(__name__)

# A prompt stays on the phone for a minute; who saw none may then have another. Until the provider has said that there
# is one, three: the calls that open it take at most 100 s together, a token, a push, and both once more when the token
# was refused.
PROMPT_ON_PHONE = timedelta(minutes=1)
PROMPT_LIFETIME = timedelta(minutes=3)
GIVEN_UP_AT_ONCE = 50


def insert_tx(
    tx: db.Tx,
    *,
    order: db.Row,
    method: str,
    amount: Decimal,
    phone_number: str | None,
    user_id: int | None,
    typed_account: str | None = None,
) -> int:
    """Write an attempt down and return its id; an STK attempt takes the order's prompt with it."""
    now = clock.now()
    return tx.insert(
        """
        INSERT INTO payments
            (order_id, method, status, amount, currency, phone_number, typed_account, created_by, request_id,
             created_at, updated_at, prompt_until)
        VALUES
            (%(order_id)s, %(method)s, 'created', %(amount)s, %(currency)s, %(phone_number)s, %(typed_account)s,
             %(created_by)s, %(request_id)s, %(now)s, %(now)s, %(prompt_until)s)
        """,
        {
            "order_id": order["id"],
            "method": method,
            "amount": amount,
            "currency": order["currency"],
            "phone_number": phone_number,
            "typed_account": typed_account,
            "created_by": user_id,
            "request_id": trace.request_id(),
            "now": now,
            "prompt_until": now + PROMPT_LIFETIME if method == "mpesa_stk" else None,
        },
    )


def lock_payment_tx(tx: db.Tx, *, payment_id: int) -> tuple[db.Row, db.Row]:
    """Lock a payment's order, then the payment, and return both rows. Raises NotFound."""
    order_id = tx.fetch_value("SELECT order_id FROM payments WHERE id = %(id)s", {"id": payment_id})
    order = orders.lock_order_tx(tx, order_id=order_id)
    payment = tx.require_one(
        """
        SELECT id, order_id, method, status, amount, settled_amount, receipt, phone_number, checkout_request_id,
               created_at, prompt_until
          FROM payments
         WHERE id = %(id)s
           FOR UPDATE
        """,
        {"id": payment_id},
        missing=NotFound(what="payment"),
    )
    return order, payment


def list_told_twice_tx(tx: db.Tx, *, order_id: int, amount: Decimal) -> list[db.Row]:
    """Return the prompts of an order that a confirmation with an unknown receipt may tell of, the likeliest first.

    Those whose money is booked and lacks its receipt, then the open ones, the newest first. Lock the order first.
    """
    return tx.fetch_all(
        """
        SELECT id, settled_amount
          FROM payments
         WHERE order_id = %(order_id)s
           AND method = 'mpesa_stk'
           AND receipt IS NULL
           AND (status IN ('succeeded', 'review') AND settled_amount = %(amount)s
                OR status IN ('created', 'sent', 'unknown') AND amount = %(amount)s)
         ORDER BY settled_amount IS NULL, id DESC
        """,
        {"order_id": order_id, "amount": amount},
    )


def read_payment_tx(tx: db.Tx, *, payment_id: int) -> Payment:
    """Return a payment as clients read it, as it stands in your transaction."""
    row = tx.require_one(
        """
        SELECT id, order_id, method, status, amount, currency, phone_number, checkout_request_id,
               receipt, result_code, result_desc, created_at, settled_at
          FROM payments
         WHERE id = %(id)s
        """,
        {"id": payment_id},
        missing=NotFound(what="payment"),
    )
    return Payment.model_validate(row)


def fail_tx(tx: db.Tx, *, payment_id: int, code: str, description: str) -> bool:
    """Write an attempt's failure and let its order go; False when it had its outcome already.

    A failure never undoes a success, and a second one changes nothing.
    """
    order, payment = lock_payment_tx(tx, payment_id=payment_id)
    failed = tx.execute(
        """
        UPDATE payments
           SET status = 'failed',
               result_code = %(code)s,
               result_desc = %(description)s,
               query_due_at = NULL,
               prompt_until = NULL,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'sent', 'unknown')
        """,
        {"id": payment_id, "code": code, "description": description, "now": clock.now()},
    )
    if not failed:
        return False
    if payment["prompt_until"] is not None:
        orders.release_prompt_tx(tx, order_id=order["id"])
    logger.info("payment failed", payment_id=payment_id, order_id=order["id"], code=code)
    return True


def ask_soon_tx(tx: db.Tx, *, payment_id: int, checkout_request_id: str | None) -> None:
    """Have the provider asked at once how this prompt ended, under the id we know or, when we know none, this one."""
    tx.execute(
        """
        UPDATE payments
           SET checkout_request_id = COALESCE(checkout_request_id, %(checkout_request_id)s),
               query_due_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'sent', 'unknown', 'failed')
        """,
        {"id": payment_id, "checkout_request_id": checkout_request_id, "now": clock.now()},
    )


def keep_order_tx(tx: db.Tx, *, payment: db.Row) -> None:
    """Keep an order from expiring, and from a second prompt, while word of its payment waits to be confirmed."""
    tx.execute(
        """
        UPDATE payments
           SET prompt_until = %(prompt_until)s
         WHERE id = %(id)s
           AND prompt_until IS NOT NULL
           AND status IN ('created', 'sent', 'unknown')
        """,
        {"id": payment["id"], "prompt_until": clock.now() + PROMPT_LIFETIME},
    )
    orders.keep_open_tx(tx, order_id=payment["order_id"])


# --- prompts that nobody answered


def give_up_dead_prompts() -> int:
    """Let go of the orders whose prompts are past their life, and return how many were due.

    The process died around its call, or no answer and no word of the provider ever came. What comes later is still
    booked; meanwhile the customer can try again.
    """
    rows = db.reading().fetch_all(
        """
        SELECT p.id, p.request_id
          FROM payments p
         WHERE p.prompt_until <= %(now)s
         ORDER BY p.prompt_until, p.id
         LIMIT %(limit)s
        """,
        {"now": clock.now(), "limit": GIVEN_UP_AT_ONCE},
    )
    for row in rows:
        with trace.span(row["request_id"]):
            give_up(payment_id=row["id"])
    return len(rows)


@db.in_transaction
def give_up(tx: db.Tx, *, payment_id: int) -> None:
    """Let go of one order whose prompt is past its life; an attempt of which we know nothing becomes `unknown`."""
    order, _payment = lock_payment_tx(tx, payment_id=payment_id)
    given_up = tx.execute(
        """
        UPDATE payments
           SET status = CASE WHEN status = 'created' THEN 'unknown' ELSE status END,
               prompt_until = NULL,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND prompt_until <= %(now)s
        """,
        {"id": payment_id, "now": clock.now()},
    )
    if given_up:
        orders.release_prompt_tx(tx, order_id=order["id"])
        logger.warning("prompt given up", payment_id=payment_id, order_id=order["id"])
