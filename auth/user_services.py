"""Other people's accounts, for those who manage them; and the end of an account.

Writes `users` beside auth.services. An account is never deleted, for orders and books refer to it: it is anonymised,
which leaves a row without a person. Locks: the turn to change powers, then the account.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from auth import (
    address_services,
    avatar_services,
    key_services,
    notification_services,
    password_services,
    passwords,
    services,
    session_services,
)
from auth import lockout_services as lockout
from auth import one_time_services as one_time
from auth import power_services as powers
from auth import totp_services as totp
from auth.session_services import CurrentUser
from utils import audit, clock, db, outbox, paging, phones
from utils.errors import Forbidden, InvalidFields, NotFound, OrdersOpen

SORTS = {
    "newest": paging.Sort(order="u.id DESC", along="", after={"before_id": ("id", int)}),
    "oldest": paging.Sort(order="u.id", along="", after={"after_id": ("id", int)}),
    "name": paging.Sort(
        order="u.username",
        along="FORCE INDEX (uq_users_username)",
        after={"after_name": ("username", paging.read_name)},
    ),
}
FILTERS = {
    "role": "u.role_id = (SELECT w.id FROM roles w WHERE w.name = %(role)s)",
    "disabled": "(u.disabled_at IS NOT NULL) = %(disabled)s",
    "email": "u.email LIKE %(email)s",
    "phone": "u.phone_number = %(phone)s",
    "username": "u.username LIKE %(username)s",
    "id": "u.id = %(id)s",
    "before_id": "u.id < %(before_id)s",
    "after_id": "u.id > %(after_id)s",
    "after_name": "u.username > %(after_name)s",
}
POWERS = {
    "role_id": "role_id = %(role_id)s",
    "disabled_at": "disabled_at = %(disabled_at)s",
    "updated_at": "updated_at = %(updated_at)s",
}
PERSONAL = ("username", "email", "phone_number")


def list_users(
    *, q: str | None, role: str | None, disabled: bool | None, sort: str, limit: int, cursor: str | None
) -> paging.Page[db.Row]:
    """Return a page of accounts; `q` is an e-mail address, a phone number, or how a user name begins.

    Raises BadCursor.
    """
    after = paging.place_after(SORTS, sort, cursor)
    values = filters_of(q=q, role=role, disabled=disabled)
    # Everybody has a role; by LEFT a server reads the people first, in their order, and not role by role.
    rows = db.reading().fetch_all(
        """
        SELECT u.id, u.username, u.email, u.phone_number, u.created_at, r.name AS role,
               u.disabled_at IS NOT NULL AS disabled, u.anonymised_at IS NOT NULL AS anonymised
          FROM users u {along}
          LEFT JOIN roles r ON r.id = u.role_id
        {where}
         ORDER BY {order}
         LIMIT %(limit)s
        """,
        {"limit": limit + 1},
        where=db.where(FILTERS, {**values, **after}),
        along=SORTS[sort].along,
        order=SORTS[sort].order,
    )
    return paging.cut_sorted(rows, limit, SORTS, sort)


def count_users(*, q: str | None, role: str | None, disabled: bool | None) -> int:
    """Return how many accounts a list holds, counted to paging.COUNT_CAP at most."""
    counted: int = db.reading().fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT u.id
                  FROM users u
                {where}
                 LIMIT %(cap)s) AS found
        """,
        {"cap": paging.COUNT_CAP},
        where=db.where(FILTERS, filters_of(q=q, role=role, disabled=disabled)),
    )
    return counted


def filters_of(*, q: str | None, role: str | None, disabled: bool | None) -> dict[str, Any]:
    """Tell what is looked for; by the shape of `q`, where."""
    given = {"role": role, "disabled": disabled}
    values = {name: value for name, value in given.items() if value is not None}
    if q is None:
        return values
    if "@" in q:
        return {**values, "email": _prefix(q)}
    with suppress(ValueError):
        return {**values, "phone": phones.normalise(q)}
    return {**values, "username": _prefix(q)}


def _prefix(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text) + "%"


def get_user(*, user_id: int) -> db.Row:
    """Return an account as those who manage accounts see it. Raises NotFound."""
    return _require_user(db.reading(), user_id)


