"""The provider's access token: one for all processes.

Owns the table provider_tokens. Each new token makes the one before invalid, so only one process fetches it, a minute
early: it claims the renewal by a guarded UPDATE, and the others wait until the token is there.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import config
from payments import daraja
from payments.daraja_answers import AccessToken, InvalidToken, NotTaken
from utils import clock, db

R = TypeVar("R")

EARLY = timedelta(seconds=60)
LEASE = timedelta(seconds=daraja.CONNECT_SECONDS + daraja.READ_SECONDS + 5)
LOOK_EVERY_SECONDS = 0.05
WAIT_SECONDS = 10.0


def with_token(call: Callable[[str], R]) -> R:
    """Run a call to the provider with the token in force; once more with a new one when it is refused as invalid.

    A call that is refused so was not carried out: to repeat it is safe. Raises what the call raises, and NotTaken or
    Refused when there is no token to be had.
    """
    token = get_token()
    try:
        return call(token)
    except InvalidToken:
        expire_token(name=_name(), token=token)
    try:
        return call(get_token())
    except InvalidToken as error:
        raise NotTaken(error.code, "a fresh access token is not accepted") from error


def get_token() -> str:
    """Return the token in force, fetching a new one when it is this process's turn. Raises NotTaken or Refused."""
    name = _name()
    give_up_at = time.monotonic() + WAIT_SECONDS
    while (token := _find_token(name)) is None:
        lease = claim_renewal(name=name)
        if lease is not None:
            return _renew(name, lease)
        if time.monotonic() > give_up_at:
            raise NotTaken("away", "no access token in time")
        time.sleep(LOOK_EVERY_SECONDS)  # another process has gone to fetch it
    return token


def _renew(name: str, lease: datetime) -> str:
    try:
        fresh = daraja.fetch_token()
    except BaseException:
        release_renewal(name=name, lease=lease)
        raise
    keep_token(name=name, lease=lease, token=fresh)
    return fresh.value


def _name() -> str:
    """Return the row of the credentials in force, so that a shop with new ones does not use an old token."""
    settings = config.current()
    of = f"{settings.MPESA_BASE_URL} {settings.MPESA_CONSUMER_KEY}"
    return "daraja:" + hashlib.sha256(of.encode()).hexdigest()[:16]


def _find_token(name: str) -> str | None:
    token: str | None = db.reading().fetch_value(
        """
        SELECT access_token
          FROM provider_tokens
         WHERE name = %(name)s
           AND expires_at > %(needed_until)s
        """,
        {"name": name, "needed_until": clock.now() + EARLY},
    )
    return token


@db.in_transaction
def claim_renewal(tx: db.Tx, *, name: str) -> datetime | None:
    """Claim the renewal of a token that is gone or going; return the lease, None when it is not ours to renew."""
    now = clock.now()
    tx.execute("INSERT IGNORE INTO provider_tokens (name) VALUES (%(name)s)", {"name": name})
    claimed = tx.execute(
        """
        UPDATE provider_tokens
           SET renewing_until = %(lease)s
         WHERE name = %(name)s
           AND (expires_at IS NULL OR expires_at <= %(needed_until)s)
           AND (renewing_until IS NULL OR renewing_until < %(now)s)
        """,
        {"name": name, "lease": now + LEASE, "needed_until": now + EARLY, "now": now},
    )
    return now + LEASE if claimed else None


@db.in_transaction
def keep_token(tx: db.Tx, *, name: str, lease: datetime, token: AccessToken) -> None:
    """Keep a fetched token for everybody, unless the lease ran out and another process has fetched a newer one."""
    tx.execute(
        """
        UPDATE provider_tokens
           SET access_token = %(token)s,
               expires_at = %(expires_at)s,
               renewing_until = NULL
         WHERE name = %(name)s
           AND renewing_until = %(lease)s
        """,
        {
            "name": name,
            "lease": lease,
            "token": token.value,
            "expires_at": clock.now() + timedelta(seconds=token.seconds),
        },
    )


@db.in_transaction
def release_renewal(tx: db.Tx, *, name: str, lease: datetime) -> None:
    """Let another process try: this one could not fetch a token."""
    tx.execute(
        "UPDATE provider_tokens SET renewing_until = NULL WHERE name = %(name)s AND renewing_until = %(lease)s",
        {"name": name, "lease": lease},
    )


@db.in_transaction
def expire_token(tx: db.Tx, *, name: str, token: str) -> None:
    """Say that the provider refuses this token, unless a newer one stands there already."""
    tx.execute(
        """
        UPDATE provider_tokens
           SET expires_at = NULL
         WHERE name = %(name)s
           AND access_token = %(token)s
        """,
        {"name": name, "token": token},
    )
