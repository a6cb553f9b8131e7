"""The page of one product: all that it shows. Reads only.

It is kept as JSON, the others of its category that it names apart: they change without it.
"""

from __future__ import annotations

from typing import Any

from products import category_services, change_services, kept, shelf_services, variant_services
from products.kept import ProductPage
from products.shelf_services import ENCODER, SHOWN
from utils import clock, db, money
from utils.errors import NotFound

MOST_RELATED = 4
LONGEST_ID = 18  # digits; what is longer is no id of ours


def get_product(*, key: str) -> dict[str, Any]:
    """Return a product by id or slug, whole: variants, images, breadcrumbs, related. Raises NotFound."""
    version, text = write_product(key=key)
    return read_product(text) | {"version": version}


def read_product(text: str) -> dict[str, Any]:
    """Return what `write_product` wrote, its money and times as what they are."""
    shown = shelf_services.show(text)
    for part in (*shown["variants"], *shown["related"]):
        shelf_services.with_types(part)
    return shown


def write_product(*, key: str) -> tuple[int, str]:
    """Return the product's version, and the product as JSON. Raises NotFound."""
    read_at = change_services.look()
    reader = db.reading()
    product_id = _find_id(reader, key, read_at)
    packed = kept.pages.find(product_id)
    page = ProductPage.unpack(packed) if packed else _read_page(reader, product_id, read_at)
    related = shelf_services.read_texts(reader, page.related, read_at=read_at)
    return page.version, page.text + ",".join(related) + "]}"


def _find_id(reader: db.Reader, key: str, read_at: int) -> int:
    """Return the id that a key names. Raises NotFound for a slug that no product has."""
    if key.isascii() and key.isdigit():
        return int(key) if len(key) <= LONGEST_ID else 0
    if (known := kept.ids.find(key)) is not None:
        return known
    found = key.isascii() and reader.fetch_value(
        "SELECT p.id FROM products p WHERE p.live_slug = %(slug)s", {"slug": key}
    )
    if not found:
        raise NotFound(what="product")
    return kept.ids.keep(key, int(found), read_at=read_at)


def _read_page(reader: db.Reader, product_id: int, read_at: int) -> ProductPage:
    rows = reader.fetch_all(
        """
        SELECT {shown}, p.version, p.description, p.vendor, p.category_id, p.updated_at, x.url, x.alt
          FROM products p
          LEFT JOIN categories c ON c.id = p.category_id
          LEFT JOIN product_images i ON i.product_id = p.id AND i.position = 1
          LEFT JOIN product_images x ON x.product_id = p.id
         WHERE p.id = %(id)s
           AND p.deleted_at IS NULL
         ORDER BY x.position
        """,
        {"id": product_id},
        shown=SHOWN,
    )
    variants = variant_services.list_variants(reader, product_id=product_id)
    if not rows or not variants:
        raise NotFound(what="product")
    first = rows[0]
    rest = {
        "description": first["description"],
        "vendor": first["vendor"],
        "images": [{"url": row["url"], "alt": row["alt"]} for row in rows if row["url"]],
        "breadcrumbs": category_services.list_breadcrumbs(category_id=first["category_id"]),
        "updated_at": clock.iso(first["updated_at"]),
        "variants": [{**variant, "price": money.text(variant["price"])} for variant in variants],
    }
    pieces = [
        shelf_services.write_start(first),
        ENCODER.encode(rest)[1:-1],
        ",",
        shelf_services.stock_text(sum(variant["stock"] for variant in variants)),
        ',"related":[',
    ]
    related = _find_related(reader, product_id, first["category_id"])
    page = ProductPage(first["version"], related, "".join(pieces))
    kept.pages.keep(product_id, page.pack(), read_at=read_at)
    return page


def _find_related(reader: db.Reader, product_id: int, category_id: int | None) -> list[int]:
    """Return some others of the category, the newest first."""
    rows = reader.fetch_all(
        """
        SELECT p.id
          FROM products p
         WHERE p.category_id = %(category_id)s
           AND p.deleted_at IS NULL
           AND p.id <> %(id)s
         ORDER BY p.id DESC
         LIMIT %(most)s
        """,
        {"category_id": category_id, "id": product_id, "most": MOST_RELATED},
    )
    return [row["id"] for row in rows]
