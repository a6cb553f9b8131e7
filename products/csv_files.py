"""Reading catalogue files row by row: CSV as spreadsheets write it, with the line of every row. No database.

A file is never read whole. What cannot be read of it is told by line; the rows around it are read all the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, TextIO

from pydantic import BaseModel, ValidationError

from products.drafts import Image
from utils import sheets
from utils.errors import UnreadableFile

LONGEST_CELL = 1_000_000  # characters; more is a quote that was never closed
DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class Problem:
    """A row, or a part of it, that is not imported."""

    line: int
    reason: str
    product: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: " + (f"{self.product}: " if self.product else "") + self.reason


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    cells: dict[str, str]

    def get(self, *columns: str) -> str:
        """Return the first of these cells that is there, without blanks around it."""
        return next((self.cells[name].strip() for name in columns if name in self.cells), "")


@dataclass(slots=True)
class OfferedVariant:
    """A variant as the file has it, with the line it stands in."""

    line: int
    fields: dict[str, Any]


@dataclass(slots=True)
class Offer:
    """A product as the file has it. `problems` are of its rows that say nothing that can be used."""

    slug: str
    line: int
    rows: int
    fields: dict[str, Any] = field(default_factory=dict)
    category: list[str] = field(default_factory=list)
    variants: list[OfferedVariant] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int, reason: str) -> None:
        """Note why a row is not imported."""
        self.problems.append(Problem(line, reason, self.slug))

    def check(self, model: type[BaseModel], values: dict[str, Any], line: int) -> dict[str, Any] | None:
        """Read cells by the rules of the API; report what breaks them and return None."""
        try:
            return model.model_validate(values).model_dump(exclude_unset=True)
        except ValidationError as error:
            for found in error.errors():
                name = ".".join(str(part) for part in found["loc"])
                self.report(line, f"{name}: {found['msg'].removeprefix('Value error, ')}")
            return None


def open_file(path: Path) -> IO[bytes]:
    """Open a file. Raises UnreadableFile."""
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror}.") from None


def decode(file: IO[bytes]) -> TextIO:
    """Read a file as UTF-8, with or without its mark; bytes that are none are found row by row.

    Raises UnreadableFile.
    """
    is_utf16 = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    file.seek(0)
    if is_utf16:
        file.close()
        raise UnreadableFile("The file is UTF-16: save it as CSV in UTF-8.")
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def read_rows(lines: Iterable[str]) -> tuple[list[str], Iterator[Row | Problem]]:
    """Return the names of the columns, and the rows. Raises UnreadableFile for a file without a header."""
    csv.field_size_limit(LONGEST_CELL)
    source = iter(lines)
    first = next(source, "")
    delimiter = max(DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(header):
        raise UnreadableFile("The file is empty: its first line must name the columns.")
    return header, _read_rows(csv.reader(source, delimiter=delimiter), header)


def _read_rows(reader: Any, header: list[str]) -> Iterator[Row | Problem]:
    while True:
        line = reader.line_num + 2  # the header is line 1, and a row may run over several
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Problem(line, f"cannot be read as CSV: {error}")
            continue
        if any(cell.strip() for cell in cells):
            yield _row(line, cells, header)


def _row(line: int, cells: list[str], header: list[str]) -> Row | Problem:
    text = "".join(cells)
    if any("\udc80" <= character <= "\udcff" for character in text):
        return Problem(line, "is not UTF-8: save the file as CSV in UTF-8")
    if "\x00" in text:
        return Problem(line, "holds NUL characters")
    if len(cells) > len(header):
        return Problem(line, f"has {len(cells)} cells under {len(header)} columns", cells[0])
    return Row(line, dict(zip(header, map(sheets.unguard, cells), strict=False)))


def whole(text: str) -> int | str:
    """Return a whole number, or the text itself when it is none, for the rules of the API to refuse."""
    return int(text) if text.lstrip("-").isdecimal() and len(text) < 19 else text


def group_rows(rows: Iterable[Row | Problem], key: str) -> Iterator[list[Row] | Problem]:
    """Put the rows that follow each other under one key together; a key that comes back later is reported."""
    group: list[Row] = []
    ended: dict[str, int] = {}
    for row in rows:
        if isinstance(row, Problem):
            yield row
            continue
        name = row.get(key)
        if group and name == group[0].get(key):
            group.append(row)
            continue
        if group:
            ended[group[0].get(key)] = group[-1].line
            yield group
            group = []
        if not name:
            yield Problem(row.line, f"has no {key}")
        elif name in ended:
            yield Problem(row.line, f"its other rows ended in line {ended[name]}: put them together", name)
        else:
            group = [row]
    if group:
        yield group
