"""Stock: how many pieces of each variant can be sold now, and every change of it.

Owns stock_movements and the column variants.stock. They change together, in one transaction, so that the movements
of a variant add up to its stock. The movement is written first and the variant's row last: that row is what all
buyers of a variant queue for, so it stays locked for as short as can be. Rows are changed by ascending id.

An INSERT of a movement locks no variant, for the table has no foreign key to variants: its shared lock would meet
the exclusive one of the UPDATE that follows, and two buyers of one thing would always deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from utils import audit, clock, db, paging, trace
from utils.errors import NotFound, OutOfStock, StaleStock


@dataclass(frozen=True, slots=True)
class StockLine:
    """So many pieces of a variant; a variant stands in one line only."""

    variant_id: int
    quantity: int


def take_tx(tx: db.Tx, *, order_id: int, lines: Sequence[StockLine], actor_id: int | None) -> None:
    """Take the pieces of an order. Call it last before COMMIT.

    Raises OutOfStock, which names every line that falls short; the caller's transaction is then undone as a whole.
    """
    record_tx(
        tx,
        deltas={line.variant_id: -line.quantity for line in lines},
        reason="order",
        order_id=order_id,
        actor_id=actor_id,
    )
    now = clock.now()
    ordered = sorted(lines, key=lambda line: line.variant_id)
    short = [line for line in ordered if not _take_one_tx(tx, line, now)]
    if short:
        available = _read_available_tx(tx, [line.variant_id for line in short])
        raise OutOfStock(
            items=[
                {
                    "variant_id": line.variant_id,
                    "requested": line.quantity,
                    "available": available.get(line.variant_id, 0),
                }
                for line in short
            ]
        )


def give_back_tx(tx: db.Tx, *, order_id: int, reason: str, actor_id: int | None) -> None:
    """Give back what the order still holds by the word of its movements; a second call changes nothing.

    The caller has locked the order, so that no rival reads the same movements.
    """
    held = tx.fetch_all(
        """
        SELECT sm.variant_id, CAST(-SUM(sm.delta) AS SIGNED) AS quantity
          FROM stock_movements sm
         WHERE sm.order_id = %(order_id)s
         GROUP BY sm.variant_id
        HAVING quantity <> 0
         ORDER BY sm.variant_id
        """,
        {"order_id": order_id},
    )
    deltas = {row["variant_id"]: row["quantity"] for row in held}
    record_tx(tx, deltas=deltas, reason=reason, order_id=order_id, actor_id=actor_id)
    now = clock.now()
    for variant_id, delta in deltas.items():
        _add_tx(tx, variant_id, delta, now)


@db.in_transaction
def set_stock(
    tx: db.Tx, *, variant_id: int, stock: int, reason: str, actor_id: int | None, expected: int | None = None
) -> dict[str, int]:
    """Set what can be sold of a variant, and return it. To set what it is already changes nothing.

    Raises NotFound, and StaleStock when `expected` is given and is not what stands there.
    """
    row = tx.require_one(
        """
        SELECT v.stock
          FROM variants v
         WHERE v.id = %(id)s
           AND v.deleted_at IS NULL
           FOR UPDATE
        """,
        {"id": variant_id},
        missing=NotFound(what="variant"),
    )
    if expected is not None and row["stock"] != expected:
        raise StaleStock(stock=row["stock"])
    if row["stock"] != stock:
        audit.record_tx(
            tx,
            action="stock.set",
            actor_id=actor_id,
            target=f"variant:{variant_id}",
            before={"stock": row["stock"]},
            after={"stock": stock, "reason": reason},
        )
        change_tx(tx, variant_id=variant_id, before=row["stock"], after=stock, reason=reason, actor_id=actor_id)
    return {"variant_id": variant_id, "stock": stock}


def change_tx(tx: db.Tx, *, variant_id: int, before: int, after: int, reason: str, actor_id: int | None) -> None:
    """Move a variant whose row you hold from one stock to another. Raises StaleRow when `before` is not what it is."""
    record_tx(tx, deltas={variant_id: after - before}, reason=reason, order_id=None, actor_id=actor_id)
    tx.execute_one(
        """
        UPDATE variants
           SET stock = %(after)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND stock = %(before)s
        """,
        {"id": variant_id, "before": before, "after": after, "now": clock.now()},
    )


def record_tx(tx: db.Tx, *, deltas: dict[int, int], reason: str, order_id: int | None, actor_id: int | None) -> None:
    """Write a movement for each variant whose stock changes in your transaction."""
    now = clock.now()
    tx.insert_many(
        """
        INSERT INTO stock_movements (variant_id, delta, reason, order_id, actor_id, request_id, created_at)
        VALUES (%(variant_id)s, %(delta)s, %(reason)s, %(order_id)s, %(actor_id)s, %(request_id)s, %(now)s)
        """,
        [
            {
                "variant_id": variant_id,
                "delta": delta,
                "reason": reason,
                "order_id": order_id,
                "actor_id": actor_id,
                "request_id": trace.request_id(),
                "now": now,
            }
            for variant_id, delta in deltas.items()
            if delta
        ],
    )


def list_movements(*, variant_id: int, limit: int = 20, cursor: str | None = None) -> paging.Page[db.Row]:
    """Return the movements of a variant, newest first. Raises NotFound and BadCursor."""
    before = paging.decode(cursor, "movements", int)[0] if cursor else None
    reader = db.reading()
    reader.require_one(
        "SELECT v.id FROM variants v WHERE v.id = %(id)s", {"id": variant_id}, missing=NotFound(what="variant")
    )
    values = {"variant_id": variant_id} | ({} if before is None else {"before": before})
    rows = reader.fetch_all(
        """
        SELECT sm.id, sm.delta, sm.reason, sm.order_id, sm.actor_id, sm.created_at
          FROM stock_movements sm
        {where}
         ORDER BY sm.id DESC
         LIMIT %(limit)s
        """,
        {"limit": limit + 1},
        where=db.where(MOVEMENT_FILTERS, values),
    )
    return paging.cut(rows, limit, lambda row: paging.encode("movements", row["id"]))


MOVEMENT_FILTERS = {
    "variant_id": "sm.variant_id = %(variant_id)s",
    "before": "sm.id < %(before)s",
}


def _take_one_tx(tx: db.Tx, line: StockLine, now: datetime) -> bool:
    return bool(
        tx.execute(
            """
            UPDATE variants
               SET stock = stock - %(quantity)s,
                   updated_at = %(now)s
             WHERE id = %(id)s
               AND stock >= %(quantity)s
               AND deleted_at IS NULL
            """,
            {"id": line.variant_id, "quantity": line.quantity, "now": now},
        )
    )


def _add_tx(tx: db.Tx, variant_id: int, delta: int, now: datetime) -> None:
    tx.execute_one(
        """
        UPDATE variants
           SET stock = stock + %(delta)s,
               updated_at = %(now)s
         WHERE id = %(id)s
        """,
        {"id": variant_id, "delta": delta, "now": now},
    )


def _read_available_tx(tx: db.Tx, variant_ids: list[int]) -> dict[int, int]:
    rows = tx.fetch_all(
        """
        SELECT v.id, v.stock
          FROM variants v
         WHERE v.id IN {ids}
           AND v.deleted_at IS NULL
        """,
        ids=db.in_list("id", variant_ids),
    )
    return {row["id"]: row["stock"] for row in rows}
