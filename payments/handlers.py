"""What payments do on their own: the worker's jobs, and cash at the door when an order is delivered."""

from __future__ import annotations

from payments import attempt_services, callback_services, query_services, services
from utils import outbox, worker


def settle_on_delivery(event: outbox.Event) -> None:
    """Book the cash of an order that is paid on delivery."""
    services.settle_on_delivery(order_id=event.payload["order_id"])


HANDLERS: dict[str, list[outbox.Handler]] = {"order.delivered": [settle_on_delivery]}

JOBS = [
    worker.Job("apply callbacks", 0.2, callback_services.apply_due),
    worker.Job("ask after open prompts", 1.0, query_services.ask_due),
    worker.Job("give up dead prompts", 10.0, attempt_services.give_up_dead_prompts),
]
