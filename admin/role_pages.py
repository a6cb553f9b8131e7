"""Roles on the desk: who may do what, as a grid; roles made, changed and deleted, permissions of one's own added."""

from __future__ import annotations

from flask import Response, flash

from admin import desk
from auth import admin_schemas, role_services
from auth.decorators import current_user, permission_required
from utils import forms, redirects
from utils.errors import BuiltIn, Forbidden, PermissionInUse, PermissionTaken, RoleInUse, RoleTaken

bp = desk.blueprint("roles", __name__)

MANAGES = permission_required("users:manage")
NAMED = {RoleTaken: "name", BuiltIn: forms.WHOLE, Forbidden: forms.WHOLE, RoleInUse: forms.WHOLE}
OF_PERMISSIONS = {
    PermissionTaken: "permission",
    PermissionInUse: "permission",
    BuiltIn: "permission",
    Forbidden: "permission",
}


class RoleForm(admin_schemas.RoleChange):
    """A role as it is changed on the desk: all of it at once; a box that is not ticked takes its permission."""

    name: admin_schemas.RoleName


@bp.get("/roles")
@MANAGES
def list_roles() -> Response:
    """Show the grid, and ask for a new role or permission."""
    return _show_list({})


def _show_list(errors: forms.Errors) -> Response:
    return forms.show(
        "admin/roles.html", errors, roles=role_services.list_roles(), permissions=role_services.list_permissions()
    )


@bp.post("/roles")
@MANAGES
def create_role() -> Response:
    """Make a role out of permissions that one holds oneself."""
    role, errors = forms.parse(admin_schemas.RoleIn)
    if role is not None:
        with forms.noting(errors, NAMED):
            made = role_services.create_role(actor=current_user(), **role.model_dump())
            flash(f"There is a role {made['name']} now.", "good")
            return redirects.to(f"/admin/roles/{made['name']}")
    return _show_list(errors)


@bp.get("/roles/<role>")
@MANAGES
def show_role(role: str) -> Response:
    """Show a role with all that it may do."""
    return _show_role(role, {})


def _show_role(name: str, errors: forms.Errors) -> Response:
    role = role_services.get_role(name=name)
    return forms.show("admin/role.html", errors, role=role, permissions=role_services.list_permissions())


@bp.post("/roles/<role>")
@MANAGES
def change_role(role: str) -> Response:
    """Change a role: its name, what it is for, what it may do."""
    form, errors = forms.parse(RoleForm)
    if form is not None:
        with forms.noting(errors, NAMED):
            changed = role_services.change_role(actor=current_user(), name=role, changes=form.model_dump())
            flash("Saved.", "good")
            return redirects.to(f"/admin/roles/{changed['name']}")
    return _show_role(role, errors)


@bp.post("/roles/<role>/delete")
@MANAGES
def delete_role(role: str) -> Response:
    """Delete a role that nobody has."""
    errors: forms.Errors = {}
    with forms.noting(errors, NAMED):
        role_services.delete_role(actor=current_user(), name=role)
        flash(f"The role {role} is gone.", "good")
        return redirects.to("/admin/roles")
    return _show_role(role, errors)


class PermissionForm(admin_schemas.Request):
    permission: admin_schemas.PermissionName
    description: admin_schemas.Description = ""


@bp.post("/permissions")
@MANAGES
def create_permission() -> Response:
    """Make a permission for programs of one's own; the role admin holds it at once."""
    form, errors = forms.parse(PermissionForm)
    if form is not None:
        with forms.noting(errors, OF_PERMISSIONS):
            role_services.create_permission(actor=current_user(), name=form.permission, description=form.description)
            flash(f"There is a permission {form.permission} now.", "good")
            return redirects.to("/admin/roles")
    return _show_list(errors)


@bp.post("/permissions/<permission>/delete")
@MANAGES
def delete_permission(permission: str) -> Response:
    """Delete a permission that no role besides admin has."""
    errors: forms.Errors = {}
    with forms.noting(errors, OF_PERMISSIONS):
        role_services.delete_permission(actor=current_user(), name=permission)
        flash(f"The permission {permission} is gone.", "good")
        return redirects.to("/admin/roles")
    return _show_list(errors)
