"""Orders as customers and staff look at them. Reads only."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from orders.schemas import Order, OrderEvents, OrderList, OrderQuery
from utils import db, paging, phones
from utils.errors import NotFound

SORTS = {"newest": "o.id DESC", "oldest": "o.id"}
# Where the orders come from. What was searched for is few: it is found first, each by its index. Left to choose, a
# server may read all orders instead, in the order of the list.
SOURCES = {
    "all": "orders o",
    "email": "orders o FORCE INDEX (ix_orders_email)",
    "phone": "orders o FORCE INDEX (ix_orders_phone_number)",
    "words": """(SELECT n.id
                   FROM orders n
                  WHERE n.number LIKE %(words)s
                  UNION
                 SELECT p.order_id
                   FROM payments p
                  WHERE p.receipt LIKE %(words)s
                  UNION
                 SELECT e.id
                   FROM orders e
                  WHERE e.email LIKE %(words)s) AS found STRAIGHT_JOIN orders o ON o.id = found.id""",
}
# How a phone number begins; neither an order's number nor a receipt begins so.
BEGUN_PHONE = re.compile(r"(?:\+?254|0)([17]\d{1,7})", re.ASCII)

FILTERS = {
    "user_id": "o.user_id = %(user_id)s",
    "status": "o.status = %(status)s",
    "payment_status": "o.payment_status = %(payment_status)s",
    "created_from": "o.created_at >= %(created_from)s",
    "created_to": "o.created_at < %(created_to)s",
    "email": "o.email LIKE %(email)s",
    "phone": "o.phone_number LIKE %(phone)s",
    "newest": "o.id < %(newest)s",
    "oldest": "o.id > %(oldest)s",
}


def get_order(*, order_id: int, user_id: int | None, sees_all: bool) -> Order:
    """Return one order. Raises NotFound for one that is not there, or is somebody else's."""
    return read_order(db.reading(), order_id=order_id, user_id=user_id, sees_all=sees_all)


def list_orders(*, query: OrderQuery, user_id: int | None) -> OrderList:
    """Return a page of orders: one customer's, or everybody's when `user_id` is None.

    Raises BadCursor.
    """
    searched, pattern = _search(query.q)
    words = {"words": pattern} if searched == "words" else {}
    values = _filter_values(query, user_id) | ({searched: pattern} if searched in FILTERS else {})
    before = {str(query.sort): paging.decode(query.cursor, query.sort, int)[0]} if query.cursor else {}
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT o.id, o.number, o.status, o.payment_status, o.payment_method, o.currency,
               o.subtotal, o.discount, o.shipping, o.rounding, o.tax_included, o.total, o.paid, o.refunded,
               o.shipping_address, o.note, o.tracking_number, o.created_at, o.paid_at, o.expires_at
          FROM {source}
        {where}
         ORDER BY {order}
         LIMIT %(limit)s
        """,
        {"limit": query.limit + 1, **words},
        where=db.where(FILTERS, {**values, **before}),
        source=SOURCES[searched],
        order=SORTS[query.sort],
    )
    page = paging.cut(rows, query.limit, lambda row: paging.encode(query.sort, row["id"]))
    counted = _count(reader, values, searched, words) if query.count else None
    return OrderList(
        items=with_items(reader, page.items),
        next_cursor=page.next_cursor,
        total=counted,
        total_capped=None if counted is None else counted == paging.COUNT_CAP,
    )


def _filter_values(query: OrderQuery, user_id: int | None) -> dict[str, Any]:
    given = query.model_dump(include={"status", "payment_status", "created_from", "created_to"}, exclude_none=True)
    mine = {} if user_id is None else {"user_id": user_id}
    return {**mine, **given}


def _search(q: str | None) -> tuple[str, str]:
    """Tell by its shape what was typed, and what to look for: an e-mail address, a phone number, or how either
    begins; else an order number, a receipt or a name before the @."""
    if q is None:
        return "all", ""
    if "@" in q:
        return "email", _prefix(q)
    with suppress(ValueError):
        return "phone", phones.normalise(q)
    if begun := BEGUN_PHONE.fullmatch(re.sub(r"[\s()\-.]", "", q)):
        return "phone", _prefix(f"254{begun[1]}")
    return "words", _prefix(q.upper())


def _prefix(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text) + "%"


def _count(reader: db.Reader, values: dict[str, Any], searched: str, words: dict[str, str]) -> int:
    counted: int = reader.fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT o.id
                  FROM {source}
                {where}
                 LIMIT %(cap)s) AS counted_ones
        """,
        {"cap": paging.COUNT_CAP, **words},
        source=SOURCES[searched],
        where=db.where(FILTERS, values),
    )
    return counted


