"""The shelf: what a list shows of each product. Reads only.

Statements that find products select FOUND, which is who they are, at which version, with which stock. What else they
show is kept as JSON for each version, or read by one statement for all that is not; `write` puts the answer of an
API together out of it, and `show` gives pages the same as dicts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from products.kept import Kept
from utils import clock, db, money

# The version counts every edit; the time beside it tells the same version of two databases apart.
STAMP = "CONCAT(p.version, ' ', p.updated_at) AS stamp"
STOCK = """
       (SELECT CAST(SUM(v.stock) AS SIGNED)
          FROM variants v
         WHERE v.product_id = p.id
           AND v.deleted_at IS NULL) AS stock"""
FOUND = "p.id, " + STAMP + "," + STOCK

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
MOST_KEPT = 6_000_000  # characters; a product has some 350

_kept: Kept[str] = Kept(MOST_KEPT)


def write(reader: db.Reader, found: Sequence[db.Row]) -> str:
    """Write products as JSON objects, one behind the other; one that was deleted since it was found is left out."""
    known = read_texts(reader, found)
    return ",".join([text + stock_text(row["stock"]) + "}" for row in found if (text := known[row["id"]]) is not None])


def show(reader: db.Reader, found: Sequence[db.Row]) -> list[dict[str, Any]]:
    """Return the same products as dicts."""
    return [with_types(row) for row in json.loads(f"[{write(reader, found)}]")]


def stock_text(stock: int | None) -> str:
    """Write a stock, and whether there is any, as the last members of a JSON object."""
    return f'"stock":{stock},"in_stock":true' if stock else '"stock":0,"in_stock":false'


def with_types(shown: dict[str, Any]) -> dict[str, Any]:
    """Make money and times of what JSON has as text."""
    for name in ("price", "price_max", "compare_at_price"):
        if shown.get(name) is not None:
            shown[name] = Decimal(shown[name])
    for name in ("created_at", "updated_at"):
        if name in shown:
            shown[name] = datetime.fromisoformat(shown[name]).replace(tzinfo=None)
    return shown


def read_texts(reader: db.Reader, found: Sequence[db.Row]) -> dict[int, str | None]:
    """Return what each product shows as an unfinished JSON object, which its stock ends; None when it is gone."""
    known = {row["id"]: _kept.find(row["id"], row["stamp"]) for row in found}
    if None in known.values():
        known |= _read(reader, [product_id for product_id, text in known.items() if text is None])
    return known


def _read(reader: db.Reader, product_ids: Sequence[int]) -> dict[int, str]:
    rows = reader.fetch_all(
        """
        SELECT p.id, {stamp}, p.slug, p.name, p.price, p.price_max, p.compare_at_price, c.slug AS category,
               i.url AS image_url, p.options, p.rating, p.review_count, p.created_at
          FROM products p
          LEFT JOIN categories c ON c.id = p.category_id
          LEFT JOIN product_images i ON i.product_id = p.id AND i.position = 1
         WHERE p.id IN {ids}
           AND p.deleted_at IS NULL
        """,
        stamp=STAMP,
        ids=db.in_list("id", product_ids),
    )
    return {row["id"]: _keep(row) for row in rows}


def _keep(row: db.Row) -> str:
    before, rating = row["compare_at_price"], row["rating"]
    shown = {
        "id": row["id"],
        "slug": row["slug"],
        "name": row["name"],
        "price": money.text(row["price"]),
        "price_max": money.text(row["price_max"]),
        "compare_at_price": None if before is None else money.text(before),
        "currency": money.CURRENCY,
        "category": row["category"],
        "image_url": row["image_url"],
        "options": json.loads(row["options"]),
        "rating": None if rating is None else float(rating),
        "review_count": row["review_count"],
        "created_at": clock.iso(row["created_at"]),
    }
    text = ENCODER.encode(shown)[:-1] + ","
    return _kept.keep(row["id"], row["stamp"], text, size=len(text))
