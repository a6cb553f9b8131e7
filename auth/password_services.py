"""Passwords and addresses of an account: asked for, verified, reset, changed. Writes these columns of `users`.

What is asked for a known address and for an unknown one does the same work: one outbox row. The worker looks the
address up, makes the one-time token and mails it, so no token ever stands in the database. A new password ends the
sessions that the old one opened. Bcrypt runs outside of the transactions. Locks the one-time token, then the user.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auth import lockout_services as lockout
from auth import one_time_services as one_time
from auth import passwords, security_events
from auth import session_services as sessions
from utils import clock, db, outbox
from utils.errors import InvalidFields, LinkSpent, StaleRow, TokenRevoked

RECIPIENTS = {
    "user_id": "u.id = %(user_id)s",
    "email": "u.email = %(email)s AND LOWER(u.email) = LOWER(%(email)s) COLLATE utf8mb4_bin",
}


@db.in_transaction
def ask_for_reset(tx: db.Tx, *, email: str) -> None:
    """Have a link to set a new password mailed to this address, if it is an account's."""
    outbox.stage_tx(tx, "account.reset_asked", email=email)


@db.in_transaction
def ask_for_verification(tx: db.Tx, *, email: str) -> None:
    """Have a link to verify this address mailed to it, if it is an account's and not verified yet."""
    outbox.stage_tx(tx, "account.verification_asked", email=email)


def find_recipient(*, by: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return whom to write to, by `user_id` or by `email`; None when there is nobody, or the account is closed."""
    ((name, value),) = by.items()
    return db.reading().fetch_one(
        """
        SELECT u.id, u.username, u.email, u.email_verified_at IS NOT NULL AS email_verified
          FROM users u
         WHERE u.disabled_at IS NULL
           AND {is_meant}
        """,
        is_meant=db.Fragment(RECIPIENTS[name], {name: value}),
    )


@db.in_transaction
def verify_email(tx: db.Tx, *, token: str) -> None:
    """Note that the owner of an account reads the mails of its address.

    Raises LinkSpent for a token that is spent, too old, none of ours, or was sent to another address than the
    account has now.
    """
    proof = one_time.spend_tx(tx, purpose="verify_email", token=token)
    if not _mark_verified_tx(tx, user_id=proof["user_id"], email=proof["email"]):
        raise LinkSpent
    security_events.record_tx(tx, "account.verified", user_id=proof["user_id"], by_owner=True)


@passwords.in_line
def reset_password(*, token: str, new_password: str) -> None:
    """Set the password of whoever was mailed this token, and end all sessions. Raises LinkSpent, TooManyAtOnce."""
    one_time.check_token(purpose="reset_password", token=token)
    _reset(token=token, password_hash=passwords.hash_password(new_password))


@db.in_transaction
def _reset(tx: db.Tx, *, token: str, password_hash: str) -> None:
    proof = one_time.spend_tx(tx, purpose="reset_password", token=token)
    user_id: int = proof["user_id"]
    found = tx.execute(
        """
        UPDATE users
           SET password_hash = %(hash)s, updated_at = %(now)s
         WHERE id = %(user_id)s
           AND LOWER(email) = LOWER(%(email)s) COLLATE utf8mb4_bin
           AND disabled_at IS NULL
        """,
        {"hash": password_hash, "now": clock.now(), "user_id": user_id, "email": proof["email"]},
    )
    if not found:
        raise LinkSpent
    _mark_verified_tx(tx, user_id=user_id, email=proof["email"])
    sessions.end_all_sessions_tx(tx, user_id=user_id, reason="reset")
    lockout.clear_tx(tx, user_id=user_id)
    security_events.record_tx(tx, "account.password_changed", user_id=user_id, by_owner=True)


@passwords.in_line
def change_password(*, user_id: int, session_id: int, current_password: str, new_password: str) -> None:
    """Set a new password for somebody who knows the present one, and end all sessions but this one.

    Raises InvalidFields for a wrong password, AccountLocked after too many of these, TooManyAtOnce.
    """
    known_hash = check_password(user_id=user_id, password=current_password, field="current_password")
    new_hash = passwords.hash_password(new_password)
    _change(user_id=user_id, session_id=session_id, known_hash=known_hash, new_hash=new_hash)


def check_password(*, user_id: int, password: str, field: str) -> str:
    """Return the hash of the password, which somebody logged in has given again, in this field.

    A wrong one counts as it does at log-in. Raises InvalidFields, AccountLocked.
    """
    row = db.reading().require_one(
        """
        SELECT u.password_hash
          FROM users u
         WHERE u.id = %(user_id)s
           AND u.disabled_at IS NULL
        """,
        {"user_id": user_id},
        missing=TokenRevoked(),
    )
    known_hash: str = row["password_hash"]
    failures = lockout.claim_attempt(subject=lockout.subject_of(user_id=user_id, login=""))
    if not passwords.matches(password, known_hash):
        if failures >= lockout.FREE:
            lockout.tell_owner(user_id=user_id)
        raise InvalidFields(fields={field: "is not your password"})
    return known_hash


@db.in_transaction
def _change(tx: db.Tx, *, user_id: int, session_id: int, known_hash: str, new_hash: str) -> None:
    changed = tx.execute(
        """
        UPDATE users
           SET password_hash = %(new_hash)s, updated_at = %(now)s
         WHERE id = %(user_id)s
           AND password_hash = %(known_hash)s
        """,
        {"user_id": user_id, "known_hash": known_hash, "new_hash": new_hash, "now": clock.now()},
    )
    if not changed:
        raise StaleRow
    one_time.discard_tx(tx, purpose="reset_password", user_id=user_id)
    sessions.end_other_sessions_tx(tx, user_id=user_id, session_id=session_id, reason="password_changed")
    lockout.clear_tx(tx, user_id=user_id)
    security_events.record_tx(tx, "account.password_changed", user_id=user_id, by_owner=True)


def _mark_verified_tx(tx: db.Tx, *, user_id: int, email: str) -> int:
    """Return 1 when the account has this address, else 0."""
    return tx.execute(
        """
        UPDATE users
           SET email_verified_at = COALESCE(email_verified_at, %(now)s)
         WHERE id = %(user_id)s
           AND LOWER(email) = LOWER(%(email)s) COLLATE utf8mb4_bin
           AND disabled_at IS NULL
        """,
        {"user_id": user_id, "email": email, "now": clock.now()},
    )