def list_events(*, order_id: int, user_id: int | None, sees_all: bool) -> OrderEvents:
    """Return the history of an order, oldest first. Raises NotFound as get_order does."""
    get_order(order_id=order_id, user_id=user_id, sees_all=sees_all)
    return read_events(order_id=order_id)


def read_events(*, order_id: int) -> OrderEvents:
    """Return the history of an order, oldest first, for somebody who may see the order."""
    rows = db.reading().fetch_all(
        """
        SELECT oe.id, oe.name, oe.from_status, oe.to_status, oe.reason, oe.actor_id, oe.created_at
          FROM order_events oe
         WHERE oe.order_id = %(order_id)s
         ORDER BY oe.id
        """,
        {"order_id": order_id},
    )
    return OrderEvents.model_validate({"items": rows})


def find_phone_number(*, order_id: int) -> str | None:
    """Return the phone number that was given with an order, for somebody who may see the order."""
    number: str | None = db.reading().fetch_value(
        "SELECT o.phone_number FROM orders o WHERE o.id = %(id)s", {"id": order_id}
    )
    return number


def list_receipts(*, order_id: int) -> list[str]:
    """Return the M-Pesa receipts of the money that was booked on an order, for somebody who may see the order."""
    rows = db.reading().fetch_all(
        """
        SELECT p.receipt
          FROM payments p
         WHERE p.order_id = %(order_id)s
           AND p.status = 'succeeded'
           AND p.receipt IS NOT NULL
         ORDER BY p.id
        """,
        {"order_id": order_id},
    )
    return [row["receipt"] for row in rows]


def list_guests_orders(*, order_ids: list[int]) -> list[Order]:
    """Return these of the guests' orders, newest first, for somebody who holds their key."""
    if not order_ids:
        return []
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT o.id, o.number, o.status, o.payment_status, o.payment_method, o.currency,
               o.subtotal, o.discount, o.shipping, o.rounding, o.tax_included, o.total, o.paid, o.refunded,
               o.shipping_address, o.note, o.tracking_number, o.created_at, o.paid_at, o.expires_at
          FROM orders o
         WHERE o.id IN {ids}
           AND o.user_id IS NULL
         ORDER BY o.id DESC
        """,
        ids=db.in_list("id", order_ids),
    )
    return with_items(reader, rows)


def read_order(reader: db.Reader, *, order_id: int, user_id: int | None, sees_all: bool) -> Order:
    """Return an order with its lines. Raises NotFound for one that is not there, or is somebody else's."""
    row = reader.require_one(
        """
        SELECT id, number, status, payment_status, payment_method, currency,
               subtotal, discount, shipping, rounding, tax_included, total, paid, refunded,
               shipping_address, note, tracking_number, created_at, paid_at, expires_at
          FROM orders
         WHERE id = %(id)s
           AND (user_id = %(user_id)s OR %(sees_all)s)
        """,
        {"id": order_id, "user_id": user_id, "sees_all": sees_all},
        missing=NotFound(what="order"),
    )
    return with_items(reader, [row])[0]


def with_items(reader: db.Reader, rows: list[db.Row]) -> list[Order]:
    """Return the orders with their lines, read with one statement for all."""
    lines: dict[int, list[dict[str, Any]]] = {row["id"]: [] for row in rows}
    if rows:
        found = reader.fetch_all(
            """
            SELECT oi.order_id, oi.product_id, oi.variant_id, oi.sku, oi.name, oi.options,
                   oi.quantity, oi.unit_price, oi.line_total
              FROM order_items oi
             WHERE oi.order_id IN {ids}
             ORDER BY oi.order_id, oi.id
            """,
            ids=db.in_list("id", list(lines)),
        )
        for line in found:
            lines[line["order_id"]].append(line)
    return [Order.model_validate({**row, "items": lines[row["id"]]}) for row in rows]
