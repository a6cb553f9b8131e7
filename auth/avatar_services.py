"""Customers' pictures: which account has which. Writes `users.avatar`, and the files.

The files of a new picture are written before the account names them; those of the old one are removed by the worker,
after the COMMIT that forgot them. Locks the account.
"""

from __future__ import annotations

from auth import avatars
from utils import clock, db, outbox, pictures
from utils.errors import NotFound


def set_avatar(*, user_id: int, picture: bytes) -> None:
    """Make this the picture of an account. Raises UnsupportedPicture, PictureTooLarge, BrokenPicture, NotFound."""
    name = avatars.store(pictures.make_squares(picture, list(avatars.SIZES.values())))
    try:
        _name_avatar(user_id=user_id, name=name)
    except Exception:
        avatars.remove(name)
        raise


@db.in_transaction
def drop_avatar(tx: db.Tx, *, user_id: int) -> None:
    """Take the picture of an account away; there may be none."""
    name_avatar_tx(tx, user_id=user_id, name=None)


@db.in_transaction
def _name_avatar(tx: db.Tx, *, user_id: int, name: str) -> None:
    name_avatar_tx(tx, user_id=user_id, name=name)


def name_avatar_tx(tx: db.Tx, *, user_id: int, name: str | None) -> None:
    """Write down the name of an account's picture, and have the files of the one before it removed. Raises NotFound."""
    account = tx.require_one(
        "SELECT u.avatar FROM users u WHERE u.id = %(id)s AND u.anonymised_at IS NULL FOR UPDATE",
        {"id": user_id},
        missing=NotFound(what="user"),
    )
    tx.execute_one(
        "UPDATE users SET avatar = %(name)s, updated_at = %(now)s WHERE id = %(id)s",
        {"id": user_id, "name": name, "now": clock.now()},
    )
    if account["avatar"]:
        outbox.stage_tx(tx, "account.avatar_dropped", avatar=account["avatar"])
