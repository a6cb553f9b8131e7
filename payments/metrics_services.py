"""The figures by which operators see whether money flows, for /metrics. Reads only, and cheap enough for each scrape.

The drift looks at the last payments only; `flask db check` holds all of them against the ledger.
"""

from __future__ import annotations

from decimal import Decimal

from prometheus_client import Gauge

from payments.query_services import ASKED_FOR
from payments.review_services import ATTEMPTS_SHOWN_FOR
from utils import clock, db
from utils.errors import DatabaseUnavailable

LAST_PAYMENTS = 10_000

GAUGES = {
    "callbacks_due": Gauge("duka_callbacks_due", "Callbacks that wait to be applied"),
    "callbacks_oldest": Gauge("duka_callbacks_oldest_due_seconds", "Age of the oldest callback that waits"),
    "open": Gauge("duka_payments_open", "Attempts that are being waited for"),
    "oldest_open": Gauge("duka_payments_oldest_open_seconds", "Age of the oldest attempt that is being waited for"),
    "unknown": Gauge("duka_payments_unknown", "Attempts of the last week that nobody could tell the end of"),
    "in_review": Gauge("duka_payments_in_review", "Payments that somebody must look at"),
    "unallocated": Gauge("duka_payments_unallocated_shillings", "Money that is there and belongs to no order yet"),
    "refunds_open": Gauge("duka_refunds_open", "Refunds that are on their way"),
    "oldest_refund": Gauge("duka_refunds_oldest_open_seconds", "Age of the oldest refund that is on its way"),
    "refunds_in_review": Gauge("duka_refunds_in_review", "Refunds that somebody must look at"),
    "drift": Gauge("duka_ledger_drift_shillings", "Clearing accounts less what moved, over the last 10 000 payments"),
}


def refresh_gauges() -> None:
    """Read the figures into the gauges."""
    for name, value in {**_read_backlogs(), "drift": read_drift()}.items():
        GAUGES[name].set(value)


def _read_backlogs() -> db.Row:
    now = clock.now()
    row = db.reading().require_one(
        """
        SELECT (SELECT COUNT(*) FROM provider_callbacks WHERE due_at IS NOT NULL) AS callbacks_due,
               (SELECT MIN(received_at) FROM provider_callbacks WHERE due_at IS NOT NULL) AS callbacks_oldest,
               (SELECT COUNT(*)
                  FROM payments
                 WHERE status IN ('created', 'sent', 'unknown') AND created_at > %(asked_since)s) AS open,
               (SELECT MIN(created_at)
                  FROM payments
                 WHERE status IN ('created', 'sent', 'unknown') AND created_at > %(asked_since)s) AS oldest_open,
               (SELECT COUNT(*)
                  FROM payments
                 WHERE status = 'unknown' AND created_at BETWEEN %(shown_since)s AND %(asked_since)s) AS unknown,
               (SELECT COUNT(*)
                  FROM payments
                 WHERE status = 'review' AND settled_amount > refund_claimed) AS in_review,
               (SELECT COALESCE(SUM(settled_amount - refund_claimed), 0)
                  FROM payments
                 WHERE status = 'review') AS unallocated,
               (SELECT COUNT(*) FROM refunds WHERE status IN ('created', 'sent', 'unknown')) AS refunds_open,
               (SELECT MIN(created_at) FROM refunds WHERE status IN ('created', 'sent', 'unknown')) AS oldest_refund,
               (SELECT COUNT(*) FROM refunds WHERE status = 'review') AS refunds_in_review
        """,
        {"asked_since": now - ASKED_FOR, "shown_since": now - ATTEMPTS_SHOWN_FOR},
        missing=DatabaseUnavailable(),
    )
    ages = {
        name: 0.0 if row[name] is None else (now - row[name]).total_seconds()
        for name in ("callbacks_oldest", "oldest_open", "oldest_refund")
    }
    return {**row, **ages}


def read_drift() -> Decimal:
    """Return by how much the clearing accounts hold more than the last payments and their refunds say; 0 is right."""
    drift: Decimal = db.reading().fetch_value(
        """
        SELECT COALESCE((SELECT SUM(le.amount)
                           FROM payments p
                           JOIN ledger_journals lj ON lj.payment_id = p.id
                           JOIN ledger_entries le ON le.journal_id = lj.id
                          WHERE p.id > %(before_id)s
                            AND le.account IN ('mpesa_clearing', 'cash_on_delivery', 'mock_clearing')), 0)
             - COALESCE((SELECT SUM(p.settled_amount)
                           FROM payments p
                          WHERE p.id > %(before_id)s
                            AND p.status IN ('succeeded', 'review')), 0)
             + COALESCE((SELECT SUM(r.amount)
                           FROM refunds r
                          WHERE r.payment_id > %(before_id)s
                            AND r.status = 'succeeded'), 0) AS drift
        """,
        {"before_id": _read_last_id() - LAST_PAYMENTS},
    )
    return drift


def _read_last_id() -> int:
    last: int = db.reading().fetch_value("SELECT COALESCE(MAX(id), 0) AS last FROM payments")
    return last
