"""The money that bin/bench moves: orders that wait for it, their prompts, and the callbacks that tell of it.

Written with INSERTs of many rows. Everything hangs together as in a shop that grew: `flask db check` finds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import bench_data

from orders import pricing
from utils import clock, db

CHUNK = 500
LATER = timedelta(hours=6)  # nothing of it comes up by itself while the shop is measured
ATTEMPTS_EACH = 10
Facts = dict[str, Any]  # what is particular to one callback


def place_orders(*, number: int, variant_id: int) -> list[Facts]:
    """Make orders of one piece, each with an open prompt, and return what is particular to each."""
    for first in range(1, number + 1, CHUNK):
        _place_some([_number_of(place) for place in range(first, min(first + CHUNK, number + 1))], variant_id)
    rows = db.reading().fetch_all(
        """
        SELECT p.id AS payment_id, p.merchant_request_id, p.checkout_request_id, p.request_id, o.number
          FROM payments p
          JOIN orders o ON o.id = p.order_id
         WHERE p.method = 'mpesa_stk'
         ORDER BY p.id
        """
    )
    return [{**row, "receipt": f"Q{row['number']}"} for row in rows]


def _number_of(place: int) -> str:
    return f"BENCH{place:06}"


@db.in_transaction
def _place_some(tx: db.Tx, numbers: Sequence[str], variant_id: int) -> None:
    totals = pricing.price_order([bench_data.CHECKOUT_PRICE])
    now = clock.now()
    tx.insert_many(
        """
        INSERT INTO orders
            (number, email, phone_number, status, payment_status, payment_method, currency, subtotal, discount,
             shipping, rounding, tax_included, total, shipping_address, created_at, updated_at, expires_at)
        VALUES (%(number)s, 'guest@example.com', '254712345678', 'pending', 'pending', 'mpesa', 'KES', %(subtotal)s,
                %(discount)s, %(shipping)s, %(rounding)s, %(tax_included)s, %(total)s, '{}', %(now)s, %(now)s,
                %(later)s)
        """,
        [{"number": number, "now": now, "later": now + LATER, **asdict(totals)} for number in numbers],
    )
    those = {"first": numbers[0], "last": numbers[-1]}
    tx.execute(
        """
        INSERT INTO order_items
            (order_id, product_id, variant_id, sku, name, options, unit_price, quantity, line_total)
        SELECT o.id, v.product_id, v.id, v.sku, o.number, v.options, o.subtotal, 1, o.subtotal
          FROM orders o
          JOIN variants v ON v.id = %(variant_id)s
         WHERE o.number BETWEEN %(first)s AND %(last)s
        """,
        {**those, "variant_id": variant_id},
    )
    tx.execute(
        """
        INSERT INTO stock_movements (variant_id, delta, reason, order_id, request_id, created_at)
        SELECT %(variant_id)s, -1, 'order', o.id, 'bench', o.created_at
          FROM orders o
         WHERE o.number BETWEEN %(first)s AND %(last)s
        """,
        {**those, "variant_id": variant_id},
    )
    tx.execute_one(
        "UPDATE variants SET stock = stock - %(sold)s WHERE id = %(id)s", {"id": variant_id, "sold": len(numbers)}
    )
    tx.execute(
        """
        INSERT INTO order_events (order_id, name, to_status, request_id, created_at)
        SELECT o.id, 'order.placed', o.status, 'bench', o.created_at
          FROM orders o
         WHERE o.number BETWEEN %(first)s AND %(last)s
        """,
        those,
    )
    _send_prompts_tx(tx, prefix="ws_CO_", due_until="", **those)


@db.in_transaction
def add_open_attempts(tx: db.Tx, *, orders: int, due: int) -> int:
    """Leave ten prompts without an outcome at each of so many orders, a few of them due; return how many they are."""
    for place in range(ATTEMPTS_EACH):
        _send_prompts_tx(
            tx,
            prefix=f"ws_CO_{place}_",
            due_until="" if place else _number_of(due),
            first=_number_of(1),
            last=_number_of(orders),
        )
    tx.execute("ANALYZE TABLE payments")
    return orders * ATTEMPTS_EACH


def _send_prompts_tx(tx: db.Tx, *, prefix: str, due_until: str, first: str, last: str) -> None:
    """Open a prompt for each of these orders; those up to the number `due_until` are overdue, the others due later."""
    now = clock.now()
    tx.execute(
        """
        INSERT INTO payments
            (order_id, method, status, amount, currency, phone_number, merchant_request_id, checkout_request_id,
             request_id, created_at, updated_at, sent_at, query_due_at, prompt_until)
        SELECT o.id, 'mpesa_stk', 'sent', o.total, o.currency, o.phone_number, CONCAT('bench-', o.number),
               CONCAT(%(prefix)s, o.number), CONCAT('bench-', o.number), o.created_at, o.created_at, o.created_at,
               CASE WHEN o.number <= %(due_until)s THEN %(now)s ELSE %(later)s + INTERVAL MOD(o.id, 3600) SECOND END,
               CASE WHEN o.number <= %(due_until)s THEN %(now)s ELSE %(later)s + INTERVAL MOD(o.id, 3600) SECOND END
          FROM orders o
         WHERE o.number BETWEEN %(first)s AND %(last)s
         ORDER BY o.number
        """,
        {"prefix": prefix, "due_until": due_until, "first": first, "last": last, "now": now, "later": now + LATER},
    )


def write_callback(facts: Facts) -> str:
    """Write the provider's word that one prompt was paid."""
    items = [
        {"Name": "Amount", "Value": float(bench_data.CHECKOUT_PRICE)},
        {"Name": "MpesaReceiptNumber", "Value": facts["receipt"]},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": 20260714101532},
        {"Name": "PhoneNumber", "Value": 254712345678},
    ]
    callback = {
        "MerchantRequestID": facts["merchant_request_id"],
        "CheckoutRequestID": facts["checkout_request_id"],
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": items},
    }
    return json.dumps({"Body": {"stkCallback": callback}})


