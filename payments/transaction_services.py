"""Payments as customers and staff look at them. Reads only."""

from __future__ import annotations

from typing import Any

from payments.schemas import Payment, PaymentList, TransactionQuery
from utils import db, paging
from utils.errors import NotFound

SORTS = {
    "newest": paging.Sort(order="p.id DESC", along="", after={"before_id": ("id", int)}),
    "oldest": paging.Sort(order="p.id", along="", after={"after_id": ("id", int)}),
    "amount": paging.Sort(
        order="p.amount, p.id",
        along="FORCE INDEX (ix_payments_amount)",
        after={"amount_from": ("amount", paging.read_amount), "amount_id": ("id", int)},
    ),
    "-amount": paging.Sort(
        order="p.amount DESC, p.id DESC",
        along="FORCE INDEX (ix_payments_amount)",
        after={"amount_to": ("amount", paging.read_amount), "amount_down_id": ("id", int)},
    ),
}

FILTERS = {
    "user_id": "o.user_id = %(user_id)s",
    "order_id": "p.order_id = %(order_id)s",
    "receipt": "p.receipt = %(receipt)s",
    "status": "p.status = %(status)s",
    "pending": "%(pending)s AND p.status IN ('created', 'sent', 'unknown')",
    "before_id": "p.id < %(before_id)s",
    "after_id": "p.id > %(after_id)s",
    "amount_from": "p.amount >= %(amount_from)s",
    "amount_id": "(p.amount > %(amount_from)s OR (p.amount = %(amount_from)s AND p.id > %(amount_id)s))",
    "amount_to": "p.amount <= %(amount_to)s",
    "amount_down_id": "(p.amount < %(amount_to)s OR (p.amount = %(amount_to)s AND p.id < %(amount_down_id)s))",
}


def get_transaction(*, payment_id: int, user_id: int, sees_all: bool) -> Payment:
    """Return one payment. Raises NotFound for one that is not there, or is for somebody else's order."""
    row = db.reading().require_one(
        """
        SELECT p.id, p.order_id, p.method, p.status, p.amount, p.currency, p.phone_number, p.checkout_request_id,
               p.receipt, p.result_code, p.result_desc, p.created_at, p.settled_at
          FROM payments p
          LEFT JOIN orders o ON o.id = p.order_id
         WHERE p.id = %(id)s
           AND (o.user_id = %(user_id)s OR %(sees_all)s)
        """,
        {"id": payment_id, "user_id": user_id, "sees_all": sees_all},
        missing=NotFound(what="transaction"),
    )
    return Payment.model_validate(row)


def list_transactions(*, query: TransactionQuery, user_id: int | None) -> PaymentList:
    """Return a page of payments: one customer's, or everybody's when `user_id` is None.

    Raises BadCursor.
    """
    values = _filter_values(query, user_id)
    after = paging.place_after(SORTS, query.sort, query.cursor)
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT p.id, p.order_id, p.method, p.status, p.amount, p.currency, p.phone_number, p.checkout_request_id,
               p.receipt, p.result_code, p.result_desc, p.created_at, p.settled_at
          FROM payments p {along}
          LEFT JOIN orders o ON o.id = p.order_id
        {where}
         ORDER BY {order}
         LIMIT %(limit)s
        """,
        {"limit": query.limit + 1},
        where=db.where(FILTERS, {**values, **after}),
        along=SORTS[query.sort].along,
        order=SORTS[query.sort].order,
    )
    page = paging.cut_sorted(rows, query.limit, SORTS, query.sort)
    counted = _count(reader, values) if query.count else None
    return PaymentList(
        items=[Payment.model_validate(row) for row in page.items],
        next_cursor=page.next_cursor,
        total=counted,
        total_capped=None if counted is None else counted == paging.COUNT_CAP,
    )


def _filter_values(query: TransactionQuery, user_id: int | None) -> dict[str, Any]:
    mine = {} if user_id is None else {"user_id": user_id}
    given = query.model_dump(include={"order_id", "receipt", "status"}, exclude_none=True)
    if given.get("status") == "pending":  # three states inside, one outside
        del given["status"]
        given["pending"] = True
    return {**mine, **given}


def _count(reader: db.Reader, values: dict[str, Any]) -> int:
    counted: int = reader.fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT p.id
                  FROM payments p
                  LEFT JOIN orders o ON o.id = p.order_id
                {where}
                         LIMIT %(cap)s) AS found
        """,
        {"cap": paging.COUNT_CAP},
        where=db.where(FILTERS, values),
    )
    return counted
