"""Pages of what the shop told one, and of one's wishes about it; and how much of it is unread, for every page."""

from __future__ import annotations

from contextlib import suppress

from apiflask import APIBlueprint
from flask import Response, flash, request
from pydantic import BaseModel, Field

from auth import notification_services, preference_services
from auth.account_forms import PreferencesForm
from auth.decorators import current_user, login_required
from utils import forms, pages, redirects
from utils.errors import DatabaseUnavailable

bp = APIBlueprint("notification_pages", __name__, url_prefix="/account/notifications", enable_openapi=False)

SHOWN = 20


class Place(BaseModel):
    """Where in the list one is."""

    cursor: str | None = Field(None, max_length=1000)
    unread: bool = False


@bp.app_template_global()
def unread_count() -> int:
    """Return how much one has not read yet; pages ask for who is logged in. An error's page has no use for another."""
    with suppress(DatabaseUnavailable):
        return notification_services.count_unread(user_id=current_user().id)
    return 0


def _back() -> Response:
    return redirects.to_page("notification_pages.list_notifications")


@bp.get("")
@login_required
@bp.input(Place, location="query", arg_name="place")
def list_notifications(place: Place) -> Response:
    """Show what one was told, newest first, and where one is told of what."""
    user_id = current_user().id
    page = notification_services.list_notifications(user_id=user_id, limit=SHOWN, **place.model_dump())
    return forms.show(
        "account/notifications.html",
        {},
        notifications=page.items,
        place=place,
        next_cursor=page.next_cursor,
        preferences=preference_services.get_preferences(user_id=user_id),
    )


@bp.post("/<int:notification_id>/read")
@login_required
def mark_read(notification_id: int) -> Response:
    """Mark one as read, and go on to what it is about."""
    notification_services.mark_read(user_id=current_user().id, notification_id=notification_id)
    return redirects.to(pages.own_path(request.form["next"])) if "next" in request.form else _back()


@bp.post("/read-all")
@login_required
def mark_all_read() -> Response:
    """Mark all as read that one was told so far."""
    notification_services.mark_all_read(user_id=current_user().id)
    return _back()


@bp.post("/preferences")
@login_required
def set_preferences() -> Response:
    """Take one's wishes down."""
    form, errors = forms.parse(PreferencesForm)
    if form is not None:
        preference_services.set_preferences(user_id=current_user().id, changes=form.preferences())
    flash("Saved." if form else "; ".join(errors.values()), "good" if form else "bad")
    return _back()
