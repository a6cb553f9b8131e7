"""CSV that people open in a spreadsheet: written as it is read, a piece at a time, and never run as a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

# A spreadsheet takes a cell that begins so for a formula; an apostrophe before it makes it a text again.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
PIECE = 64 * 1024


def guard(cell: object) -> object:
    """Keep a text from being read as a formula; numbers stay numbers. `unguard` takes it back."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """Return a text as it was before `guard`."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def write(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Write rows as CSV, in pieces of some size."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    for row in rows:
        writer.writerow([guard("" if cell is None else cell) for cell in row])
        if buffer.tell() > PIECE:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
