"""The cart: what a customer or a guest means to buy, at the price and stock of this moment.

Owns cart_items; the carts' rows are `cart.owner_services`'. A cart promises nothing: stock is taken when the order is
placed. Every change locks the cart's row first, then reads what it decides by, and touches the row.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from cart import owner_services as owners
from utils import clock, db, money
from utils.errors import CartLineFull, NotFound, OutOfStock, VariantRequired

MOST_OF_ONE = 999

# What pages show of a line besides what the contract has.
FOR_PAGES = ("available", "seen_price", "slug", "image_url")

CHOICES = {
    "variant_id": "v.id = %(variant_id)s",
    "product_id": "v.product_id = %(product_id)s",
    "sku": "v.live_sku = %(sku)s",
}


# --- what customers and guests do


def get_cart(*, owner: owners.Owner) -> dict[str, Any]:
    """Return the owner's cart, an empty one when there is none."""
    return _read_cart(db.reading(), owner.key)


@db.in_transaction
def add_item(
    tx: db.Tx, *, owner: owners.Owner, choice: dict[str, object], quantity: int
) -> tuple[dict[str, Any], str | None]:
    """Put pieces of a variant into the cart and return the cart, with the new token when a guest's was made.

    `choice` names the variant by one of CHOICES. Raises NotFound for what is not for sale, VariantRequired for a
    product that comes in several variants, OutOfStock when the line would want more than there is, and CartLineFull
    when it would pass 999.
    """
    cart_id, new_token = _lock_or_make_cart_tx(tx, owner=owner)
    variant = _choose_variant_tx(tx, cart_id=cart_id, choice=choice)
    _refuse_too_many(variant, variant["in_cart"] + quantity)
    owners.touch_cart_tx(tx, cart_id=cart_id)
    tx.execute(
        """
        INSERT INTO cart_items
            (cart_id, variant_id, quantity, seen_price, created_at)
        VALUES
            (%(cart_id)s, %(variant_id)s, %(quantity)s, %(price)s, %(now)s)
        ON DUPLICATE KEY UPDATE
            quantity = quantity + %(quantity)s,
            seen_price = %(price)s
        """,
        {
            "cart_id": cart_id,
            "variant_id": variant["id"],
            "quantity": quantity,
            "price": variant["price"],
            "now": clock.now(),
        },
    )
    return _read_cart(tx, {"cart_id": cart_id}), new_token


@db.in_transaction
def set_quantity(tx: db.Tx, *, owner: owners.Owner, item_id: int, quantity: int) -> dict[str, Any]:
    """Set how many pieces a line wants, 0 to take it out, and return the cart.

    Raises NotFound for a line that is not in this cart, and OutOfStock when it wants more than there is.
    """
    cart_id = _require_locked_cart_tx(tx, owner=owner)
    variant = tx.require_one(
        """
        SELECT v.id, CASE WHEN v.deleted_at IS NULL AND p.deleted_at IS NULL THEN v.stock ELSE 0 END AS stock
          FROM cart_items ci
          JOIN variants v ON v.id = ci.variant_id
          JOIN products p ON p.id = v.product_id
         WHERE ci.id = %(item_id)s
           AND ci.cart_id = %(cart_id)s
        """,
        {"item_id": item_id, "cart_id": cart_id},
        missing=NotFound(what="cart item"),
    )
    if quantity:
        _refuse_too_many(variant, quantity)
        tx.execute_one(
            """
            UPDATE cart_items
               SET quantity = %(quantity)s
             WHERE id = %(item_id)s
            """,
            {"item_id": item_id, "quantity": quantity},
        )
    else:
        _delete_item_tx(tx, cart_id=cart_id, item_id=item_id)
    owners.touch_cart_tx(tx, cart_id=cart_id)
    return _read_cart(tx, {"cart_id": cart_id})


@db.in_transaction
def remove_item(tx: db.Tx, *, owner: owners.Owner, item_id: int) -> dict[str, Any]:
    """Take a line out and return the cart. Raises NotFound for a line that is not in this cart."""
    cart_id = _require_locked_cart_tx(tx, owner=owner)
    if not _delete_item_tx(tx, cart_id=cart_id, item_id=item_id):
        raise NotFound(what="cart item")
    owners.touch_cart_tx(tx, cart_id=cart_id)
    return _read_cart(tx, {"cart_id": cart_id})


@db.in_transaction
def clear_cart(tx: db.Tx, *, owner: owners.Owner) -> dict[str, Any]:
    """Take everything out and return the empty cart."""
    cart_id = owners.lock_cart_tx(tx, owner=owner)
    if cart_id is not None:
        owners.empty_cart_tx(tx, cart_id=cart_id)
        owners.touch_cart_tx(tx, cart_id=cart_id)
    return _as_cart([])


# --- what orders do, in their transaction


