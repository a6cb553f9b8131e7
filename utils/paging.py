"""Keyset paging: a cursor holds the sort and the key of the last row seen, so that every page costs the same."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from utils.errors import BadCursor

Row = TypeVar("Row")

COUNT_CAP = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page of rows and the cursor of the next one, None on the last."""

    items: list[Row]
    next_cursor: str | None


def encode(sort: str, *key: object) -> str:
    """Write the place after a row: the list's sort and the values it is ordered by."""
    text = json.dumps([sort, *(str(part) for part in key)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, sort: str, *types: Callable[[str], Any]) -> list[Any]:
    """Read a cursor back into the values of its key. Raises BadCursor for anything that is not of this list."""
    try:
        parts = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        name, *key = parts
        if name != sort or len(key) != len(types) or not all(isinstance(part, str) for part in key):
            raise BadCursor
        return [read(part) for read, part in zip(types, key, strict=True)]
    except (binascii.Error, UnicodeError, ValueError, TypeError, ArithmeticError):
        raise BadCursor from None


def cut(rows: list[Row], limit: int, cursor_of: Callable[[Row], str]) -> Page[Row]:
    """Make a page of `limit` rows out of `limit + 1` that were asked for."""
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], cursor_of(rows[limit - 1]))