def fill_inbox(told: Sequence[Facts]) -> list[Facts]:
    """Put the callbacks of these prompts into the inbox, due, and return what is particular to each."""
    for first in range(0, len(told), CHUNK):
        _keep_callbacks(told[first : first + CHUNK])
    rows = db.reading().fetch_all(
        """
        SELECT pc.id AS callback_id, pc.payment_id
          FROM provider_callbacks pc
         WHERE pc.due_at IS NOT NULL
         ORDER BY pc.due_at, pc.id
        """
    )
    callback_ids = {row["payment_id"]: row["callback_id"] for row in rows}
    return [{**facts, "callback_id": callback_ids[facts["payment_id"]]} for facts in told]


@db.in_transaction
def _keep_callbacks(tx: db.Tx, told: Sequence[Facts]) -> None:
    now = clock.now()
    tx.insert_many(
        """
        INSERT INTO provider_callbacks (kind, payment_id, body, address, request_id, received_at, due_at)
        VALUES ('stk', %(payment_id)s, %(body)s, '127.0.0.1', %(request_id)s, %(now)s, %(now)s)
        """,
        [
            {
                "payment_id": facts["payment_id"],
                "request_id": facts["request_id"],
                "body": write_callback(facts),
                "now": now,
            }
            for facts in told
        ],
    )


@db.in_transaction
def empty_inbox(tx: db.Tx) -> None:
    """Forget the callbacks that are kept, so that one measurement leaves the next nothing to settle."""
    tx.execute("DELETE FROM provider_callbacks")


def count_unapplied() -> int:
    """Return how many callbacks wait in the inbox."""
    waiting = db.reading().fetch_value(
        "SELECT COUNT(*) AS waiting FROM provider_callbacks pc WHERE pc.applied_at IS NULL"
    )
    return int(waiting)


def count_unpaid(told: Sequence[Facts]) -> int:
    """Return how many of the orders that these prompts are for are not paid, of all that were placed here."""
    paid = db.reading().fetch_value(
        """
        SELECT COUNT(*) AS paid
          FROM orders o
         WHERE o.number BETWEEN %(first)s AND %(last)s
           AND o.payment_status = 'paid'
           AND o.status = 'processing'
           AND o.paid = o.total
        """,
        {"first": told[0]["number"], "last": told[-1]["number"]},
    )
    return len(told) - int(paid)