def lock_items_tx(tx: db.Tx, *, owner: owners.Owner) -> list[db.Row]:
    """Lock the owner's cart and return its lines, `variant_id` and `quantity`, by ascending variant.

    Lines whose variant is deleted or sold out are among them: who orders them must be told.
    """
    cart_id = owners.lock_cart_tx(tx, owner=owner)
    if cart_id is None:
        return []
    return tx.fetch_all(
        """
        SELECT variant_id, quantity
          FROM cart_items
         WHERE cart_id = %(cart_id)s
         ORDER BY variant_id
        """,
        {"cart_id": cart_id},
    )


def empty_tx(tx: db.Tx, *, owner: owners.Owner) -> None:
    """Take everything out of the owner's cart, which `lock_items_tx` has locked."""
    tx.execute(
        "DELETE FROM cart_items WHERE cart_id = (SELECT c.id FROM carts c {where})",
        where=db.where(owners.CARTS, owner.key),
    )
    tx.execute(
        "UPDATE carts c SET c.updated_at = %(now)s {where}",
        {"now": clock.now()},
        where=db.where(owners.CARTS, owner.key),
    )


# --- the lines


def _lock_or_make_cart_tx(tx: db.Tx, *, owner: owners.Owner) -> tuple[int, str | None]:
    cart_id = owners.lock_cart_tx(tx, owner=owner)
    if cart_id is not None:
        return cart_id, None
    # A guest never names his own token: one that is not known gets another.
    token = owners.make_token() if owner.user_id is None else None
    return owners.make_cart_tx(tx, user_id=owner.user_id, token=token), token


def _require_locked_cart_tx(tx: db.Tx, *, owner: owners.Owner) -> int:
    cart_id = owners.lock_cart_tx(tx, owner=owner)
    if cart_id is None:
        raise NotFound(what="cart item")
    return cart_id


def _choose_variant_tx(tx: db.Tx, *, cart_id: int, choice: dict[str, object]) -> db.Row:
    variants = tx.fetch_all(
        """
        SELECT v.id, v.sku, v.options, v.price, v.stock, COALESCE(ci.quantity, 0) AS in_cart
          FROM variants v
          JOIN products p ON p.id = v.product_id
          LEFT JOIN cart_items ci ON ci.cart_id = %(cart_id)s AND ci.variant_id = v.id
        {where}
           AND v.deleted_at IS NULL
           AND p.deleted_at IS NULL
         ORDER BY v.position, v.id
        """,
        {"cart_id": cart_id},
        where=db.where(CHOICES, choice),
    )
    if not variants:
        raise NotFound(what="product for sale")
    if len(variants) > 1:
        raise VariantRequired(variants=[_as_choice(variant) for variant in variants])
    return variants[0]


def _as_choice(variant: db.Row) -> dict[str, Any]:
    return {
        "id": variant["id"],
        "sku": variant["sku"],
        "options": json.loads(variant["options"]),
        "price": money.text(variant["price"]),
        "stock": variant["stock"],
        "in_stock": variant["stock"] > 0,
    }


def _refuse_too_many(variant: db.Row, wanted: int) -> None:
    if wanted > variant["stock"]:
        raise OutOfStock(variant_id=variant["id"], requested=wanted, available=variant["stock"])
    if wanted > MOST_OF_ONE:
        raise CartLineFull(limit=MOST_OF_ONE, requested=wanted)


def _delete_item_tx(tx: db.Tx, *, cart_id: int, item_id: int) -> int:
    return tx.execute(
        """
        DELETE FROM cart_items
         WHERE id = %(item_id)s
           AND cart_id = %(cart_id)s
        """,
        {"item_id": item_id, "cart_id": cart_id},
    )


def _read_cart(reader: db.Reader, key: dict[str, object]) -> dict[str, Any]:
    rows = reader.fetch_all(
        """
        SELECT ci.id, v.product_id, ci.variant_id, v.sku, p.name, v.options, ci.quantity, ci.seen_price, v.price,
               CASE WHEN v.deleted_at IS NULL AND p.deleted_at IS NULL THEN v.stock ELSE 0 END AS available,
               p.slug, i.url AS image_url
          FROM carts c
          JOIN cart_items ci ON ci.cart_id = c.id
          JOIN variants v ON v.id = ci.variant_id
          JOIN products p ON p.id = v.product_id
          LEFT JOIN product_images i ON i.product_id = p.id AND i.position = 1
        {where}
         ORDER BY ci.id
        """,
        where=db.where(owners.CARTS, key),
    )
    return _as_cart([_as_item(row) for row in rows])


def _as_item(row: db.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "product_id": row["product_id"],
        "variant_id": row["variant_id"],
        "sku": row["sku"],
        "name": row["name"],
        "options": json.loads(row["options"]),
        "quantity": row["quantity"],
        "unit_price": row["price"],
        "subtotal": row["price"] * row["quantity"],
        "in_stock": row["available"] >= row["quantity"],
        "price_changed": row["price"] != row["seen_price"],
        **{name: row[name] for name in FOR_PAGES},
    }


def _as_cart(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "items": items,
        "subtotal": sum((item["subtotal"] for item in items), Decimal("0.00")),
        "currency": money.CURRENCY,
        "item_count": sum(item["quantity"] for item in items),
    }
