"""What search engines and messengers read of a product's page: schema.org's Product, and a preview."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin

from utils import money

LONGEST_SUMMARY = 180
IN_STOCK = {True: "https://schema.org/InStock", False: "https://schema.org/OutOfStock"}


def summary_of(product: dict[str, Any]) -> str:
    """Return the beginning of a description as plain text, cut between words."""
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", product["description"])).split())
    if len(text) <= LONGEST_SUMMARY:
        return text or product["name"]
    return text[:LONGEST_SUMMARY].rpartition(" ")[0].rstrip(",;: ") + " …"


def describe(product: dict[str, Any], *, page: str) -> dict[str, Any]:
    """Return a product in the words of schema.org; `page` is the address of its page, with the host."""
    described = {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": product["name"],
        "description": summary_of(product),
        "image": [urljoin(page, image["url"]) for image in product["images"]],
        "url": page,
        "offers": [_offer(variant, page) for variant in product["variants"]],
    }
    if product["vendor"]:
        described["brand"] = {"@type": "Brand", "name": product["vendor"]}
    if product["rating"] is not None:
        described["aggregateRating"] = {
            "@type": "AggregateRating",
            "ratingValue": product["rating"],
            "reviewCount": product["review_count"],
        }
    return described


def _offer(variant: dict[str, Any], page: str) -> dict[str, Any]:
    offer = {
        "@type": "Offer",
        "price": money.text(variant["price"]),
        "priceCurrency": money.CURRENCY,
        "availability": IN_STOCK[variant["in_stock"]],
        "url": page,
    }
    if variant["options"]:
        offer["name"] = ", ".join(variant["options"].values())
    return offer | ({"sku": variant["sku"]} if variant["sku"] else {})
