"""What the shop knows of its own health. Reads only."""

from __future__ import annotations

from prometheus_client import Gauge

from utils import db, migrations, worker
from utils.errors import DatabaseUnavailable

BEAT_MAY_BE_OLD = 4 * worker.HEARTBEAT_SECONDS

OUTBOX_DUE = Gauge("duka_outbox_due", "Events that wait to be told")
OUTBOX_DEAD = Gauge("duka_outbox_dead", "Events that were given up")
CALLBACKS_DUE = Gauge("duka_callbacks_due", "Callbacks that wait to be applied")
PAYMENTS_OPEN = Gauge("duka_payments_open", "Payments whose outcome is not known yet")
PAYMENTS_IN_REVIEW = Gauge("duka_payments_in_review", "Payments that somebody must look at")


def get_readiness() -> dict[str, str]:
    """Return the state of the database, the migrations and the worker, each `ok` or what is wrong."""
    try:
        pending = migrations.pending(db.reading())
        if pending:
            return {
                "database": "ok",
                "migrations": f"{len(pending)} not applied: run flask db migrate",
                "worker": "-",
            }
        age = worker.last_beat_age()
    except DatabaseUnavailable:
        return {"database": "away", "migrations": "-", "worker": "-"}
    alive = age is not None and age < BEAT_MAY_BE_OLD
    return {
        "database": "ok",
        "migrations": "ok",
        "worker": "ok" if alive else "no heartbeat: run flask worker",
    }


def refresh_gauges() -> None:
    """Read the backlogs into the gauges, for /metrics."""
    row = db.reading().require_one(
        """
        SELECT (SELECT COUNT(*) FROM outbox_events WHERE due_at IS NOT NULL) AS outbox_due,
               (SELECT COUNT(*) FROM outbox_events WHERE dead_at IS NOT NULL) AS outbox_dead,
               (SELECT COUNT(*) FROM provider_callbacks WHERE due_at IS NOT NULL) AS callbacks_due,
               (SELECT COUNT(*) FROM payments WHERE status IN ('created', 'sent', 'unknown')) AS payments_open,
               (SELECT COUNT(*) FROM payments WHERE status = 'review') AS payments_in_review
        """,
        missing=DatabaseUnavailable(),
    )
    OUTBOX_DUE.set(row["outbox_due"])
    OUTBOX_DEAD.set(row["outbox_dead"])
    CALLBACKS_DUE.set(row["callbacks_due"])
    PAYMENTS_OPEN.set(row["payments_open"])
    PAYMENTS_IN_REVIEW.set(row["payments_in_review"])


def is_shop_empty() -> bool:
    """Tell whether nobody has an account here yet."""
    return db.reading().fetch_value("SELECT u.id FROM users u ORDER BY u.id LIMIT 1") is None


def has_account(*, username: str, email: str) -> bool:
    """Tell whether there is an account of this name and address."""
    found = db.reading().fetch_value(
        """
        SELECT u.id
          FROM users u
         WHERE u.username = %(username)s
           AND u.email = %(email)s
        """,
        {"username": username, "email": email},
    )
    return found is not None
