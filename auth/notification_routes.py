"""What the shop told one, over HTTP, and where one wants to be told of what."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth import notification_services, preference_services
from auth.decorators import current_user, login_required
from auth.notification_schemas import (
    Notification,
    NotificationList,
    NotificationQuery,
    Preferences,
    PreferencesIn,
    UnreadCount,
)
from utils import paging, web

bp = APIBlueprint("notifications", __name__, url_prefix="/api", tag="Accounts")


@bp.get("/notifications")
@login_required
@bp.input(NotificationQuery, location="query", arg_name="query")
@bp.output(NotificationList)
def list_notifications(query: NotificationQuery) -> Response:
    """List what one was told, newest first, and how much of it is unread."""
    user_id = current_user().id
    page = notification_services.list_notifications(user_id=user_id, **query.model_dump(exclude={"count"}))
    total = None
    if query.count:
        total = notification_services.count_notifications(user_id=user_id, unread=query.unread)
    return web.answer(
        NotificationList(
            items=[Notification(**row) for row in page.items],
            next_cursor=page.next_cursor,
            unread_count=notification_services.count_unread(user_id=user_id),
            total=total,
            total_capped=None if total is None else total == paging.COUNT_CAP,
        )
    )


@bp.post("/notifications/<int:notification_id>/read")
@login_required
@bp.output(Notification)
def mark_read(notification_id: int) -> Response:
    """Mark one as read."""
    row = notification_services.mark_read(user_id=current_user().id, notification_id=notification_id)
    return web.answer(Notification(**row))


@bp.post("/notifications/read-all")
@login_required
@bp.output(UnreadCount)
def mark_all_read() -> Response:
    """Mark all as read that one was told so far."""
    user_id = current_user().id
    notification_services.mark_all_read(user_id=user_id)
    return web.answer(UnreadCount(unread_count=notification_services.count_unread(user_id=user_id)))


@bp.get("/profile/notification-preferences")
@login_required
@bp.output(Preferences)
def get_preferences() -> Response:
    """Show where one is told of what."""
    return web.answer(Preferences.model_validate(preference_services.get_preferences(user_id=current_user().id)))


@bp.put("/profile/notification-preferences")
@bp.patch("/profile/notification-preferences")
@login_required
@bp.input(PreferencesIn, location="json", arg_name="body")
@bp.output(Preferences)
def set_preferences(body: PreferencesIn) -> Response:
    """Change where one is told of what; the important mails about one's security are sent all the same."""
    changed = preference_services.set_preferences(user_id=current_user().id, changes=body.changes())
    return web.answer(Preferences.model_validate(changed))
