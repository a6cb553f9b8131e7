"""Money without a home: what there is, and how a person finds it one.

Locks the orders concerned by ascending id, then the payment. Keeps: money is allocated once, and never while it is
going back to who paid it; it is booked by the settlement, as all money is.
"""

from __future__ import annotations

from datetime import timedelta

from orders import refund_services as order_refunds
from orders import services as orders
from payments import allocation
from payments import attempt_services as attempts
from payments import settle_services as settlement
from payments.allocation_schemas import Suggestion, UnallocatedList, UnallocatedMoney, UnallocatedQuery
from payments.schemas import Payment
from utils import audit, clock, db, log, paging
from utils.errors import AlreadyAllocated, MoneyGoesBack, NotFound

logger = log.get_logger(__name__)

SORT = "newest"
FILTERS = {
    "status": "p.status = %(status)s AND p.settled_amount > p.refund_claimed",
    "before_id": "p.id < %(before_id)s",
}
UNALLOCATED = {"status": "review"}

# Orders are looked for from so long before the oldest money of a page to so long after its newest, the latest first.
ORDERED_BEFORE, ORDERED_AFTER = timedelta(days=14), timedelta(days=1)
ORDERS_LOOKED_AT = 1000


# --- what there is


def list_unallocated(*, query: UnallocatedQuery) -> UnallocatedList:
    """Return a page of the money without a home, newest first, with suggestions. Raises BadCursor."""
    after = {"before_id": paging.decode(query.cursor, SORT, int)[0]} if query.cursor else {}
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT p.id, p.order_id, p.method, p.settled_amount AS amount, p.currency, p.receipt,
               p.typed_account AS account, p.phone_number, p.review_reason AS reason, p.created_at
          FROM payments p
        {where}
         ORDER BY p.id DESC
         LIMIT %(limit)s
        """,
        {"limit": query.limit + 1},
        where=db.where(FILTERS, {**UNALLOCATED, **after}),
    )
    page = paging.cut(rows, query.limit, lambda row: paging.encode(SORT, row["id"]))
    counted = _count(reader) if query.count else None
    return UnallocatedList(
        items=_with_suggestions(reader, page.items),
        next_cursor=page.next_cursor,
        total=counted,
        total_capped=None if counted is None else counted == paging.COUNT_CAP,
    )


def _count(reader: db.Reader) -> int:
    counted: int = reader.fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT p.id
                  FROM payments p
                {where}
                 LIMIT %(cap)s) AS found
        """,
        {"cap": paging.COUNT_CAP},
        where=db.where(FILTERS, UNALLOCATED),
    )
    return counted


def _with_suggestions(reader: db.Reader, rows: list[db.Row]) -> list[UnallocatedMoney]:
    found = _list_payable(reader, rows) if rows else {}
    open_orders = [
        allocation.OpenOrder(order["order_id"], order["number"], order["due"], order["created_at"])
        for order in found.values()
    ]
    return [UnallocatedMoney.model_validate({**row, "suggestions": _suggest(row, open_orders, found)}) for row in rows]


def _suggest(row: db.Row, open_orders: list[allocation.OpenOrder], found: dict[int, db.Row]) -> list[Suggestion]:
    money = allocation.Money(row["amount"], row["account"] or "", row["created_at"], row["order_id"])
    return [
        Suggestion.model_validate({**found[one.order.order_id], "reasons": list(one.reasons)})
        for one in allocation.suggest(money, open_orders)
    ]


