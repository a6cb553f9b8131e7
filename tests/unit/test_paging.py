"""Cursors: what was written is read back, and nothing else is."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from utils import paging
from utils.errors import BadCursor


@pytest.mark.parametrize(
    ("key", "types"),
    [
        ((7,), (int,)),
        ((Decimal("1499.00"), 7), (Decimal, int)),
        (('Ünïcode, "quoted" 🙂', 7), (str, int)),
        ((datetime(2026, 11, 20, 10, 30, 0, 123456), 7), (datetime.fromisoformat, int)),  # noqa: DTZ001 (naive UTC inside)
    ],
)
def test_a_cursor_is_read_back_as_it_was_written(
    key: tuple[object, ...], types: tuple[Callable[[str], Any], ...]
) -> None:
    cursor = paging.encode("price", *key)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert tuple(paging.decode(cursor, "price", *types)) == key


def forged(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "not a cursor",
        "%%%",
        "é",
        "AAAA",
        forged(["price", "1.00"]),
        forged(["price", "1.00", "7", "8"]),
        forged(["price", "1.00", 7]),
        forged(["price", None, "7"]),
        forged(["price", "NaN?", "7"]),
        forged(["price", "1.00", "seven"]),
        forged({"price": 1}),
        forged([]),
        forged(7),
        forged(["name", "1.00", "7"]),
        "W" * 100_000,
    ],
)
def test_anything_else_is_a_bad_cursor(cursor: str) -> None:
    with pytest.raises(BadCursor):
        paging.decode(cursor, "price", Decimal, int)


def test_a_full_page_knows_that_there_is_another() -> None:
    page = paging.cut([1, 2, 3], 2, str)
    assert (page.items, page.next_cursor) == ([1, 2], "2")


@pytest.mark.parametrize("rows", [[], [1], [1, 2]])
def test_the_last_page_has_no_cursor(rows: list[int]) -> None:
    assert paging.cut(rows, 2, str) == paging.Page(rows, None)
