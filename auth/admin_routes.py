"""Accounts, roles and permissions, for those who manage them; one's own account, for its owner."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth import role_services, services, user_services
from auth.admin_schemas import (
    Account,
    AccountList,
    Permission,
    PermissionChange,
    PermissionIn,
    PermissionList,
    Role,
    RoleChange,
    RoleIn,
    RoleList,
    UserChange,
    UserQuery,
)
from auth.decorators import current_user, login_required, permission_required
from auth.power_services import MANAGE
from utils import paging, web
from utils.errors import Forbidden, NotFound

bp = APIBlueprint("account_admin", __name__, url_prefix="/api", tag="Accounts")

MANAGES = permission_required(MANAGE)


# --- accounts


@bp.get("/users")
@MANAGES
@bp.input(UserQuery, location="query", arg_name="query")
@bp.output(AccountList)
def list_users(query: UserQuery) -> Response:
    """List accounts, or look for one."""
    wanted = query.model_dump(include={"q", "role", "disabled"})
    page = user_services.list_users(**wanted, sort=query.sort, limit=query.limit, cursor=query.cursor)
    total = user_services.count_users(**wanted) if query.count else None
    return web.answer(
        AccountList(
            items=[Account(**row) for row in page.items],
            next_cursor=page.next_cursor,
            total=total,
            total_capped=None if total is None else total == paging.COUNT_CAP,
        )
    )


@bp.get("/users/<int:user_id>")
@login_required
@bp.output(Account)
def get_user(user_id: int) -> Response:
    """Read one's own account, or anybody's with users:manage."""
    _require_own_or_managed(user_id)
    return web.answer(Account(**user_services.get_user(user_id=user_id)))


@bp.route("/users/<int:user_id>", methods=["PUT", "PATCH"])
@login_required
@bp.input(UserChange, location="json", arg_name="body")
@bp.output(Account)
@bp.doc(responses=[403])
def change_user(user_id: int, body: UserChange) -> Response:
    """Change one's own name and addresses; with users:manage anybody's, and their role."""
    _require_own_or_managed(user_id)
    user, changes = current_user(), body.changes()
    if user.may(MANAGE):
        return web.answer(Account(**user_services.change_user(actor=user, user_id=user_id, changes=changes)))
    if changes.keys() & {"role", "disabled"}:
        raise Forbidden(permission=MANAGE)
    services.update_profile(user_id=user_id, changes=changes)
    return web.answer(Account(**user_services.get_user(user_id=user_id)))


@bp.delete("/users/<int:user_id>")
@login_required
@bp.output({}, status_code=204)
@bp.doc(responses=[403])
def delete_user(user_id: int) -> Response:
    """Take the person out of an account, for good; its orders stay, without a name."""
    _require_own_or_managed(user_id)
    user_services.anonymise_user(actor=current_user(), user_id=user_id)
    return Response(status=204)


@bp.delete("/users/<int:user_id>/totp")
@MANAGES
@bp.output({}, status_code=204)
def reset_totp(user_id: int) -> Response:
    """Take the second factor away from somebody who has lost it; they are logged out, and told."""
    user_services.reset_totp(actor=current_user(), user_id=user_id)
    return Response(status=204)


def _require_own_or_managed(user_id: int) -> None:
    """Raise NotFound for an account that is not the caller's to look at."""
    if user_id != current_user().id and not current_user().may(MANAGE):
        raise NotFound(what="user")


# --- roles


@bp.get("/roles")
@MANAGES
@bp.output(RoleList)
def list_roles() -> Response:
    """List the roles, what each may do and how many have it."""
    return web.answer(RoleList(items=[Role(**role) for role in role_services.list_roles()]))


@bp.get("/roles/<role>")
@MANAGES
@bp.output(Role)
def get_role(role: str) -> Response:
    """Read a role."""
    return web.answer(Role(**role_services.get_role(name=role)))


@bp.post("/roles")
@MANAGES
@bp.input(RoleIn, location="json", arg_name="body")
@bp.output(Role, status_code=201)
def create_role(body: RoleIn) -> Response:
    """Make a role out of permissions that one holds oneself."""
    return web.answer(Role(**role_services.create_role(actor=current_user(), **body.model_dump())), 201)


@bp.route("/roles/<role>", methods=["PUT", "PATCH"])
@MANAGES
@bp.input(RoleChange, location="json", arg_name="body")
@bp.output(Role)
def change_role(role: str, body: RoleChange) -> Response:
    """Change a role that may not do more than oneself."""
    return web.answer(Role(**role_services.change_role(actor=current_user(), name=role, changes=body.changes())))


@bp.delete("/roles/<role>")
@MANAGES
@bp.output({}, status_code=204)
def delete_role(role: str) -> Response:
    """Delete a role that nobody has."""
    role_services.delete_role(actor=current_user(), name=role)
    return Response(status=204)


# --- permissions


@bp.get("/permissions")
@MANAGES
@bp.output(PermissionList)
def list_permissions() -> Response:
    """List what may be done in this shop."""
    return web.answer(PermissionList(items=[Permission(**row) for row in role_services.list_permissions()]))


@bp.post("/permissions")
@MANAGES
@bp.input(PermissionIn, location="json", arg_name="body")
@bp.output(Permission, status_code=201)
def create_permission(body: PermissionIn) -> Response:
    """Make a permission for programs of one's own; the role admin holds it at once."""
    return web.answer(Permission(**role_services.create_permission(actor=current_user(), **body.model_dump())), 201)


@bp.route("/permissions/<permission>", methods=["PUT", "PATCH"])
@MANAGES
@bp.input(PermissionChange, location="json", arg_name="body")
@bp.output(Permission)
def change_permission(permission: str, body: PermissionChange) -> Response:
    """Say anew what a permission is for; its name stays."""
    changed = role_services.describe_permission(actor=current_user(), name=permission, description=body.description)
    return web.answer(Permission(**changed))


@bp.delete("/permissions/<permission>")
@MANAGES
@bp.output({}, status_code=204)
def delete_permission(permission: str) -> Response:
    """Delete a permission that no role besides admin has."""
    role_services.delete_permission(actor=current_user(), name=permission)
    return Response(status=204)
