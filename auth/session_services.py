"""Sessions: one for each log-in, the family of its refresh tokens.

Owns `sessions` and `refresh_tokens`. A refresh token's secret is kept as a hash and spent by a guarded UPDATE; who
spends it a second time stole it, or was stolen from, so the session ends for both, and the owner is told. Two tabs of
one browser refresh at the same moment, though, so for `GRACE` a spent one still buys a pair. A browser that is renewed
in silence has `BROWSER_GRACE`: the new cookie comes with a page, and a phone that loses the page comes back with the
old one when its owner reloads. Locks the token, then its session.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import config
from auth import security_events
from utils import clock, db, log, paging
from utils.errors import NotFound, TokenReused, TokenRevoked

logger = log.get_logger(__name__)

GRACE = timedelta(seconds=10)
BROWSER_GRACE = timedelta(minutes=1)  # a lost page is given up and asked for again; a thief has no more than that
LONGEST_DEVICE = 255
LONGEST_ADDRESS = 45
SORT = "newest"
NEWEST = 1 << 63


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """Who asks, for the length of one request."""

    id: int
    username: str
    email: str
    phone_number: str | None
    role: str
    permissions: frozenset[str]
    session_id: int
    api_key_id: int | None = None  # of a program that acts for the user; None: the user in person
    lacks_second_factor: bool = False  # staff who must set one up before they may do anything

    def may(self, permission: str) -> bool:
        """Tell whether the user's role, and the key if one is used, has the permission."""
        return permission in self.permissions


def get_current_user(*, user_id: int, session_id: int) -> CurrentUser:
    """Return the user of a session that stands. Raises TokenRevoked when it, or the account, has ended."""
    row = db.reading().require_one(
        """
        SELECT u.id, u.username, u.email, u.phone_number, r.name AS role, s.id AS session_id,
               (SELECT JSON_ARRAYAGG(p.name)
                  FROM role_permissions rp
                  JOIN permissions p ON p.id = rp.permission_id
                 WHERE rp.role_id = u.role_id) AS permissions,
               EXISTS (SELECT 1
                         FROM user_totp ut
                        WHERE ut.user_id = u.id
                          AND ut.confirmed_at IS NOT NULL) AS has_totp
          FROM sessions s
          JOIN users u ON u.id = s.user_id
          JOIN roles r ON r.id = u.role_id
         WHERE s.id = %(session_id)s
           AND s.user_id = %(user_id)s
           AND s.revoked_at IS NULL
           AND u.disabled_at IS NULL
        """,
        {"session_id": session_id, "user_id": user_id},
        missing=TokenRevoked(),
    )
    powers = powers_of(permissions=row.pop("permissions"), has_totp=row.pop("has_totp"))
    return CurrentUser(**row, **powers)


def powers_of(*, permissions: str | None, has_totp: int) -> dict[str, Any]:
    """Return what of a role's permissions (a JSON list) its holder has: none while the second factor is lacking."""
    held = frozenset(json.loads(permissions or "[]"))
    lacks = bool(held and config.current().TOTP_REQUIRED_FOR_STAFF and not has_totp)
    return {"permissions": frozenset() if lacks else held, "lacks_second_factor": lacks}


def open_session_tx(tx: db.Tx, *, user_id: int, device: str, address: str) -> dict[str, Any]:
    """Open a session and return its `session_id` and the `refresh_secret` of its first refresh token."""
    session_id = tx.insert(
        """
        INSERT INTO sessions (user_id, device, address, created_at, last_used_at)
        VALUES (%(user_id)s, %(device)s, %(address)s, %(now)s, %(now)s)
        """,
        {
            "user_id": user_id,
            "device": device[:LONGEST_DEVICE],
            "address": address.encode("ascii", "replace").decode()[:LONGEST_ADDRESS],
            "now": clock.now(),
        },
    )
    return {"session_id": session_id, "refresh_secret": _insert_refresh_token_tx(tx, session_id=session_id)}


@db.in_transaction
def open_session(tx: db.Tx, *, user_id: int, device: str, address: str) -> dict[str, Any]:
    """Open a session for somebody whose password was right; returns as `open_session_tx` does."""
    return open_session_tx(tx, user_id=user_id, device=device, address=address)


def refresh_session(*, session_id: int, refresh_secret: str, grace: timedelta = GRACE) -> str:
    """Spend a refresh token's secret and return the next one; one that was spent no longer than `grace` ago does.

    Raises TokenReused when it was spent before, with the session then ended, and TokenRevoked when the session, or
    the account, has ended.
    """
    next_secret = _spend(session_id=session_id, refresh_secret=refresh_secret, grace=grace)
    if next_secret is None:
        logger.warning("refresh token reused, session ended", session_id=session_id)
        raise TokenReused
    return next_secret


@db.in_transaction
def _spend(tx: db.Tx, *, session_id: int, refresh_secret: str, grace: timedelta) -> str | None:
    """Return the next secret, or None when this one is spent; then what is written must be committed, not raised."""
    now = clock.now()
    spent = tx.execute(
        """
        UPDATE refresh_tokens
           SET used_at = COALESCE(used_at, %(now)s)
         WHERE token_hash = %(hash)s
           AND (used_at IS NULL OR used_at > %(grace_began)s)
        """,
        {"hash": _hash(refresh_secret), "now": now, "grace_began": now - grace},
    )
    if not spent:
        _end_for_reuse_tx(tx, session_id=session_id)
        return None
    _touch_session_tx(tx, session_id=session_id)
    return _insert_refresh_token_tx(tx, session_id=session_id)


