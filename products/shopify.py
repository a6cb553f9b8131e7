"""Shopify's product CSV: rows of one Handle are one product. No database.

The first row of a product has its title, text and options; each row may bring a variant, a picture, or both.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from products import csv_files, schemas, texts
from products.csv_files import Offer, OfferedVariant, Problem, Row
from products.drafts import Image

KEY = "Handle"
COLUMNS = {"Handle", "Title", "Variant Price"}  # by these a file is known
OPTION_PLACES = (1, 2, 3)
PLAIN = ["Default Title", "", ""]  # how the format says: no options
VARIANT_CELLS = ("Variant Price", "Variant SKU", "Option1 Value", "Variant Inventory Qty")
LAST = 10**6


class ShopifyVariant(schemas.VariantIn):
    """A row's variant; the price before stands with each of them, 0 for none."""

    compare_at_price: schemas.Bound | None = None


def read(rows: Iterator[Row | Problem]) -> Iterator[Offer | Problem]:
    """Read the products of a file, one at a time."""
    for group in csv_files.group_rows(rows, KEY):
        yield group if isinstance(group, Problem) else _read_offer(group)


def _read_offer(rows: list[Row]) -> Offer:
    first = rows[0]
    offer = Offer(texts.slug_of(first.get(KEY), otherwise="product"), first.line, len(rows))
    if first.get("Published").lower() == "false" or first.get("Status").lower() in ("draft", "archived"):
        for row in rows:
            offer.report(row.line, "is not published")
        return offer
    fields = {"name": first.get("Title"), "description": first.get("Body (HTML)"), "vendor": first.get("Vendor")}
    offer.fields = offer.check(schemas.NewProduct, fields, first.line) or {}
    if not offer.fields:
        for row in rows[1:]:
            offer.report(row.line, f"its product in line {first.line} cannot be read")
        return offer
    offer.category = texts.split_path(first.get("Type"))
    _read_variants(offer, rows)
    offer.images = _read_images(offer, rows)
    return offer


def _read_variants(offer: Offer, rows: list[Row]) -> None:
    names = [rows[0].get(f"Option{place} Name") for place in OPTION_PLACES]
    before: dict[int, Decimal] = {}
    for row in rows:
        if row is not rows[0] and not any(row.get(cell) for cell in VARIANT_CELLS):
            if not row.get("Image Src"):
                offer.report(row.line, "has neither a variant nor a picture")
            continue
        if not row.get("Variant Price"):
            offer.report(row.line, "has no Variant Price")
            continue
        values = [row.get(f"Option{place} Value") for place in OPTION_PLACES]
        options = {name: value for name, value in zip(names, values, strict=True) if name or value}
        given = {
            "sku": row.get("Variant SKU") or None,
            "price": row.get("Variant Price"),
            "compare_at_price": row.get("Variant Compare At Price") or None,
            "stock": csv_files.whole(row.get("Variant Inventory Qty") or "0"),
            "options": {} if values == PLAIN else options,
        }
        fields = offer.check(ShopifyVariant, given, row.line)
        if fields is not None:
            before[row.line] = fields.pop("compare_at_price") or Decimal(0)
            offer.variants.append(OfferedVariant(row.line, fields))
    if offer.variants:
        cheapest = min(offer.variants, key=lambda variant: variant.fields["price"])
        if before[cheapest.line] > cheapest.fields["price"]:
            offer.fields["compare_at_price"] = before[cheapest.line]


def _read_images(offer: Offer, rows: list[Row]) -> list[Image]:
    """Return the pictures by their position, those without one last; an address that comes twice is one picture."""
    found: dict[str, tuple[int, Image]] = {}
    for row in rows:
        if not row.get("Image Src"):
            continue
        given = {"url": row.get("Image Src"), "alt": row.get("Image Alt Text")}
        image = offer.check(schemas.ImageIn, given, row.line)
        if image is not None:
            position = csv_files.whole(row.get("Image Position"))
            found.setdefault(image["url"], (position if isinstance(position, int) else LAST, Image(**image)))
    return [image for _, image in sorted(found.values(), key=lambda pair: pair[0])]
