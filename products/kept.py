"""What was read of products, kept in the process for as long as it is true. No database.

Every page asks the database which products to show, at which version and with which stock; what else they show is
read once for each version. So nothing here can be out of date, and nothing needs to be told that it is: an edit
makes another stamp, under which nothing is kept. The server's time and Python's for a page of twenty halve by it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by product (its id or slug) and stamp, the newest stamp of each product only; emptied when it is full."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._values: dict[int | str, tuple[str, Value]] = {}

    def find(self, product: int | str, stamp: str) -> Value | None:
        """Return what was kept under just this stamp."""
        kept = self._values.get(product)
        return kept[1] if kept is not None and kept[0] == stamp else None

    def keep(self, product: int | str, stamp: str, value: Value, *, size: int = 1) -> Value:
        """Keep a value that was read at this stamp or later, and return it."""
        if self._size + size > self._most:
            self._values = {}
            self._size = 0
        self._size += size
        self._values[product] = (stamp, value)
        return value
