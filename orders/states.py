"""The life of an order and of its payment, as data. The UPDATEs in services repeat it in their WHERE."""

from __future__ import annotations

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

_reached = set(FIRST.values()) | {status for following in TRANSITIONS.values() for status in following}
if _reached != set(TRANSITIONS):
    raise AssertionError(f"states that cannot be reached, or lead nowhere: {_reached ^ set(TRANSITIONS)}")


def require_transition(current: str, wanted: str) -> None:
    """Raise IllegalTransition unless `wanted` follows `current`."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(current=current, wanted=wanted)
