"""Idempotency keys: the same key and body give the first answer again, for a day and across restarts.

Owns the table idempotency_keys. A key is claimed and committed first; the business verb then keeps its answer with
`keep_tx` in the very transaction of its effect, so that effect and answer stand or fall together. A claim without an
answer whose lease ran out belonged to a process that died before that commit: the next try takes it over.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from utils import clock, db
from utils.errors import IdempotencyInProgress, IdempotencyMismatch, StaleRow

KEPT_FOR = timedelta(hours=48)
LEASE = timedelta(seconds=60)


@dataclass(slots=True)
class Answer:
    """A kept answer, as it went out."""

    status_code: int
    content_type: str
    body: str


@dataclass(slots=True)
class Claim:
    """The right to answer under a key. `id` is 0 for a request that sent none: then nothing is kept."""

    id: int = 0
    token: str = ""
    kept: bool = False


def fingerprint(*parts: str | bytes) -> str:
    """Return the hash by which another body under the same key is told."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


@db.in_transaction
def claim(tx: db.Tx, *, scope: str, key: str, fingerprint: str) -> Claim | Answer:
    """Claim the key, or return the answer that stands under it.

    Raises IdempotencyMismatch when the key was used with another request, and IdempotencyInProgress while the first
    one is still running.
    """
    now = clock.now()
    token = secrets.token_hex(16)
    fresh_id = tx.insert(
        """
        INSERT IGNORE INTO idempotency_keys
            (scope, idempotency_key, fingerprint, claim, leased_until, created_at, expires_at)
        VALUES
            (%(scope)s, %(key)s, %(fingerprint)s, %(claim)s, %(leased_until)s, %(now)s, %(expires_at)s)
        """,
        {
            "scope": scope,
            "key": key,
            "fingerprint": fingerprint,
            "claim": token,
            "leased_until": now + LEASE,
            "now": now,
            "expires_at": now + KEPT_FOR,
        },
    )
    if fresh_id:
        return Claim(fresh_id, token)
    row = tx.require_one(
        """
        SELECT id, fingerprint, status_code, content_type, body, answered_at
          FROM idempotency_keys
         WHERE scope = %(scope)s
           AND idempotency_key = %(key)s
        """,
        {"scope": scope, "key": key},
        missing=IdempotencyInProgress(),
    )
    if row["fingerprint"] != fingerprint:
        raise IdempotencyMismatch
    if row["answered_at"] is not None:
        return Answer(row["status_code"], row["content_type"], row["body"])
    taken_over = tx.execute(
        """
        UPDATE idempotency_keys
           SET claim = %(claim)s,
               leased_until = %(leased_until)s
         WHERE id = %(id)s
           AND answered_at IS NULL
           AND leased_until < %(now)s
        """,
        {"id": row["id"], "claim": token, "leased_until": now + LEASE, "now": now},
    )
    if not taken_over:
        raise IdempotencyInProgress
    return Claim(row["id"], token)


def keep_tx(tx: db.Tx, claim: Claim, *, status_code: int, body: str, content_type: str = "application/json") -> None:
    """Keep the answer in the transaction of its effect; a later one of the same claim replaces it.

    Raises StaleRow when another process took the claim over.
    """
    if not claim.id:
        return
    if not _keep_tx(tx, claim, status_code=status_code, body=body, content_type=content_type, guard=""):
        raise StaleRow
    claim.kept = True


@db.in_transaction
def keep_refusal(tx: db.Tx, *, claim: Claim, status_code: int, body: str, content_type: str) -> None:
    """Keep a 4xx answer: the effect was rolled back, so the refusal has a transaction of its own.

    It replaces no answer that was committed, and a claim that was taken over is no longer ours to answer.
    """
    guard = "AND answered_at IS NULL"
    _keep_tx(tx, claim, status_code=status_code, body=body, content_type=content_type, guard=guard)


def _keep_tx(tx: db.Tx, claim: Claim, *, status_code: int, body: str, content_type: str, guard: str) -> int:
    return tx.execute(
        """
        UPDATE idempotency_keys
           SET status_code = %(status_code)s,
               content_type = %(content_type)s,
               body = %(body)s,
               answered_at = %(now)s
         WHERE id = %(id)s
           AND claim = %(claim)s
           {guard}
        """,
        {
            "id": claim.id,
            "claim": claim.token,
            "status_code": status_code,
            "content_type": content_type,
            "body": body,
            "now": clock.now(),
        },
        guard=guard,
    )


@db.in_transaction
def let_go(tx: db.Tx, *, claim: Claim) -> None:
    """Give the key free after a 5xx or 429: such an answer is not kept, and the client may try again.

    An answer that stands stays: its effect is committed, although the connection died before we heard of it.
    """
    tx.execute(
        """
        DELETE FROM idempotency_keys
         WHERE id = %(id)s
           AND claim = %(claim)s
           AND answered_at IS NULL
        """,
        {"id": claim.id, "claim": claim.token},
    )


def let_go_tx(tx: db.Tx, *, claim: Claim) -> None:
    """Give the key free in the transaction that takes the effect back: the answer kept with it is forgotten."""
    tx.execute(
        """
        DELETE FROM idempotency_keys
         WHERE id = %(id)s
           AND claim = %(claim)s
        """,
        {"id": claim.id, "claim": claim.token},
    )


@db.in_transaction
def delete_expired_keys(tx: db.Tx) -> int:
    """Forget the keys that are past their time; the worker calls it every hour."""
    return tx.execute(
        """
        DELETE FROM idempotency_keys
         WHERE expires_at < %(now)s
         ORDER BY expires_at
         LIMIT 10000
        """,
        {"now": clock.now()},
    )
