"""Which orders may money without a home be meant for? Pure: what was typed, how much came, when; and the open orders.

Points only rank; what a person reads are the reasons. Time alone is no reason: it only tells likely orders apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from payments import c2b

MOST_SUGGESTIONS = 5
MOST_EDITS = 2
SHORTEST_PART = 4  # fewer characters of a number are in many others by chance

NAMED = 200  # more than all else together
EXACT = 80
EDITS = {1: 60, 2: 40}
PART = 50
AMOUNT = 35
NEAR = ((timedelta(minutes=30), 15), (timedelta(hours=6), 8), (timedelta(days=2), 3))


@dataclass(frozen=True, slots=True)
class Money:
    """Money without a home. `named_order_id` is the order that it came for and does not fit."""

    amount: Decimal
    account: str
    came_at: datetime
    named_order_id: int | None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that still costs something."""

    order_id: int
    number: str
    due: Decimal
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Suggestion:
    order: OpenOrder
    points: int
    reasons: tuple[str, ...]


def suggest(money: Money, orders: Iterable[OpenOrder]) -> list[Suggestion]:
    """Return the orders that this money may be meant for, the likeliest first, each with the reasons."""
    found = [suggestion for order in orders if (suggestion := _weigh(money, order))]
    found.sort(key=lambda one: (-one.points, abs(money.came_at - one.order.placed_at), one.order.order_id))
    return found[:MOST_SUGGESTIONS]


def _weigh(money: Money, order: OpenOrder) -> Suggestion | None:
    reasons = [
        *([(NAMED, "it came for this order")] if money.named_order_id == order.order_id else []),
        *_by_reference(money.account, order.number),
        *([(AMOUNT, f"exactly {order.due:.2f} is due")] if money.amount == order.due else []),
    ]
    if not reasons:
        return None
    reasons += _by_time(money.came_at, order.placed_at)
    return Suggestion(order, sum(points for points, _ in reasons), tuple(reason for _, reason in reasons))


def _by_reference(account: str, number: str) -> list[tuple[int, str]]:
    if number in c2b.possible_numbers(account):
        return [(EXACT, "the account may be read as its number")]
    typed = c2b.bare(account)
    if len(typed) >= SHORTEST_PART and (number.startswith(typed) or number.endswith(typed)):
        return [(PART, "the account is a part of its number")]
    if number in typed:
        return [(PART, "its number is in the account")]
    edits = count_edits(typed, number, at_most=MOST_EDITS)
    if edits is None:
        return []
    return [(EDITS[edits], f"the account differs from its number by {edits} character{'s' * (edits > 1)}")]


def _by_time(came_at: datetime, placed_at: datetime) -> list[tuple[int, str]]:
    apart = came_at - placed_at
    for span, points in NEAR:
        if abs(apart) <= span:
            when = "before" if apart >= timedelta(0) else "after"
            return [(points, f"it was placed {_told(abs(apart))} {when}")]
    return []


def _told(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def count_edits(one: str, other: str, *, at_most: int) -> int | None:
    """Return how many characters must be typed, left out, replaced or swapped with their neighbour to make one text
    of the other; None when more than `at_most`."""
    if abs(len(one) - len(other)) > at_most:
        return None
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, character in enumerate(one, start=1):
        this = [row]
        for column, wanted in enumerate(other, start=1):
            edits = min(last[column] + 1, this[-1] + 1, last[column - 1] + (character != wanted))
            if row > 1 and column > 1 and character == other[column - 2] and one[row - 2] == wanted:
                edits = min(edits, before[column - 2] + 1)
            this.append(edits)
        if min(this) > at_most and min(last) > at_most:
            return None
        before, last = last, this
    return last[-1] if last[-1] <= at_most else None
