"""Reconciliation on demand: every attempt without an outcome is asked after now, and what came of it is told.

The worker does the same by itself, each attempt at its time (query_services). Reads here; the asking and what
follows from it are query_services' and settle_services'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from payments import query_services as queries
from utils import clock, db, trace

PAGE = 100
NO_ID = "no id"
ELSEWHERE = "asked elsewhere"
WITHOUT_AN_END = {"open", "no answer", NO_ID}
ALWAYS_ODD = {"review", "unknown_code"}

FILTERS = {
    "due_at": "p.query_due_at <= %(due_at)s AND p.checkout_request_id IS NOT NULL",
    "after_id": "p.id > %(after_id)s AND (p.query_due_at IS NOT NULL OR p.status IN ('created', 'sent', 'unknown'))",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """An attempt that was asked after, and what came of it."""

    payment_id: int
    order_number: str
    amount: Decimal
    status: str  # before
    age: timedelta
    outcome: str

    @property
    def is_odd(self) -> bool:
        """Tell whether a person should look at it: money that does not fit, or no end after a whole day."""
        return self.outcome in ALWAYS_ODD or (self.outcome in WITHOUT_AN_END and self.age > queries.ASKED_FOR)


def ask_open(*, only_due: bool) -> Iterator[Asked]:
    """Ask after every open attempt, or after those whose time has come, and tell of each when it is done."""
    now = clock.now()
    narrowed: dict[str, object] = {"due_at": now} if only_due else {}
    after_id = 0
    while rows := _list_open(after_id, narrowed):
        for row in rows:
            with trace.span(row["request_id"]):
                outcome = _ask(row)
            yield Asked(row["id"], row["number"], row["amount"], row["status"], now - row["created_at"], outcome)
        after_id = rows[-1]["id"]


def _ask(row: db.Row) -> str:
    if row["checkout_request_id"] is None:  # the push was never answered: there is nothing to ask by
        return NO_ID
    if not queries.claim_question(payment=row):
        return ELSEWHERE
    return queries.ask(payment_id=row["id"], checkout_request_id=row["checkout_request_id"])


def _list_open(after_id: int, narrowed: dict[str, object]) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT p.id, p.status, p.amount, p.checkout_request_id, p.request_id, p.created_at, p.query_count,
               p.query_due_at, o.number
          FROM payments p
          JOIN orders o ON o.id = p.order_id
        {where}
         ORDER BY p.id
         LIMIT %(limit)s
        """,
        {"limit": PAGE},
        where=db.where(FILTERS, {"after_id": after_id, **narrowed}),
    )
