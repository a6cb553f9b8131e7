"""Figures that cost too much to look up for everybody who asks: the worker looks, and keeps what it saw.

Owns `kept_figures`. Whoever pushes the time of the next look ahead does the looking; nobody else does it meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from utils import checks, clock, db

CHECKS = "checks"
LOW_STOCK = "low stock"
LOW_IS = 5
LOW_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Kept:
    """What was seen, and when; None for what nobody has looked up yet."""

    body: Any
    taken_at: datetime | None


def take_due_figures() -> int:
    """Look up what is due, keep it, and return 0: it is not due again at once."""
    for name, figure in FIGURES.items():
        if _claim(name=name, every=figure.every):
            taken_at = clock.now()
            _keep(name=name, body=json.dumps(figure.look_up(), default=str), taken_at=taken_at)
    return 0


@db.in_transaction
def _claim(tx: db.Tx, *, name: str, every: timedelta) -> bool:
    """Push the time of the next look ahead, and tell whether it was this call that did."""
    now = clock.now()
    times = {"name": name, "now": now, "next_at": now + every}
    due = tx.execute(
        """
        UPDATE kept_figures
           SET due_at = %(next_at)s
         WHERE name = %(name)s
           AND due_at <= %(now)s
        """,
        times,
    )
    if due:
        return True
    return bool(
        tx.execute(
            "INSERT IGNORE INTO kept_figures (name, due_at) VALUES (%(name)s, %(next_at)s)",
            {"name": name, "next_at": times["next_at"]},
        )
    )


@db.in_transaction
def _keep(tx: db.Tx, *, name: str, body: str, taken_at: datetime) -> None:
    write_tx(tx, name=name, body=body, taken_at=taken_at)


def lock_taken_at_tx(tx: db.Tx, *, name: str) -> datetime | None:
    """Lock a figure and return as of when it is true, None when it was never taken."""
    tx.execute(
        "INSERT IGNORE INTO kept_figures (name, due_at) VALUES (%(name)s, %(now)s)", {"name": name, "now": clock.now()}
    )
    taken_at: datetime | None = tx.fetch_value(
        "SELECT kf.taken_at FROM kept_figures kf WHERE kf.name = %(name)s FOR UPDATE", {"name": name}
    )
    return taken_at


def write_tx(tx: db.Tx, *, name: str, body: str | None, taken_at: datetime) -> None:
    """Write what was seen down, unless somebody has seen something newer meanwhile."""
    tx.execute(
        """
        UPDATE kept_figures
           SET body = %(body)s,
               taken_at = %(taken_at)s
         WHERE name = %(name)s
           AND (taken_at IS NULL OR taken_at <= %(taken_at)s)
        """,
        {"name": name, "body": body, "taken_at": taken_at},
    )


def read(*, name: str) -> Kept:
    """Return what was seen last."""
    row = db.reading().fetch_one(
        "SELECT kf.body, kf.taken_at FROM kept_figures kf WHERE kf.name = %(name)s", {"name": name}
    )
    if row is None or row["body"] is None:
        return Kept(None, row["taken_at"] if row else None)
    return Kept(json.loads(row["body"]), row["taken_at"])


# --- what is looked up


def run_checks() -> dict[str, Any]:
    """Run the invariants of sql/checks.sql; return how many there are, and those that are broken with their rows."""
    findings = checks.run(db.reading())
    return {
        "count": len(checks.read_checks()),
        "broken": [{"name": one.name, "claim": one.claim, "rows": one.rows} for one in findings],
    }


def list_low_stock() -> list[db.Row]:
    """Return the variants of which little is left, the emptiest first."""
    return db.reading().fetch_all(
        """
        SELECT v.id AS variant_id, v.product_id, p.slug, p.name, v.sku, v.options, v.stock
          FROM variants v
          JOIN products p ON p.id = v.product_id
         WHERE v.deleted_at IS NULL
           AND p.deleted_at IS NULL
           AND v.stock <= %(low)s
         ORDER BY v.stock, v.id
         LIMIT %(shown)s
        """,
        {"low": LOW_IS, "shown": LOW_SHOWN},
    )


@dataclass(frozen=True, slots=True)
class Figure:
    every: timedelta
    look_up: Callable[[], Any]


FIGURES: Mapping[str, Figure] = {
    CHECKS: Figure(timedelta(hours=1), run_checks),
    LOW_STOCK: Figure(timedelta(minutes=1), list_low_stock),
}
