"""Roles and permissions: named bundles of what may be done, and who may change them.

Owns `roles`, `role_permissions` and `permissions`. The role admin holds every permission, always, also those that are
made later. What the shop came with keeps its name and is not deleted. `power_services` tells who may change what.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from auth import power_services as powers
from auth.session_services import CurrentUser
from utils import audit, clock, db
from utils.errors import BuiltIn, InvalidFields, NotFound, PermissionInUse, PermissionTaken, RoleInUse, RoleTaken

ROLE_FILTERS = {"name": "r.name = %(name)s"}
ROLE_COLUMNS = {
    "name": "name = %(name)s",
    "description": "description = %(description)s",
    "changed_at": "changed_at = %(changed_at)s",
}
TAKEN = {"uq_roles_name": RoleTaken}


# --- roles


def list_roles() -> list[dict[str, Any]]:
    """Return every role with its permissions and how many accounts have it."""
    return _read_roles(db.reading(), {})


def get_role(*, name: str) -> dict[str, Any]:
    """Return a role. Raises NotFound."""
    return _require_role(db.reading(), name)


@db.in_transaction
def create_role(
    tx: db.Tx, *, actor: CurrentUser, name: str, description: str, permissions: Sequence[str]
) -> dict[str, Any]:
    """Make a role. Raises RoleTaken, InvalidFields for unknown permissions, Forbidden for those not held."""
    held = powers.begin_tx(tx, actor=actor)
    powers.require(held, permissions)
    with db.naming(TAKEN):
        role_id = tx.insert(
            """
            INSERT INTO roles (name, description, built_in, changed_at)
            VALUES (%(name)s, %(description)s, 0, %(now)s)
            """,
            {"name": name, "description": description, "now": clock.now()},
        )
    _write_permissions_tx(tx, role_id=role_id, standing=[], wanted=permissions)
    role = _require_role(tx, name)
    audit.record_tx(tx, action="role.created", actor_id=actor.id, target=f"role:{name}", after=_told(role))
    return role


@db.in_transaction
def change_role(tx: db.Tx, *, actor: CurrentUser, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change what is given of name, description and permissions.

    Raises NotFound, RoleTaken, BuiltIn, InvalidFields for unknown permissions, Forbidden for any that the role has
    or gets and the actor does not hold.
    """
    held = powers.begin_tx(tx, actor=actor)
    role = _require_role(tx, name)
    permissions = changes.get("permissions", role["permissions"])
    powers.require(held, [*role["permissions"], *permissions])
    if role["built_in"] and changes.get("name", role["name"]) != role["name"]:
        raise BuiltIn("The shop came with this role; it keeps its name.")
    if role["name"] == powers.ADMIN and set(permissions) != set(role["permissions"]):
        raise BuiltIn("The role admin holds every permission.")
    columns = {field: value for field, value in changes.items() if field != "permissions"}
    with db.naming(TAKEN):
        tx.execute_one(
            "UPDATE roles {set} WHERE id = %(id)s",
            {"id": role["id"]},
            set=db.set_clause(ROLE_COLUMNS, columns | {"changed_at": clock.now()}),
        )
    _write_permissions_tx(tx, role_id=role["id"], standing=role["permissions"], wanted=permissions)
    changed = _require_role(tx, columns.get("name", role["name"]))
    if changed != role:
        before, after = _told(role), _told(changed)
        target = f"role:{role['name']}"
        audit.record_tx(tx, action="role.changed", actor_id=actor.id, target=target, before=before, after=after)
    return changed


@db.in_transaction
def delete_role(tx: db.Tx, *, actor: CurrentUser, name: str) -> None:
    """Delete a role. Raises NotFound, BuiltIn, RoleInUse while an account has it, Forbidden when it may do more."""
    held = powers.begin_tx(tx, actor=actor)
    role = _require_role(tx, name)
    if role["built_in"]:
        raise BuiltIn("The shop came with this role; it stays.")
    powers.require(held, role["permissions"])
    tx.execute("DELETE FROM role_permissions WHERE role_id = %(id)s", {"id": role["id"]})
    with db.naming({"fk_users_role_id": RoleInUse}):
        tx.execute_one("DELETE FROM roles WHERE id = %(id)s", {"id": role["id"]})
    audit.record_tx(tx, action="role.deleted", actor_id=actor.id, target=f"role:{role['name']}", before=_told(role))


def _told(role: Mapping[str, Any]) -> dict[str, Any]:
    return {name: role[name] for name in ("name", "description", "permissions")}


def _require_role(reader: db.Reader, name: str) -> dict[str, Any]:
    found = _read_roles(reader, {"name": name})
    if not found:
        raise NotFound(what="role")
    return found[0]


