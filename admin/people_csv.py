"""Accounts as the desk takes them out: all of a list for a spreadsheet. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from auth import user_services
from utils import clock

AT_A_TIME = 100


def write_people(*, q: str | None, role: str | None, disabled: bool | None, sort: str) -> Iterator[tuple[Any, ...]]:
    """Yield every account of a list with a header, some at a time: what the list shows of them, and nothing more."""
    yield "id", "username", "email", "phone", "role", "shut_out", "taken_out", "since"
    cursor: str | None = None
    while True:
        page = user_services.list_users(q=q, role=role, disabled=disabled, sort=sort, limit=AT_A_TIME, cursor=cursor)
        for one in page.items:
            states = ("yes" if one[state] else "no" for state in ("disabled", "anonymised"))
            told = (one["id"], one["username"], one["email"], one["phone_number"], one["role"])
            yield (*told, *states, clock.iso(one["created_at"]))
        cursor = page.next_cursor
        if cursor is None:
            return
