"""Refunds as customers and staff look at them. Reads only."""

from __future__ import annotations

from typing import Any

from payments.refund_schemas import Refund, RefundList, RefundQuery
from utils import db, paging
from utils.errors import NotFound

SORT = "newest"

FILTERS = {
    "user_id": "o.user_id = %(user_id)s",
    "payment_id": "r.payment_id = %(payment_id)s",
    "order_id": "r.order_id = %(order_id)s",
    "receipt": "r.receipt = %(receipt)s",
    "status": "r.status = %(status)s",
    "pending": "%(pending)s AND r.status IN ('created', 'sent', 'unknown')",
    "before_id": "r.id < %(before_id)s",
}


def get_refund(*, refund_id: int, user_id: int, sees_all: bool) -> Refund:
    """Return one refund. Raises NotFound for one that is not there, or is of somebody else's order."""
    row = db.reading().require_one(
        """
        SELECT r.id, r.payment_id, r.order_id, r.method, r.status, r.amount, r.currency, r.phone_number, r.receipt,
               r.result_code, r.result_desc, r.reason, r.created_at, r.settled_at,
               CASE WHEN %(sees_all)s THEN r.review_reason END AS review_reason
          FROM refunds r
          LEFT JOIN orders o ON o.id = r.order_id
         WHERE r.id = %(id)s
           AND (o.user_id = %(user_id)s OR %(sees_all)s)
        """,
        {"id": refund_id, "user_id": user_id, "sees_all": sees_all},
        missing=NotFound(what="refund"),
    )
    return Refund.model_validate(row)


def list_refunds(*, query: RefundQuery, user_id: int | None) -> RefundList:
    """Return a page of refunds, newest first: one customer's, or everybody's when `user_id` is None.

    Raises BadCursor.
    """
    values = _filter_values(query, user_id)
    after = {"before_id": paging.decode(query.cursor, SORT, int)[0]} if query.cursor else {}
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT r.id, r.payment_id, r.order_id, r.method, r.status, r.amount, r.currency, r.phone_number, r.receipt,
               r.result_code, r.result_desc, r.reason, r.created_at, r.settled_at,
               CASE WHEN %(sees_all)s THEN r.review_reason END AS review_reason
          FROM refunds r
          LEFT JOIN orders o ON o.id = r.order_id
        {where}
         ORDER BY r.id DESC
         LIMIT %(limit)s
        """,
        {"limit": query.limit + 1, "sees_all": user_id is None},
        where=db.where(FILTERS, {**values, **after}),
    )
    page = paging.cut(rows, query.limit, lambda row: paging.encode(SORT, row["id"]))
    counted = _count(reader, values) if query.count else None
    return RefundList(
        items=[Refund.model_validate(row) for row in page.items],
        next_cursor=page.next_cursor,
        total=counted,
        total_capped=None if counted is None else counted == paging.COUNT_CAP,
    )


def _filter_values(query: RefundQuery, user_id: int | None) -> dict[str, Any]:
    mine = {} if user_id is None else {"user_id": user_id}
    given = query.model_dump(include={"payment_id", "order_id", "receipt", "status"}, exclude_none=True)
    if given.get("status") == "pending":  # three states inside, one outside
        del given["status"]
        given["pending"] = True
    return {**mine, **given}


def _count(reader: db.Reader, values: dict[str, Any]) -> int:
    counted: int = reader.fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT r.id
                  FROM refunds r
                  LEFT JOIN orders o ON o.id = r.order_id
                {where}
                 LIMIT %(cap)s) AS found
        """,
        {"cap": paging.COUNT_CAP},
        where=db.where(FILTERS, values),
    )
    return counted
