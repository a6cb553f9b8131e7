"""What the shop knows of its own health. Reads only."""

from __future__ import annotations

from prometheus_client import Gauge

from payments import metrics_services as payment_metrics
from utils import db, migrations, worker
from utils.errors import DatabaseUnavailable

BEAT_MAY_BE_OLD = 4 * worker.HEARTBEAT_SECONDS

OUTBOX_DUE = Gauge("duka_outbox_due", "Events that wait to be told")
OUTBOX_DEAD = Gauge("duka_outbox_dead", "Events that were given up")


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
    """Read the backlogs into the gauges, for /metrics; payments know theirs."""
    payment_metrics.refresh_gauges()
    row = db.reading().require_one(
        """
        SELECT (SELECT COUNT(*) FROM outbox_events WHERE due_at IS NOT NULL) AS outbox_due,
               (SELECT COUNT(*) FROM outbox_events WHERE dead_at IS NOT NULL) AS outbox_dead
        """,
        missing=DatabaseUnavailable(),
    )
    OUTBOX_DUE.set(row["outbox_due"])
    OUTBOX_DEAD.set(row["outbox_dead"])


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
