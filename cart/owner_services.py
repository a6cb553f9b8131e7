"""Whose cart, and its row: the lock under which every change of its lines stands.

Writes carts, and empties them of cart_items. The row is locked by its primary key and touched by each change, so
that two tabs wait for each other and a cart that nobody uses is known.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from utils import clock, db

TOKEN_BYTES = 32

CARTS = {
    "cart_id": "c.id = %(cart_id)s",
    "user_id": "c.user_id = %(user_id)s",
    "token_hash": "c.token_hash = %(token_hash)s",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose cart it is: a customer's, or else the guest's who holds the token."""

    user_id: int | None = None
    token: str | None = None

    @property
    def key(self) -> dict[str, object]:
        """Return the column and value by which the cart is found."""
        if self.user_id is not None:
            return {"user_id": self.user_id}
        return {"token_hash": _hash(self.token or "")}


def _hash(token: str) -> str:
    """Return what is stored of a guest's token: who reads the table cannot open the carts."""
    return hashlib.sha256(token.encode()).hexdigest()


def make_token() -> str:
    """Make a guest's token, which nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def lock_cart_tx(tx: db.Tx, *, owner: Owner) -> int | None:
    """Lock the owner's cart by its primary key and return its id, None when there is no cart."""
    cart_id: int | None = tx.fetch_value(
        """
        SELECT locked.id
          FROM carts locked
         WHERE locked.id = (SELECT c.id FROM carts c {where})
           FOR UPDATE
        """,
        where=db.where(CARTS, owner.key),
    )
    return cart_id


def make_cart_tx(tx: db.Tx, *, user_id: int | None, token: str | None) -> int:
    """Make a cart, locked, and return its id; that of a rival's who made the customer's a moment before."""
    return tx.insert(
        """
        INSERT INTO carts
            (user_id, token_hash, created_at, updated_at)
        VALUES
            (%(user_id)s, %(token_hash)s, %(now)s, %(now)s)
        ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id)
        """,
        {"user_id": user_id, "token_hash": _hash(token) if token else None, "now": clock.now()},
    )


def touch_cart_tx(tx: db.Tx, *, cart_id: int) -> None:
    """Write the cart's row: it is in use, and a rival on another node of a cluster collides with this one."""
    tx.execute_one(
        "UPDATE carts SET updated_at = %(now)s WHERE id = %(cart_id)s", {"cart_id": cart_id, "now": clock.now()}
    )


def empty_cart_tx(tx: db.Tx, *, cart_id: int) -> None:
    """Take everything out of a locked cart."""
    tx.execute("DELETE FROM cart_items WHERE cart_id = %(cart_id)s", {"cart_id": cart_id})
