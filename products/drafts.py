"""A product as it is meant to be: made from a request, or from what stands and what is to change. No database.

The verbs of products.services write the difference between two drafts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from utils.errors import InvalidFields

STOCK_ELSEWHERE = "stock changes through PUT /api/variants/<id>/stock"


@dataclass(frozen=True, slots=True)
class Image:
    url: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Variant:
    price: Decimal
    stock: int = 0
    sku: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    name: str
    variants: list[Variant]
    description: str = ""
    vendor: str = ""
    category: str | None = None
    options: list[str] = field(default_factory=list)
    compare_at_price: Decimal | None = None
    images: list[Image] = field(default_factory=list)

    @property
    def price(self) -> Decimal:
        return min(variant.price for variant in self.variants)

    @property
    def price_max(self) -> Decimal:
        return max(variant.price for variant in self.variants)


def new_draft(fields: Mapping[str, Any]) -> Draft:
    """Make the draft of a new product. Raises InvalidFields with every problem."""
    problems: dict[str, str] = {}
    given = fields.get("variants") or [{"sku": fields.get("sku")}]
    if "variants" in fields and "sku" in fields:
        problems["sku"] = "stands in variants when there are any"
    variants = [_new_variant(one, fields, None, f"variants.{place}", problems) for place, one in enumerate(given)]
    if "variants" not in fields and "variants.0.price" in problems:
        problems["price"] = problems.pop("variants.0.price")
    draft = Draft(
        name=fields["name"],
        variants=variants,
        options=_option_names(fields.get("options") or [], variants),
        images=_images(fields, [], problems),
        **{name: fields[name] for name in ("description", "vendor", "category", "compare_at_price") if name in fields},
    )
    return checked(draft, problems)


def changed_draft(current: Draft, fields: Mapping[str, Any]) -> Draft:
    """Apply the fields of an edit to what stands; what is left out stays. Raises InvalidFields with every problem."""
    problems: dict[str, str] = {}
    simple = ("name", "description", "vendor", "category", "compare_at_price")
    if "variants" in fields:
        if "sku" in fields:
            problems["sku"] = "stands in variants when they are sent"
        variants = _changed_variants(current, fields, problems)
    else:
        variants = _with_fields_of_a_plain_product(current, fields, problems)
    draft = replace(
        current,
        variants=variants,
        options=_option_names(fields.get("options", current.options), variants),
        images=_images(fields, current.images, problems),
        **{name: fields[name] for name in simple if name in fields},
    )
    return checked(draft, problems)


def checked(draft: Draft, problems: Mapping[str, str] | None = None) -> Draft:
    """Return the draft with each variant's options in the product's order.

    Raises InvalidFields for what does not fit together, besides the problems that were found before.
    """
    found = dict(problems or {})
    for name, message in _contradictions(draft):
        found.setdefault(name, message)
    if found:
        raise InvalidFields(fields=found)
    ordered = [
        replace(variant, options={name: variant.options[name] for name in draft.options}) for variant in draft.variants
    ]
    return replace(draft, variants=ordered)


def options_key(options: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return what two variants with the same options share, whatever their order and case."""
    return frozenset((name.casefold(), value.casefold()) for name, value in options.items())


def _contradictions(draft: Draft) -> Iterable[tuple[str, str]]:
    if len({name.casefold() for name in draft.options}) < len(draft.options):
        yield "options", "holds a name twice"
    seen: dict[str, dict[Any, int]] = {"options": {}, "sku": {}}
    for place, variant in enumerate(draft.variants):
        if set(variant.options) != set(draft.options):
            wanted = ", ".join(draft.options) or "none"
            yield f"variants.{place}.options", f"must have exactly the options of the product: {wanted}"
        first = seen["options"].setdefault(options_key(variant.options), place)
        if first != place:
            yield f"variants.{place}.options", f"are the same as those of variants.{first}"
        if variant.sku is not None:
            first = seen["sku"].setdefault(variant.sku.casefold(), place)
            if first != place:
                yield f"variants.{place}.sku", f"is the same as that of variants.{first}"
    if draft.compare_at_price is not None and draft.compare_at_price <= draft.price:
        yield "compare_at_price", f"must be above the price, which is {draft.price:.2f}"


def _new_variant(
    given: Mapping[str, Any], fields: Mapping[str, Any], stands: Decimal | None, place: str, problems: dict[str, str]
) -> Variant:
    """Make a variant; the price and stock that it leaves out are the product's."""
    if given.get("id") is not None:
        problems[f"{place}.id"] = "is not a variant of this product"
    price = given.get("price") or fields.get("price") or stands
    if price is None:
        problems[f"{place}.price"] = "is required"
    stock = given.get("stock")
    return Variant(
        price=price or Decimal(1),
        stock=fields.get("stock", 0) if stock is None else stock,
        sku=given.get("sku"),
        options=given.get("options") or {},
    )


def _changed_variants(current: Draft, fields: Mapping[str, Any], problems: dict[str, str]) -> list[Variant]:
    standing = {variant.id: variant for variant in current.variants}
    variants = []
    for number, given in enumerate(fields["variants"]):
        place = f"variants.{number}"
        variant = standing.pop(given.get("id"), None) if given.get("id") is not None else None
        if variant is None:
            variants.append(_new_variant(given, fields, None, place, problems))
            continue
        if given.get("stock") is not None and given["stock"] != variant.stock:
            problems[f"{place}.stock"] = STOCK_ELSEWHERE
        named = {name: given[name] for name in ("price", "options") if given.get(name) is not None}
        variants.append(replace(variant, **named, **({"sku": given["sku"]} if "sku" in given else {})))
    return variants


def _with_fields_of_a_plain_product(
    current: Draft, fields: Mapping[str, Any], problems: dict[str, str]
) -> list[Variant]:
    """Apply price and sku to the one variant; a product with several must name them."""
    if "stock" in fields and fields["stock"] != sum(variant.stock for variant in current.variants):
        problems["stock"] = STOCK_ELSEWHERE
    named = {name: fields[name] for name in ("price", "sku") if name in fields}
    if len(current.variants) == 1:
        return [replace(current.variants[0], **named)]
    if named.get("price", current.price) != current.price:
        problems["price"] = "this product has several variants: send their prices in variants"
    if "sku" in named:
        problems["sku"] = "this product has several variants: send their SKUs in variants"
    return current.variants


def _option_names(names: list[str], variants: list[Variant]) -> list[str]:
    """Return the names given, or those of the first variant when none are."""
    return list(names) or list(variants[0].options)


def _images(fields: Mapping[str, Any], standing: list[Image], problems: dict[str, str]) -> list[Image]:
    """Return the pictures: `images` are all of them; `image_url` alone is the first, and none when it is null."""
    images = standing
    if "images" in fields:
        images = [Image(**one) for one in fields["images"]]
    if "image_url" not in fields:
        return images
    first = fields["image_url"]
    if "images" in fields:
        if first != (images[0].url if images else None):
            problems["image_url"] = "is not the first of images; send one of the two"
        return images
    if first is None:
        return images[1:]
    if images and images[0].url == first:
        return images
    return [Image(first), *images[1:]]
