"""The one clock. Times are UTC without zone inside, as MySQL's DATETIME(6) holds them, and end in `Z` outside."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment in UTC, naive, in microseconds. Tests put another function here."""
    return datetime.now(UTC).replace(tzinfo=None)


def iso(moment: datetime) -> str:
    """Write a moment as clients read it: ISO 8601 with `Z`."""
    return moment.isoformat(timespec="milliseconds") + "Z"
