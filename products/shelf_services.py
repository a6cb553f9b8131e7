"""The shelf: what a list shows of each product. Reads only.

Each product is kept as the JSON that an API answers with, and read, by one statement for all that are not kept;
`show` gives pages the same as a dict.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from products import kept
from utils import clock, db, money

# What products `p`, in categories `c` and with first images `i`, show everywhere.
SHOWN = """p.id, p.slug, p.name, p.price, p.price_max, p.compare_at_price, c.slug AS category, i.url AS image_url,
               p.options, p.rating, p.review_count, p.created_at"""

ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def read_texts(reader: db.Reader, product_ids: Sequence[int], *, read_at: int) -> list[str]:
    """Return products as JSON objects; one that was deleted since it was found is left out."""
    known = {product_id: kept.texts.find(product_id) for product_id in product_ids}
    if None in known.values():
        known |= _read(reader, [product_id for product_id, text in known.items() if text is None], read_at)
    return [text for text in known.values() if text is not None]


def show(text: str) -> dict[str, Any]:
    """Return what is written as JSON as a dict."""
    return with_types(json.loads(text))


def stock_text(stock: int) -> str:
    """Write a stock, and whether there is any, as the last members of a JSON object."""
    return f'"stock":{stock},"in_stock":{"true" if stock else "false"}'


def with_types(shown: dict[str, Any]) -> dict[str, Any]:
    """Make money and times of what JSON has as text."""
    for name in ("price", "price_max", "compare_at_price"):
        if shown.get(name) is not None:
            shown[name] = Decimal(shown[name])
    for name in ("created_at", "updated_at"):
        if name in shown:
            shown[name] = datetime.fromisoformat(shown[name]).replace(tzinfo=None)
    return shown


def write_start(row: db.Row) -> str:
    """Write what every view of a product shows of the columns SHOWN, as a JSON object that its stock will end."""
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
    return ENCODER.encode(shown)[:-1] + ","


def _read(reader: db.Reader, product_ids: Sequence[int], read_at: int) -> dict[int, str]:
    rows = reader.fetch_all(
        """
        SELECT {shown}, (SELECT CAST(COALESCE(SUM(v.stock), 0) AS SIGNED)
                           FROM variants v
                          WHERE v.product_id = p.id
                            AND v.deleted_at IS NULL) AS stock
          FROM products p
          LEFT JOIN categories c ON c.id = p.category_id
          LEFT JOIN product_images i ON i.product_id = p.id AND i.position = 1
         WHERE p.id IN {ids}
           AND p.deleted_at IS NULL
        """,
        shown=SHOWN,
        ids=db.in_list("id", product_ids),
    )
    texts = {row["id"]: write_start(row) + stock_text(row["stock"]) + "}" for row in rows}
    return {id_: kept.texts.keep(id_, text, read_at=read_at) for id_, text in texts.items()}
