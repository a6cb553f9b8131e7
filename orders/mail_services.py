"""The mails about an order. Reads only; the handlers send."""

from __future__ import annotations

from dataclasses import dataclass

import config
from orders import guest_keys
from utils import db, money
from utils.errors import NotFound

LETTERS = {
    "order.placed": (
        "Your order {number}",
        "We have your order {number} over {currency} {total}.\n\n{lines}\n\n"
        "To be paid: {currency} {total}, by M-Pesa on your phone or to our paybill with the account {number}.",
    ),
    "order.paid": (
        "Paid: your order {number}",
        "We have received {currency} {paid} for your order {number}. Asante!\n\n{lines}\n\nM-Pesa receipt: {receipt}",
    ),
    "order.shipped": (
        "On its way: your order {number}",
        "Your order {number} has left our house.\n\n{lines}\n\nTracking number: {tracking_number}",
    ),
    "order.delivered": ("Delivered: your order {number}", "Your order {number} has arrived. Karibu tena!"),
    "order.revived": (
        "Taken up again: your order {number}",
        "Your money for order {number} came after its time was over. What you ordered was still here, so the order"
        " stands again.\n\n{lines}",
    ),
    "order.cancelled": (
        "Cancelled: your order {number}",
        "Your order {number} over {currency} {total} is cancelled. Paid so far: {currency} {paid};"
        " what was paid is given back.",
    ),
    "order.expired": (
        "Too late: your order {number}",
        "Your order {number} over {currency} {total} was not paid in time, so its goods are on the shelf again.\n\n"
        "If you have paid, do not pay again: when the money comes, the order stands again or you get it back.",
    ),
    "order.refunded": (
        "Sent back: {currency} {amount} of your order {number}",
        "We have sent back {currency} {amount} for your order {number}.\n\nReceipt: {refund_receipt}",
    ),
}
"""Subject and text for each topic that the customer is told of."""

NOTICES = {
    "order.placed": ("orders", "We have your order over {currency} {total}."),
    "order.paid": ("payments", "We have received {currency} {paid}. Asante! M-Pesa receipt: {receipt}"),
    "order.shipped": ("delivery", "Your order has left our house. Tracking number: {tracking_number}"),
    "order.delivered": ("delivery", "Your order has arrived. Karibu tena!"),
    "order.revived": ("orders", "Your money came late, and what you ordered was still here: the order stands again."),
    "order.cancelled": ("orders", "Paid so far: {currency} {paid}; what was paid is given back."),
    "order.expired": ("orders", "It was not paid in time. If you have paid, do not pay again."),
    "order.refunded": ("payments", "Receipt: {refund_receipt}"),
}
"""What the shop says inside of it, under the subject of the mail, and which group of topics it belongs to."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, ready to be sent; and the notice that goes with it, for a customer who has an account."""

    to: str
    subject: str
    text: str
    user_id: int | None
    group: str
    notice: str


def write_letter(*, topic: str, order_id: int, **told: str) -> Letter:
    """Write the mail that belongs to an event of an order; `told` is what else the event says. Raises NotFound."""
    reader = db.reading()
    order = reader.require_one(
        """
        SELECT o.user_id, o.number, o.email, o.currency, o.total, o.paid,
               COALESCE(o.tracking_number, '-') AS tracking_number,
               COALESCE((SELECT MAX(p.receipt)
                           FROM payments p
                          WHERE p.order_id = o.id
                            AND p.status = 'succeeded'), '-') AS receipt
          FROM orders o
         WHERE o.id = %(order_id)s
        """,
        {"order_id": order_id},
        missing=NotFound(what="order"),
    )
    items = reader.fetch_all(
        """
        SELECT oi.name, oi.quantity, oi.line_total
          FROM order_items oi
         WHERE oi.order_id = %(order_id)s
         ORDER BY oi.id
        """,
        {"order_id": order_id},
    )
    lines = "\n".join(f"{item['quantity']} x {item['name']}  {money.text(item['line_total'])}" for item in items)
    facts = {**order, "total": money.text(order["total"]), "paid": money.text(order["paid"]), "lines": lines, **told}
    subject, text = LETTERS[topic]
    group, notice = NOTICES[topic]
    return Letter(
        to=order["email"],
        subject=subject.format(**facts),
        text=f"{text.format(**facts)}\n\nLook at it: {_link(order_id, order)}{_choice(order)}\n\nDuka\n",
        user_id=order["user_id"],
        group=group,
        notice=notice.format(**facts),
    )


def _choice(order: db.Row) -> str:
    """Say where a customer who has an account chooses which mails come."""
    shop = config.current().MPESA_CALLBACK_BASE_URL
    return f"\nWhich mails you get: {shop}/account/notifications" if order["user_id"] is not None else ""


def _link(order_id: int, order: db.Row) -> str:
    """Return the address of the order's page; a guest's holds the key to it."""
    shop = config.current().MPESA_CALLBACK_BASE_URL
    is_guests = order["user_id"] is None
    return f"{shop}/orders/open/{guest_keys.make_key([order_id])}" if is_guests else f"{shop}/orders/{order_id}"
