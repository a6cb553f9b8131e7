"""The audit log as staff look at it. Reads only: utils.audit writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from admin.schemas import AuditEntry, AuditLog, AuditQuery
from utils import clock, db, paging

SORTS = {
    "newest": paging.Sort(order="al.id DESC", along="", after={"before_id": ("id", int)}),
    "oldest": paging.Sort(order="al.id", along="", after={"after_id": ("id", int)}),
}
AT_A_TIME = 100

FILTERS = {
    "actor": "al.actor_id = %(actor)s",
    "action": "al.action = %(action)s",
    "target": "al.target = %(target)s",
    "request_id": "al.request_id = %(request_id)s",
    "created_from": "al.created_at >= %(created_from)s",
    "created_to": "al.created_at < %(created_to)s",
    "before_id": "al.id < %(before_id)s",
    "after_id": "al.id > %(after_id)s",
}


def list_entries(*, query: AuditQuery) -> AuditLog:
    """Return a page of the audit log. Raises BadCursor."""
    values = query.model_dump(include=set(FILTERS), exclude_none=True)
    after = paging.place_after(SORTS, query.sort, query.cursor)
    reader = db.reading()
    rows = reader.fetch_all(
        """
        SELECT al.id, al.action, al.target, al.actor_id, u.username AS actor, al.old_values, al.new_values,
               al.address, al.request_id, al.created_at
          FROM audit_log al
          LEFT JOIN users u ON u.id = al.actor_id
        {where}
         ORDER BY {order}
         LIMIT %(limit)s
        """,
        {"limit": query.limit + 1},
        where=db.where(FILTERS, {**values, **after}),
        order=SORTS[query.sort].order,
    )
    page = paging.cut_sorted(rows, query.limit, SORTS, query.sort)
    counted = _count(reader, values) if query.count else None
    return AuditLog(
        items=[_entry(row) for row in page.items],
        next_cursor=page.next_cursor,
        total=counted,
        total_capped=None if counted is None else counted == paging.COUNT_CAP,
    )


def _entry(row: db.Row) -> AuditEntry:
    before, after = (None if text is None else json.loads(text) for text in (row["old_values"], row["new_values"]))
    return AuditEntry.model_validate({**row, "before": before, "after": after})


def _count(reader: db.Reader, values: dict[str, Any]) -> int:
    counted: int = reader.fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT al.id
                  FROM audit_log al
                {where}
                 LIMIT %(cap)s) AS found
        """,
        {"cap": paging.COUNT_CAP},
        where=db.where(FILTERS, values),
    )
    return counted


def find_actor_id(*, username: str) -> int | None:
    """Return whose name this is, None when it is nobody's."""
    found: int | None = db.reading().fetch_value(
        "SELECT u.id FROM users u WHERE u.username = %(username)s", {"username": username}
    )
    return found


def write_entries(*, query: AuditQuery) -> Iterator[tuple[Any, ...]]:
    """Yield every entry of a list with a header, some at a time, for a spreadsheet."""
    yield "id", "at", "actor", "action", "target", "before", "after", "address", "request_id"
    cursor: str | None = None
    while True:
        page = list_entries(query=query.model_copy(update={"limit": AT_A_TIME, "cursor": cursor, "count": False}))
        for entry in page.items:
            before, after = (
                None if values is None else json.dumps(values, ensure_ascii=False)
                for values in (entry.before, entry.after)
            )
            told = (entry.id, clock.iso(entry.created_at), entry.actor, entry.action, entry.target)
            yield (*told, before, after, entry.address, entry.request_id)
        cursor = page.next_cursor
        if cursor is None:
            return
