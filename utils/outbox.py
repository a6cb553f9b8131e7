"""The outbox: what happened, written in the transaction in which it happened, told on by the worker at least once.

Owns the table outbox_events. A handler may meet an event twice (the worker may die between the effect and the mark),
so handlers must be safe to run again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from utils import clock, db, log, trace

logger = log.get_logger(__name__)

LEASE = timedelta(seconds=60)
GIVEN_UP_AFTER = 20
LONGEST_WAIT = timedelta(minutes=30)
KEPT_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Event:
    """An event as its handlers get it."""

    id: int
    topic: str
    payload: dict[str, Any]
    request_id: str
    attempts: int


Handler = Callable[[Event], None]
Handlers = Mapping[str, Sequence[Handler]]


def merge(*tables: Handlers) -> dict[str, list[Handler]]:
    """Put the features' tables together: a topic may have handlers in several."""
    merged: dict[str, list[Handler]] = {}
    for table in tables:
        for topic, handlers in table.items():
            merged.setdefault(topic, []).extend(handlers)
    return merged


def stage_tx(tx: db.Tx, topic: str, **payload: int | str | None) -> None:
    """Write an event in your transaction: it is told if and only if you commit."""
    now = clock.now()
    tx.insert(
        """
        INSERT INTO outbox_events
            (topic, payload, request_id, created_at, due_at)
        VALUES
            (%(topic)s, %(payload)s, %(request_id)s, %(now)s, %(now)s)
        """,
        {"topic": topic, "payload": json.dumps(payload), "request_id": trace.request_id(), "now": now},
    )


def deliver_due(handlers: Handlers, *, limit: int = 50) -> int:
    """Lease the events that are due, tell each to its handlers, and return how many were taken."""
    events = lease_due(limit=limit)
    for event in events:
        with trace.span(event.request_id):
            _deliver(event, handlers)
    return len(events)


def _deliver(event: Event, handlers: Handlers) -> None:
    try:
        for handler in handlers.get(event.topic, ()):
            handler(event)
    except Exception as error:
        logger.exception("event failed", topic=event.topic, event_id=event.id, attempts=event.attempts)
        postpone(event_id=event.id, attempts=event.attempts, reason=f"{type(error).__name__}: {error}")
    else:
        mark_done(event_id=event.id)
        logger.info("event told", topic=event.topic, event_id=event.id)


@db.in_transaction
def lease_due(tx: db.Tx, *, limit: int) -> list[Event]:
    """Take events that are due, oldest first; no other worker gets them while the lease lasts."""
    now = clock.now()
    rows = tx.fetch_all(
        """
        SELECT id, topic, payload, request_id, attempts
          FROM outbox_events
         WHERE due_at <= %(now)s
         ORDER BY due_at, id
         LIMIT %(limit)s
           FOR UPDATE SKIP LOCKED
        """,
        {"now": now, "limit": limit},
    )
    if rows:
        tx.execute(
            """
            UPDATE outbox_events
               SET due_at = %(leased_until)s,
                   attempts = attempts + 1
             WHERE id IN {ids}
            """,
            {"leased_until": now + LEASE},
            ids=db.in_list("id", [row["id"] for row in rows]),
        )
    return [
        Event(row["id"], row["topic"], json.loads(row["payload"]), row["request_id"], row["attempts"] + 1)
        for row in rows
    ]


@db.in_transaction
def mark_done(tx: db.Tx, *, event_id: int) -> None:
    """Mark an event as told, and forget what it says of a person: nobody needs it any more, and it stays for weeks."""
    tx.execute_one(
        """
        UPDATE outbox_events
           SET payload = JSON_REMOVE(payload, '$.email', '$.old_email', '$.device', '$.address'),
               due_at = NULL,
               done_at = %(now)s,
               last_error = NULL
         WHERE id = %(id)s
        """,
        {"id": event_id, "now": clock.now()},
    )


@db.in_transaction
def postpone(tx: db.Tx, *, event_id: int, attempts: int, reason: str) -> None:
    """Try an event again later, each time later; give it up after many attempts, for an operator to see.

    One that another worker has told meanwhile stays told.
    """
    now = clock.now()
    given_up = attempts >= GIVEN_UP_AFTER
    wait = timedelta(seconds=min(2**attempts, LONGEST_WAIT.total_seconds()))
    tx.execute(
        """
        UPDATE outbox_events
           SET due_at = %(due_at)s,
               dead_at = %(dead_at)s,
               last_error = %(reason)s
         WHERE id = %(id)s
           AND done_at IS NULL
        """,
        {
            "id": event_id,
            "due_at": None if given_up else now + wait,
            "dead_at": now if given_up else None,
            "reason": reason[:500],
        },
    )


@db.in_transaction
def retry_dead_events(tx: db.Tx) -> int:
    """Have every event that was given up told again, from the first wait on, and return how many they are."""
    return tx.execute(
        """
        UPDATE outbox_events
           SET dead_at = NULL,
               due_at = %(now)s,
               attempts = 0
         WHERE dead_at IS NOT NULL
        """,
        {"now": clock.now()},
    )


@db.in_transaction
def delete_told_events(tx: db.Tx) -> int:
    """Delete events that were told long ago; the worker calls it every hour."""
    return tx.execute(
        """
        DELETE FROM outbox_events
         WHERE done_at < %(before)s
         ORDER BY done_at
         LIMIT 10000
        """,
        {"before": clock.now() - KEPT_FOR},
    )
