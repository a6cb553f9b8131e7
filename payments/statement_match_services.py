"""Our receipts against the provider's own statement: what only they know, only we know, or both tell differently.

Reads only. Lines are looked up some hundreds at a time, so a statement may be as long as it likes; kept in memory are
the receipts of ours that were met.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice

from payments import statement_services as statement
from payments.statement_file import Line, Unreadable
from utils import clock, db, money

AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """What the two books do not agree in, and the line of the statement that tells it."""

    kind: str
    receipt: str
    told: str
    line: int | None = None
    unknown_money: Line | None = None  # the line itself, when it tells of money that came for an account


@dataclass(slots=True)
class Match:
    """One comparison, and what came of it once all its differences were taken."""

    agreed: int = 0
    charges: Decimal = Decimal(0)  # what the provider took for its services; no part of our ledger
    differences: Counter[str] = field(default_factory=Counter)
    _met: set[str] = field(default_factory=set)
    _first_at: datetime | None = None
    _last_at: datetime | None = None

    def compare(self, lines: Iterable[Line | Unreadable]) -> Iterator[Difference]:
        """Yield the differences: line by line, then what only we have on the statement's days."""
        rest = iter(lines)
        while batch := list(islice(rest, AT_ONCE)):
            ours = _read_ours([line.receipt for line in batch if isinstance(line, Line)])
            for line in batch:
                yield from self._counted(self._look_at(line, ours))
        if self._first_at is not None and self._last_at is not None:
            since, until = _day_of(self._first_at), _end_of(self._last_at)
            for row in statement.list_movements(since=since, until=until):
                yield from self._counted(self._find_missing(row, since))

    def _look_at(self, line: Line | Unreadable, ours: dict[str, db.Row]) -> Difference | None:
        if isinstance(line, Unreadable):
            return Difference("unreadable", "", line.reason, line.number)
        self._first_at = min(self._first_at or line.completed_at, line.completed_at)
        self._last_at = max(self._last_at or line.completed_at, line.completed_at)
        if line.is_charge:
            self.charges -= line.amount if line.moved else 0
            return None
        if line.receipt in self._met:
            return Difference("told twice", line.receipt, "an earlier line has the same receipt", line.number)
        if line.receipt in ours:
            self._met.add(line.receipt)
        difference = compare_line(line, ours.get(line.receipt))
        self.agreed += difference is None
        return difference

    def _find_missing(self, row: db.Row, since: datetime) -> Difference | None:
        if row["receipt"] in self._met:
            return None
        told = f"{money.text(row['amount'])} by {row['reference']}"
        if row["begun_at"] < since:
            told += ", begun before the statement's first day: it may stand in the one before"
        return Difference("only ours", row["receipt"] or "no receipt", told)

    def _counted(self, difference: Difference | None) -> Iterator[Difference]:
        if difference is not None:
            self.differences[difference.kind] += 1
            yield difference


def compare_line(line: Line, ours: db.Row | None) -> Difference | None:
    """Return how a line differs from what we have under its receipt, None when both agree."""
    booked = ours["booked"] if ours else None
    theirs = f"{line.status} {money.text(line.amount)}"
    told = f"theirs {theirs}, ours {ours['status'] if ours else ''} {money.text(booked or Decimal(0))}"
    if ours is None:
        unknown_money = line if line.amount > 0 and line.account else None
        return Difference("only theirs", line.receipt, theirs, line.number, unknown_money) if line.moved else None
    if line.moved != (booked is not None):
        return Difference("status differs", line.receipt, told, line.number)
    if line.moved and booked != line.amount:
        return Difference("amount differs", line.receipt, told, line.number)
    return None


def _day_of(moment: datetime) -> datetime:
    day = moment.replace(tzinfo=UTC).astimezone(clock.EAST_AFRICA).date()
    return statement.days(day, day)[0]


def _end_of(last_at: datetime) -> datetime:
    """Return until when a statement tells of our money: the end of its last day, unless that is not over yet."""
    end = _day_of(last_at) + timedelta(days=1)
    return end if end <= clock.now() else last_at + timedelta(seconds=1)


def _read_ours(receipts: list[str]) -> dict[str, db.Row]:
    """Return by receipt what became of a payment or a refund, and how much of it is booked (None: nothing)."""
    if not receipts:
        return {}
    rows = db.reading().fetch_all(
        """
        SELECT p.receipt, p.status, SUM(le.amount) AS booked
          FROM payments p
          LEFT JOIN ledger_journals lj ON lj.payment_id = p.id AND lj.kind IN ('settled', 'unallocated')
          LEFT JOIN ledger_entries le ON le.journal_id = lj.id AND le.account = 'mpesa_clearing'
         WHERE p.receipt IN {receipts}
         GROUP BY p.receipt, p.status
         UNION ALL
        SELECT r.receipt, r.status, SUM(le.amount)
          FROM refunds r
          LEFT JOIN ledger_journals lj ON lj.refund_id = r.id
          LEFT JOIN ledger_entries le ON le.journal_id = lj.id AND le.account = 'mpesa_clearing'
         WHERE r.receipt IN {receipts}
         GROUP BY r.receipt, r.status
        """,
        receipts=db.in_list("receipt", receipts),
    )
    return {row["receipt"]: row for row in rows}
