"""What payments do on their own: the worker's jobs, cash at the door, refunds of cancelled orders."""

from __future__ import annotations

from payments import (
    attempt_services,
    callback_services,
    query_services,
    refund_call_services,
    refund_services,
    services,
)
from utils import outbox, worker


def settle_on_delivery(event: outbox.Event) -> None:
    """Book the cash of an order that is paid on delivery."""
    services.settle_on_delivery(order_id=event.payload["order_id"])


def refund_on_cancel(event: outbox.Event) -> None:
    """Send back what was paid for an order that is cancelled."""
    refund_services.refund_cancelled_order(order_id=event.payload["order_id"])


HANDLERS: dict[str, list[outbox.Handler]] = {
    "order.cancelled": [refund_on_cancel],
    "order.expired": [refund_on_cancel],
    "order.delivered": [settle_on_delivery],
}

JOBS = [
    worker.Job("apply callbacks", 0.2, callback_services.apply_due),
    worker.Job("ask after open prompts", 1.0, query_services.ask_due),
    worker.Job("give up dead prompts", 10.0, attempt_services.give_up_dead_prompts),
    worker.Job("send refunds and ask after them", 0.5, refund_call_services.act_on_due),
]
