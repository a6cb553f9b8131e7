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
MOST_PAGE_BYTES = 6_000_000  # a product's own page has some 500, packed
MOST_IDS = 200_000

# What stands in the JSON of most products: so much is not written again when a page is packed.
OFTEN = (
    b'"rating":null,"review_count":0,"created_at":"2026-","description":"<p></p>","vendor":null,"images":[{"url":"https://'
    b'","alt":"","breadcrumbs":[{"slug":"","name":"","updated_at":"2026-","variants":[{"id":,"sku":"","options":{"Size":"",'
    b'"Colour":""},"price":"0.00","stock":0,"in_stock":true},{"id":,"sku":"","options":{},"price":".00","stock":,"in_stock"'
    b':false}],"stock":,"in_stock":true,"related":[{"id":,"slug":"","name":"","price":".00","price_max":".00",'
    b'"compare_at_price":null,"currency":"KES","category":"","image_url":"/static/'
)

_lock = threading.Lock()
_moment = 0


class ProductPage(NamedTuple):
    """What a product's page shows: its JSON but for the end, and the products whose JSON is put there."""

    version: int
    related: list[int]
    text: str

    def pack(self) -> bytes:
        """Return the page in a quarter of its size; to unpack it takes some microseconds."""
        writer = zlib.compressobj(zdict=OFTEN)
        head = " ".join(map(str, (self.version, *self.related)))
        return writer.compress(f"{head}\n{self.text}".encode()) + writer.flush()

    @classmethod
    def unpack(cls, packed: bytes) -> ProductPage:
        """Return what was packed."""
        head, _, text = zlib.decompressobj(zdict=OFTEN).decompress(packed).decode().partition("\n")
        version, *related = map(int, head.split())
        return cls(version, related, text)


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
pages: Kept[int, bytes] = Kept(MOST_PAGE_BYTES, len)  # product -> its own page, packed
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
