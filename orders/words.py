"""What customers read of an order's states and events, as data: the words and the colour of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orders.schemas import OrderEvent

STATUSES = {
    "pending": ("waits for its money", "wait"),
    "processing": ("being packed", "good"),
    "shipped": ("on its way", "good"),
    "delivered": ("delivered", "good"),
    "cancelled": ("cancelled", "bad"),
    "returned": ("returned", ""),
}
PAYMENT_STATUSES = {
    "unpaid": ("not paid", ""),
    "pending": ("check your phone", "wait"),
    "paid": ("paid", "good"),
    "partially_refunded": ("partly refunded", ""),
    "refunded": ("refunded", ""),
    "review": ("we are looking at your money", "wait"),
}
METHODS = {"mpesa": "M-Pesa", "cod": "on delivery", "mock": "play money"}
EVENTS = {
    "order.placed": ("Ordered", ""),
    "order.part_paid": ("A part of the money came", "wait"),
    "order.paid": ("Paid", "good"),
    "order.processing": ("Being packed", ""),
    "order.shipped": ("On its way", ""),
    "order.delivered": ("Delivered", "good"),
    "order.cancelled": ("Cancelled", "bad"),
    "order.expired": ("Closed: not paid in time", "bad"),
    "order.revived": ("Taken up again: the money came late", "good"),
    "order.review": ("We look at your money", "wait"),
    "order.refunded": ("Money sent back", ""),
}
"""Events that are not here (notes of the staff) are the shop's own business."""

TOLD_WITH_REASON = {"order.cancelled", "order.refunded"}


def tell(events: Sequence[OrderEvent]) -> list[dict[str, Any]]:
    """Return the events as the timeline shows them, the newest first."""
    return [
        {
            "text": EVENTS[event.name][0],
            "kind": EVENTS[event.name][1],
            "note": event.reason if event.name in TOLD_WITH_REASON else "",
            "at": event.created_at,
        }
        for event in reversed(events)
        if event.name in EVENTS
    ]