def _end_for_reuse_tx(tx: db.Tx, *, session_id: int) -> None:
    """End the session and have its owner told, once."""
    if not end_session_tx(tx, session_id=session_id, reason="token_reused"):
        return
    session = tx.require_one(
        """
        SELECT s.user_id, s.device, s.address
          FROM sessions s
         WHERE s.id = %(session_id)s
        """,
        {"session_id": session_id},
        missing=TokenRevoked(),
    )
    security_events.record_tx(tx, "account.token_reused", by_owner=False, **session)


def end_session_tx(tx: db.Tx, *, session_id: int, reason: str) -> int:
    """End one session; its tokens are refused from then on. Return 0 when it had ended before, else 1."""
    return tx.execute(
        """
        UPDATE sessions
           SET revoked_at = %(now)s, revoked_reason = %(reason)s
         WHERE id = %(session_id)s
           AND revoked_at IS NULL
        """,
        {"session_id": session_id, "reason": reason, "now": clock.now()},
    )


@db.in_transaction
def log_out(tx: db.Tx, *, session_id: int) -> None:
    """End the session at hand."""
    end_session_tx(tx, session_id=session_id, reason="logout")


@db.in_transaction
def log_out_everywhere(tx: db.Tx, *, user_id: int) -> None:
    """End every session of the user."""
    end_all_sessions_tx(tx, user_id=user_id, reason="logout_all")


def end_all_sessions_tx(tx: db.Tx, *, user_id: int, reason: str) -> None:
    """End every session of the user that still stands."""
    tx.execute(
        """
        UPDATE sessions
           SET revoked_at = %(now)s, revoked_reason = %(reason)s
         WHERE user_id = %(user_id)s
           AND revoked_at IS NULL
        """,
        {"user_id": user_id, "reason": reason, "now": clock.now()},
    )


def list_sessions(*, user_id: int, limit: int, cursor: str | None = None) -> paging.Page[db.Row]:
    """Return a page of the sessions of a user that still stand, newest first. Raises BadCursor."""
    before_id = paging.decode(cursor, SORT, int)[0] if cursor else NEWEST
    oldest_use = clock.now() - timedelta(seconds=config.current().REFRESH_TOKEN_SECONDS)  # its tokens have expired
    rows = db.reading().fetch_all(
        """
        SELECT s.id, s.device, s.address, s.created_at, s.last_used_at
          FROM sessions s
         WHERE s.user_id = %(user_id)s
           AND s.revoked_at IS NULL
           AND s.last_used_at > %(oldest_use)s
           AND s.id < %(before_id)s
         ORDER BY s.id DESC
         LIMIT %(limit)s
        """,
        {"user_id": user_id, "oldest_use": oldest_use, "before_id": before_id, "limit": limit + 1},
    )
    return paging.cut(rows, limit, lambda row: paging.encode(SORT, row["id"]))


@db.in_transaction
def end_own_session(tx: db.Tx, *, user_id: int, session_id: int) -> None:
    """End one of the user's sessions. Raises NotFound when it is not theirs, or has ended."""
    ended = tx.execute(
        """
        UPDATE sessions
           SET revoked_at = %(now)s, revoked_reason = 'ended'
         WHERE id = %(session_id)s
           AND user_id = %(user_id)s
           AND revoked_at IS NULL
        """,
        {"session_id": session_id, "user_id": user_id, "now": clock.now()},
    )
    if not ended:
        raise NotFound(what="session")


def forget_devices_tx(tx: db.Tx, *, user_id: int) -> None:
    """Forget from which devices and addresses somebody logged in."""
    tx.execute(
        "UPDATE sessions SET device = '', address = '' WHERE user_id = %(user_id)s",
        {"user_id": user_id},
    )


def end_other_sessions_tx(tx: db.Tx, *, user_id: int, session_id: int, reason: str) -> None:
    """End every session of the user that still stands, but this one."""
    tx.execute(
        """
        UPDATE sessions
           SET revoked_at = %(now)s, revoked_reason = %(reason)s
         WHERE user_id = %(user_id)s
           AND id <> %(session_id)s
           AND revoked_at IS NULL
        """,
        {"user_id": user_id, "session_id": session_id, "reason": reason, "now": clock.now()},
    )


def _touch_session_tx(tx: db.Tx, *, session_id: int) -> None:
    """Note the use of a session that stands. Raises TokenRevoked when it, or the account, has ended."""
    standing = tx.execute(
        """
        UPDATE sessions s
          JOIN users u ON u.id = s.user_id
           SET s.last_used_at = %(now)s
         WHERE s.id = %(session_id)s
           AND s.revoked_at IS NULL
           AND u.disabled_at IS NULL
        """,
        {"session_id": session_id, "now": clock.now()},
    )
    if not standing:
        raise TokenRevoked


def _insert_refresh_token_tx(tx: db.Tx, *, session_id: int) -> str:
    secret = secrets.token_urlsafe(32)
    now = clock.now()
    tx.insert(
        """
        INSERT INTO refresh_tokens (session_id, token_hash, created_at, expires_at)
        VALUES (%(session_id)s, %(hash)s, %(now)s, %(expires_at)s)
        """,
        {
            "session_id": session_id,
            "hash": _hash(secret),
            "now": now,
            "expires_at": now + timedelta(seconds=config.current().REFRESH_TOKEN_SECONDS),
        },
    )
    return secret


@db.in_transaction
def delete_expired_refresh_tokens(tx: db.Tx) -> int:
    """Delete some of the refresh tokens that are refused for their age anyway; return how many."""
    return tx.execute(
        """
        DELETE FROM refresh_tokens
         WHERE expires_at < %(now)s
         ORDER BY expires_at, id
         LIMIT 1000
        """,
        {"now": clock.now()},
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
