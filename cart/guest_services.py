"""Guests' carts: they become the customer's at log-in, once, and are forgotten when nobody touches them.

Writes carts and cart_items beside `cart.services`. Locks the guest's cart before the customer's; a cart never
changes from one kind to the other, so this is an order.
"""

from __future__ import annotations

from datetime import timedelta

from cart import owner_services as owners
from cart import services
from utils import clock, db

KEPT_FOR = timedelta(days=30)
BATCH = 200


@db.in_transaction
def merge_guest_cart(tx: db.Tx, *, token: str, user_id: int) -> None:
    """Add the guest's lines to the customer's cart, as far as 999 and the stock allow, and delete the guest's cart.

    What is no longer for sale stays behind. A token that is not known, any more, changes nothing.
    """
    guest_id = owners.lock_cart_tx(tx, owner=owners.Owner(token=token))
    if guest_id is None:
        return
    cart_id = owners.lock_cart_tx(tx, owner=owners.Owner(user_id=user_id))
    if cart_id is None:
        cart_id = owners.make_cart_tx(tx, user_id=user_id, token=None)
    owners.touch_cart_tx(tx, cart_id=cart_id)
    _add_lines_tx(tx, from_id=guest_id, to_id=cart_id)
    owners.empty_cart_tx(tx, cart_id=guest_id)
    tx.execute_one("DELETE FROM carts WHERE id = %(id)s", {"id": guest_id})


def _add_lines_tx(tx: db.Tx, *, from_id: int, to_id: int) -> None:
    tx.execute(
        """
        INSERT INTO cart_items
            (cart_id, variant_id, quantity, seen_price, created_at)
        SELECT merged.cart_id, merged.variant_id, merged.quantity, merged.seen_price, merged.created_at
          FROM (SELECT %(to_id)s AS cart_id, guests.variant_id, guests.seen_price, guests.created_at,
                       LEAST(guests.quantity + COALESCE(own.quantity, 0), v.stock, %(most)s) AS quantity
                  FROM cart_items guests
                  JOIN variants v ON v.id = guests.variant_id
                  JOIN products p ON p.id = v.product_id
                  LEFT JOIN cart_items own ON own.cart_id = %(to_id)s AND own.variant_id = guests.variant_id
                 WHERE guests.cart_id = %(from_id)s
                   AND v.stock > 0
                   AND v.deleted_at IS NULL
                   AND p.deleted_at IS NULL) merged
         ORDER BY merged.variant_id
        ON DUPLICATE KEY UPDATE quantity = merged.quantity
        """,
        {"from_id": from_id, "to_id": to_id, "most": services.MOST_OF_ONE},
    )


@db.in_transaction
def delete_old_carts(tx: db.Tx) -> int:
    """Delete some of the guests' carts that nobody touched for 30 days, and return how many; a job of the worker."""
    before = clock.now() - KEPT_FOR
    found = tx.fetch_all(
        """
        SELECT id
          FROM carts
         WHERE user_id IS NULL
           AND updated_at < %(before)s
         ORDER BY updated_at, id
         LIMIT %(batch)s
        """,
        {"before": before, "batch": BATCH},
    )
    if not found:
        return 0
    # Locked by primary key, ascending, and looked at again: its guest may be back.
    locked = tx.fetch_all(
        """
        SELECT id
          FROM carts
         WHERE id IN {ids}
           AND updated_at < %(before)s
         ORDER BY id
           FOR UPDATE
        """,
        {"before": before},
        ids=db.in_list("id", [row["id"] for row in found]),
    )
    if locked:
        ids = db.in_list("id", [row["id"] for row in locked])
        tx.execute("DELETE FROM cart_items WHERE cart_id IN {ids}", ids=ids)
        tx.execute("DELETE FROM carts WHERE id IN {ids}", ids=ids)
    return len(locked)
