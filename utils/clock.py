"""The one clock. Times are UTC without zone inside, as MySQL's DATETIME(6) holds them, and end in `Z` outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

EAST_AFRICA = timezone(timedelta(hours=3), "EAT")  # the provider's wall clock, and the shop's days


def now() -> datetime:
    """Return the present moment in UTC, naive, in microseconds. Tests put another function here."""
    return datetime.now(UTC).replace(tzinfo=None)


def iso(moment: datetime) -> str:
    """Write a moment as clients read it: ISO 8601 with `Z`."""
    return moment.isoformat(timespec="milliseconds") + "Z"


def naive_utc(moment: datetime) -> datetime:
    """Take a client's moment, with a zone or (then in UTC) without, into the form used inside."""
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def in_east_africa(moment: datetime) -> datetime:
    """Take a moment of ours to where people read it: the same in Nairobi's time."""
    return moment.replace(tzinfo=UTC).astimezone(EAST_AFRICA)
