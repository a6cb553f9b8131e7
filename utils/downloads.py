"""Answers that are a file, written while it is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from flask import Response, stream_with_context

from utils import db, sheets


def csv_file(filename: str, rows: Callable[[], Iterable[Iterable[object]]]) -> Response:
    """Answer with a spreadsheet; `rows` reads from the database as it goes."""

    def stream() -> Iterator[str]:
        try:
            yield from sheets.write(rows())
        finally:
            db.release()

    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
    return Response(stream_with_context(stream()), headers=headers, content_type="text/csv; charset=utf-8")
