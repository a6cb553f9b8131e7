"""Reports for spreadsheets, written row by row: sales by day, by order, by product. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

from admin import rollup_services as rollups
from admin.dashboard_schemas import FIRST_DAY, LAST_DAY
from utils import clock, db

AT_A_TIME = 1000
Rows = Iterator[tuple[Any, ...]]


def list_sales(*, by: str, since: date | None, until: date | None) -> Rows:
    """Yield the sales of these days, both included, with a header; `by` is a key of REPORTS."""
    return REPORTS[by](since or FIRST_DAY, until or LAST_DAY)


def _by_day(since: date, until: date) -> Rows:
    yield "day", "orders", "items", "gross", "vat", "refunds", "refunded_vat", "net"
    rows = db.reading().fetch_all(
        """
        SELECT df.day, df.orders, df.items, df.gross, df.vat, df.refunds, df.refunded_vat,
               df.gross - df.vat - df.refunds + df.refunded_vat AS net
          FROM daily_figures df
         WHERE df.day BETWEEN %(since)s AND %(until)s
         ORDER BY df.day
        """,
        {"since": since, "until": until},
    )
    yield from (tuple(row.values()) for row in rows)


def _by_product(since: date, until: date) -> Rows:
    yield "product_id", "slug", "name", "quantity", "gross"
    rows = db.reading().fetch_all(
        """
        SELECT p.id, p.slug, p.name, SUM(dps.quantity) AS quantity, SUM(dps.gross) AS gross
          FROM daily_product_sales dps
          JOIN products p ON p.id = dps.product_id
         WHERE dps.day BETWEEN %(since)s AND %(until)s
         GROUP BY p.id, p.slug, p.name
         ORDER BY gross DESC, p.id
        """,
        {"since": since, "until": until},
    )
    yield from (tuple(row.values()) for row in rows)


def _by_order(since: date, until: date) -> Rows:
    """Yield each sale in the order of the books, some at a time, each time behind the last."""
    yield (
        "sold_at",
        "number",
        "email",
        "payment_method",
        "receipts",
        "items",
        "subtotal",
        "discount",
        "shipping",
        "rounding",
        "total",
        "vat",
        "refunded",
    )
    begins_at, ends_at = rollups.bounds_of(since)[0], rollups.bounds_of(until)[1]
    last_id = 0
    while True:
        rows = _read_sales(begins_at, ends_at, last_id)
        for row in rows:
            begins_at, last_id = row["created_at"], row.pop("id")
            yield (clock.iso(row.pop("created_at")), *row.values())
        if len(rows) < AT_A_TIME:
            return


def _read_sales(since: datetime, until: datetime, last_id: int) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT lj.id, lj.created_at, o.number, o.email, o.payment_method,
               (SELECT GROUP_CONCAT(p.receipt ORDER BY p.id SEPARATOR ' ')
                  FROM payments p
                 WHERE p.order_id = o.id
                   AND p.status = 'succeeded') AS receipts,
               (SELECT SUM(oi.quantity)
                  FROM order_items oi
                 WHERE oi.order_id = o.id) AS items,
               o.subtotal, o.discount, o.shipping, o.rounding, o.total, o.tax_included, o.refunded
          FROM ledger_journals lj
          JOIN orders o ON o.id = lj.order_id
         WHERE lj.created_at >= %(since)s
           AND lj.created_at < %(until)s
           AND lj.kind = 'sold'
           AND (lj.created_at > %(since)s OR lj.id > %(last_id)s)
         ORDER BY lj.created_at, lj.id
         LIMIT %(limit)s
        """,
        {"since": since, "until": until, "last_id": last_id, "limit": AT_A_TIME},
    )


REPORTS: Mapping[str, Callable[[date, date], Rows]] = {"day": _by_day, "order": _by_order, "product": _by_product}
