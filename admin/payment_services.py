"""Payments as the desk looks at them: what is behind one, and all of a list for a spreadsheet. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from payments import refund_reading_services, refund_schemas, transaction_services
from payments import schemas as payment_schemas
from utils import clock, db
from utils.errors import NotFound

AT_A_TIME = 100


def get_background(*, payment_id: int) -> db.Row:
    """Return what staff see of a payment besides: what came, what is left of it, whose order it is for.

    Raises NotFound.
    """
    row = db.reading().require_one(
        """
        SELECT p.order_id, o.number AS order_number, p.settled_amount, p.refund_claimed, p.typed_account,
               p.review_reason, p.allocated_at, u.username AS allocated_by
          FROM payments p
          LEFT JOIN orders o ON o.id = p.order_id
          LEFT JOIN users u ON u.id = p.allocated_by
         WHERE p.id = %(id)s
        """,
        {"id": payment_id},
        missing=NotFound(what="payment"),
    )
    return {**row, "left": (row["settled_amount"] or Decimal(0)) - row["refund_claimed"]}


def find_order_id(*, number: str) -> int | None:
    """Return the id of the order with this number, None when there is none."""
    found: int | None = db.reading().fetch_value(
        "SELECT o.id FROM orders o WHERE o.number = %(number)s", {"number": number.strip().upper()}
    )
    return found


def write_payments(*, query: payment_schemas.TransactionQuery) -> Iterator[tuple[Any, ...]]:
    """Yield every payment of a list with a header, some at a time, for a spreadsheet."""
    yield "id", "order_id", "created_at", "settled_at", "method", "status", "amount", "phone", "receipt", "result"
    cursor: str | None = None
    while True:
        page = transaction_services.list_transactions(
            query=query.model_copy(update={"limit": AT_A_TIME, "cursor": cursor}), user_id=None
        )
        for one in page.items:
            settled_at = clock.iso(one.settled_at) if one.settled_at else None
            told = (one.id, one.order_id, clock.iso(one.created_at), settled_at, one.method, one.status, one.amount)
            yield (*told, one.phone_number, one.receipt, one.result_desc)
        cursor = page.next_cursor
        if cursor is None:
            return


def write_refunds(*, query: refund_schemas.RefundQuery) -> Iterator[tuple[Any, ...]]:
    """Yield every refund of a list with a header, some at a time, for a spreadsheet."""
    yield "id", "payment_id", "order_id", "created_at", "settled_at", "method", "status", "amount", "receipt", "reason"
    cursor: str | None = None
    while True:
        page = refund_reading_services.list_refunds(
            query=query.model_copy(update={"limit": AT_A_TIME, "cursor": cursor}), user_id=None
        )
        for one in page.items:
            settled_at = clock.iso(one.settled_at) if one.settled_at else None
            told = (one.id, one.payment_id, one.order_id, clock.iso(one.created_at), settled_at, one.method)
            yield (*told, one.status, one.amount, one.receipt, one.reason)
        cursor = page.next_cursor
        if cursor is None:
            return
