"""Expiry: orders that were not paid in time are cancelled by the worker, and their goods can be bought by others.

Locks the order, then its variants. Money that comes later finds its way by `services.revive_tx`.
"""

from __future__ import annotations

from orders import services
from products import stock_services as stock
from utils import clock, db

DUE_AT_ONCE = 50


def expire_due_orders() -> int:
    """Cancel the orders that were not paid in time and give their stock back; return how many were due."""
    rows = db.reading().fetch_all(
        """
        SELECT o.id
          FROM orders o
         WHERE o.expires_at <= %(now)s
         ORDER BY o.expires_at, o.id
         LIMIT %(limit)s
        """,
        {"now": clock.now(), "limit": DUE_AT_ONCE},
    )
    for row in rows:
        expire_order(order_id=row["id"])
    return len(rows)


@db.in_transaction
def expire_order(tx: db.Tx, *, order_id: int) -> None:
    """Cancel one order whose time is over; while a prompt is open it is given a little more of it."""
    locked_order = services.lock_order_tx(tx, order_id=order_id)
    now = clock.now()
    if locked_order["expires_at"] is None or locked_order["expires_at"] > now:
        return
    if locked_order["payment_status"] == "pending":
        tx.execute_one(
            "UPDATE orders SET expires_at = %(expires_at)s WHERE id = %(id)s",
            {"id": order_id, "expires_at": now + services.PROMPT_KEEPS_ORDER},
        )
        return
    services.move_tx(
        tx, order=locked_order, to="cancelled", actor_id=None, reason="not paid in time", name="order.expired"
    )
    if locked_order["paid"] > locked_order["refunded"]:
        services.send_to_review_tx(tx, order_id=order_id, reason="expired after part payment: a refund is due")
    stock.give_back_tx(tx, order_id=order_id, reason="order expired", actor_id=None)
