"""Exporting the catalogue, product by product in the order of their making, some hundred at a time. Reads only."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TextIO

from products import category_path_services, duka
from utils import db, sheets

AT_A_TIME = 500


def export_products(file: TextIO) -> int:
    """Write every living product in the duka format and return how many there were."""
    writer = csv.writer(file, lineterminator="\n")
    slugs = set()
    for place, row in enumerate(list_rows()):
        writer.writerow(map(sheets.guard, row))
        if place:
            slugs.add(row[0])
    return len(slugs)


def list_rows() -> Iterator[list[str]]:
    """Yield the living products as rows of the duka format, with a header."""
    yield duka.HEADER
    paths = category_path_services.list_paths()
    for product in _read_products():
        product["category"] = paths.get(product["category_id"], [])
        yield from duka.write_rows(product)


def _read_products() -> Iterator[dict[str, Any]]:
    last_id = 0
    while True:
        products = db.reading().fetch_all(
            """
            SELECT p.id, p.slug, p.name, p.description, p.vendor, p.category_id, p.compare_at_price
              FROM products p
             WHERE p.deleted_at IS NULL
               AND p.id > %(last_id)s
             ORDER BY p.id
             LIMIT %(limit)s
            """,
            {"last_id": last_id, "limit": AT_A_TIME},
        )
        if not products:
            return
        last_id = products[-1]["id"]
        ids = [product["id"] for product in products]
        variants, images = _read_variants(ids), _read_images(ids)
        for product in products:
            yield product | {"variants": variants[product["id"]], "images": images[product["id"]]}


def _read_variants(product_ids: list[int]) -> dict[int, list[db.Row]]:
    rows = db.reading().fetch_all(
        """
        SELECT v.product_id, v.sku, v.options, v.price, v.stock
          FROM variants v
         WHERE v.product_id IN {ids}
           AND v.deleted_at IS NULL
         ORDER BY v.product_id, v.position, v.id
        """,
        ids=db.in_list("id", product_ids),
    )
    found: dict[int, list[db.Row]] = defaultdict(list)
    for row in rows:
        found[row["product_id"]].append(row | {"options": json.loads(row["options"])})
    return found


def _read_images(product_ids: list[int]) -> dict[int, list[dict[str, str]]]:
    rows = db.reading().fetch_all(
        """
        SELECT i.product_id, i.url, i.alt
          FROM product_images i
         WHERE i.product_id IN {ids}
         ORDER BY i.product_id, i.position
        """,
        ids=db.in_list("id", product_ids),
    )
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        found[row["product_id"]].append({"url": row["url"], "alt": row["alt"]})
    return found
