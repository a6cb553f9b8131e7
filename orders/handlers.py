"""What follows from an order's events: mails to the customer, and the worker's sweep over unpaid orders."""

from __future__ import annotations

from orders import mail_services, services
from utils import mail, outbox, worker


def tell_customer(event: outbox.Event) -> None:
    """Mail the customer what happened to the order."""
    letter = mail_services.write_letter(topic=event.topic, **event.payload)
    mail.send(key=f"{event.topic}-{event.id}", to=letter.to, subject=letter.subject, text=letter.text)


HANDLERS: dict[str, list[outbox.Handler]] = {topic: [tell_customer] for topic in mail_services.LETTERS}

JOBS = [worker.Job("expire unpaid orders", 2.0, services.expire_due_orders)]
