"""What waits for a person: everything that the shop cannot end by itself, with why, and what to do next. Reads only.

A thing leaves the list when what it waits for has happened; there is no mark to set. Each queue shows its oldest
hundred.
"""

from __future__ import annotations

from datetime import timedelta

from payments.query_services import ASKED_FOR
from payments.schemas import Review, ReviewItem
from utils import checks, clock, db

SHOWN = 100
# By then the statement of its day has been matched; what comes even later is booked all the same.
ATTEMPTS_SHOWN_FOR = timedelta(days=7)

NEXT = {
    "payment": "Allocate it to the order that it was meant for (POST /api/payments/unallocated/{id}/allocate),"
    " or give it back (POST /api/transactions/{id}/refund).",
    "attempt": "Look for it in the portal's statement (flask payments match FILE --book), or ask once more"
    " (flask payments reconcile --all). When it is not there nobody paid, and it leaves this list after a week.",
    "refund": "Do what it says, then tell what became of it: POST /api/refunds/{id}/settle.",
    "order": "Give back what was paid (POST /api/transactions/<payment>/refund), or cancel the order so that its goods"
    " are free again (POST /api/orders/{order_id}/cancel).",
    "contradiction": "Look into the portal's statement for this receipt: money left that the books do not hold."
    " Then take it off this list with the status that it has: POST /api/refunds/{id}/settle.",
    "event": "Mend what the reason says, then have it told again: flask outbox retry.",
    "check": "Something is broken that must never break. Run flask db check, keep its rows, and call who mends it.",
}


def list_waiting() -> Review:
    """Return everything that waits for a person: what is broken first, then money, then questions."""
    return Review(items=[*_list_broken_checks(db.reading()), *list_without_checks().items])


def list_without_checks() -> Review:
    """Return what waits, without trying the checks, which read everything."""
    reader = db.reading()
    items = [
        *_list_payments(reader),
        *_list_refunds(reader),
        *_list_orders(reader),
        *_list_attempts(reader),
        *_list_dead_events(reader),
    ]
    return Review(items=items)


def _item(kind: str, row: db.Row) -> ReviewItem:
    facts: db.Row = {"id": None, "order_id": None, **row}
    return ReviewItem.model_validate({**facts, "kind": kind, "next": NEXT[kind].format(**facts)})


def _list_broken_checks(reader: db.Reader) -> list[ReviewItem]:
    return [
        _item("check", {"why": f"{finding.name}: {finding.claim}; but {finding.rows[0]}"})
        for finding in checks.run(reader)
    ]


def _list_payments(reader: db.Reader) -> list[ReviewItem]:
    """Money that is there, belongs to nobody yet and is not on its way back."""
    rows = reader.fetch_all(
        """
        SELECT p.id, p.order_id, o.number AS order_number, p.settled_amount - p.refund_claimed AS amount,
               p.currency, p.receipt, COALESCE(p.review_reason, '') AS why, p.updated_at AS since
          FROM payments p
          LEFT JOIN orders o ON o.id = p.order_id
         WHERE p.status = 'review'
           AND p.settled_amount > p.refund_claimed
         ORDER BY p.id
         LIMIT %(shown)s
        """,
        {"shown": SHOWN},
    )
    return [_item("payment", row) for row in rows]


def _list_refunds(reader: db.Reader) -> list[ReviewItem]:
    """Refunds that wait for a person, and those of which a late word says more than the books can hold."""
    rows = reader.fetch_all(
        """
        SELECT r.id, r.order_id, o.number AS order_number, r.status, r.amount, r.currency, r.receipt,
               r.review_reason AS why, r.updated_at AS since
          FROM refunds r
          LEFT JOIN orders o ON o.id = r.order_id
         WHERE r.review_reason IS NOT NULL
         ORDER BY r.id
         LIMIT %(shown)s
        """,
        {"shown": SHOWN},
    )
    return [_item("refund" if row.pop("status") == "review" else "contradiction", row) for row in rows]


def _list_orders(reader: db.Reader) -> list[ReviewItem]:
    """Orders before a person that none of the money above is about, nor money on its way back."""
    rows = reader.fetch_all(
        """
        SELECT o.id, o.id AS order_id, o.number AS order_number, o.paid - o.refunded AS amount, o.currency,
               oe.reason AS why, oe.created_at AS since
          FROM orders o
          JOIN order_events oe
            ON oe.id = (SELECT MAX(last.id)
                          FROM order_events last
                         WHERE last.order_id = o.id
                           AND last.name = 'order.review')
         WHERE o.payment_status = 'review'
           AND (o.status <> 'cancelled' OR o.paid > o.refunded)
           AND NOT EXISTS (
               SELECT 1
                 FROM payments p
                WHERE p.order_id = o.id
                  AND p.status = 'review'
                  AND p.settled_amount > 0)
           AND NOT EXISTS (
               SELECT 1
                 FROM refunds r
                WHERE r.order_id = o.id
                  AND r.status IN ('created', 'sent', 'unknown', 'review'))
         ORDER BY o.id
         LIMIT %(shown)s
        """,
        {"shown": SHOWN},
    )
    return [_item("order", row) for row in rows]


def _list_attempts(reader: db.Reader) -> list[ReviewItem]:
    """Attempts that have been asked after for a day, or cannot be asked after, without an end."""
    now = clock.now()
    rows = reader.fetch_all(
        """
        SELECT p.id, p.order_id, o.number AS order_number, p.amount, p.currency, p.created_at AS since,
               CASE WHEN p.checkout_request_id IS NULL
                    THEN 'the push was never answered, and nothing was heard of it'
                    ELSE 'for a day nobody could say how the prompt ended'
                END AS why
          FROM payments p
          JOIN orders o ON o.id = p.order_id
         WHERE p.status = 'unknown'
           AND p.query_due_at IS NULL
           AND p.created_at BETWEEN %(since)s AND %(until)s
         ORDER BY p.id
         LIMIT %(shown)s
        """,
        {"since": now - ATTEMPTS_SHOWN_FOR, "until": now - ASKED_FOR, "shown": SHOWN},
    )
    return [_item("attempt", row) for row in rows]


def _list_dead_events(reader: db.Reader) -> list[ReviewItem]:
    rows = reader.fetch_all(
        """
        SELECT oe.id, CONCAT(oe.topic, ' could not be told: ', COALESCE(oe.last_error, '')) AS why, oe.dead_at AS since
          FROM outbox_events oe
         WHERE oe.dead_at IS NOT NULL
         ORDER BY oe.id
         LIMIT %(shown)s
        """,
        {"shown": SHOWN},
    )
    return [_item("event", row) for row in rows]
