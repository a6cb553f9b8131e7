"""The cards of lists: a product as pages show it on a shelf, written once for each JSON that tells of it.

To write a card takes forty times as long as to find it again, and a page has two dozen.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from flask import get_template_attribute
from markupsafe import Markup

from products import shelf_services

MOST_KEPT = 4000  # a card has some 1 200 characters, and is kept twice


class Card(NamedTuple):
    """A card whose picture is wanted at once, and one whose picture may wait until somebody comes near."""

    eager: Markup
    lazy: Markup


def show(texts: Sequence[str], *, eager: int) -> list[Markup]:
    """Return the cards of products that are told of in JSON; the pictures of so many are wanted at once."""
    return [_write(text).eager for text in texts[:eager]] + [_write(text).lazy for text in texts[eager:]]


@functools.lru_cache(MOST_KEPT)
def _write(text: str) -> Card:
    write = get_template_attribute("macros/goods.html", "card")
    product = shelf_services.show(text)
    return Card(write(product, eager=True), write(product, eager=False))
