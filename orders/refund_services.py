"""What a refund changes on its order. Payments calls these inside its own transactions, with the order locked.

Writes orders and their events. Keeps: `refunded` is what went back of the money that was counted as paid; the
payment_status says what is true afterwards.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import config
from orders import services, states
from utils import clock, db, money, outbox


def count_refund_tx(
    tx: db.Tx, *, order_id: int, amount: Decimal, receipt: str | None, actor_id: int | None = None
) -> None:
    """Count money that went back out of what was counted as paid, and tell the customer."""
    tx.execute_one(
        """
        UPDATE orders
           SET refunded = refunded + %(amount)s,
               updated_at = %(now)s
         WHERE id = %(id)s
        """,
        {"id": order_id, "amount": amount, "now": clock.now()},
    )
    note_refund_tx(tx, order_id=order_id, amount=amount, receipt=receipt, actor_id=actor_id)


def note_refund_tx(
    tx: db.Tx, *, order_id: int, amount: Decimal, receipt: str | None, actor_id: int | None = None
) -> None:
    """Note that money went back, have the customer told, and write what is now true of the order's payment.

    By itself for money that never counted as paid: it came for this order and did not fit.
    """
    sent_back = f"{money.text(amount)} sent back {receipt or ''}".strip()
    services.add_event_tx(tx, order_id=order_id, name="order.refunded", actor_id=actor_id, reason=sent_back)
    outbox.stage_tx(tx, "order.refunded", order_id=order_id, amount=money.text(amount), refund_receipt=receipt or "-")
    restate_payment_tx(tx, order_id=order_id, actor_id=actor_id, reason=sent_back)


def restate_payment_tx(tx: db.Tx, *, order_id: int, actor_id: int | None, reason: str) -> None:
    """Write what is true of an order's payment now that money has left it: it may have waited in review for that."""
    order = tx.require_one(
        """
        SELECT o.status, o.total, o.paid, o.refunded,
               EXISTS (SELECT 1
                         FROM payments p
                        WHERE p.order_id = o.id
                          AND p.status = 'review'
                          AND p.settled_amount > (SELECT COALESCE(SUM(r.amount), 0)
                                                    FROM refunds r
                                                   WHERE r.payment_id = p.id
                                                     AND r.status = 'succeeded')) AS has_odd_money,
               EXISTS (SELECT 1
                         FROM payments p
                        WHERE p.order_id = o.id
                          AND p.prompt_until IS NOT NULL
                          AND p.status IN ('created', 'sent', 'unknown')) AS has_prompt
          FROM orders o
         WHERE o.id = %(id)s
        """,
        {"id": order_id},
        missing=LookupError(order_id),
    )
    truth = states.payment_status_after_refund(
        order, has_odd_money=bool(order["has_odd_money"]), has_prompt=bool(order["has_prompt"])
    )
    moves_on = truth == "paid" and order["status"] == "pending"  # other money had kept it in review
    _write_payment_status_tx(tx, order_id=order_id, payment_status="unpaid" if moves_on else truth)
    if moves_on:
        services.mark_paid_tx(tx, order_id=order_id, amount=Decimal(0), actor_id=actor_id, reason=reason)


def _write_payment_status_tx(tx: db.Tx, *, order_id: int, payment_status: str) -> None:
    """Write the payment status; an order that is to be paid again is given the usual time for it."""
    now = clock.now()
    tx.execute_one(
        """
        UPDATE orders
           SET payment_status = %(payment_status)s,
               expires_at = CASE WHEN status = 'pending' AND %(payment_status)s IN ('unpaid', 'pending')
                                 THEN COALESCE(expires_at, %(expires_at)s)
                                 ELSE expires_at
                             END,
               updated_at = %(now)s
         WHERE id = %(id)s
        """,
        {
            "id": order_id,
            "payment_status": payment_status,
            "expires_at": now + timedelta(seconds=config.current().ORDER_PAYMENT_WINDOW_SECONDS),
            "now": now,
        },
    )
