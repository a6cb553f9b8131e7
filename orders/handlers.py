"""What follows from an order's events, and from the end of an account: mails, and what is forgotten of a customer.

The worker also sweeps over unpaid orders.
"""

from __future__ import annotations

from auth import notification_services as notifications
from auth import preference_services as preferences
from orders import expiry_services, mail_services, privacy_services
from utils import mail, outbox, worker


def tell_customer(event: outbox.Event) -> None:
    """Tell the customer what happened to the order, in the shop and by mail, as wished; a guest by mail."""
    letter = mail_services.write_letter(topic=event.topic, **event.payload)
    if letter.user_id is not None:
        notifications.notify(
            event_id=event.id,
            user_id=letter.user_id,
            group=letter.group,
            topic=event.topic,
            title=letter.subject,
            text=letter.notice,
            order_id=event.payload["order_id"],
        )
        if not preferences.wants_mail(user_id=letter.user_id, group=letter.group):
            return
    mail.send(key=f"{event.topic}-{event.id}", to=letter.to, subject=letter.subject, text=letter.text)


def forget_customer(event: outbox.Event) -> None:
    """Take the person out of the orders of an account that has ended."""
    privacy_services.forget_customer(user_id=event.payload["user_id"])


HANDLERS: dict[str, list[outbox.Handler]] = {
    "account.anonymised": [forget_customer],
    **{topic: [tell_customer] for topic in mail_services.LETTERS},
}

JOBS = [worker.Job("expire unpaid orders", 2.0, expiry_services.expire_due_orders)]
