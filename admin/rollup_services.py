"""The days: what was sold, given back and paid on each, rolled up by the worker.

Owns `daily_figures` and `daily_product_sales`. What was written since the last look marks its day; a marked day is
counted anew, whole, under the lock of its row. So it does not matter how often a day is rolled up, by how many
workers, or how late its money comes. The truth stays in the ledger and the payments; all of this can be made again.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from admin import kept_services as kept
from utils import clock, db
from utils.errors import DatabaseUnavailable

LOOKED_UNTIL = "days"
BEGINNING = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)
# A row is committed some time after the moment that is written in it, and clocks differ: look that much back.
COMMITTED_WITHIN = timedelta(minutes=15)
ROLLED_AT_ONCE = 60


def roll_up() -> int:
    """Mark the days that have changed, roll up the oldest of them, and return how many are left."""
    mark_changed_days()
    days = _list_marked_days()
    for day in days[:ROLLED_AT_ONCE]:
        roll_day(day=day)
    return len(days[ROLLED_AT_ONCE:])


@db.in_transaction
def mark_changed_days(tx: db.Tx) -> None:
    """Mark every day of which something was written since the last look."""
    now = clock.now()
    looked_until = kept.lock_taken_at_tx(tx, name=LOOKED_UNTIL)
    days = tx.fetch_all(
        """
        SELECT DISTINCT DATE(changed.moment + INTERVAL 3 HOUR) AS day
          FROM (SELECT lj.created_at AS moment
                  FROM ledger_journals lj
                 WHERE lj.created_at >= %(since)s
                   AND lj.kind IN ('sold', 'refunded')
                 UNION ALL
                SELECT p.created_at
                  FROM payments p
                 WHERE p.updated_at >= %(since)s
                   AND p.method = 'mpesa_stk') AS changed
         ORDER BY day
        """,
        {"since": looked_until - COMMITTED_WITHIN if looked_until else BEGINNING},
    )
    for row in days:
        tx.execute(
            """
            INSERT INTO daily_figures (day, touched_at)
            VALUES (%(day)s, %(now)s)
            ON DUPLICATE KEY UPDATE touched_at = %(now)s
            """,
            {"day": row["day"], "now": now},
        )
    kept.write_tx(tx, name=LOOKED_UNTIL, body=None, taken_at=now)


def _list_marked_days() -> list[date]:
    rows = db.reading().fetch_all(
        """
        SELECT df.day
          FROM daily_figures df
         WHERE df.touched_at IS NOT NULL
         ORDER BY df.day
        """
    )
    return [row["day"] for row in rows]


@db.in_transaction
def roll_day(tx: db.Tx, *, day: date) -> None:
    """Count one day anew, unless somebody else has meanwhile."""
    marked = tx.fetch_value(
        "SELECT df.touched_at FROM daily_figures df WHERE df.day = %(day)s FOR UPDATE", {"day": day}
    )
    if marked is None:
        return
    begins_at, ends_at = bounds_of(day)
    span = {"begins_at": begins_at, "ends_at": ends_at}
    tx.execute_one(
        """
        UPDATE daily_figures
           SET orders = %(orders)s,
               items = %(items)s,
               gross = %(gross)s,
               vat = %(vat)s,
               refunds = %(refunds)s,
               refunded_vat = %(refunded_vat)s,
               prompts = %(prompts)s,
               prompts_succeeded = %(prompts_succeeded)s,
               prompts_failed = %(prompts_failed)s,
               prompts_timed = %(prompts_timed)s,
               seconds_to_pay = %(seconds_to_pay)s,
               touched_at = NULL,
               rolled_at = %(now)s
         WHERE day = %(day)s
        """,
        {
            **_count_sales_tx(tx, span),
            **_count_refunds_tx(tx, span),
            **_count_prompts_tx(tx, span),
            "day": day,
            "now": clock.now(),
        },
    )
    tx.execute("DELETE FROM daily_product_sales WHERE day = %(day)s", {"day": day})
    tx.execute(
        """
        INSERT INTO daily_product_sales (day, product_id, quantity, gross)
        SELECT %(day)s, oi.product_id, SUM(oi.quantity), SUM(oi.line_total)
          FROM ledger_journals lj
          JOIN order_items oi ON oi.order_id = lj.order_id
         WHERE lj.created_at >= %(begins_at)s
           AND lj.created_at < %(ends_at)s
           AND lj.kind = 'sold'
         GROUP BY oi.product_id
        """,
        {"day": day, **span},
    )


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """Return when a day of Nairobi begins and ends, in the UTC of the tables."""
    begins_at = datetime.combine(day, time(), clock.EAST_AFRICA).astimezone(UTC).replace(tzinfo=None)
    return begins_at, begins_at + timedelta(days=1)


def day_of(moment: datetime) -> date:
    """Return the day of Nairobi in which a moment lies."""
    return moment.replace(tzinfo=UTC).astimezone(clock.EAST_AFRICA).date()


def _count_sales_tx(tx: db.Tx, span: db.Params) -> db.Row:
    return tx.require_one(
        """
        SELECT COUNT(*) AS orders,
               COALESCE(SUM(o.total), 0) AS gross,
               COALESCE(SUM(o.tax_included), 0) AS vat,
               COALESCE(SUM((SELECT SUM(oi.quantity)
                               FROM order_items oi
                              WHERE oi.order_id = o.id)), 0) AS items
          FROM ledger_journals lj
          JOIN orders o ON o.id = lj.order_id
         WHERE lj.created_at >= %(begins_at)s
           AND lj.created_at < %(ends_at)s
           AND lj.kind = 'sold'
        """,
        span,
        missing=DatabaseUnavailable(),
    )


def _count_refunds_tx(tx: db.Tx, span: db.Params) -> db.Row:
    """Add up what went back of sales; money that never became one is no refund of it."""
    return tx.require_one(
        """
        SELECT COALESCE(SUM(le.amount), 0) AS refunds,
               COALESCE(SUM(CASE WHEN le.account = 'vat' THEN le.amount END), 0) AS refunded_vat
          FROM ledger_journals lj
          JOIN ledger_entries le ON le.journal_id = lj.id
         WHERE lj.created_at >= %(begins_at)s
           AND lj.created_at < %(ends_at)s
           AND lj.kind = 'refunded'
           AND le.account IN ('refunds', 'vat')
        """,
        span,
        missing=DatabaseUnavailable(),
    )


def _count_prompts_tx(tx: db.Tx, span: db.Params) -> db.Row:
    return tx.require_one(
        """
        SELECT COUNT(*) AS prompts,
               COALESCE(SUM(p.status IN ('succeeded', 'review')), 0) AS prompts_succeeded,
               COALESCE(SUM(p.status = 'failed'), 0) AS prompts_failed,
               COALESCE(SUM(p.status = 'succeeded' AND p.allocated_at IS NULL), 0) AS prompts_timed,
               COALESCE(SUM(CASE WHEN p.status = 'succeeded' AND p.allocated_at IS NULL
                                 THEN TIMESTAMPDIFF(SECOND, p.created_at, p.settled_at)
                             END), 0) AS seconds_to_pay
          FROM payments p
         WHERE p.created_at >= %(begins_at)s
           AND p.created_at < %(ends_at)s
           AND p.method = 'mpesa_stk'
        """,
        span,
        missing=DatabaseUnavailable(),
    )