@db.in_transaction
def change_user(tx: db.Tx, *, actor: CurrentUser, user_id: int, changes: Mapping[str, Any]) -> db.Row:
    """Change somebody's name, addresses, role, or shut them out (`disabled`).

    Raises NotFound, UsernameTaken, EmailTaken, InvalidFields for an unknown role, Forbidden when the account may do
    what the actor may not, or would, and LastAdmin.
    """
    held = powers.begin_tx(tx, actor=actor)
    user = _lock_user_tx(tx, user_id)
    powers.require(held, _permissions_of_tx(tx, user["role"]))
    personal = {name: changes[name] for name in PERSONAL if name in changes}
    if personal:
        services.update_profile_tx(tx, user_id=user_id, changes=personal)
    columns: dict[str, Any] = {}
    if "role" in changes:
        columns["role_id"] = _role_id_tx(tx, changes["role"])
        powers.require(held, _permissions_of_tx(tx, changes["role"]))
    if "disabled" in changes:
        columns["disabled_at"] = clock.now() if changes["disabled"] else None
    if columns:
        _write_powers_tx(tx, user_id, columns)
        powers.require_admin_left_tx(tx, role=user["role"])
    if changes.get("disabled"):
        session_services.end_all_sessions_tx(tx, user_id=user_id, reason="disabled")
    changed = _require_user(tx, user_id)
    _record_change_tx(tx, user_id, actor_id=actor.id, before=user, after=changed)
    return changed


@passwords.in_line
def end_own_account(*, actor: CurrentUser, password: str) -> None:
    """Take oneself out of one's account, for good, with the password given again.

    Raises InvalidFields for a wrong one, AccountLocked after too many of these, TooManyAtOnce, LastAdmin, OrdersOpen.
    """
    password_services.check_password(user_id=actor.id, password=password, field="password")
    _strike_out_failures(user_id=actor.id)
    anonymise_user(actor=actor, user_id=actor.id)


@db.in_transaction
def _strike_out_failures(tx: db.Tx, *, user_id: int) -> None:
    """Count nothing against somebody who knew the password, whatever else stands against the end of the account."""
    lockout.clear_tx(tx, user_id=user_id)


@db.in_transaction
def anonymise_user(tx: db.Tx, *, actor: CurrentUser, user_id: int) -> None:
    """Take the person out of an account, for good: oneself, or somebody who may not do more than the actor.

    Nobody can log in to it again. Its orders and payments stay, and count. Raises NotFound, Forbidden, LastAdmin, and
    OrdersOpen while something is still on its way to them.
    """
    if user_id == actor.id:
        powers.take_turn_tx(tx)
        user = _lock_user_tx(tx, user_id)
    else:
        held = powers.begin_tx(tx, actor=actor)
        user = _lock_user_tx(tx, user_id)
        powers.require(held, _permissions_of_tx(tx, user["role"]))
    _require_no_open_orders_tx(tx, user_id)
    avatar_services.name_avatar_tx(tx, user_id=user_id, name=None)
    now = clock.now()
    tx.execute_one(
        """
        UPDATE users
           SET username = CONCAT('deleted:', id),
               email = CONCAT('deleted-', id, '@deleted.invalid'),
               phone_number = NULL,
               password_hash = '!',
               role_id = (SELECT r.id FROM roles r WHERE r.name = 'customer'),
               disabled_at = %(now)s,
               anonymised_at = %(now)s,
               updated_at = %(now)s
         WHERE id = %(user_id)s
           AND anonymised_at IS NULL
        """,
        {"user_id": user_id, "now": now},
    )
    powers.require_admin_left_tx(tx, role=user["role"])
    session_services.end_all_sessions_tx(tx, user_id=user_id, reason="anonymised")
    session_services.forget_devices_tx(tx, user_id=user_id)
    one_time.forget_tx(tx, user_id=user_id)
    address_services.forget_all_tx(tx, user_id=user_id)
    notification_services.forget_all_tx(tx, user_id=user_id)
    totp.forget_tx(tx, user_id=user_id)
    key_services.revoke_all_tx(tx, user_id=user_id)
    audit.record_tx(tx, action="user.anonymised", actor_id=actor.id, target=f"user:{user_id}")
    outbox.stage_tx(tx, "account.anonymised", user_id=user_id)


