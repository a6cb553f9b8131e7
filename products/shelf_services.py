"""The shelf: what a list shows of each product. Reads only.

Statements that find products select STAMP and STOCK; `show` adds the rest, out of what is kept or by one statement
for all that is not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from products.kept import Kept
from utils import db
from utils.money import CURRENCY

# The version counts every edit; the time beside it tells the same version of two databases apart.
STAMP = "CONCAT(p.version, ' ', p.updated_at) AS stamp"
STOCK = """
       (SELECT CAST(SUM(v.stock) AS SIGNED)
          FROM variants v
         WHERE v.product_id = p.id
           AND v.deleted_at IS NULL) AS stock"""
FOUND = "p.id, " + STAMP + "," + STOCK

MOST_KEPT = 16_384  # some 1.2 KB each

_kept: Kept[db.Row] = Kept(MOST_KEPT)


def show(reader: db.Reader, found: Sequence[db.Row]) -> list[db.Row]:
    """Return products in the shape of a list; one that was deleted since it was found is left out."""
    known = {row["id"]: _kept.find(row["id"], row["stamp"]) for row in found}
    unknown = [product_id for product_id, kept in known.items() if kept is None]
    if unknown:
        known |= _read(reader, unknown)
    return [
        {**kept, "stock": row["stock"] or 0, "in_stock": bool(row["stock"])}
        for row in found
        if (kept := known[row["id"]]) is not None
    ]


def _read(reader: db.Reader, product_ids: Sequence[int]) -> dict[int, db.Row | None]:
    rows = reader.fetch_all(
        """
        SELECT {stamp},
               p.id, p.slug, p.name, p.price, p.price_max, p.compare_at_price, c.slug AS category, i.url AS image_url,
               p.options, p.rating, p.review_count, p.created_at
          FROM products p
          LEFT JOIN categories c ON c.id = p.category_id
          LEFT JOIN product_images i ON i.product_id = p.id AND i.position = 1
         WHERE p.id IN {ids}
           AND p.deleted_at IS NULL
        """,
        stamp=STAMP,
        ids=db.in_list("id", product_ids),
    )
    for row in rows:
        row["options"] = json.loads(row["options"])
        row["currency"] = CURRENCY
        _kept.keep(row["id"], row.pop("stamp"), row)
    return {row["id"]: row for row in rows}
