"""How a reader looks at the shelf: what the address of a list asks for, and the addresses of lists that differ from it.

An address is typed, shared and bent by others on its way: what cannot be read in it is left out, and is no mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, get_args
from urllib.parse import urlencode

from pydantic import Field, model_validator

from products import facet_services, schemas, search_services
from products.schemas import OPTION_PREFIX
from products.search_services import Filters

PRICES = ("min_price", "max_price")
PLACE = "cursor"
LONGEST_OPTION, LONGEST_VALUE = 60, 120
SORTS = [
    ("newest", "Newest"),
    ("price", "Price, low to high"),
    ("-price", "Price, high to low"),
    ("name", "Name"),
    ("rating", "Rating"),
]
Pair = tuple[str, str]


class Looking(schemas.ProductQuery):
    """The parameters of the API's list, without those that cannot be read."""

    cursor: Annotated[str, Field(max_length=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_cannot_be_read(cls, given: dict[str, str]) -> dict[str, Any]:
        read = {name: value.strip() for name, value in given.items() if _can_be_read(name, value.strip())}
        if {*PRICES} <= read.keys():
            read |= dict(zip(PRICES, sorted((read[name] for name in PRICES), key=Decimal), strict=True))
        if read.get("sort") == "relevance" and "q" not in read:
            del read["sort"]
        return read


def _is_price(text: str) -> bool:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return False
    return amount.is_finite() and 0 <= amount < 10**10 and amount == round(amount, 2)


def _can_be_read(name: str, text: str) -> bool:
    if not text or not text.isprintable():
        return False
    option = name.removeprefix(OPTION_PREFIX)
    if option != name:
        return 0 < len(option) <= LONGEST_OPTION and len(text) <= LONGEST_VALUE
    return name in READABLE and READABLE[name](text)


READABLE: dict[str, Callable[[str], bool]] = {
    "q": lambda text: len(text) <= 200,
    "category": lambda text: len(text) <= 120,
    "min_price": _is_price,
    "max_price": _is_price,
    "in_stock": lambda text: text == "1",
    "sort": lambda text: text in get_args(schemas.SortName),
    "cursor": lambda text: len(text) <= 1000,
}


@dataclass(frozen=True)
class Here:
    """Where a reader is: a path and what is asked for there. A list that differs begins on its first page."""

    path: str
    pairs: tuple[Pair, ...]

    def address(self) -> str:
        return _address(self.path, self.pairs)

    def first(self) -> str:
        return _address(self.path, self._kept(PLACE))

    def having(self, **values: object) -> str:
        """Return the address of this list with other values: `here.having(sort="price")`; None leaves one out."""
        added = [(name, str(value)) for name, value in values.items() if value is not None]
        return _address(self.path, [*self._kept(PLACE, *values), *added])

    def without(self, *names: str, value: str | None = None) -> str:
        """Return the address of this list without some of its parameters, or without one value of one of them."""
        gone = {pair for pair in self.pairs if pair[0] in names and value in (None, pair[1])}
        return _address(self.path, [pair for pair in self._kept(PLACE) if pair not in gone])

    def at(self, path: str, *without: str) -> str:
        """Return the address of the same wishes at another path."""
        return _address(path, self._kept(PLACE, *without))

    def hidden(self, *without: str) -> list[Pair]:
        """Return what a form must carry along besides its own fields."""
        return self._kept(PLACE, *without)

    def has(self, name: str, value: str) -> bool:
        return (name, value) in self.pairs

    def _kept(self, *without: str) -> list[Pair]:
        return [pair for pair in self.pairs if pair[0] not in without]


def _address(path: str, pairs: list[Pair] | tuple[Pair, ...]) -> str:
    return f"{path}?{urlencode(pairs)}" if pairs else path


def options_of(looking: Looking, values_of: Callable[[str], list[str]]) -> dict[str, list[str]]:
    """Return the values asked for of each option; `values_of` gives all that the address has under a name."""
    names = [f"{OPTION_PREFIX}{name}" for name in looking.option_names()]
    return {
        name.removeprefix(OPTION_PREFIX): [value for value in values_of(name) if _can_be_read(name, value)]
        for name in names
    }


def here_of(path: str, looking: Looking, options: dict[str, list[str]]) -> Here:
    """Return where somebody is who looks at a list in this way."""
    plain = [(name, getattr(looking, name)) for name in READABLE]
    pairs = [(name, "1" if value is True else str(value)) for name, value in plain if value]
    pairs += [(f"{OPTION_PREFIX}{name}", value) for name, values in options.items() for value in values]
    return Here(path, tuple(pairs))


def filters_of(looking: Looking, options: dict[str, list[str]], *, category: str | None) -> Filters:
    """Return what the statements of this list bind."""
    return search_services.filters_of(
        category=category,
        q=looking.q,
        min_price=looking.min_price,
        max_price=looking.max_price,
        in_stock=looking.in_stock,
        options=options,
    )


def count_facets(filters: Filters) -> dict[str, Any] | None:
    """Count what a list could be narrowed to; over the whole shop that is no help, and much work."""
    narrowed = filters.search or filters.values.keys() - {"deleted_at"}
    return facet_services.count_facets(filters=filters) if narrowed else None


def sorts_of(looking: Looking) -> list[Pair]:
    """Return the sorts that this list may have; the one that needs no word in the address comes first."""
    return [("", "Best match"), *SORTS] if looking.q else [("", SORTS[0][1]), *SORTS[1:]]
