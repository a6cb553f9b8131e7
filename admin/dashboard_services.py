"""The shop at a glance. Reads only: the days as they were rolled up, and what is cheap to look up at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from admin import kept_services as kept
from admin import rollup_services as rollups
from admin.dashboard_schemas import Dashboard
from utils import clock, db, money
from utils.errors import DatabaseUnavailable

COUNT_CAP = 10_000
BEST_SHOWN = 10
STATUSES = ("pending", "processing", "shipped", "delivered", "cancelled", "returned")
NO_FIGURES: dict[str, Any] = {
    "orders": 0,
    "items": 0,
    "gross": Decimal(0),
    "vat": Decimal(0),
    "refunds": Decimal(0),
    "refunded_vat": Decimal(0),
    "prompts": 0,
    "prompts_succeeded": 0,
    "prompts_failed": 0,
    "prompts_timed": 0,
    "seconds_to_pay": 0,
}


def get_dashboard(*, days: int) -> Dashboard:
    """Return how the shop does: the last so many days, today included, and what there is to do now."""
    today = rollups.day_of(clock.now())
    since = today - timedelta(days=days - 1)
    reader = db.reading()
    rows = list_days(since=since, until=today)
    figures = [{"day": day, **rows.get(day, NO_FIGURES)} for day in (since + timedelta(days=n) for n in range(days))]
    total = _add_up(figures)
    return Dashboard.model_validate(
        {
            "currency": money.CURRENCY,
            "since": since,
            "until": today,
            "rolled_up_at": kept.read(name=rollups.LOOKED_UNTIL).taken_at,
            "sales": figures,
            "sales_total": total,
            "payments": [_payments_of(row) for row in figures],
            "payments_total": _payments_of(total),
            "orders_by_status": _count_orders(reader),
            "best_sellers": _list_best_sellers(reader, since),
            "low_stock": _low_stock(),
            "review": _count_review(reader),
            "checks": _checks(),
        }
    )


def list_days(*, since: date, until: date) -> dict[date, dict[str, Any]]:
    """Return the rolled-up figures of the days between, both included; a day without any is not there."""
    rows = db.reading().fetch_all(
        """
        SELECT df.day, df.orders, df.items, df.gross, df.vat, df.refunds, df.refunded_vat,
               df.prompts, df.prompts_succeeded, df.prompts_failed, df.prompts_timed, df.seconds_to_pay
          FROM daily_figures df
         WHERE df.day BETWEEN %(since)s AND %(until)s
         ORDER BY df.day
        """,
        {"since": since, "until": until},
    )
    return {row.pop("day"): row for row in rows}


def _add_up(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: sum(row[name] for row in figures) for name in NO_FIGURES}


def _payments_of(row: dict[str, Any]) -> dict[str, Any]:
    """Tell how prompts ended; those that are still open count neither way."""
    ended = row["prompts_succeeded"] + row["prompts_failed"]
    return {
        "day": row.get("day"),
        "prompts": row["prompts"],
        "succeeded": row["prompts_succeeded"],
        "failed": row["prompts_failed"],
        "success_rate": round(row["prompts_succeeded"] / ended, 4) if ended else None,
        "seconds_to_pay": round(row["seconds_to_pay"] / row["prompts_timed"], 1) if row["prompts_timed"] else None,
    }


def _count_orders(reader: db.Reader) -> list[dict[str, Any]]:
    """Count the orders in each status, none further than lists are counted."""
    row = reader.require_one(
        """
        SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM orders WHERE status = 'pending' LIMIT 10000) AS a) AS pending,
               (SELECT COUNT(*) FROM (SELECT 1 FROM orders WHERE status = 'processing' LIMIT 10000) AS b) AS processing,
               (SELECT COUNT(*) FROM (SELECT 1 FROM orders WHERE status = 'shipped' LIMIT 10000) AS c) AS shipped,
               (SELECT COUNT(*) FROM (SELECT 1 FROM orders WHERE status = 'delivered' LIMIT 10000) AS d) AS delivered,
               (SELECT COUNT(*) FROM (SELECT 1 FROM orders WHERE status = 'cancelled' LIMIT 10000) AS e) AS cancelled,
               (SELECT COUNT(*) FROM (SELECT 1 FROM orders WHERE status = 'returned' LIMIT 10000) AS f) AS returned
        """,
        missing=DatabaseUnavailable(),
    )
    return [{"status": status, "count": row[status], "capped": row[status] == COUNT_CAP} for status in STATUSES]


def _list_best_sellers(reader: db.Reader, since: date) -> list[db.Row]:
    return reader.fetch_all(
        """
        SELECT best.product_id, p.slug, p.name, best.quantity, best.gross
          FROM (SELECT dps.product_id, SUM(dps.quantity) AS quantity, SUM(dps.gross) AS gross
                  FROM daily_product_sales dps
                 WHERE dps.day >= %(since)s
                 GROUP BY dps.product_id
                 ORDER BY quantity DESC, gross DESC, dps.product_id
                 LIMIT %(shown)s) AS best
          JOIN products p ON p.id = best.product_id
         ORDER BY best.quantity DESC, best.gross DESC, best.product_id
        """,
        {"since": since, "shown": BEST_SHOWN},
    )


def _count_review(reader: db.Reader) -> db.Row:
    """Count what waits for a person: money without a home, refunds that are stuck, orders that need a look."""
    return reader.require_one(
        """
        SELECT (SELECT COUNT(*)
                  FROM payments p
                 WHERE p.status = 'review' AND p.settled_amount > p.refund_claimed) AS payments,
               (SELECT COALESCE(SUM(p.settled_amount - p.refund_claimed), 0)
                  FROM payments p
                 WHERE p.status = 'review') AS amount,
               (SELECT COUNT(*) FROM refunds r WHERE r.status = 'review') AS refunds,
               (SELECT COUNT(*)
                  FROM (SELECT 1 FROM orders WHERE payment_status = 'review' LIMIT 10000) AS o) AS orders
        """,
        missing=DatabaseUnavailable(),
    )


def _low_stock() -> dict[str, Any]:
    seen = kept.read(name=kept.LOW_STOCK)
    items = [{**row, "options": json.loads(row["options"])} for row in seen.body or []]
    return {"taken_at": seen.taken_at, "at_most": kept.LOW_IS, "items": items}


def _checks() -> dict[str, Any]:
    seen = kept.read(name=kept.CHECKS)
    return {"taken_at": seen.taken_at, **(seen.body or {"count": 0, "broken": []})}
