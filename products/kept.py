"""What was read of the catalogue, kept in the process until it changes. No database.

change_services hears what changed and tells it here; who reads puts here what it read. The two are kept apart by the
moment: what was read while something changed is shown once and not kept, because nothing would tell later that it is
out of date.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from utils import paging

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

MOST_TEXT = 6_000_000  # characters; a product in a list has some 350
MOST_PAGE_TEXT = 12_000_000  # characters; a product's own page has some 1 000
MOST_IDS = 200_000

_lock = threading.Lock()
_moment = 0


@dataclass(frozen=True, slots=True)
class ProductPage:
    """What a product's page shows: its JSON but for the end, and the products whose JSON is put there."""

    version: int
    text: str
    related: list[int]


class Kept(Generic[Key, Value]):
    """Values by key, of a total size; emptied when it is full."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._values: dict[Key, Value] = {}

    def find(self, key: Key) -> Value | None:
        """Return what is kept under the key."""
        return self._values.get(key)

    def keep(self, key: Key, value: Value, *, read_at: int, size: int = 1) -> Value:
        """Keep a value that was read at `read_at` or later, unless something has changed since; return it."""
        with _lock:
            if read_at == _moment:
                if self._size + size > self._most:
                    self.forget()
                self._size += size
                self._values[key] = value
        return value

    def drop(self, key: Key) -> None:
        """Keep nothing under the key. Its size is counted on until the next emptying."""
        self._values.pop(key, None)

    def forget(self) -> None:
        """Keep nothing."""
        self._values = {}
        self._size = 0


texts: Kept[int, str] = Kept(MOST_TEXT)  # product -> what a list shows of it
pages: Kept[int, ProductPage] = Kept(MOST_PAGE_TEXT)  # product -> what its own page shows
ids: Kept[str, int] = Kept(MOST_IDS)  # slug -> product
lists: Kept[Hashable, paging.Page[int]] = Kept(MOST_IDS)  # filters, sort and place -> products
lists_by_stock: Kept[Hashable, paging.Page[int]] = Kept(MOST_IDS)  # the same, of filters that ask for stock
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
