"""The life of an order after checkout: its states, its payment, its cancellation.

Writes orders and order_events; nobody else does. One function writes `orders.status`, and every change of a status or
payment_status has its event in the same transaction. Lock order: order, payment, variants (products gives the stock
back last).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import config
from orders import reading_services as reading
from orders import states
from orders.schemas import Order, OrderChange
from products import stock_services as stock
from utils import audit, clock, db, idempotency, outbox, trace
from utils.errors import AlreadyPaid, IllegalTransition, NotFound, OrderClosed, OrderInReview, PaymentInProgress

# A prompt lives a minute or two on the phone; the order must not expire under the payer's hand.
PROMPT_KEEPS_ORDER = timedelta(minutes=5)


# --- staff and customer


@db.in_transaction
def change_order(tx: db.Tx, *, order_id: int, change: OrderChange, actor_id: int) -> None:
    """Move an order along, or note its tracking number.

    Raises NotFound, and IllegalTransition when the status does not follow, or the order is not paid yet and is not
    to be paid on delivery.
    """
    locked_order = lock_order_tx(tx, order_id=order_id)
    if change.tracking_number is not None:
        tx.execute_one(
            "UPDATE orders SET tracking_number = %(tracking_number)s, updated_at = %(now)s WHERE id = %(id)s",
            {"id": order_id, "tracking_number": change.tracking_number, "now": clock.now()},
        )
    if change.status is not None:
        states.require_transition(locked_order["status"], change.status)
        _require_payment(locked_order, change.status)
        move_tx(tx, order=locked_order, to=change.status, actor_id=actor_id, reason=change.note or "")
    elif change.note:
        add_event_tx(tx, order_id=order_id, name="order.noted", actor_id=actor_id, reason=change.note)
    given = change.model_dump(exclude_none=True)
    if given:
        was = {name: locked_order[name] for name in given if name != "note"}  # the order's own note is the customer's
        audit.record_tx(
            tx, action="order.changed", actor_id=actor_id, target=f"order:{order_id}", before=was, after=given
        )


def _require_payment(order: db.Row, wanted: str) -> None:
    if order["payment_method"] in states.NEEDS_PAYMENT_FIRST and order["payment_status"] not in states.PAID_FOR:
        raise IllegalTransition(f"It cannot become {wanted} before it is paid.", current=order["status"], wanted=wanted)


@db.in_transaction
def cancel_order(
    tx: db.Tx, *, order_id: int, user_id: int | None, manages: bool, reason: str, claim: idempotency.Claim
) -> Order:
    """Cancel an order and give its stock back, once. What was paid is in `review` until it has gone back.

    Payments hears of it by the outbox, and sends the money back.

    Raises NotFound for somebody else's order (unless the caller manages orders, or is the guest who holds the key of
    this one: `orders.viewers`), and IllegalTransition when it has left the house or was cancelled before.
    """
    locked_order = lock_order_tx(tx, order_id=order_id)
    if not manages and locked_order["user_id"] != user_id:
        raise NotFound(what="order")
    states.require_transition(locked_order["status"], "cancelled")
    move_tx(tx, order=locked_order, to="cancelled", actor_id=user_id, reason=reason)
    if locked_order["paid"] > locked_order["refunded"]:
        send_to_review_tx(tx, order_id=order_id, reason="cancelled after payment: a refund is due")
    if locked_order["user_id"] != user_id:
        audit.record_tx(
            tx,
            action="order.cancelled",
            actor_id=user_id,
            target=f"order:{order_id}",
            before={"status": locked_order["status"]},
            after={"status": "cancelled", "reason": reason},
        )
    order = reading.read_order(tx, order_id=order_id, user_id=user_id, sees_all=manages)
    idempotency.keep_tx(tx, claim, status_code=200, body=order.model_dump_json())
    stock.give_back_tx(tx, order_id=order_id, reason="order cancelled", actor_id=user_id)
    return order


# --- what payments call, inside their own transactions


def lock_order_tx(tx: db.Tx, *, order_id: int) -> db.Row:
    """Lock an order and return its row. Raises NotFound."""
    return tx.require_one(
        """
        SELECT id, number, user_id, email, phone_number, status, payment_status, payment_method, currency,
               subtotal, discount, shipping, rounding, tax_included, total, paid, refunded,
               shipping_address, note, tracking_number, created_at, updated_at, paid_at, expires_at
          FROM orders
         WHERE id = %(id)s
           FOR UPDATE
        """,
        {"id": order_id},
        missing=NotFound(what="order"),
    )


def claim_prompt_tx(tx: db.Tx, *, order_id: int) -> None:
    """Claim the order for one payment prompt: unpaid -> pending, and keep it from expiring meanwhile.

    Raises PaymentInProgress when another prompt is open, OrderInReview while money that came for it waits for a
    person, AlreadyPaid, and OrderClosed when it is past paying.
    """
    now = clock.now()
    claimed = tx.execute(
        """
        UPDATE orders
           SET payment_status = 'pending',
               expires_at = GREATEST(expires_at, %(keep_until)s),
               updated_at = %(now)s
         WHERE id = %(id)s
           AND payment_status = 'unpaid'
           AND status = 'pending'
        """,
        {"id": order_id, "keep_until": now + PROMPT_KEEPS_ORDER, "now": now},
    )
    if claimed:
        return
    order = lock_order_tx(tx, order_id=order_id)
    if order["payment_status"] == "pending" and order["status"] == "pending":
        raise PaymentInProgress
    if order["payment_status"] == "review" and order["status"] == "pending":
        raise OrderInReview
    if order["paid"] >= order["total"]:
        raise AlreadyPaid
    raise OrderClosed(status=order["status"])


def keep_open_tx(tx: db.Tx, *, order_id: int) -> None:
    """Keep an order from expiring for a while: word of its payment waits to be confirmed."""
    tx.execute(
        """
        UPDATE orders
           SET expires_at = GREATEST(expires_at, %(keep_until)s)
         WHERE id = %(id)s
           AND status = 'pending'
           AND expires_at IS NOT NULL
        """,
        {"id": order_id, "keep_until": clock.now() + PROMPT_KEEPS_ORDER},
    )


def release_prompt_tx(tx: db.Tx, *, order_id: int) -> None:
    """Say that no prompt is open any more: pending -> unpaid. Changes nothing when it was paid meanwhile."""
    tx.execute(
        """
        UPDATE orders
           SET payment_status = 'unpaid',
               updated_at = %(now)s
         WHERE id = %(id)s
           AND payment_status = 'pending'
        """,
        {"id": order_id, "now": clock.now()},
    )


def mark_paid_tx(tx: db.Tx, *, order_id: int, amount: Decimal, actor_id: int | None, reason: str) -> None:
    """Count money towards an order; when its total is reached it is paid, and moves on to processing.

    The caller has locked the order, and has claimed the payment so that it is counted once.
    """
    now = clock.now()
    tx.execute_one(
        "UPDATE orders SET paid = paid + %(amount)s, updated_at = %(now)s WHERE id = %(id)s",
        {"id": order_id, "amount": amount, "now": now},
    )
    in_full = tx.execute(
        """
        UPDATE orders
           SET payment_status = 'paid',
               paid_at = %(now)s,
               expires_at = NULL
         WHERE id = %(id)s
           AND paid >= total
           AND payment_status IN ('unpaid', 'pending')
        """,
        {"id": order_id, "now": now},
    )
    if not in_full:
        add_event_tx(tx, order_id=order_id, name="order.part_paid", actor_id=actor_id, reason=reason)
        return
    add_event_tx(tx, order_id=order_id, name="order.paid", actor_id=actor_id, reason=reason)
    outbox.stage_tx(tx, "order.paid", order_id=order_id)
    order = lock_order_tx(tx, order_id=order_id)
    if order["status"] == "pending":
        move_tx(tx, order=order, to="processing", actor_id=actor_id, reason="paid")


def revive_tx(tx: db.Tx, *, order_id: int) -> None:
    """Take up an expired order again, because its money came late: it stands where it stood, and holds its goods.

    Raises OrderClosed for one that somebody cancelled, or to which other money has come, and OutOfStock when its
    goods were sold meanwhile. Call it in a `tx.attempt()`; the few writes of the settlement follow on its stock.
    """
    locked_order = lock_order_tx(tx, order_id=order_id)
    ended = tx.require_one(
        """
        SELECT from_status, name
          FROM order_events
         WHERE order_id = %(order_id)s
           AND to_status = 'cancelled'
         ORDER BY id DESC
         LIMIT 1
        """,
        {"order_id": order_id},
        missing=OrderClosed(status=locked_order["status"]),
    )
    has_only_expired = ended["name"] == "order.expired" and locked_order["payment_status"] == "unpaid"
    if locked_order["status"] != "cancelled" or not has_only_expired or locked_order["paid"]:
        raise OrderClosed(status=locked_order["status"])
    move_tx(
        tx,
        order=locked_order,
        to=ended["from_status"],
        actor_id=None,
        reason="its money came late",
        name="order.revived",
        expires_at=clock.now() + timedelta(seconds=config.current().ORDER_PAYMENT_WINDOW_SECONDS),
    )
    items = tx.fetch_all(
        "SELECT variant_id, quantity FROM order_items WHERE order_id = %(order_id)s", {"order_id": order_id}
    )
    lines = [stock.StockLine(item["variant_id"], item["quantity"]) for item in items]
    stock.take_tx(tx, order_id=order_id, lines=lines, actor_id=None)


def send_to_review_tx(tx: db.Tx, *, order_id: int, reason: str) -> None:
    """Put an order before a person: there is money that does not fit it. It does not expire meanwhile."""
    tx.execute_one(
        """
        UPDATE orders
           SET payment_status = 'review',
               expires_at = NULL,
               updated_at = %(now)s
         WHERE id = %(id)s
        """,
        {"id": order_id, "now": clock.now()},
    )
    add_event_tx(tx, order_id=order_id, name="order.review", actor_id=None, reason=reason)


# --- leaves


def move_tx(
    tx: db.Tx,
    *,
    order: db.Row,
    to: str,
    actor_id: int | None,
    reason: str,
    name: str | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Write `orders.status`, its event and its outbox row. The only statement that changes a status."""
    tx.execute_one(
        """
        UPDATE orders
           SET status = %(to)s,
               expires_at = %(expires_at)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status = %(from)s
        """,
        {"id": order["id"], "from": order["status"], "to": to, "expires_at": expires_at, "now": clock.now()},
    )
    name = name or f"order.{to}"
    add_event_tx(
        tx,
        order_id=order["id"],
        name=name,
        from_status=order["status"],
        to_status=to,
        actor_id=actor_id,
        reason=reason,
    )
    outbox.stage_tx(tx, name, order_id=order["id"])


def add_event_tx(
    tx: db.Tx,
    *,
    order_id: int,
    name: str,
    actor_id: int | None,
    from_status: str | None = None,
    to_status: str | None = None,
    reason: str = "",
) -> None:
    """Write a line into the history of an order."""
    tx.insert(
        """
        INSERT INTO order_events
            (order_id, name, from_status, to_status, actor_id, reason, request_id, created_at)
        VALUES
            (%(order_id)s, %(name)s, %(from_status)s, %(to_status)s, %(actor_id)s, %(reason)s, %(request_id)s, %(now)s)
        """,
        {
            "order_id": order_id,
            "name": name,
            "from_status": from_status,
            "to_status": to_status,
            "actor_id": actor_id,
            "reason": reason[:300],
            "request_id": trace.request_id(),
            "now": clock.now(),
        },
    )
