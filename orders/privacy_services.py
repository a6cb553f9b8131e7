"""What orders forget of a customer whose account has ended: who it was and where they live, never what was sold.

Town and county stay, for the books tell where goods went. Payments keep the payer's number: it is in the provider's
statements too.
"""

from __future__ import annotations

import json

from utils import clock, db

KEPT_OF_ADDRESS = ("town", "county", "country")


@db.in_transaction
def forget_customer(tx: db.Tx, *, user_id: int) -> None:
    """Replace name, address and numbers in all orders of an account. To do it again changes nothing."""
    rows = tx.fetch_all(
        """
        SELECT o.id, o.shipping_address
          FROM orders o
         WHERE o.user_id = %(user_id)s
         ORDER BY o.id
           FOR UPDATE
        """,
        {"user_id": user_id},
    )
    for row in rows:
        address = json.loads(row["shipping_address"])
        kept = {"line1": "(deleted)"} | {name: address[name] for name in KEPT_OF_ADDRESS if name in address}
        tx.execute_one(
            """
            UPDATE orders
               SET email = CONCAT('deleted-', user_id, '@deleted.invalid'),
                   phone_number = NULL,
                   shipping_address = %(address)s,
                   note = '',
                   updated_at = %(now)s
             WHERE id = %(id)s
            """,
            {"id": row["id"], "address": json.dumps(kept, ensure_ascii=False), "now": clock.now()},
        )
