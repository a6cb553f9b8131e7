"""What the worker does for accounts: it tells their owners, and cleans up.

A mail with a one-time token that is sent again carries a new token, and only the newest one is good.
"""

from __future__ import annotations

from typing import Any

import config
from auth import avatars, letters, lockout_services, one_time_services, password_services, session_services
from auth import notification_services as notifications
from auth import preference_services as preferences
from utils import mail, outbox, worker

SECURITY = "security"


def tell_owner(event: outbox.Event) -> None:
    """Tell the owner of an account what happened to it, in the shop and by mail, as wished."""
    owner = password_services.find_recipient(by={"user_id": event.payload["user_id"]})
    if owner is None:
        return
    _notify(event, owner)
    if event.topic in letters.ALWAYS_MAILED or preferences.wants_mail(user_id=owner["id"], group=SECURITY):
        _send(event, event.topic, {**event.payload, **owner})


def tell_old_address(event: outbox.Event) -> None:
    """Tell the owner of a new address, by mail to the old one."""
    owner = password_services.find_recipient(by={"user_id": event.payload["user_id"]})
    if owner is not None:
        _notify(event, owner)
        _send(event, event.topic, {**owner, "email": event.payload["old_email"]})


def send_verification(event: outbox.Event) -> None:
    """Mail a link that verifies the address, unless it is verified already."""
    owner = password_services.find_recipient(by=event.payload)
    if owner is not None and not owner["email_verified"]:
        _send_token(event, "verify_email", owner)


def send_reset(event: outbox.Event) -> None:
    """Mail a link to set a new password, if the address is an account's."""
    owner = password_services.find_recipient(by=event.payload)
    if owner is not None:
        _send_token(event, "reset_password", owner)


def remove_avatar(event: outbox.Event) -> None:
    """Remove the files of a picture that no account has any more."""
    avatars.remove(event.payload["avatar"])


def _notify(event: outbox.Event, owner: dict[str, Any]) -> None:
    title, text = letters.write_notice(event.topic, **{**event.payload, **owner})
    notifications.notify(
        event_id=event.id, user_id=owner["id"], group=SECURITY, topic=event.topic, title=title, text=text
    )


def _send_token(event: outbox.Event, purpose: str, owner: dict[str, Any]) -> None:
    token = one_time_services.make_token(purpose=purpose, user_id=owner["id"], email=owner["email"])
    _send(event, purpose, {**owner, "token": token})


def _send(event: outbox.Event, letter: str, facts: dict[str, Any]) -> None:
    subject, text = letters.write(letter, shop=config.current().MPESA_CALLBACK_BASE_URL, **facts)
    mail.send(key=f"{event.topic}-{event.id}", to=facts["email"], subject=subject, text=text)


HANDLERS: dict[str, list[outbox.Handler]] = {
    "account.api_key_created": [tell_owner],
    "account.avatar_dropped": [remove_avatar],
    "account.email_changed": [tell_old_address],
    "account.locked": [tell_owner],
    "account.new_login": [tell_owner],
    "account.password_changed": [tell_owner],
    "account.recovery_code_used": [tell_owner],
    "account.registered": [send_verification],
    "account.reset_asked": [send_reset],
    "account.token_reused": [tell_owner],
    "account.totp_enabled": [tell_owner],
    "account.totp_ended": [tell_owner],
    "account.totp_reset": [tell_owner],
    "account.verification_asked": [send_verification],
}

JOBS = [
    worker.Job("forget expired refresh tokens", 3600, session_services.delete_expired_refresh_tokens),
    worker.Job("forget expired one-time tokens", 3600, one_time_services.delete_expired_tokens),
    worker.Job("forget old notifications", 3600, notifications.delete_old_notifications),
    worker.Job("forget old failed log-ins", 3600, lockout_services.delete_old_locks),
]
