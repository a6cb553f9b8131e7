"""The cards of lists: a product as pages show it on a shelf, written once for each version and for what is left of it.

To write a card takes forty times as long as to find it again, and a page has two dozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flask import get_template_attribute
from markupsafe import Markup

from products import shelf_services
from products.kept import Kept
from utils import db

MOST_KEPT = 12_000_000  # characters; a product has some 1 200
FEW = 5  # from here down a card tells how many there are


class Card(NamedTuple):
    """A card whose picture is wanted at once, and one whose picture may wait until somebody comes near."""

    eager: Markup
    lazy: Markup


_kept: Kept[Card] = Kept(MOST_KEPT)


def show(found: Sequence[db.Row], *, eager: int) -> list[Markup]:
    """Return the cards of products that a search found; the pictures of so many are wanted at once."""
    known = {row["id"]: _kept.find(row["id"], _stamp(row)) for row in found}
    stamps = {row["id"]: _stamp(row) for row in found if known[row["id"]] is None}
    if stamps:
        write = get_template_attribute("macros/goods.html", "card")
        for product in shelf_services.show(db.reading(), [row for row in found if row["id"] in stamps]):
            card = Card(write(product, eager=True), write(product, eager=False))
            known[product["id"]] = _kept.keep(product["id"], stamps[product["id"]], card, size=len(card.lazy) * 2)
    cards = [kept for row in found if (kept := known[row["id"]]) is not None]
    return [card.eager for card in cards[:eager]] + [card.lazy for card in cards[eager:]]


def _stamp(row: db.Row) -> str:
    return f"{row['stamp']} {min(row['stock'] or 0, FEW + 1)}"
