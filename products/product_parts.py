"""The page of a product, as far as it is the same for everybody: written once, and kept for as long as it is true.

What it is written from is the product as JSON, which the API reads at each request; the same JSON is the same page.
"""

from __future__ import annotations

import functools
from typing import NamedTuple
from urllib.parse import urljoin

from flask import get_template_attribute
from markupsafe import Markup

from products import linked_data, page_services

MOST_KEPT = 256  # a page has some 8 000 characters
TEMPLATE = "products/product_parts.html"
GAP = "<!-- token -->"


class Parts(NamedTuple):
    """What goes into the frame of all pages."""

    slug: str
    name: str
    head: Markup
    content: Markup
    rest: Markup  # what follows the place of the form's token, which is another for everybody


def show(*, key: str, host: str) -> Parts:
    """Return the page of a product by id or slug, for the shop at this host. Raises NotFound."""
    _, text = page_services.write_product(key=key)
    return _write(text, host)


@functools.lru_cache(MOST_KEPT)
def _write(text: str, host: str) -> Parts:
    product = page_services.read_product(text)
    page = urljoin(host, f"/products/{product['slug']}")
    head = get_template_attribute(TEMPLATE, "head")
    content = get_template_attribute(TEMPLATE, "content")
    before, _, after = content(product).partition(GAP)
    return Parts(
        product["slug"],
        product["name"],
        head(product, page, linked_data.summary_of(product), linked_data.describe(product, page=page)),
        before,
        after,
    )
