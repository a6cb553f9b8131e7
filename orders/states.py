"""The life of an order and of its payment, as data. The UPDATEs in services repeat it in their WHERE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.errors import IllegalTransition

TRANSITIONS: dict[str, set[str]] = {
    "pending": {"processing", "cancelled"},
    "processing": {"shipped", "cancelled"},
    "shipped": {"delivered"},
    "delivered": {"returned"},
    "cancelled": {"pending"},  # an expired one, when its money comes late and its goods are still here
    "returned": set(),
}
FIRST = {"mpesa": "pending", "mock": "pending", "cod": "processing"}
"""The status in which an order begins, by payment method: cash on delivery has nothing to wait for."""

CANCELLABLE = {status for status, following in TRANSITIONS.items() if "cancelled" in following}
NEEDS_PAYMENT_FIRST = {"mpesa", "mock"}
PAID_FOR = {"paid", "partially_refunded"}
"""The payment states in which such an order may go on: somebody who got a part back still gets the goods."""

_reached = set(FIRST.values()) | {status for following in TRANSITIONS.values() for status in following}
if _reached != set(TRANSITIONS):
    raise AssertionError(f"states that cannot be reached, or lead nowhere: {_reached ^ set(TRANSITIONS)}")


def payment_status_after_refund(order: Mapping[str, Any], *, has_odd_money: bool, has_prompt: bool) -> str:
    """Return what is true of an order's payment once money went back.

    `has_odd_money`: there is still money that came for it and does not fit; `has_prompt`: a prompt is on a phone.
    """
    left = order["paid"] - order["refunded"]
    if order["status"] == "cancelled" and left > 0:
        return "review"  # the rest is due to the customer
    if has_odd_money and order["paid"] < order["total"]:
        return "review"
    if order["paid"] > 0 and left == 0:
        return "refunded"
    if order["paid"] < order["total"]:
        return "pending" if has_prompt else "unpaid"
    return "paid" if left >= order["total"] else "partially_refunded"


def require_transition(current: str, wanted: str) -> None:
    """Raise IllegalTransition unless `wanted` follows `current`."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(current=current, wanted=wanted)
