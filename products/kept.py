"""What was read of the catalogue, kept in the process until it changes. No database.

change_services hears what changed and tells it here; who reads puts here what it read. The two are kept apart by the
moment: what was read while something changed is shown once and not kept, because nothing would tell later that it is
out of date.
"""

from __future__ import annotations

import threading
import zlib
from array import array
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST_TEXT = 6_000_000  # characters; a product in a list has some 350
MOST_PAGE_BYTES = 8_000_000  # packed; a product's own page has some 600
MOST_IDS = 200_000

_lock = threading.Lock()
_moment = 0


class ProductPage(NamedTuple):
    """What a product's page shows: its JSON but for the end, and the products whose JSON is put there."""

    version: int
    packed: bytes  # to less than half, for some microseconds at each reading
    related: list[int]

    @classmethod
    def pack(cls, version: int, text: str, related: list[int]) -> ProductPage:
        """Make a page out of its JSON."""
        return cls(version, zlib.compress(text.encode(), 1), related)

    @property
    def text(self) -> str:
        """The JSON."""
        return zlib.decompress(self.packed).decode()


class List(NamedTuple):
    """The products of a page of a list, and the cursor of the next."""

    ids: array[int]
    next_cursor: str | None


class Kept(Generic[Key, Value]):
    """Values by key, of a total size; when it is full, what was kept first goes first."""

    def __init__(self, most: int, size_of: Callable[[Value], int]) -> None:
        self._most = most
        self._size_of = size_of
        self._size = 0
        self._values: dict[Key, Value] = {}

    def find(self, key: Key) -> Value | None:
        """Return what is kept under the key."""
        return self._values.get(key)

    def keep(self, key: Key, value: Value, *, read_at: int) -> Value:
        """Keep a value that was read at `read_at` or later, unless something has changed since; return it."""
        with _lock:
            if read_at == _moment:
                self.drop(key)
                self._values[key] = value
                self._size += self._size_of(value)
                while self._size > self._most:
                    self.drop(next(iter(self._values)))
        return value

    def drop(self, key: Key) -> None:
        """Keep nothing under the key."""
        if (value := self._values.pop(key, None)) is not None:
            self._size -= self._size_of(value)

    def forget(self) -> None:
        """Keep nothing."""
        self._values, self._size = {}, 0


texts: Kept[int, str] = Kept(MOST_TEXT, len)  # product -> what a list shows of it
pages: Kept[int, ProductPage] = Kept(MOST_PAGE_BYTES, lambda page: len(page.packed))  # product -> its own page
ids: Kept[str, int] = Kept(MOST_IDS, lambda _: 1)  # slug -> product
lists: Kept[Hashable, List] = Kept(MOST_IDS, lambda page: len(page.ids))  # filters, sort and place -> products
lists_by_stock: Kept[Hashable, List] = Kept(MOST_IDS, lambda page: len(page.ids))  # the same, of those in stock
EVERYTHING: tuple[Kept[Any, Any], ...] = (texts, pages, ids, lists, lists_by_stock)


def moment() -> int:
    """Return which state of the catalogue is at hand: take it before reading what is to be kept."""
    return _moment


def hear(*, edited: Collection[int], moved: Collection[int]) -> None:
    """Drop what is no longer true: these products were edited, these had their stock moved."""
    with _changing():
        for product_id in (*edited, *moved):
            texts.drop(product_id)
            pages.drop(product_id)
        lists_by_stock.forget()
        if edited:
            for kept in (pages, ids, lists):  # a page names related products, a list whatever fits
                kept.forget()


def forget() -> None:
    """Drop everything."""
    with _changing():
        for kept in EVERYTHING:
            kept.forget()


@contextmanager
def _changing() -> Iterator[None]:
    global _moment
    with _lock:
        _moment += 1
        yield
