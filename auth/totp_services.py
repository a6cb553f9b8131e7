"""The second factor: codes of an authenticator (TOTP), and recovery codes for when it is lost.

Owns `user_totp` and `recovery_codes`. The secret is sealed, the recovery codes are hashes, and both kinds of code are
good once: a guarded UPDATE moves `last_step` forward, or marks the recovery code. Locks the account where the factor
is switched on or missed, then the row of the code.
"""

from __future__ import annotations

import hashlib
import io
import secrets
from datetime import UTC
from typing import Any

import pyotp
import segno
from pyotp.exceptions import OTPVerificationError

from auth import lockout_services as lockout
from auth import password_services, passwords, sealing, security_events
from auth import session_services as sessions
from utils import clock, db
from utils.errors import InvalidFields, InvalidTotp, TokenRevoked, TotpEnabled, TotpNotBegun, TotpRequired

ISSUER = "Duka"
DIGITS = 6
STEPS_ASIDE = 1  # a clock may be half a minute off
RECOVERY_CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
GROUPS, GROUP = 4, 4


@db.in_transaction
def begin_totp(tx: db.Tx, *, user_id: int, email: str) -> dict[str, Any]:
    """Make a new secret and return it as `secret`, as `uri` and as `qr_svg`; it counts once it is confirmed.

    Raises TotpEnabled when a second factor stands: it must be taken away first.
    """
    secret = pyotp.random_base32()
    tx.execute(
        """
        DELETE FROM user_totp
         WHERE user_id = %(user_id)s
           AND confirmed_at IS NULL
        """,
        {"user_id": user_id},
    )
    with db.naming({"PRIMARY": TotpEnabled}):
        tx.insert(
            """
            INSERT INTO user_totp (user_id, secret, created_at)
            VALUES (%(user_id)s, %(secret)s, %(now)s)
            """,
            {"user_id": user_id, "secret": sealing.seal(secret), "now": clock.now()},
        )
    return _told(secret, email)


def find_begun(*, user_id: int, email: str) -> dict[str, Any] | None:
    """Return once more what `begin_totp` did; None when nothing waits to be confirmed."""
    sealed = db.reading().fetch_value(
        """
        SELECT ut.secret
          FROM user_totp ut
         WHERE ut.user_id = %(user_id)s
           AND ut.confirmed_at IS NULL
        """,
        {"user_id": user_id},
    )
    return _told(sealing.unseal(sealed), email) if sealed else None


def count_recovery_codes(*, user_id: int) -> int:
    """Return how many recovery codes are left."""
    left: int = db.reading().fetch_value(
        """
        SELECT COUNT(*)
          FROM recovery_codes rc
         WHERE rc.user_id = %(user_id)s
           AND rc.used_at IS NULL
        """,
        {"user_id": user_id},
    )
    return left


@db.in_transaction
def confirm_totp(tx: db.Tx, *, user_id: int, session_id: int, code: str) -> list[str]:
    """Switch the second factor on with its first code, end all other sessions, and return the recovery codes.

    Raises TotpNotBegun, TotpEnabled whatever the code (nobody is to learn here what a code of it is), and InvalidFields
    for a wrong code.
    """
    tx.require_one(
        "SELECT u.id FROM users u WHERE u.id = %(id)s AND u.disabled_at IS NULL FOR UPDATE",
        {"id": user_id},
        missing=TokenRevoked(),
    )
    begun = tx.require_one(
        """
        SELECT secret, confirmed_at
          FROM user_totp
         WHERE user_id = %(user_id)s
        """,
        {"user_id": user_id},
        missing=TotpNotBegun(),
    )
    if begun["confirmed_at"] is not None:
        raise TotpEnabled
    step = _step_of(sealing.unseal(begun["secret"]), code)
    if step is None:
        raise InvalidFields(fields={"code": "is not the code that the authenticator shows now"})
    confirmed = tx.execute(
        """
        UPDATE user_totp
           SET confirmed_at = %(now)s, last_step = %(step)s
         WHERE user_id = %(user_id)s
           AND secret = %(secret)s
           AND confirmed_at IS NULL
        """,
        {"user_id": user_id, "secret": begun["secret"], "step": step, "now": clock.now()},
    )
    if not confirmed:
        raise TotpEnabled
    sessions.end_other_sessions_tx(tx, user_id=user_id, session_id=session_id, reason="totp_enabled")
    security_events.record_tx(tx, "account.totp_enabled", user_id=user_id, by_owner=True)
    return _make_recovery_codes_tx(tx, user_id=user_id)