def _read_roles(reader: db.Reader, by: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = reader.fetch_all(
        """
        SELECT r.id, r.name, r.description, r.built_in,
               (SELECT COUNT(*) FROM users u WHERE u.role_id = r.id) AS user_count,
               (SELECT JSON_ARRAYAGG(p.name)
                  FROM role_permissions rp
                  JOIN permissions p ON p.id = rp.permission_id
                 WHERE rp.role_id = r.id) AS permissions
          FROM roles r
        {where}
         ORDER BY r.id
        """,
        where=db.where(ROLE_FILTERS, by),
    )
    return [{**row, "permissions": sorted(json.loads(row["permissions"] or "[]"))} for row in rows]


def _write_permissions_tx(tx: db.Tx, *, role_id: int, standing: Iterable[str], wanted: Iterable[str]) -> None:
    """Give a role the permissions that it lacks and take those that are too many. Raises InvalidFields."""
    standing, wanted = set(standing), set(wanted)
    if standing == wanted:
        return
    rows = tx.fetch_all("SELECT p.id, p.name FROM permissions p")
    ids = {row["name"]: row["id"] for row in rows}
    if unknown := sorted(wanted - ids.keys()):
        raise InvalidFields(fields={"permissions": f"there is no permission {', '.join(unknown)}"})
    if too_many := [ids[name] for name in sorted(standing - wanted)]:
        tx.execute(
            "DELETE FROM role_permissions WHERE role_id = %(role_id)s AND permission_id IN {ids}",
            {"role_id": role_id},
            ids=db.in_list("id", too_many),
        )
    tx.insert_many(
        "INSERT INTO role_permissions (role_id, permission_id) VALUES (%(role_id)s, %(permission_id)s)",
        [{"role_id": role_id, "permission_id": ids[name]} for name in sorted(wanted - standing)],
    )


# --- permissions


def list_permissions() -> list[db.Row]:
    """Return every permission."""
    return _read_permissions(db.reading())


@db.in_transaction
def create_permission(tx: db.Tx, *, actor: CurrentUser, name: str, description: str) -> db.Row:
    """Make a permission, for programs of the shop's own; the role admin holds it at once. Raises PermissionTaken."""
    powers.begin_tx(tx, actor=actor)
    with db.naming({"uq_permissions_name": PermissionTaken}):
        permission_id = tx.insert(
            "INSERT INTO permissions (name, description, built_in) VALUES (%(name)s, %(description)s, 0)",
            {"name": name, "description": description},
        )
    tx.execute_one(
        """
        INSERT INTO role_permissions (role_id, permission_id)
        SELECT r.id, %(permission_id)s
          FROM roles r
         WHERE r.name = 'admin'
        """,
        {"permission_id": permission_id},
    )
    audit.record_tx(
        tx,
        action="permission.created",
        actor_id=actor.id,
        target=f"permission:{name}",
        after={"description": description},
    )
    return _require_permission(tx, name)


@db.in_transaction
def describe_permission(tx: db.Tx, *, actor: CurrentUser, name: str, description: str) -> db.Row:
    """Change the description of a permission; its name stays, for programs ask for it. Raises NotFound."""
    powers.begin_tx(tx, actor=actor)
    permission = _require_permission(tx, name)
    tx.execute_one(
        "UPDATE permissions SET description = %(description)s WHERE name = %(name)s",
        {"name": name, "description": description},
    )
    audit.record_tx(
        tx,
        action="permission.changed",
        actor_id=actor.id,
        target=f"permission:{name}",
        before={"description": permission["description"]},
        after={"description": description},
    )
    return {**permission, "description": description}


@db.in_transaction
def delete_permission(tx: db.Tx, *, actor: CurrentUser, name: str) -> None:
    """Delete a permission. Raises NotFound, BuiltIn, and PermissionInUse while a role besides admin has it."""
    powers.begin_tx(tx, actor=actor)
    permission = _require_permission(tx, name)
    if permission["built_in"]:
        raise BuiltIn("The shop itself asks for this permission; it stays.")
    tx.execute(
        """
        DELETE FROM role_permissions
         WHERE permission_id = %(id)s
           AND role_id = (SELECT r.id FROM roles r WHERE r.name = 'admin')
        """,
        {"id": permission["id"]},
    )
    with db.naming({"fk_role_permissions_permission_id": PermissionInUse}):
        tx.execute_one("DELETE FROM permissions WHERE id = %(id)s", {"id": permission["id"]})
    audit.record_tx(
        tx,
        action="permission.deleted",
        actor_id=actor.id,
        target=f"permission:{name}",
        before={"description": permission["description"]},
    )


def _require_permission(reader: db.Reader, name: str) -> db.Row:
    for permission in _read_permissions(reader):
        if permission["name"] == name:
            return permission
    raise NotFound(what="permission")


def _read_permissions(reader: db.Reader) -> list[db.Row]:
    return reader.fetch_all(
        """
        SELECT p.id, p.name, p.description, p.built_in
          FROM permissions p
         ORDER BY p.name
        """
    )
