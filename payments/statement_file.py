"""Read the statement that the M-Pesa organisation portal exports as CSV. Pure; line by line, however long it is.

Above the table stand some lines about the organisation; the table's own header names the columns, and so they are
found by name. A charge stands as a line of its own under the receipt of what it was charged for.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from utils import clock

NEEDED = ("receipt no", "completion time", "transaction status", "paid in", "withdrawn")
CHARGE = re.compile(r"\bcharges?\b", re.I)
RECEIPT = re.compile(r"[A-Z0-9]{6,20}")
AMOUNT = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d{1,2})?")
TIMES = ("%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")  # the last two: saved again by a spreadsheet
COMPLETED = "completed"


class NotAStatement(ValueError):
    """A file without the table's header; the text says what was looked for."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: money in is above zero, money out below."""

    number: int
    receipt: str
    completed_at: datetime
    status: str
    amount: Decimal
    is_charge: bool
    account: str  # what the payer typed, or was shown; "" where the statement has none

    @property
    def moved(self) -> bool:
        """Tell whether the money moved: failed and cancelled transactions stand in a statement too."""
        return self.status.lower() == COMPLETED


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line of the table that cannot be read, and why."""

    number: int
    reason: str


def read(text: Iterable[str]) -> Iterator[Line | Unreadable]:
    """Yield the lines of the table. Raises NotAStatement when there is none."""
    rows = csv.reader(text)
    try:
        columns = _find_table(rows)
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield _read_line(rows.line_num, cells, columns)
    except csv.Error as error:
        raise NotAStatement(f"line {rows.line_num} is no CSV: {error}") from None


def _find_table(rows: Iterator[list[str]]) -> dict[str, int]:
    for cells in rows:
        columns = {_name(cell): place for place, cell in enumerate(cells)}
        if columns.keys() >= set(NEEDED):
            return columns
    raise NotAStatement(
        "no line names the columns Receipt No., Completion Time, Transaction Status, Paid In and Withdrawn;"
        " export the organisation statement as CSV, and leave it as it is"
    )


def _name(cell: str) -> str:
    return " ".join(cell.strip("\ufeff \t.").lower().split())


def _read_line(number: int, cells: list[str], columns: dict[str, int]) -> Line | Unreadable:
    def cell(name: str) -> str:
        place = columns.get(name, len(cells))
        return cells[place].strip() if place < len(cells) else ""

    try:
        return Line(
            number=number,
            receipt=_read_receipt(cell("receipt no")),
            completed_at=_read_time(cell("completion time")),
            status=cell("transaction status"),
            amount=_read_amount(cell("paid in")) - abs(_read_amount(cell("withdrawn"))),
            is_charge=CHARGE.search(cell("reason type") or cell("details")) is not None,
            account=cell("a/c no"),
        )
    except ValueError as error:
        return Unreadable(number, str(error))


def _read_receipt(text: str) -> str:
    if not RECEIPT.fullmatch(text.upper()):
        raise ValueError(f"{text!r} is no receipt number")
    return text.upper()


def _read_time(text: str) -> datetime:
    for form in TIMES:
        try:
            local = datetime.strptime(text, form).replace(tzinfo=clock.EAST_AFRICA)
        except ValueError:
            continue
        return local.astimezone(UTC).replace(tzinfo=None)
    raise ValueError(f"{text!r} is no time; write it as 31-12-2026 23:59:59")


def _read_amount(text: str) -> Decimal:
    if not text:
        return Decimal(0)
    if not AMOUNT.fullmatch(text):
        raise ValueError(f"{text!r} is no amount; write it as 1,499.00")
    return Decimal(text.replace(",", ""))