def _list_payable(reader: db.Reader, rows: list[db.Row]) -> dict[int, db.Row]:
    """Return the orders around this money that still cost something, by id; those too that only have expired."""
    times = [row["created_at"] for row in rows]
    found = reader.fetch_all(
        """
        SELECT o.id AS order_id, o.number, o.status, o.total - o.paid AS due, o.currency, o.created_at
          FROM orders o
         WHERE o.created_at BETWEEN %(since)s AND %(until)s
           AND o.paid < o.total
           AND o.status <> 'returned'
           AND (o.status <> 'cancelled'
                OR o.payment_status = 'unpaid'
               AND NOT EXISTS (SELECT 1
                                 FROM order_events oe
                                WHERE oe.order_id = o.id
                                  AND oe.to_status = 'cancelled'
                                  AND oe.actor_id IS NOT NULL))
         ORDER BY o.created_at DESC, o.id DESC
         LIMIT %(limit)s
        """,
        {"since": min(times) - ORDERED_BEFORE, "until": max(times) + ORDERED_AFTER, "limit": ORDERS_LOOKED_AT},
    )
    return {row["order_id"]: row for row in found}


# --- putting it somewhere


@db.in_transaction
def allocate(tx: db.Tx, *, payment_id: int, order_id: int, actor_id: int) -> Payment:
    """Put money without a home to an order, and return the payment; the same again changes nothing.

    An order that had expired is taken up again by it, while its goods are there. Raises NotFound, AlreadyAllocated,
    MoneyGoesBack, AlreadyPaid, OrderClosed and OutOfStock.
    """
    came_for = tx.fetch_value("SELECT order_id FROM payments WHERE id = %(id)s", {"id": payment_id})
    locked_orders = [
        orders.lock_order_tx(tx, order_id=concerned) for concerned in sorted({order_id, came_for} - {None})
    ]
    locked_money = _lock_money_tx(tx, payment_id=payment_id)
    if locked_money["allocated_at"] is not None:
        if locked_money["order_id"] != order_id:
            raise AlreadyAllocated(order_id=locked_money["order_id"])
        return attempts.read_payment_tx(tx, payment_id=payment_id)
    if locked_money["refund_claimed"]:
        raise MoneyGoesBack
    _claim_money_tx(tx, payment_id=payment_id, order_id=order_id, actor_id=actor_id)
    settlement.allocate_tx(tx, payment_id=payment_id, actor_id=actor_id)
    if came_for not in (None, order_id):
        reason = f"payment {payment_id} was put to order {order_id}"
        orders.add_event_tx(tx, order_id=came_for, name="order.money_moved", actor_id=actor_id, reason=reason)
    for order in locked_orders:
        if order["payment_status"] == "review":  # it may have waited for this
            reason = f"payment {payment_id} found its home"
            order_refunds.restate_payment_tx(tx, order_id=order["id"], actor_id=actor_id, reason=reason)
    audit.record_tx(
        tx,
        action="payment.allocated",
        actor_id=actor_id,
        target=f"payment:{payment_id}",
        before={"order_id": came_for},
        after={"order_id": order_id},
    )
    logger.info("money allocated", payment_id=payment_id, order_id=order_id, came_for=came_for)
    return attempts.read_payment_tx(tx, payment_id=payment_id)


def _lock_money_tx(tx: db.Tx, *, payment_id: int) -> db.Row:
    """Lock money that is, or was, without a home. Raises NotFound."""
    return tx.require_one(
        """
        SELECT id, order_id, refund_claimed, allocated_at
          FROM payments
         WHERE id = %(id)s
           AND (allocated_at IS NOT NULL OR status = 'review' AND settled_amount > 0)
           FOR UPDATE
        """,
        {"id": payment_id},
        missing=NotFound(what="unallocated payment"),
    )


def _claim_money_tx(tx: db.Tx, *, payment_id: int, order_id: int, actor_id: int) -> None:
    """Claim the money for an order. Raises StaleRow when it is not there to be claimed (the caller has looked)."""
    tx.execute_one(
        """
        UPDATE payments
           SET order_id = %(order_id)s,
               allocated_by = %(actor_id)s,
               allocated_at = %(now)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status = 'review'
           AND allocated_at IS NULL
           AND refund_claimed = 0
        """,
        {"id": payment_id, "order_id": order_id, "actor_id": actor_id, "now": clock.now()},
    )
