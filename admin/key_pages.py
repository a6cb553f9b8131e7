"""One's own API keys on the desk: made and shown once, listed, revoked."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from flask import Response, flash
from pydantic import AfterValidator

from admin import desk
from admin import rollup_services as rollups
from admin.dashboard_schemas import Day
from auth import admin_schemas, key_services
from auth.decorators import current_user, login_required
from utils import clock, forms, redirects
from utils.errors import Forbidden, TooManyKeys

bp = desk.blueprint("keys", __name__)


def _not_over(day: date) -> date:
    if rollups.bounds_of(day)[1] <= clock.now():
        raise ValueError("must lie ahead")
    return day


class KeyForm(admin_schemas.ApiKeyIn):
    """A new key as it is asked for on the desk: it is good until its last day is over in Nairobi."""

    last_day: Annotated[Day, AfterValidator(_not_over)] | None = None


@bp.get("/api-keys")
@login_required
def list_keys() -> Response:
    """Show one's own keys, and ask for a new one."""
    return _show({})


def _show(errors: forms.Errors, *, made: dict[str, Any] | None = None) -> Response:
    user = current_user()
    if not user.permissions:
        raise Forbidden(permission="orders:read")
    return forms.show(
        "admin/keys.html",
        errors,
        keys=key_services.list_keys(user_id=user.id),
        scopes=sorted(user.permissions),
        made=made,
    )


@bp.post("/api-keys")
@login_required
def create_key() -> Response:
    """Make a key that may do some of what one may oneself, and show it this once."""
    form, errors = forms.parse(KeyForm)
    if form is not None:
        with forms.noting(errors, {Forbidden: "scopes", TooManyKeys: forms.WHOLE}):
            made = key_services.create_key(
                owner=current_user(),
                name=form.name,
                scopes=form.scopes,
                expires_at=rollups.bounds_of(form.last_day)[1] if form.last_day else None,
            )
            return _show({}, made=made)
    return _show(errors)


@bp.post("/api-keys/<int:key_id>/revoke")
@login_required
def revoke_key(key_id: int) -> Response:
    """Refuse a key from now on."""
    key_services.revoke_key(owner_id=current_user().id, key_id=key_id)
    flash("The key is refused from now on.", "good")
    return redirects.to("/admin/api-keys")
