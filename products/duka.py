"""The shop's own CSV: what `flask catalogue export` writes and `import` reads back without loss. No database.

A row is a variant; the rows of one slug are one product, whose own cells stand in the first of them. Options and
pictures are JSON in their cells, so that no name or address can break them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from products import csv_files, schemas, texts
from products.csv_files import Offer, OfferedVariant, Problem, Row
from products.drafts import Image
from utils import money

KEY = "slug"
HEADER = [
    "slug",
    "name",
    "description",
    "vendor",
    "category",
    "compare_at_price",
    "images",
    "sku",
    "options",
    "price",
    "stock",
]
COLUMNS = set(HEADER)


def read(rows: Iterator[Row | Problem]) -> Iterator[Offer | Problem]:
    """Read the products of a file, one at a time."""
    for group in csv_files.group_rows(rows, KEY):
        yield group if isinstance(group, Problem) else _read_offer(group)


def _read_offer(rows: list[Row]) -> Offer:
    first = rows[0]
    offer = Offer(texts.slug_of(first.get(KEY), otherwise="product"), first.line, len(rows))
    given = {
        "name": first.get("name"),
        "description": first.get("description"),
        "vendor": first.get("vendor"),
        "compare_at_price": first.get("compare_at_price") or None,
        "images": _json(first.get("images") or "[]"),
    }
    offer.fields = offer.check(schemas.NewProduct, given, first.line) or {}
    if not offer.fields:
        for row in rows[1:]:
            offer.report(row.line, f"its product in line {first.line} cannot be read")
        return offer
    offer.images = [Image(**image) for image in offer.fields.pop("images")]
    offer.category = texts.split_path(first.get("category"))
    for row in rows:
        variant = {
            "sku": row.get("sku") or None,
            "options": _json(row.get("options") or "{}"),
            "price": row.get("price"),
            "stock": csv_files.whole(row.get("stock") or "0"),
        }
        fields = offer.check(schemas.VariantIn, variant, row.line)
        if fields is not None:
            offer.variants.append(OfferedVariant(row.line, fields))
    return offer


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # which the rules of the API then refuse by name


def write_rows(product: Mapping[str, Any]) -> Iterator[list[str]]:
    """Write a product as rows: `product` has its fields, the path of its category, `images` and `variants`."""
    before = product["compare_at_price"]
    images = json.dumps(product["images"], ensure_ascii=False) if product["images"] else ""
    own = [
        product["name"],
        product["description"],
        product["vendor"],
        f" {texts.CATEGORY_SEPARATOR} ".join(product["category"]),
        "" if before is None else money.text(before),
        images,
    ]
    for variant in product["variants"]:
        options = json.dumps(variant["options"], ensure_ascii=False) if variant["options"] else ""
        offered = [variant["sku"] or "", options, money.text(variant["price"]), str(variant["stock"])]
        yield [product["slug"], *own, *offered]
        own = [""] * len(own)
