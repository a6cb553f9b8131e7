"""What must hold when a storm is over: the provider's book, our ledger and the orders agree, and all has an end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from payments.simulator_book import Book, Entry
from utils import checks, db


def find_faults(book: Book) -> list[str]:
    """Return everything that is not as it must be, each with what a person needs to look into it."""
    faults = [f"{finding.name}: {finding.claim}; but {finding.rows[:3]}" for finding in checks.run(db.reading())]
    faults += _different_sums(book)
    faults += _money_that_is_nowhere(book)
    for name, claim in MUST_BE_EMPTY.items():
        faults += [f"{name}: {row}" for row in db.reading().fetch_all(claim)]
    return faults


def tell_figures(book: Book) -> str:
    """Tell how much has happened."""
    rows = db.reading().fetch_all(
        """
        SELECT CONCAT(p.method, ' ', p.status) AS what, COUNT(*) AS counted
          FROM payments p
         GROUP BY what
         UNION ALL
        SELECT CONCAT(r.method, ' ', r.status), COUNT(*)
          FROM refunds r
         GROUP BY r.method, r.status
         ORDER BY what
        """
    )
    figures = [f"{row['counted']} {row['what']}" for row in rows]
    return f"{len(book)} movements at the provider, {book.balance} shillings; ours: {', '.join(figures)}"


def _different_sums(book: Book) -> Iterator[str]:
    sums = {name: int(_value(sql) or 0) for name, sql in SUMS.items()}
    if set(sums.values()) != {book.balance}:
        yield f"the provider holds {book.balance}, we say {sums}"


def _money_that_is_nowhere(book: Book) -> Iterator[str]:
    """Find entries of the provider's book that no payment or refund of ours tells of, and ours that it does not."""
    ours = _moved_by_our_word()
    for entry in book.values():
        told = ours.pop(entry.receipt, None) or ours.pop(entry.reference, None)
        if told is None:
            yield f"only the provider knows {entry}: {_what_we_know_of(entry)}"
        elif told["amount"] != entry.amount:
            yield f"the provider says {entry}, we say {told}"
    yield from (f"only we know {told}" for told in ours.values())


def _moved_by_our_word() -> dict[str, dict[str, Any]]:
    """Return what we say has moved, by receipt, or by the id under which the provider knows it."""
    rows = db.reading().fetch_all(MOVED)
    return {row["receipt"] or row["reference"] or f"{row['what']} {row['id']}": row for row in rows}


def _what_we_know_of(entry: Entry) -> list[dict[str, Any]]:
    return db.reading().fetch_all(
        """
        SELECT p.id, p.order_id, p.method, p.status, p.receipt, p.amount, p.result_code, p.query_count, p.review_reason,
               o.status AS order_status, o.payment_status
          FROM payments p
          LEFT JOIN orders o ON o.id = p.order_id
         WHERE p.checkout_request_id = %(reference)s
            OR o.number = %(account)s
        """,
        {"reference": entry.reference, "account": entry.account},
    )


def _value(sql: str) -> Any:
    return db.reading().fetch_value(sql)


# Each is the shop's own word for what stands on its account at the provider.
SUMS = {
    "ledger": "SELECT SUM(amount) AS s FROM ledger_entries WHERE account = 'mpesa_clearing'",
    "payments": """
        SELECT (SELECT SUM(p.settled_amount) FROM payments p WHERE p.status IN ('succeeded', 'review'))
             - (SELECT COALESCE(SUM(r.amount), 0) FROM refunds r WHERE r.status = 'succeeded') AS s
    """,
    "orders and what waits for a person": """
        SELECT (SELECT SUM(o.paid - o.refunded) FROM orders o)
             + (SELECT COALESCE(SUM(p.settled_amount), 0) FROM payments p WHERE p.status = 'review')
             - (SELECT COALESCE(SUM(r.amount), 0)
                  FROM refunds r
                  JOIN payments p ON p.id = r.payment_id
                 WHERE r.status = 'succeeded'
                   AND p.status = 'review') AS s
    """,
}

MOVED = """
    SELECT 'payment' AS what, p.id, p.receipt, p.checkout_request_id AS reference, p.settled_amount AS amount,
           p.status, p.order_id
      FROM payments p
     WHERE p.status IN ('succeeded', 'review')
       AND p.settled_amount > 0
     UNION ALL
    SELECT 'refund', r.id, r.receipt, r.originator_conversation_id, -r.amount, r.status, r.order_id
      FROM refunds r
     WHERE r.status = 'succeeded'
"""

MUST_BE_EMPTY = {
    "an order without an end": """
        SELECT o.id, o.number, o.status, o.payment_status, o.total, o.paid, o.refunded, o.expires_at
          FROM orders o
         WHERE NOT (o.status IN ('processing', 'cancelled')
                    AND o.payment_status IN ('paid', 'partially_refunded', 'refunded')
                 OR o.status = 'cancelled' AND o.payment_status = 'unpaid' AND o.paid = 0
                 OR o.payment_status = 'review')
    """,
    "an order in review without a reason": """
        SELECT o.id, o.number
          FROM orders o
         WHERE o.payment_status = 'review'
           AND NOT EXISTS (SELECT 1
                             FROM order_events oe
                            WHERE oe.order_id = o.id
                              AND oe.name = 'order.review'
                              AND oe.reason <> '')
    """,
    "a payment without an end": """
        SELECT p.id, p.order_id, p.method, p.status, p.checkout_request_id, p.query_count, p.review_reason
          FROM payments p
         WHERE NOT (p.status = 'succeeded' AND p.settled_amount > 0
                 OR p.status = 'failed' AND p.result_code IS NOT NULL
                 OR p.status = 'review' AND p.review_reason <> ''
                 OR p.status = 'unknown' AND p.checkout_request_id IS NULL)
            OR p.prompt_until IS NOT NULL
    """,
    "a refund without an end": """
        SELECT r.id, r.payment_id, r.method, r.status, r.result_code, r.review_reason
          FROM refunds r
         WHERE NOT (r.status IN ('succeeded', 'failed') OR r.status = 'review' AND r.review_reason <> '')
    """,
    "a callback that is not applied": """
        SELECT pc.id, pc.kind, pc.payment_id, pc.attempts, pc.last_error
          FROM provider_callbacks pc
         WHERE pc.applied_at IS NULL
    """,
    "an event that is not told": """
        SELECT oe.id, oe.topic, oe.attempts, oe.last_error
          FROM outbox_events oe
         WHERE oe.done_at IS NULL
    """,
}
