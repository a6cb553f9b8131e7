"""The cards of lists: a product as pages show it on a shelf, written once for each JSON that tells of it.

To write a card takes forty times as long as to find it again, and a page has two dozen.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from flask import get_template_attribute
from markupsafe import Markup

from products import shelf_services

MOST_KEPT = 2000  # a card has some 600 characters


def show(texts: Sequence[str]) -> list[Markup]:
    """Return the cards of products that are told of in JSON."""
    return [_write(text) for text in texts]


@functools.lru_cache(MOST_KEPT)
def _write(text: str) -> Markup:
    card: Markup = get_template_attribute("macros/goods.html", "card")(shelf_services.show(text))
    return card