def require_none_tx(tx: db.Tx, *, user_id: int) -> None:
    """Look, under the lock of the account, whether it still has no second factor. Raises TotpRequired."""
    if tx.fetch_value(
        "SELECT 1 FROM user_totp WHERE user_id = %(user_id)s AND confirmed_at IS NOT NULL", {"user_id": user_id}
    ):
        raise TotpRequired


def spend_code_tx(tx: db.Tx, *, user_id: int, sealed_secret: str, code: str) -> None:
    """Take a code of the authenticator, or a recovery code, once. Raises InvalidTotp."""
    if len(code.replace(" ", "")) > DIGITS:
        _spend_recovery_code_tx(tx, user_id=user_id, code=code)
        return
    step = _step_of(sealing.unseal(sealed_secret), code)
    taken = step is not None and tx.execute(
        """
        UPDATE user_totp
           SET last_step = %(step)s
         WHERE user_id = %(user_id)s
           AND secret = %(secret)s
           AND confirmed_at IS NOT NULL
           AND last_step < %(step)s
        """,
        {"user_id": user_id, "secret": sealed_secret, "step": step},
    )
    if not taken:
        raise InvalidTotp


@passwords.in_line
def end_totp(*, user_id: int, password: str) -> None:
    """Take the second factor away from somebody who knows the password; where there is none, nothing changes.

    Raises InvalidFields for a wrong one, AccountLocked after too many of these, TooManyAtOnce.
    """
    password_services.check_password(user_id=user_id, password=password, field="password")
    _end(user_id=user_id)


@db.in_transaction
def _end(tx: db.Tx, *, user_id: int) -> None:
    lockout.clear_tx(tx, user_id=user_id)
    if forget_tx(tx, user_id=user_id):
        security_events.record_tx(tx, "account.totp_ended", user_id=user_id, by_owner=True)


def forget_tx(tx: db.Tx, *, user_id: int) -> int:
    """Delete the second factor and its recovery codes; return 0 when there was none, else 1."""
    tx.execute(
        """
        DELETE FROM recovery_codes
         WHERE user_id = %(user_id)s
        """,
        {"user_id": user_id},
    )
    return tx.execute(
        """
        DELETE FROM user_totp
         WHERE user_id = %(user_id)s
        """,
        {"user_id": user_id},
    )


def _make_recovery_codes_tx(tx: db.Tx, *, user_id: int) -> list[str]:
    codes = [
        "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))
        for _ in range(RECOVERY_CODES)
    ]
    tx.insert_many(
        """
        INSERT INTO recovery_codes (user_id, code_hash, created_at)
        VALUES (%(user_id)s, %(hash)s, %(now)s)
        """,
        [{"user_id": user_id, "hash": _hash(code), "now": clock.now()} for code in codes],
    )
    return codes


def _spend_recovery_code_tx(tx: db.Tx, *, user_id: int, code: str) -> None:
    spent = tx.execute(
        """
        UPDATE recovery_codes
           SET used_at = %(now)s
         WHERE user_id = %(user_id)s
           AND code_hash = %(hash)s
           AND used_at IS NULL
        """,
        {"user_id": user_id, "hash": _hash(code), "now": clock.now()},
    )
    if not spent:
        raise InvalidTotp
    left: int = tx.fetch_value(
        """
        SELECT COUNT(*)
          FROM recovery_codes
         WHERE user_id = %(user_id)s
           AND used_at IS NULL
        """,
        {"user_id": user_id},
    )
    security_events.record_tx(tx, "account.recovery_code_used", user_id=user_id, by_owner=True, left=left)


def _step_of(secret: str, code: str) -> int | None:
    """Return which 30-second step a code belongs to; None when it is no code of these moments."""
    try:
        return pyotp.TOTP(secret, digits=DIGITS).verify_and_get_timecode(
            code.replace(" ", ""), for_time=clock.now().replace(tzinfo=UTC).timestamp(), valid_window=STEPS_ASIDE
        )
    except OTPVerificationError:
        return None


def _hash(code: str) -> str:
    """Hash a recovery code however its owner has typed it."""
    return hashlib.sha256(code.casefold().replace("-", "").replace(" ", "").encode()).hexdigest()


def _told(secret: str, email: str) -> dict[str, Any]:
    uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)
    return {"secret": secret, "uri": uri, "qr_svg": _drawn(uri)}


def _drawn(uri: str) -> str:
    drawing = io.BytesIO()
    segno.make(uri, error="m").save(drawing, kind="svg", scale=5, xmldecl=False)
    return drawing.getvalue().decode()
