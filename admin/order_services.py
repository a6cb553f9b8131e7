"""An order as the desk looks at it: whose it is, and who did what. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orders import reading_services
from orders import schemas as order_schemas
from utils import clock, db
from utils.errors import NotFound

AT_A_TIME = 100


def get_owner(*, order_id: int) -> db.Row:
    """Return whose order it is, as it was when it was placed. Raises NotFound."""
    return db.reading().require_one(
        """
        SELECT o.user_id, u.username, o.email, o.phone_number
          FROM orders o
          LEFT JOIN users u ON u.id = o.user_id
         WHERE o.id = %(id)s
        """,
        {"id": order_id},
        missing=NotFound(what="order"),
    )


def list_events(*, order_id: int) -> list[db.Row]:
    """Return the history of an order, oldest first, with the names of those who made it."""
    return db.reading().fetch_all(
        """
        SELECT oe.id, oe.name, oe.from_status, oe.to_status, oe.reason, u.username AS actor, oe.created_at
          FROM order_events oe
          LEFT JOIN users u ON u.id = oe.actor_id
         WHERE oe.order_id = %(order_id)s
         ORDER BY oe.id
        """,
        {"order_id": order_id},
    )


def get_numbers(*, order_ids: Iterable[int]) -> dict[int, str]:
    """Return the numbers of orders by their ids."""
    wanted = list(order_ids)
    if not wanted:
        return {}
    rows = db.reading().fetch_all(
        "SELECT o.id, o.number FROM orders o WHERE o.id IN {ids}", ids=db.in_list("id", wanted)
    )
    return {row["id"]: row["number"] for row in rows}


def write_orders(*, query: order_schemas.OrderQuery) -> Iterator[tuple[Any, ...]]:
    """Yield every order of a list with a header, some at a time, for a spreadsheet."""
    yield (
        "number", "placed_at", "status", "payment_status", "payment_method", "items", "subtotal", "discount",
        "shipping", "rounding", "total", "vat", "paid", "refunded", "town", "county", "tracking_number",
    )  # fmt: skip
    cursor: str | None = None
    while True:
        page = reading_services.list_orders(
            query=query.model_copy(update={"limit": AT_A_TIME, "cursor": cursor, "count": False}), user_id=None
        )
        for order in page.items:
            yield (
                order.number,
                clock.iso(order.created_at),
                order.status,
                order.payment_status,
                order.payment_method,
                sum(item.quantity for item in order.items),
                order.subtotal,
                order.discount,
                order.shipping,
                order.rounding,
                order.total,
                order.tax_included,
                order.paid,
                order.refunded,
                order.shipping_address.get("town"),
                order.shipping_address.get("county"),
                order.tracking_number,
            )
        cursor = page.next_cursor
        if cursor is None:
            return
