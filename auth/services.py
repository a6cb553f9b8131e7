"""Accounts: registration, log-in, one's own profile. Owns `users`.

User names and e-mail addresses are unique whatever their case, by constraint, so a race has one winner. To the
constraint's collation josé@ is jose@ as well, which suits names that must not be mistaken for one another; but mails to
them reach two people, so whoever is looked for, or has proved to read an address, is compared letter by letter.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from auth import avatars, device_services, passwords, session_services, totp_services
from auth import lockout_services as lockout
from utils import audit, clock, db, outbox
from utils.errors import EmailTaken, InvalidCredentials, InvalidTotp, NotFound, TotpRequired, UsernameTaken

TAKEN = {"uq_users_username": UsernameTaken, "uq_users_email": EmailTaken}
HIDDEN = {"password_hash", "disabled_at", "totp_secret"}
FILTERS = {
    "id": "u.id = %(id)s",
    "username": "u.username = %(username)s AND LOWER(u.username) = LOWER(%(username)s) COLLATE utf8mb4_bin",
    "email": "u.email = %(email)s AND LOWER(u.email) = LOWER(%(email)s) COLLATE utf8mb4_bin",
}
PROFILE = {
    "username": "username = %(username)s",
    "email": (
        "email_verified_at = CASE WHEN LOWER(email) = LOWER(%(email)s) COLLATE utf8mb4_bin THEN email_verified_at END,"
        " email = %(email)s"
    ),
    "phone_number": "phone_number = %(phone_number)s",
    "updated_at": "updated_at = %(updated_at)s",
}


def register_user(
    *, username: str, email: str, password: str, phone_number: str | None = None, role: str = "customer"
) -> dict[str, Any]:
    """Make an account and return it. Raises UsernameTaken, EmailTaken."""
    return _register(
        username=username,
        email=email,
        password_hash=passwords.hash_password(password),
        phone_number=phone_number,
        role=role,
    )


@passwords.in_line
def sign_up(
    *, username: str, email: str, password: str, phone_number: str | None, device: str, address: str
) -> dict[str, Any]:
    """Make a customer's account and open its first session; return `user`, `session_id`, `refresh_secret`.

    Raises UsernameTaken, EmailTaken, TooManyAtOnce.
    """
    return _sign_up(
        username=username,
        email=email,
        password_hash=passwords.hash_password(password),
        phone_number=phone_number,
        device=device,
        address=address,
    )


@passwords.in_line
def log_in(*, login: str, password: str, totp: str = "", device: str, address: str) -> dict[str, Any]:
    """Open a session for a user name or an e-mail address; return `user`, `session_id`, `refresh_secret`.

    Raises InvalidCredentials, the same and after as long, for an unknown user, a wrong password, a closed account,
    and AccountLocked after too many of these; with the right password TotpRequired, or InvalidTotp for a wrong code of
    the second factor, which counts as a wrong password does; TooManyAtOnce.
    """
    found, failures = _prove(login=login, password=password)
    if found["totp_secret"] and not totp:
        raise TotpRequired
    return _enter_or_count(found, failures, totp=totp, device=device, address=address)


@passwords.in_line
def begin_log_in(*, login: str, password: str, device: str, address: str) -> dict[str, Any]:
    """Do what `log_in` does for an account without a second factor; for one with it return a `proof` for the next step.

    Raises InvalidCredentials, AccountLocked, TooManyAtOnce.
    """
    found, failures = _prove(login=login, password=password)
    if found["totp_secret"]:
        return {"proof": _proof_of(found)}
    return _enter_or_count(found, failures, totp="", device=device, address=address)


def finish_log_in(*, proof: Mapping[str, Any], totp: str, device: str, address: str) -> dict[str, Any]:
    """Open a session for somebody whose password was right a moment ago, as the proof says, and who now has the code.

    Raises InvalidCredentials when the password was changed or the account closed meanwhile, InvalidTotp, AccountLocked.
    """
    found = _find_user(db.reading(), {"id": proof["user_id"]})
    if found is None or found["disabled_at"] is not None or _proof_of(found) != proof:
        raise InvalidCredentials
    failures = lockout.claim_attempt(subject=lockout.subject_of(user_id=found["id"], login=""))
    return _enter_or_count(found, failures, totp=totp, device=device, address=address)


def get_user(*, user_id: int) -> dict[str, Any]:
    """Return an account as clients see it. Raises NotFound."""
    return _get_user(db.reading(), user_id=user_id)


@db.in_transaction
def update_profile(tx: db.Tx, *, user_id: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is named of user name, e-mail address and phone number; a new address is to be verified.

    Raises UsernameTaken, EmailTaken.
    """
    if "email" in changes:
        audit.record_tx(tx, action="account.email_changed", actor_id=user_id, target=f"user:{user_id}")
    return update_profile_tx(tx, user_id=user_id, changes=changes)


