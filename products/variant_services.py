"""Variants: writing the difference between those a product has and those it is meant to have.

Owns the tables variants (stock apart, see stock_services) and variant_options. Runs under the lock of the product.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from products import stock_services as stock
from products.drafts import Variant
from utils import clock, db
from utils.errors import InvalidFields, OptionsTaken, SkuTaken

NAMES: dict[str, Callable[[], Exception]] = {
    "uq_variants_live_sku": SkuTaken,
    "uq_variants_product_id_live_options_key": OptionsTaken,
    # The collation takes two names of one variant for the same: Size and Sízè.
    "PRIMARY": lambda: InvalidFields(fields={"options": "two names are spelled too much alike"}),
}


def list_variants(reader: db.Reader, *, product_id: int) -> list[db.Row]:
    """Return the living variants of a product in their order, options as a dict."""
    rows = reader.fetch_all(
        """
        SELECT v.id, v.sku, v.options, v.price, v.stock
          FROM variants v
         WHERE v.product_id = %(product_id)s
           AND v.deleted_at IS NULL
         ORDER BY v.position, v.id
        """,
        {"product_id": product_id},
    )
    for row in rows:
        row["options"] = json.loads(row["options"])
        row["in_stock"] = row["stock"] > 0
    return rows


def lock_variants_tx(tx: db.Tx, *, product_id: int) -> None:
    """Hold the living variants of a product, by ascending id."""
    tx.fetch_all(
        """
        SELECT v.id
          FROM variants v
         WHERE v.product_id = %(product_id)s
           AND v.deleted_at IS NULL
         ORDER BY v.id
           FOR UPDATE
        """,
        {"product_id": product_id},
    )


def write_variants_tx(
    tx: db.Tx,
    *,
    product_id: int,
    standing: Sequence[Variant],
    wanted: Sequence[Variant],
    reason: str,
    actor_id: int | None,
) -> None:
    """Delete, change and add variants until they are as wanted; a stock that differs moves with `reason`.

    Raises SkuTaken when another product has one of the SKUs.
    """
    kept = {variant.id for variant in wanted}
    delete_variants_tx(tx, variant_ids=[variant.id for variant in standing if variant.id and variant.id not in kept])
    before = {variant.id: (position, variant) for position, variant in enumerate(standing, start=1)}
    now = list(enumerate(wanted, start=1))
    changed = [(position, new) for position, new in now if new.id is not None and before[new.id] != (position, new)]
    _clear_the_way_tx(tx, [new for _, new in changed if _identity(new) != _identity(before[new.id][1])])
    with db.naming(NAMES):
        for position, new in changed:
            _update_tx(tx, position, new)
        added = {_insert_tx(tx, product_id, position, new): new for position, new in now if new.id is None}
        renamed = {new.id: new for _, new in changed if new.id and new.options != before[new.id][1].options}
        _write_options_tx(tx, added | renamed)
    initial = {variant_id: new.stock for variant_id, new in added.items()}
    stock.record_tx(tx, deltas=initial, reason="initial", order_id=None, actor_id=actor_id)
    for _, new in changed:
        was = before[new.id][1].stock
        if new.id is not None and new.stock != was:
            stock.change_tx(tx, variant_id=new.id, before=was, after=new.stock, reason=reason, actor_id=actor_id)


def delete_variants_tx(tx: db.Tx, *, variant_ids: Sequence[int]) -> None:
    """Take variants out of sale; past orders keep them. Their stock stays what its movements say."""
    if not variant_ids:
        return
    tx.execute(
        """
        UPDATE variants
           SET deleted_at = %(now)s,
               updated_at = %(now)s
         WHERE id IN {ids}
         ORDER BY id
        """,
        {"now": clock.now()},
        ids=db.in_list("id", variant_ids),
    )
    _forget_options_tx(tx, variant_ids)


def _identity(variant: Variant) -> tuple[str | None, Mapping[str, str]]:
    return variant.sku, variant.options


def _clear_the_way_tx(tx: db.Tx, moving: Sequence[Variant]) -> None:
    """Free the SKUs and options that are about to change hands, so that two variants can swap theirs."""
    if moving:
        tx.execute(
            """
            UPDATE variants
               SET sku = NULL,
                   options_key = CONCAT('moving-', id)
             WHERE id IN {ids}
            """,
            ids=db.in_list("id", [variant.id for variant in moving]),
        )


def _update_tx(tx: db.Tx, position: int, variant: Variant) -> None:
    tx.execute_one(
        """
        UPDATE variants
           SET position = %(position)s,
               sku = %(sku)s,
               options = %(options)s,
               options_key = %(options_key)s,
               price = %(price)s,
               updated_at = %(now)s
         WHERE id = %(id)s
        """,
        _row(position, variant) | {"id": variant.id},
    )


def _insert_tx(tx: db.Tx, product_id: int, position: int, variant: Variant) -> int:
    return tx.insert(
        """
        INSERT INTO variants
            (product_id, position, sku, options, options_key, price, stock, created_at, updated_at)
        VALUES
            (%(product_id)s, %(position)s, %(sku)s, %(options)s, %(options_key)s, %(price)s, %(stock)s, %(now)s,
             %(now)s)
        """,
        _row(position, variant) | {"product_id": product_id, "stock": variant.stock},
    )


def _row(position: int, variant: Variant) -> dict[str, Any]:
    folded = sorted((name.casefold(), value.casefold()) for name, value in variant.options.items())
    return {
        "position": position,
        "sku": variant.sku,
        "options": json.dumps(variant.options, ensure_ascii=False),
        "options_key": hashlib.sha256(json.dumps(folded).encode()).hexdigest(),
        "price": variant.price,
        "now": clock.now(),
    }


def _write_options_tx(tx: db.Tx, variants: Mapping[int, Variant]) -> None:
    _forget_options_tx(tx, list(variants))
    tx.insert_many(
        """
        INSERT INTO variant_options (variant_id, name, value)
        VALUES (%(variant_id)s, %(name)s, %(value)s)
        """,
        [
            {"variant_id": variant_id, "name": name, "value": value}
            for variant_id, variant in variants.items()
            for name, value in variant.options.items()
        ],
    )


def _forget_options_tx(tx: db.Tx, variant_ids: Sequence[int]) -> None:
    if variant_ids:
        tx.execute("DELETE FROM variant_options WHERE variant_id IN {ids}", ids=db.in_list("id", variant_ids))
