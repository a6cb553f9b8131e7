"""Many orders at once: each by itself, so that one that cannot go on holds up no other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orders import services
from orders.schemas import OrderChange
from utils.errors import ShopError


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one order; without a refusal it was changed."""

    order_id: int
    refusal: str | None


def change_orders(*, order_ids: Iterable[int], change: OrderChange, actor_id: int) -> list[Result]:
    """Change each of the orders in a transaction of its own, and tell of each what became of it."""
    return [Result(id_, _refusal_of(id_, change, actor_id)) for id_ in dict.fromkeys(order_ids)]


def _refusal_of(order_id: int, change: OrderChange, actor_id: int) -> str | None:
    try:
        services.change_order(order_id=order_id, change=change, actor_id=actor_id)
    except ShopError as error:
        if error.status >= 500:
            raise
        return error.detail
    return None
