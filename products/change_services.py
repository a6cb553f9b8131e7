"""Changes of the catalogue: told by who edits it, heard by who keeps what was read of it (products.kept).

Owns catalogue_changes. An edit writes its row here in its own transaction, a change of stock its movement. `look`
reads both where they end, before a read of the catalogue, when the last look was LOOK_SECONDS ago or this process has
committed anything since: so what is shown is at most that old, and nobody misses what he has just done himself.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from products import kept
from utils import clock, db
from utils.tail import Tail

LOOK_SECONDS = 0.05
FORGET_SECONDS = 60.0  # until then, what somebody changed in the tables by hand may not be seen
MOST_HEARD = 5000  # whoever has missed more forgets everything: that is quicker than to read it
KEPT_FOR = timedelta(days=1)
DELETED_AT_ONCE = 10_000

_lock = threading.Lock()
_looked_at = -FORGET_SECONDS
_forgot_at = -FORGET_SECONDS
_edits = Tail(0)
_movements = Tail(0)


def tell_tx(tx: db.Tx, *, product_id: int | None) -> None:
    """Write that a product was edited, or, with None, that any of them may have been."""
    tx.insert(
        "INSERT INTO catalogue_changes (product_id, created_at) VALUES (%(product_id)s, %(now)s)",
        {"product_id": product_id, "now": clock.now()},
    )


def look() -> int:
    """Hear of changes, if it is time, and return the moment of what is kept: `kept.moment()`."""
    if _is_due():
        reader = db.reading()  # first: who waits for a connection must not keep those waiting who have one
        with _lock:
            if _is_due():
                _look(reader)
    return kept.moment()


def _is_due() -> bool:
    return time.monotonic() - _looked_at > LOOK_SECONDS or db.committed_at() >= _looked_at


def _look(reader: db.Reader) -> None:
    global _looked_at, _forgot_at
    now = time.monotonic()
    if now - _forgot_at >= FORGET_SECONDS or not _hear(reader, now):
        _begin_anew(reader)
        _hear(reader, now)
        _forgot_at = now
    _looked_at = now


def _hear(reader: db.Reader, now: float) -> bool:
    """Read what is new and have it dropped; return False when it is too much."""
    rows = reader.fetch_all(
        """
        SELECT 1 AS is_edit, c.id, c.product_id
          FROM catalogue_changes c
         WHERE c.id > %(edits_after)s
         UNION ALL
        SELECT 0, sm.id, v.product_id
          FROM stock_movements sm
          JOIN variants v ON v.id = sm.variant_id
         WHERE sm.id > %(movements_after)s
         LIMIT %(most)s
        """,
        {"edits_after": _edits.after, "movements_after": _movements.after, "most": MOST_HEARD},
    )
    if len(rows) == MOST_HEARD:
        return False
    edits = {row["id"]: row["product_id"] for row in rows if row["is_edit"]}
    movements = {row["id"]: row["product_id"] for row in rows if not row["is_edit"]}
    edited = {edits[id_] for id_ in _edits.take(edits, now)}
    moved = {movements[id_] for id_ in _movements.take(movements, now)}
    if None in edited:
        kept.forget()
    elif edited or moved:
        kept.hear(edited=edited, moved=moved)
    return True


def _begin_anew(reader: db.Reader) -> None:
    """Forget everything, and read on from the ends of both tables."""
    global _edits, _movements
    last = reader.fetch_all(
        """
        SELECT (SELECT COALESCE(MAX(c.id), 0) FROM catalogue_changes c) AS edit,
               (SELECT COALESCE(MAX(sm.id), 0) FROM stock_movements sm) AS movement
        """
    )[0]
    _edits, _movements = Tail(last["edit"]), Tail(last["movement"])
    kept.forget()


@db.in_transaction
def delete_heard_changes(tx: db.Tx) -> int:
    """Delete some of the changes that every process has heard of long ago, and return how many."""
    return tx.execute(
        "DELETE FROM catalogue_changes WHERE created_at < %(before)s ORDER BY created_at LIMIT %(most)s",
        {"before": clock.now() - KEPT_FOR, "most": DELETED_AT_ONCE},
    )