@db.in_transaction
def reset_totp(tx: db.Tx, *, actor: CurrentUser, user_id: int) -> None:
    """Take the second factor away from somebody who has lost it, and end their sessions; without one nothing changes.

    Raises NotFound, and Forbidden for an account that may do what the actor may not, and for the actor's own: who holds
    its session does not hold its password.
    """
    held = powers.begin_tx(tx, actor=actor)
    user = _lock_user_tx(tx, user_id)
    powers.require(held, _permissions_of_tx(tx, user["role"]))
    if user_id == actor.id:
        raise Forbidden("Your own second factor goes with your password: DELETE /api/auth/totp.")
    if totp.forget_tx(tx, user_id=user_id):
        session_services.end_all_sessions_tx(tx, user_id=user_id, reason="totp_reset")
        audit.record_tx(tx, action="user.totp_reset", actor_id=actor.id, target=f"user:{user_id}")
        outbox.stage_tx(tx, "account.totp_reset", user_id=user_id)


def _require_no_open_orders_tx(tx: db.Tx, user_id: int) -> None:
    """Raise OrdersOpen while goods, or money, are owed either way."""
    rows = tx.fetch_all(
        """
        SELECT o.number
          FROM orders o
         WHERE o.user_id = %(user_id)s
           AND (o.status IN ('pending', 'processing', 'shipped') OR o.payment_status IN ('pending', 'review'))
         ORDER BY o.id
        """,
        {"user_id": user_id},
    )
    if rows:
        raise OrdersOpen(numbers=[row["number"] for row in rows])


def _lock_user_tx(tx: db.Tx, user_id: int) -> db.Row:
    """Lock an account that is still somebody's. Raises NotFound."""
    tx.require_one(
        "SELECT u.id FROM users u WHERE u.id = %(id)s AND u.anonymised_at IS NULL FOR UPDATE",
        {"id": user_id},
        missing=NotFound(what="user"),
    )
    return _require_user(tx, user_id)


def _require_user(reader: db.Reader, user_id: int) -> db.Row:
    return reader.require_one(
        """
        SELECT u.id, u.username, u.email, u.phone_number, u.created_at, r.name AS role,
               u.disabled_at IS NOT NULL AS disabled, u.anonymised_at IS NOT NULL AS anonymised
          FROM users u
          JOIN roles r ON r.id = u.role_id
         WHERE u.id = %(id)s
        """,
        {"id": user_id},
        missing=NotFound(what="user"),
    )


def _permissions_of_tx(tx: db.Tx, role: str) -> list[str]:
    rows = tx.fetch_all(
        """
        SELECT p.name
          FROM roles r
          JOIN role_permissions rp ON rp.role_id = r.id
          JOIN permissions p ON p.id = rp.permission_id
         WHERE r.name = %(role)s
        """,
        {"role": role},
    )
    return [row["name"] for row in rows]


def _role_id_tx(tx: db.Tx, role: str) -> int:
    found = tx.fetch_value("SELECT r.id FROM roles r WHERE r.name = %(role)s", {"role": role})
    if found is None:
        raise InvalidFields(fields={"role": "there is no such role"})
    return int(found)


def _write_powers_tx(tx: db.Tx, user_id: int, columns: Mapping[str, Any]) -> None:
    tx.execute_one(
        "UPDATE users {set} WHERE id = %(user_id)s",
        {"user_id": user_id},
        set=db.set_clause(POWERS, {**columns, "updated_at": clock.now()}),
    )


def _record_change_tx(tx: db.Tx, user_id: int, *, actor_id: int, before: db.Row, after: db.Row) -> None:
    """Write down what changed of an account; of personal data only that it changed, for the log is never cleaned."""
    if before == after:
        return
    changed = [name for name in PERSONAL if before[name] != after[name]]
    audit.record_tx(
        tx,
        action="user.changed",
        actor_id=actor_id,
        target=f"user:{user_id}",
        before={"role": before["role"], "disabled": bool(before["disabled"])},
        after={"role": after["role"], "disabled": bool(after["disabled"])} | ({"changed": changed} if changed else {}),
    )