def update_profile_tx(tx: db.Tx, *, user_id: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change what `update_profile` does, in your transaction."""
    before = _get_user(tx, user_id=user_id) if "email" in changes else None
    with db.naming(TAKEN):
        tx.execute_one(
            """
            UPDATE users
            {changes}
             WHERE id = %(user_id)s
            """,
            {"user_id": user_id},
            changes=db.set_clause(PROFILE, {**changes, "updated_at": clock.now()}),
        )
    user = _get_user(tx, user_id=user_id)
    if before and before["email"].lower() != user["email"].lower():
        outbox.stage_tx(tx, "account.email_changed", user_id=user_id, old_email=before["email"])
        outbox.stage_tx(tx, "account.verification_asked", email=user["email"])
    return user


def _prove(*, login: str, password: str) -> tuple[db.Row, int]:
    """Return whose password this is, and how many attempts are counted, this one as well. Raises as `log_in` does."""
    found = _find_user(db.reading(), {"email" if "@" in login else "username": login})  # no user name has an @
    failures = lockout.claim_attempt(subject=lockout.subject_of(user_id=found["id"] if found else None, login=login))
    password_hash = found["password_hash"] if found and found["disabled_at"] is None else None
    if not passwords.matches(password, password_hash) or found is None:
        if found and failures >= lockout.FREE:
            lockout.tell_owner(user_id=found["id"])
        raise InvalidCredentials
    return found, failures


def _proof_of(found: db.Row) -> dict[str, Any]:
    """Return what says later that the password of now was right, and is good for nothing once there is another."""
    return {"user_id": found["id"], "password": hashlib.sha256(found["password_hash"].encode()).hexdigest()}


def _enter_or_count(found: db.Row, failures: int, *, totp: str, device: str, address: str) -> dict[str, Any]:
    try:
        return _enter(found=found, totp=totp, device=device, address=address)
    except InvalidTotp:
        if failures >= lockout.FREE:
            lockout.tell_owner(user_id=found["id"])
        raise


@db.in_transaction
def _enter(tx: db.Tx, *, found: db.Row, totp: str, device: str, address: str) -> dict[str, Any]:
    _lock_owner_tx(tx, found)
    if found["totp_secret"]:
        totp_services.spend_code_tx(tx, user_id=found["id"], sealed_secret=found["totp_secret"], code=totp)
    else:
        totp_services.require_none_tx(tx, user_id=found["id"])
    lockout.clear_tx(tx, user_id=found["id"])
    opened = session_services.open_session_tx(tx, user_id=found["id"], device=device, address=address)
    device_services.tell_of_new_device_tx(tx, user_id=found["id"], session_id=opened["session_id"])
    return {"user": _shown(found), **opened}


def _lock_owner_tx(tx: db.Tx, found: db.Row) -> None:
    """Lock the account, whose password was compared a while ago. Raises InvalidCredentials when there is another now.

    So who sets a new password ends every session of the old one, also one that is just being opened.
    """
    tx.require_one(
        """
        SELECT u.id
          FROM users u
         WHERE u.id = %(id)s
           AND u.password_hash = %(password_hash)s
           AND u.disabled_at IS NULL
           FOR UPDATE
        """,
        {"id": found["id"], "password_hash": found["password_hash"]},
        missing=InvalidCredentials(),
    )


@db.in_transaction
def _register(tx: db.Tx, /, *, role: str, **account: Any) -> dict[str, Any]:
    user_id = _insert_user_tx(tx, role=role, **account)
    audit.record_tx(tx, action="user.created", actor_id=None, target=f"user:{user_id}", after={"role": role})
    return _get_user(tx, user_id=user_id)


@db.in_transaction
def _sign_up(tx: db.Tx, /, *, device: str, address: str, **account: Any) -> dict[str, Any]:
    user_id = _insert_user_tx(tx, role="customer", **account)
    opened = session_services.open_session_tx(tx, user_id=user_id, device=device, address=address)
    outbox.stage_tx(tx, "account.registered", user_id=user_id)
    return {"user": _get_user(tx, user_id=user_id), **opened}


def _insert_user_tx(
    tx: db.Tx, *, username: str, email: str, password_hash: str, phone_number: str | None, role: str
) -> int:
    with db.naming(TAKEN):
        return tx.insert(
            """
            INSERT INTO users (username, email, password_hash, phone_number, role_id, created_at, updated_at)
            VALUES (%(username)s, %(email)s, %(password_hash)s, %(phone_number)s,
                    (SELECT r.id FROM roles r WHERE r.name = %(role)s), %(now)s, %(now)s)
            """,
            {
                "username": username,
                "email": email,
                "password_hash": password_hash,
                "phone_number": phone_number,
                "role": role,
                "now": clock.now(),
            },
        )


def _get_user(reader: db.Reader, *, user_id: int) -> dict[str, Any]:
    found = _find_user(reader, {"id": user_id})
    if found is None:
        raise NotFound(what="user")
    return _shown(found)


def _find_user(reader: db.Reader, by: Mapping[str, int | str]) -> db.Row | None:
    return reader.fetch_one(
        """
        SELECT u.id, u.username, u.email, u.email_verified_at IS NOT NULL AS email_verified, u.phone_number, u.avatar,
               u.password_hash, u.disabled_at, u.created_at, r.name AS role,
               ut.secret AS totp_secret, ut.user_id IS NOT NULL AS totp_enabled,
               (SELECT JSON_ARRAYAGG(p.name)
                  FROM role_permissions rp
                  JOIN permissions p ON p.id = rp.permission_id
                 WHERE rp.role_id = u.role_id) AS permissions
          FROM users u
          JOIN roles r ON r.id = u.role_id
          LEFT JOIN user_totp ut ON ut.user_id = u.id AND ut.confirmed_at IS NOT NULL
        {where}
        """,
        where=db.where(FILTERS, by),
    )


def _shown(row: db.Row) -> dict[str, Any]:
    """Return what its owner may see of a user's row."""
    shown = {name: value for name, value in row.items() if name not in HIDDEN}
    return {
        **shown,
        "permissions": sorted(json.loads(row["permissions"] or "[]")),
        "avatar": avatars.addresses_of(row["avatar"]),
    }
