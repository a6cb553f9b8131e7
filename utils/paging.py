"""Keyset paging: a cursor holds the sort and the key of the last row seen, so that every page costs the same."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from utils.errors import BadCursor

Row = TypeVar("Row")
Fields = TypeVar("Fields", bound=Mapping[str, Any])

COUNT_CAP = 10_000


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page of rows and the cursor of the next one, None on the last."""

    items: list[Row]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Sort:
    """A way to sort a list: its ORDER BY, the index to read along, and the filters that begin a page behind a row.

    `along` is for the FROM: left to choose, a server may read and sort all rows for the first page; empty for the id.
    `after` holds the names of these filters, each with the column of the row that it takes and how that is read back
    from a cursor.
    """

    order: str
    along: str
    after: Mapping[str, tuple[str, Callable[[str], Any]]]


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


def place_after(sorts: Mapping[str, Sort], sort: str, cursor: str | None) -> dict[str, Any]:
    """Return what a list is filtered by to begin where a cursor says. Raises BadCursor."""
    if not cursor:
        return {}
    after = sorts[sort].after
    return dict(zip(after, decode(cursor, sort, *(read for _, read in after.values())), strict=True))


def cut_sorted(rows: list[Fields], limit: int, sorts: Mapping[str, Sort], sort: str) -> Page[Fields]:
    """Make a page as `cut` does, of a list that is sorted so."""
    columns = [column for column, _ in sorts[sort].after.values()]
    return cut(rows, limit, lambda row: encode(sort, *(row[column] for column in columns)))


def read_amount(text: str) -> Decimal:
    """Read an amount of money, or a score, from a cursor. Raises BadCursor for one that no column holds."""
    amount = Decimal(text)
    if not amount.is_finite() or abs(amount) >= 10**10:
        raise BadCursor
    return amount


def read_name(text: str) -> str:
    """Read a name from a cursor. Raises UnicodeError, which `decode` takes for a bad cursor, for half a character."""
    text.encode()
    return text
