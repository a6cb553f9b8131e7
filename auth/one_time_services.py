"""One-time tokens: what is mailed to an address, so that who brings it back shows that he reads its mails.

Owns `account_tokens`. Only hashes are kept; a token is spent by a guarded UPDATE, so that of many who bring it at once
one gets through; a new one of its kind spends those before it. Locks the token.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from utils import clock, db
from utils.errors import LinkSpent

LIFETIMES = {"verify_email": timedelta(days=3), "reset_password": timedelta(hours=1)}


@db.in_transaction
def make_token(tx: db.Tx, *, purpose: str, user_id: int, email: str) -> str:
    """Return a new token of the user; those of its kind before it are good for nothing from then on."""
    now = clock.now()
    discard_tx(tx, purpose=purpose, user_id=user_id)
    token = secrets.token_urlsafe(32)
    tx.insert(
        """
        INSERT INTO account_tokens (user_id, purpose, email, token_hash, created_at, expires_at)
        VALUES (%(user_id)s, %(purpose)s, %(email)s, %(hash)s, %(now)s, %(expires_at)s)
        """,
        {
            "user_id": user_id,
            "purpose": purpose,
            "email": email,
            "hash": _hash(token),
            "now": now,
            "expires_at": now + LIFETIMES[purpose],
        },
    )
    return token


def check_token(*, purpose: str, token: str) -> None:
    """Look whether a token is good, before costly work is done for it. Raises LinkSpent."""
    db.reading().require_one(
        """
        SELECT id
          FROM account_tokens
         WHERE token_hash = %(hash)s
           AND purpose = %(purpose)s
           AND used_at IS NULL
           AND expires_at > %(now)s
        """,
        {"hash": _hash(token), "purpose": purpose, "now": clock.now()},
        missing=LinkSpent(),
    )


def spend_tx(tx: db.Tx, *, purpose: str, token: str) -> db.Row:
    """Spend a token and return its `user_id`, and the `email` that it was sent to. Raises LinkSpent."""
    spent = tx.execute(
        """
        UPDATE account_tokens
           SET used_at = %(now)s
         WHERE token_hash = %(hash)s
           AND purpose = %(purpose)s
           AND used_at IS NULL
           AND expires_at > %(now)s
        """,
        {"hash": _hash(token), "purpose": purpose, "now": clock.now()},
    )
    if not spent:
        raise LinkSpent
    return tx.require_one(
        """
        SELECT user_id, email
          FROM account_tokens
         WHERE token_hash = %(hash)s
        """,
        {"hash": _hash(token)},
        missing=LinkSpent(),
    )


def discard_tx(tx: db.Tx, *, purpose: str, user_id: int) -> None:
    """Make what the user was sent for this purpose good for nothing."""
    tx.execute(
        """
        UPDATE account_tokens
           SET used_at = %(now)s
         WHERE user_id = %(user_id)s
           AND purpose = %(purpose)s
           AND used_at IS NULL
        """,
        {"user_id": user_id, "purpose": purpose, "now": clock.now()},
    )


def forget_tx(tx: db.Tx, *, user_id: int) -> None:
    """Delete every token of the user, and with it the address that it was sent to."""
    tx.execute(
        """
        DELETE FROM account_tokens
         WHERE user_id = %(user_id)s
        """,
        {"user_id": user_id},
    )


@db.in_transaction
def delete_expired_tokens(tx: db.Tx) -> int:
    """Delete some of the tokens that are refused for their age anyway; return how many."""
    return tx.execute(
        """
        DELETE FROM account_tokens
         WHERE expires_at < %(now)s
         ORDER BY expires_at, id
         LIMIT 1000
        """,
        {"now": clock.now()},
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
