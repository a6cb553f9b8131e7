"""The page of one product: all that it shows. Reads only.

One statement tells who it is, at which version, with which stock, and the same of a few others of its category. The
rest is kept as JSON for each version, with gaps where the stocks of its variants belong.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from products import category_services, shelf_services, variant_services
from products.kept import Kept
from products.shelf_services import ENCODER, STAMP, STOCK
from utils import clock, db, money
from utils.errors import NotFound

MOST_RELATED = 4
MOST_KEPT = 12_000_000  # characters; a product has some 1 000
GAP = '"\\u0000"'  # NUL is in no text that the shop takes in
GAP_VALUE = "\x00"

# `s` is the product that is asked for, in a statement that finds related ones as `p`.
KEYS = {
    "id": "s.id = %(id)s AND s.deleted_at IS NULL",
    "slug": "s.live_slug = %(slug)s",
}

_kept: Kept[_Rest] = Kept(MOST_KEPT)


@dataclass(frozen=True, slots=True)
class _Rest:
    """What only this page shows: JSON cut at the gaps, and the variants whose stocks belong there."""

    pieces: list[str]
    variant_ids: list[int]


def get_product(*, key: str) -> dict[str, Any]:
    """Return a product by id or slug, whole: variants, images, breadcrumbs, related. Raises NotFound."""
    version, text = write_product(key=key)
    return read_product(text) | {"version": version}


def read_product(text: str) -> dict[str, Any]:
    """Return what `write_product` wrote, its money and times as what they are."""
    shown = shelf_services.with_types(json.loads(text))
    for part in (*shown["variants"], *shown["related"]):
        shelf_services.with_types(part)
    return shown


def write_product(*, key: str) -> tuple[int, str]:
    """Return the product's version, and the product as JSON. Raises NotFound."""
    reader = db.reading()
    found = reader.fetch_all(
        """
        SELECT p.id, {stamp}, v.id AS variant_id, v.stock
          FROM products s
          JOIN products p ON p.id = s.id
          JOIN variants v ON v.product_id = p.id AND v.deleted_at IS NULL
        {where}
         UNION ALL
        (SELECT p.id, {stamp}, NULL, {stock}
          FROM products s
          JOIN products p ON p.category_id = s.category_id AND p.deleted_at IS NULL AND p.id <> s.id
        {where}
         ORDER BY p.id DESC
         LIMIT %(most)s)
        """,
        {"most": MOST_RELATED},
        stamp=STAMP,
        stock=STOCK,
        where=db.where(KEYS, _key(key)),
    )
    stocks = {row["variant_id"]: row["stock"] for row in found if row["variant_id"] is not None}
    if not stocks:
        raise NotFound(what="product")
    own = next(row for row in found if row["variant_id"] is not None)
    related = sorted((row for row in found if row["variant_id"] is None), key=lambda row: -row["id"])
    texts = shelf_services.read_texts(reader, [own, *related])
    shown = texts[own["id"]]
    rest = _read_rest(reader, own)
    if shown is None or rest is None:
        raise NotFound(what="product")
    whole = [
        shown,
        *_filled(rest, stocks),
        shelf_services.stock_text(sum(stocks.values())),
        ',"related":[',
        shelf_services.write(reader, related),
        "]}",
    ]
    return int(own["stamp"].partition(" ")[0]), "".join(whole)


def _key(key: str) -> dict[str, int | str]:
    """Tell an id from a slug; what can be neither is looked for as the id 0, which nothing has."""
    if key.isascii() and key.isdigit():
        return {"id": int(key) if len(key) < 19 else 0}
    return {"slug": key} if key.isascii() else {"id": 0}


def _filled(rest: _Rest, stocks: dict[int, int]) -> Sequence[str]:
    gaps = [shelf_services.stock_text(stocks.get(variant_id)) for variant_id in rest.variant_ids]
    return [rest.pieces[0], *(text for pair in zip(gaps, rest.pieces[1:], strict=True) for text in pair)]


def _read_rest(reader: db.Reader, own: db.Row) -> _Rest | None:
    """Return what only the page shows. It is kept under the stamp that was read first, so it is never older."""
    kept = _kept.find(own["id"], own["stamp"])
    if kept is not None:
        return kept
    rows = reader.fetch_all(
        """
        SELECT p.description, p.vendor, p.category_id, p.updated_at, i.url, i.alt
          FROM products p
          LEFT JOIN product_images i ON i.product_id = p.id
         WHERE p.id = %(id)s
           AND p.deleted_at IS NULL
         ORDER BY i.position
        """,
        {"id": own["id"]},
    )
    if not rows:
        return None
    first = rows[0]
    variants = variant_services.list_variants(reader, product_id=own["id"])
    shown = {
        "description": first["description"],
        "vendor": first["vendor"],
        "images": [{"url": row["url"], "alt": row["alt"]} for row in rows if row["url"]],
        "breadcrumbs": category_services.list_breadcrumbs(category_id=first["category_id"]),
        "updated_at": clock.iso(first["updated_at"]),
        "variants": [
            {
                "id": variant["id"],
                "sku": variant["sku"],
                "options": variant["options"],
                "price": money.text(variant["price"]),
                "": GAP_VALUE,
            }
            for variant in variants
        ],
    }
    text = ENCODER.encode(shown)[1:-1] + ","
    rest = _Rest(text.split('"":' + GAP), [variant["id"] for variant in variants])
    return _kept.keep(own["id"], own["stamp"], rest, size=len(text))
