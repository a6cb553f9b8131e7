"""How customers want to be told of things: in the shop, by mail, or not. Owns `notification_preferences`.

What is not decided is wanted. Some mails of the group `security` are sent all the same (auth.letters.ALWAYS_MAILED):
who takes an account over must not be able to keep its owner from hearing of it. Locks the account.
"""

from __future__ import annotations

from collections.abc import Mapping

from utils import clock, db
from utils.errors import NotFound

GROUPS = ("orders", "payments", "delivery", "security")
CHANNELS = ("in_app", "by_mail")

Preferences = dict[str, dict[str, bool]]


def get_preferences(*, user_id: int) -> Preferences:
    """Return for each group of topics whether somebody wants to be told `in_app` and `by_mail`."""
    return _read(db.reading(), user_id)


@db.in_transaction
def set_preferences(tx: db.Tx, *, user_id: int, changes: Mapping[str, Mapping[str, bool]]) -> Preferences:
    """Change what is named, and return what holds now for all groups. Raises NotFound."""
    tx.require_one(
        "SELECT u.id FROM users u WHERE u.id = %(id)s AND u.anonymised_at IS NULL FOR UPDATE",
        {"id": user_id},
        missing=NotFound(what="user"),
    )
    wanted = _read(tx, user_id)
    for group, change in changes.items():
        wanted[group] |= change
        tx.execute(
            """
            INSERT INTO notification_preferences (user_id, topic_group, in_app, by_mail, updated_at)
            VALUES (%(user_id)s, %(group)s, %(in_app)s, %(by_mail)s, %(now)s)
                ON DUPLICATE KEY UPDATE in_app = %(in_app)s, by_mail = %(by_mail)s, updated_at = %(now)s
            """,
            {"user_id": user_id, "group": group, **wanted[group], "now": clock.now()},
        )
    return wanted


def wants_mail(*, user_id: int, group: str) -> bool:
    """Tell whether somebody wants mails of this group; whose account has ended wants none."""
    row = db.reading().fetch_one(
        """
        SELECT COALESCE(np.by_mail, TRUE) AS by_mail
          FROM users u
          LEFT JOIN notification_preferences np ON np.user_id = u.id AND np.topic_group = %(group)s
         WHERE u.id = %(user_id)s
           AND u.anonymised_at IS NULL
        """,
        {"user_id": user_id, "group": group},
    )
    return bool(row and row["by_mail"])


def wants_tx(tx: db.Tx, *, user_id: int, group: str, channel: str) -> bool:
    """Tell whether somebody wants to be told of this group on this channel."""
    return _read(tx, user_id)[group][channel]


def forget_tx(tx: db.Tx, *, user_id: int) -> None:
    """Delete the preferences of an account that ends."""
    tx.execute("DELETE FROM notification_preferences WHERE user_id = %(user_id)s", {"user_id": user_id})


def _read(reader: db.Reader, user_id: int) -> Preferences:
    rows = reader.fetch_all(
        """
        SELECT np.topic_group, np.in_app, np.by_mail
          FROM notification_preferences np
         WHERE np.user_id = %(user_id)s
        """,
        {"user_id": user_id},
    )
    decided = {row["topic_group"]: {channel: bool(row[channel]) for channel in CHANNELS} for row in rows}
    return {group: decided.get(group, dict.fromkeys(CHANNELS, True)) for group in GROUPS}
