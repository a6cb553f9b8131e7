"""The ledger: every shilling that moves, as a journal of entries, in the transaction of what it tells.

Owns ledger_journals and ledger_entries; rows are only ever added. Locks nothing of its own: the caller holds the
order and the payment, and has claimed the row that the journal tells of. The unique reference stands behind that
claim, so that nothing is ever posted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from payments import ledger as plans
from utils import clock, db, trace


def post_settled_tx(tx: db.Tx, *, order: db.Row, payment_id: int, method: str, amount: Decimal) -> None:
    """Post money that came for an order, and the order's sale when this pays it in full.

    `order` is the row as it was locked, before this money was counted.
    """
    post_tx(
        tx,
        kind="settled",
        reference=f"payment:{payment_id}:settled",
        entries=plans.receive(method, amount),
        order_id=order["id"],
        payment_id=payment_id,
    )
    _post_sale_tx(tx, order=order, amount=amount)


def post_unallocated_tx(
    tx: db.Tx, *, order_id: int | None, payment_id: int, method: str, amount: Decimal | None
) -> None:
    """Post money that came and fits nothing; nothing for a word that tells of no money."""
    if not amount:
        return
    post_tx(
        tx,
        kind="unallocated",
        reference=f"payment:{payment_id}:unallocated",
        entries=plans.receive_unallocated(method, amount),
        order_id=order_id,
        payment_id=payment_id,
    )


def post_allocated_tx(tx: db.Tx, *, order: db.Row, payment_id: int, amount: Decimal) -> None:
    """Post unallocated money that is put to an order, and the order's sale when this pays it in full.

    `order` is the row as it was locked, before this money was counted.
    """
    post_tx(
        tx,
        kind="allocated",
        reference=f"payment:{payment_id}:allocated",
        entries=plans.allocate(amount),
        order_id=order["id"],
        payment_id=payment_id,
    )
    _post_sale_tx(tx, order=order, amount=amount)


def post_refunded_tx(
    tx: db.Tx, *, order: db.Row | None, payment: db.Row, refund_id: int, method: str, amount: Decimal
) -> None:
    """Post a refund that reached the customer: of unallocated money while its payment is in review, else of an order.

    `method` is the refund's (reversal, b2c), or the payment's own (mock, cod). Lock the order first: what its customer
    has over is read here.
    """
    if order is None or payment["status"] == "review":
        entries = plans.refund_unallocated(method, amount)
    else:
        before = _read_order_tx(tx, order_id=order["id"])
        entries = plans.refund(
            method,
            amount,
            over=before["customer_has"],
            total=order["total"],
            tax_included=order["tax_included"],
            given_back=before["given_back"],
        )
    post_tx(
        tx,
        kind="refunded",
        reference=f"refund:{refund_id}:succeeded",
        entries=entries,
        order_id=None if order is None else order["id"],
        payment_id=payment["id"],
        refund_id=refund_id,
    )


def _post_sale_tx(tx: db.Tx, *, order: db.Row, amount: Decimal) -> None:
    if order["paid"] < order["total"] <= order["paid"] + amount:
        post_tx(
            tx,
            kind="sold",
            reference=f"order:{order['id']}:sold",
            entries=plans.sell(total=order["total"], tax_included=order["tax_included"], rounding=order["rounding"]),
            order_id=order["id"],
        )


def post_tx(
    tx: db.Tx,
    *,
    kind: str,
    reference: str,
    entries: Mapping[str, Decimal],
    order_id: int | None = None,
    payment_id: int | None = None,
    refund_id: int | None = None,
) -> None:
    """Write a journal with its entries. Raises ledger.Unbalanced; a reference that exists violates its key."""
    plans.require_sound(entries)
    journal_id = tx.insert(
        """
        INSERT INTO ledger_journals
            (kind, reference, order_id, payment_id, refund_id, request_id, created_at)
        VALUES
            (%(kind)s, %(reference)s, %(order_id)s, %(payment_id)s, %(refund_id)s, %(request_id)s, %(now)s)
        """,
        {
            "kind": kind,
            "reference": reference,
            "order_id": order_id,
            "payment_id": payment_id,
            "refund_id": refund_id,
            "request_id": trace.request_id(),
            "now": clock.now(),
        },
    )
    tx.insert_many(
        "INSERT INTO ledger_entries (journal_id, account, amount) VALUES (%(journal_id)s, %(account)s, %(amount)s)",
        [{"journal_id": journal_id, "account": account, "amount": amount} for account, amount in entries.items()],
    )


def _read_order_tx(tx: db.Tx, *, order_id: int) -> db.Row:
    """Return what an order's customer has with us beyond the sale, and what refunds took from the sale so far."""
    return tx.require_one(
        """
        SELECT COALESCE(-SUM(CASE WHEN le.account = 'receivable' THEN le.amount END), 0) AS customer_has,
               COALESCE(SUM(CASE WHEN lj.kind = 'refunded' AND le.account IN ('refunds', 'vat')
                                 THEN le.amount END), 0) AS given_back
          FROM ledger_journals lj
          JOIN ledger_entries le ON le.journal_id = lj.id
         WHERE lj.order_id = %(order_id)s
        """,
        {"order_id": order_id},
        missing=LookupError(order_id),
    )
