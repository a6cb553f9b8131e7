"""Notifications: what the shop tells a customer inside of it. Owns `notifications`.

The worker makes them out of events of the outbox. A handler may meet an event twice, so a customer is told of an event
once, by constraint (`uq_notifications_event_id_user_id`). Locks the account, so that nothing is told to one that ends
at the same moment.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from auth import preference_services as preferences
from utils import clock, db, paging
from utils.errors import NotFound

SORT = "newest"
KEPT_FOR = timedelta(days=365)
FILTERS = {
    "user_id": "n.user_id = %(user_id)s",
    "read_at": "n.read_at <=> %(read_at)s",
    "before_id": "n.id < %(before_id)s",
}


class _ToldBefore(Exception):
    """The handler runs for this event again."""


@db.in_transaction
def notify(
    tx: db.Tx,
    *,
    event_id: int,
    user_id: int,
    group: str,
    topic: str,
    title: str,
    text: str,
    order_id: int | None = None,
) -> None:
    """Tell a customer of an event, unless they were told before, want not to be, or are gone."""
    account = tx.fetch_one(
        "SELECT u.id FROM users u WHERE u.id = %(id)s AND u.anonymised_at IS NULL FOR UPDATE", {"id": user_id}
    )
    if account is None or not preferences.wants_tx(tx, user_id=user_id, group=group, channel="in_app"):
        return
    with suppress(_ToldBefore), db.naming({"uq_notifications_event_id_user_id": _ToldBefore}):
        tx.insert(
            """
            INSERT INTO notifications (user_id, event_id, topic, title, text, order_id, created_at)
            VALUES (%(user_id)s, %(event_id)s, %(topic)s, %(title)s, %(text)s, %(order_id)s, %(now)s)
            """,
            {
                "user_id": user_id,
                "event_id": event_id,
                "topic": topic,
                "title": title,
                "text": text,
                "order_id": order_id,
                "now": clock.now(),
            },
        )


def list_notifications(*, user_id: int, unread: bool, limit: int, cursor: str | None) -> paging.Page[db.Row]:
    """Return a page of what somebody was told, newest first; all of it, or what is unread. Raises BadCursor."""
    after = {"before_id": paging.decode(cursor, SORT, int)[0]} if cursor else {}
    rows = db.reading().fetch_all(
        """
        SELECT n.id, n.topic, n.title, n.text, n.order_id, n.created_at, n.read_at
          FROM notifications n
        {where}
         ORDER BY n.id DESC
         LIMIT %(limit)s
        """,
        {"limit": limit + 1},
        where=db.where(FILTERS, {**_filters_of(user_id, unread), **after}),
    )
    return paging.cut(rows, limit, lambda row: paging.encode(SORT, row["id"]))


def count_unread(*, user_id: int) -> int:
    """Return how much somebody has not read yet, counted to paging.COUNT_CAP at most."""
    return count_notifications(user_id=user_id, unread=True)


def count_notifications(*, user_id: int, unread: bool) -> int:
    """Return how much somebody was told, or has not read yet, counted to paging.COUNT_CAP at most."""
    counted: int = db.reading().fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT n.id
                  FROM notifications n
                {where}
                 LIMIT %(cap)s) AS found
        """,
        {"cap": paging.COUNT_CAP},
        where=db.where(FILTERS, _filters_of(user_id, unread)),
    )
    return counted


def _filters_of(user_id: int, unread: bool) -> dict[str, int | None]:
    return {"user_id": user_id, "read_at": None} if unread else {"user_id": user_id}


@db.in_transaction
def mark_read(tx: db.Tx, *, user_id: int, notification_id: int) -> db.Row:
    """Mark a notification as read, from its first reading on, and return it. Raises NotFound for somebody else's."""
    tx.execute(
        """
        UPDATE notifications
           SET read_at = %(now)s
         WHERE id = %(id)s
           AND user_id = %(user_id)s
           AND read_at IS NULL
        """,
        {"id": notification_id, "user_id": user_id, "now": clock.now()},
    )
    return tx.require_one(
        """
        SELECT n.id, n.topic, n.title, n.text, n.order_id, n.created_at, n.read_at
          FROM notifications n
         WHERE n.id = %(id)s
           AND n.user_id = %(user_id)s
        """,
        {"id": notification_id, "user_id": user_id},
        missing=NotFound(what="notification"),
    )


@db.in_transaction
def mark_all_read(tx: db.Tx, *, user_id: int) -> int:
    """Mark everything as read that somebody was told so far; return how much of it was not."""
    return tx.execute(
        """
        UPDATE notifications
           SET read_at = %(now)s
         WHERE user_id = %(user_id)s
           AND read_at IS NULL
        """,
        {"user_id": user_id, "now": clock.now()},
    )


def forget_all_tx(tx: db.Tx, *, user_id: int) -> None:
    """Delete what an account that ends was told, and how it wanted to be."""
    tx.execute("DELETE FROM notifications WHERE user_id = %(user_id)s", {"user_id": user_id})
    preferences.forget_tx(tx, user_id=user_id)


@db.in_transaction
def delete_old_notifications(tx: db.Tx) -> int:
    """Delete some of what was told long ago; the worker calls it every hour. Return how many rows went."""
    return tx.execute(
        """
        DELETE FROM notifications
         WHERE created_at < %(before)s
         ORDER BY created_at, id
         LIMIT 1000
        """,
        {"before": clock.now() - KEPT_FOR},
    )
