"""What the worker does for accounts: it mails their owners what happened to them, and cleans up."""

from __future__ import annotations

from auth import letters, lockout_services, services, session_services
from utils import mail, outbox, worker


def tell_owner(event: outbox.Event) -> None:
    """Mail the owner of an account what happened to it; nobody when the account is closed."""
    owner = services.find_owner(user_id=event.payload["user_id"])
    if owner is not None:
        subject, text = letters.write(event.topic, **owner)
        mail.send(key=f"{event.topic}-{event.id}", to=owner["email"], subject=subject, text=text)


HANDLERS: dict[str, list[outbox.Handler]] = {"account.locked": [tell_owner]}

JOBS = [
    worker.Job("forget expired refresh tokens", 3600, session_services.delete_expired_refresh_tokens),
    worker.Job("forget old failed log-ins", 3600, lockout_services.delete_old_locks),
]
