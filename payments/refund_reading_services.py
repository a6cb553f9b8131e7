"""Refunds as customers and staff look at them. Reads only."""

from __future__ import annotations

from typing import Any

from payments.refund_schemas import Refund, RefundList, RefundQuery
from utils import db, paging
from utils.errors import NotFound

SORTS = {
    "newest": paging.Sort(order="r.id DESC", along="", after={"before_id": ("id", int)}),
    "oldest": paging.Sort(order="r.id", along="", after={"after_id": ("id", int)}),
    "amount": paging.Sort(
        order="r.amount, r.id",
        along="FORCE INDEX (ix_refunds_amount)",
        after={"amount_from": ("amount", paging.read_amount), "amount_id": ("id", int)},
    ),
    "-amount": paging.Sort(
        order="r.amount DESC, r.id DESC",
        along="FORCE INDEX (ix_refunds_amount)",
        after={"amount_to": ("amount", paging.read_amount), "amount_down_id": ("id", int)},
    ),
}

FILTERS = {
    "user_id": "o.user_id = %(user_id)s",
    "payment_id": "r.payment_id = %(payment_id)s",
    "order_id": "r.order_id = %(order_id)s",
    "receipt": "r.receipt = %(receipt)s",
    "status": "r.status = %(status)s",
    "pending": "%(pending)s AND r.status IN ('created', 'sent', 'unknown')",
    "before_id": "r.id < %(before_id)s",
    "after_id": "r.id > %(after_id)s",
    "amount_from": "r.amount >= %(amount_from)s",
    "amount_id": "(r.amount > %(amount_from)s OR (r.amount = %(amount_from)s AND r.id > %(amount_id)s))",
    "amount_to": "r.amount <= %(amount_to)s",
    "amount_down_id": "(r.amount < %(amount_to)s OR (r.amount = %(amount_to)s AND r.id < %(amount_down_id)s))",
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
    """Return a page of refunds: one customer's, or everybody's when `user_id` is None.

    Raises BadCursor.
    """
    values = _filter_values(query, user_id)
    after = paging.place_after(SORTS, query.sort, query.cursor)
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT r.id, r.payment_id, r.order_id, r.method, r.status, r.amount, r.currency, r.phone_number, r.receipt,
               r.result_code, r.result_desc, r.reason, r.created_at, r.settled_at,
               CASE WHEN %(sees_all)s THEN r.review_reason END AS review_reason
          FROM refunds r {along}
          LEFT JOIN orders o ON o.id = r.order_id
        {where}
         ORDER BY {order}
         LIMIT %(limit)s
        """,
        {"limit": query.limit + 1, "sees_all": user_id is None},
        where=db.where(FILTERS, {**values, **after}),
        along=SORTS[query.sort].along,
        order=SORTS[query.sort].order,
    )
    page = paging.cut_sorted(rows, query.limit, SORTS, query.sort)
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
