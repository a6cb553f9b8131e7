"""The life of a refund, the way it takes, and what is to be done about it next: data and pure decisions.

The UPDATEs in the services repeat the transitions in their WHERE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

FIRST = "created"
TRANSITIONS: dict[str, set[str]] = {
    "created": {"sent", "unknown", "succeeded", "failed", "review"},
    "sent": {"created", "succeeded", "failed", "review"},  # created: what cannot be reversed is sent by B2C
    "unknown": {"created", "sent", "succeeded", "failed", "review"},
    "review": {"succeeded", "failed"},  # a person decided, or a late word did
    "failed": {"succeeded"},  # a success wins over an earlier failure, while the money can be claimed again
    "succeeded": set(),
}
OUTSIDE: dict[str, str] = {
    "created": "pending",
    "sent": "pending",
    "unknown": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "review": "review",
}
OPEN = {state for state, shown in OUTSIDE.items() if shown == "pending"}

_reached = {FIRST} | {state for following in TRANSITIONS.values() for state in following}
if not _reached == set(TRANSITIONS) == set(OUTSIDE):
    raise AssertionError(f"states that cannot be reached, lead nowhere or are not shown: {_reached ^ set(OUTSIDE)}")


# --- the way

LEAST_B2C, MOST_B2C = Decimal(10), Decimal(250_000)
THEN_SAY_SO = "Then settle this refund by hand."
GIVE_CASH = f"It was paid in cash: give the customer the cash back. {THEN_SAY_SO}"
NO_INITIATOR = (
    "No M-Pesa initiator is set up (MPESA_INITIATOR_NAME, MPESA_INITIATOR_PASSWORD, MPESA_CERTIFICATE):"
    f" send it from the M-Pesa portal. {THEN_SAY_SO}"
)


@dataclass(frozen=True, slots=True)
class Way:
    """How a refund goes, and what stands in its way: then a person is told what to do."""

    method: str
    obstacle: str | None = None


def choose_way(payment: Mapping[str, Any], amount: Decimal, *, has_initiator: bool) -> Way:
    """Choose the way of a refund: a Reversal for all of a payment with a receipt, else B2C to the payer's phone."""
    if payment["method"] == "mock":
        return Way("mock")
    if payment["method"] == "cod":
        return Way("cod", GIVE_CASH)
    whole = payment["receipt"] is not None and amount == payment["settled_amount"]
    if not has_initiator:
        return Way("reversal" if whole else "b2c", NO_INITIATOR)
    if whole and amount == amount.to_integral_value():
        return Way("reversal")
    return Way("b2c", find_b2c_obstacle(amount, payment["phone_number"]))


def find_b2c_obstacle(amount: Decimal, phone_number: str | None) -> str | None:
    """Return what a person is to do because B2C cannot send this amount, None when it can."""
    if phone_number is None:
        return f"The payer's phone is not known: send it from the M-Pesa portal. {THEN_SAY_SO}"
    if amount != amount.to_integral_value():
        return f"M-Pesa sends whole shillings only: agree with the customer on the cents. {THEN_SAY_SO}"
    if not LEAST_B2C <= amount <= MOST_B2C:
        return f"B2C sends {LEAST_B2C} to {MOST_B2C} shillings at a time: give this some other way. {THEN_SAY_SO}"
    return None


# --- the next step

LOOKED_AFTER_FOR = timedelta(hours=24)


class Step(Enum):
    """What the worker does about a refund whose time has come."""

    CALL = "call"
    ASK = "ask"
    WAIT = "wait"
    GIVE_UP = "give up"


def next_step(refund: Mapping[str, Any], now: datetime) -> Step:
    """Decide what is to be done about an open refund.

    A Reversal has no idempotency key: once a call of it may have been made (`called_at` stands, or it is `unknown`)
    it is never made again; it is asked after by its conversation, where the provider ever named one, and else only
    its own late Result can tell. B2C has a key, ours: the same call again either sends it or is told that it was
    taken before.
    """
    if now > refund["created_at"] + LOOKED_AFTER_FOR:
        return Step.GIVE_UP
    if refund["status"] == "sent":
        return Step.ASK
    may_have_been_called = refund["status"] == "unknown" or refund["called_at"] is not None
    if refund["method"] == "b2c" or not may_have_been_called:
        return Step.CALL
    return Step.WAIT if refund["originator_conversation_id"] is None else Step.ASK
