"""All that the shop holds of one person, read for that person. Reads only; of secrets and their hashes, nothing.

What can be long is read a batch at a time, by key, while it is being sent: a customer of ten thousand orders costs no
more memory than one of ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from auth import address_services, preference_services, services
from utils import db

BATCH = 200

Rows = Iterator[dict[str, Any]]


def export_account(*, user_id: int) -> Iterator[tuple[str, Any]]:
    """Yield the sections of an export, each with its name: one thing, or the rows of a list. Raises NotFound."""
    yield "profile", services.get_user(user_id=user_id)
    yield "addresses", iter(address_services.list_addresses(user_id=user_id))
    yield "notification_preferences", preference_services.get_preferences(user_id=user_id)
    yield "cart", iter(_cart(user_id))
    yield "orders", _in_batches(_orders, user_id)
    yield "notifications", _in_batches(_notifications, user_id)
    yield "sessions", _in_batches(_sessions, user_id)
    yield "api_keys", _in_batches(_api_keys, user_id)
    yield "security_log", _in_batches(_security_log, user_id)


def _in_batches(read: Callable[[int, int], list[dict[str, Any]]], user_id: int) -> Rows:
    """Yield all rows, oldest first; `read` returns those of the user after an id."""
    after = 0
    while rows := read(user_id, after):
        yield from rows
        if len(rows) < BATCH:
            return
        after = rows[-1]["id"]


def _cart(user_id: int) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT ci.variant_id, p.name, ci.quantity, ci.created_at
          FROM carts c
          JOIN cart_items ci ON ci.cart_id = c.id
          JOIN variants v ON v.id = ci.variant_id
          JOIN products p ON p.id = v.product_id
         WHERE c.user_id = %(user_id)s
         ORDER BY ci.id
        """,
        {"user_id": user_id},
    )


def _orders(user_id: int, after: int) -> list[dict[str, Any]]:
    """Return orders with their lines, history, payments and refunds: five statements for a batch."""
    reader = db.reading()
    orders = reader.fetch_all(
        """
        SELECT o.id, o.number, o.status, o.payment_status, o.payment_method, o.email, o.phone_number, o.currency,
               o.subtotal, o.discount, o.shipping, o.tax_included, o.rounding, o.total, o.paid, o.refunded,
               o.shipping_address, o.note, o.tracking_number, o.created_at, o.paid_at
          FROM orders o
         WHERE o.user_id = %(user_id)s
           AND o.id > %(after)s
         ORDER BY o.id
         LIMIT %(batch)s
        """,
        {"user_id": user_id, "after": after, "batch": BATCH},
    )
    if not orders:
        return []
    ids = [order["id"] for order in orders]
    items = reader.fetch_all(
        """
        SELECT oi.order_id, oi.sku, oi.name, oi.options, oi.quantity, oi.unit_price, oi.line_total
          FROM order_items oi
         WHERE oi.order_id IN {ids}
         ORDER BY oi.id
        """,
        ids=db.in_list("id", ids),
    )
    events = reader.fetch_all(
        """
        SELECT oe.order_id, oe.name, oe.from_status, oe.to_status, oe.reason, oe.created_at
          FROM order_events oe
         WHERE oe.order_id IN {ids}
         ORDER BY oe.id
        """,
        ids=db.in_list("id", ids),
    )
    payments = reader.fetch_all(
        """
        SELECT p.order_id, p.method, p.status, p.amount, p.settled_amount, p.currency, p.phone_number, p.receipt,
               p.result_desc, p.created_at, p.settled_at
          FROM payments p
         WHERE p.order_id IN {ids}
         ORDER BY p.id
        """,
        ids=db.in_list("id", ids),
    )
    refunds = reader.fetch_all(
        """
        SELECT r.order_id, r.method, r.status, r.amount, r.currency, r.phone_number, r.receipt, r.reason,
               r.created_at, r.settled_at
          FROM refunds r
         WHERE r.order_id IN {ids}
         ORDER BY r.id
        """,
        ids=db.in_list("id", ids),
    )
    parts = {"items": items, "events": events, "payments": payments, "refunds": refunds}
    return [
        {**order, **{name: [row for row in rows if row["order_id"] == order["id"]] for name, rows in parts.items()}}
        for order in orders
    ]


def _notifications(user_id: int, after: int) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT n.id, n.topic, n.title, n.text, n.order_id, n.created_at, n.read_at
          FROM notifications n
         WHERE n.user_id = %(user_id)s
           AND n.id > %(after)s
         ORDER BY n.id
         LIMIT %(batch)s
        """,
        {"user_id": user_id, "after": after, "batch": BATCH},
    )


def _sessions(user_id: int, after: int) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT s.id, s.device, s.address, s.created_at, s.last_used_at, s.revoked_at, s.revoked_reason
          FROM sessions s
         WHERE s.user_id = %(user_id)s
           AND s.id > %(after)s
         ORDER BY s.id
         LIMIT %(batch)s
        """,
        {"user_id": user_id, "after": after, "batch": BATCH},
    )


def _api_keys(user_id: int, after: int) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT ak.id, ak.name, ak.scopes, ak.created_at, ak.expires_at, ak.last_used_at, ak.revoked_at
          FROM api_keys ak
         WHERE ak.user_id = %(user_id)s
           AND ak.id > %(after)s
         ORDER BY ak.id
         LIMIT %(batch)s
        """,
        {"user_id": user_id, "after": after, "batch": BATCH},
    )


def _security_log(user_id: int, after: int) -> list[db.Row]:
    """Return what happened to the account; from where, when its owner did it: others' addresses are theirs."""
    return db.reading().fetch_all(
        """
        SELECT al.id, al.action, COALESCE(al.actor_id = %(user_id)s, FALSE) AS by_you,
               CASE WHEN al.actor_id = %(user_id)s THEN al.address END AS address, al.created_at
          FROM audit_log al
         WHERE al.target = %(target)s
           AND al.id > %(after)s
         ORDER BY al.id
         LIMIT %(batch)s
        """,
        {"user_id": user_id, "target": f"user:{user_id}", "after": after, "batch": BATCH},
    )
