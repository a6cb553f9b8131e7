"""API keys: programs that act for their owner, within scopes.

Owns `api_keys`. A key is shown once and kept as a hash. What it may do is cut twice: its scopes are what the owner may
do when it is made, and at each use what the owner still may. Locks the owner's row when a key is made.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from auth import power_services as powers
from auth.session_services import CurrentUser, powers_of
from utils import audit, clock, db, outbox
from utils.errors import ApiKeyRefused, NotFound, TooManyKeys

WRITTEN = re.compile(r"duka_([1-9]\d{0,17})_([A-Za-z0-9_-]{43})")
MOST_KEYS = 50
USE_IS_NOTED_EVERY = timedelta(minutes=1)
NO_SESSION = 0


def get_current_user(*, key: str) -> CurrentUser:
    """Return the owner of a key, with what the key may do. Raises ApiKeyRefused when it does not stand."""
    written = WRITTEN.fullmatch(key)
    if written is None:
        raise ApiKeyRefused
    now = clock.now()
    row = db.reading().require_one(
        """
        SELECT ak.id AS api_key_id, ak.scopes, ak.last_used_at,
               u.id, u.username, u.email, u.phone_number, r.name AS role,
               (SELECT JSON_ARRAYAGG(p.name)
                  FROM role_permissions rp
                  JOIN permissions p ON p.id = rp.permission_id
                 WHERE rp.role_id = u.role_id) AS permissions,
               EXISTS (SELECT 1
                         FROM user_totp ut
                        WHERE ut.user_id = u.id
                          AND ut.confirmed_at IS NOT NULL) AS has_totp
          FROM api_keys ak
          JOIN users u ON u.id = ak.user_id
          JOIN roles r ON r.id = u.role_id
         WHERE ak.id = %(id)s
           AND ak.secret_hash = %(hash)s
           AND ak.revoked_at IS NULL
           AND (ak.expires_at IS NULL OR ak.expires_at > %(now)s)
           AND u.disabled_at IS NULL
        """,
        {"id": int(written[1]), "hash": _hash(written[2]), "now": now},
        missing=ApiKeyRefused(),
    )
    last_used_at = row.pop("last_used_at")
    if last_used_at is None or last_used_at <= now - USE_IS_NOTED_EVERY:
        _note_use(key_id=row["api_key_id"])
    scopes = frozenset(json.loads(row.pop("scopes")))
    powers_now = powers_of(permissions=row.pop("permissions"), has_totp=row.pop("has_totp"))
    powers_now["permissions"] &= scopes
    return CurrentUser(**row, **powers_now, session_id=NO_SESSION)


@db.in_transaction
def _note_use(tx: db.Tx, *, key_id: int) -> None:
    now = clock.now()
    tx.execute(
        """
        UPDATE api_keys
           SET last_used_at = %(now)s
         WHERE id = %(id)s
           AND (last_used_at IS NULL OR last_used_at <= %(before)s)
        """,
        {"id": key_id, "now": now, "before": now - USE_IS_NOTED_EVERY},
    )


def list_keys(*, user_id: int) -> list[dict[str, Any]]:
    """Return somebody's keys that were not revoked, newest first."""
    rows = db.reading().fetch_all(
        """
        SELECT ak.id, ak.name, ak.scopes, ak.created_at, ak.expires_at, ak.last_used_at
          FROM api_keys ak
         WHERE ak.user_id = %(user_id)s
           AND ak.revoked_at IS NULL
         ORDER BY ak.id DESC
        """,
        {"user_id": user_id},
    )
    return [_shown(row) for row in rows]


@db.in_transaction
def create_key(
    tx: db.Tx, *, owner: CurrentUser, name: str, scopes: Sequence[str], expires_at: datetime | None
) -> dict[str, Any]:
    """Make a key and return it with the secret, which is never shown again.

    Raises Forbidden for a scope that the owner does not hold, and TooManyKeys.
    """
    powers.require(owner.permissions, scopes)
    tx.require_one(
        "SELECT u.id FROM users u WHERE u.id = %(id)s AND u.disabled_at IS NULL FOR UPDATE",
        {"id": owner.id},
        missing=NotFound(what="user"),
    )
    _require_room_tx(tx, owner.id)
    secret = secrets.token_urlsafe(32)
    row = {"name": name, "scopes": json.dumps(sorted(set(scopes))), "expires_at": expires_at, "created_at": clock.now()}
    key_id = tx.insert(
        """
        INSERT INTO api_keys (user_id, name, secret_hash, scopes, created_at, expires_at)
        VALUES (%(user_id)s, %(name)s, %(hash)s, %(scopes)s, %(created_at)s, %(expires_at)s)
        """,
        {**row, "user_id": owner.id, "hash": _hash(secret)},
    )
    audit.record_tx(
        tx,
        action="api_key.created",
        actor_id=owner.id,
        target=f"api_key:{key_id}",
        after={"name": name, "scopes": set(scopes), "expires_at": expires_at},
    )
    outbox.stage_tx(tx, "account.api_key_created", user_id=owner.id, api_key_id=key_id)
    return {**_shown({**row, "id": key_id, "last_used_at": None}), "key": f"duka_{key_id}_{secret}"}


@db.in_transaction
def revoke_key(tx: db.Tx, *, owner_id: int, key_id: int) -> None:
    """Refuse a key from now on. Raises NotFound for one that is somebody else's, or was revoked before."""
    revoked = tx.execute(
        """
        UPDATE api_keys
           SET revoked_at = %(now)s
         WHERE id = %(id)s
           AND user_id = %(owner_id)s
           AND revoked_at IS NULL
        """,
        {"id": key_id, "owner_id": owner_id, "now": clock.now()},
    )
    if not revoked:
        raise NotFound(what="API key")
    audit.record_tx(tx, action="api_key.revoked", actor_id=owner_id, target=f"api_key:{key_id}")


def revoke_all_tx(tx: db.Tx, *, user_id: int) -> None:
    """Refuse every key of an account from now on."""
    tx.execute(
        """
        UPDATE api_keys
           SET revoked_at = %(now)s
         WHERE user_id = %(user_id)s
           AND revoked_at IS NULL
        """,
        {"user_id": user_id, "now": clock.now()},
    )


def _require_room_tx(tx: db.Tx, user_id: int) -> None:
    standing = tx.fetch_value(
        "SELECT COUNT(*) FROM api_keys ak WHERE ak.user_id = %(user_id)s AND ak.revoked_at IS NULL",
        {"user_id": user_id},
    )
    if standing >= MOST_KEYS:
        raise TooManyKeys(limit=MOST_KEYS)


def _shown(row: db.Row) -> dict[str, Any]:
    return {**row, "prefix": f"duka_{row['id']}_", "scopes": json.loads(row["scopes"])}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
