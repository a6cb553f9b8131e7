"""Writing together: the rows of many threads in one statement, so that a crowd costs the database one COMMIT.

Who comes while nobody writes, writes at once. Who comes meanwhile waits, and all who wait are written with the next
statement, by the first of them. Nobody returns before his row is committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")


class _Brought(Generic[Row]):
    """A row on its way, and the thread that brought it."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.is_written: bool | None = None  # None: not tried yet
        self._called = threading.Lock()
        self._called.acquire()

    def wait(self) -> None:
        self._called.acquire()

    def call(self) -> None:
        self._called.release()


class Together(Generic[Row]):
    """Rows on their way to one table: `write` writes many of them, all or none, and raises when it did not."""

    def __init__(self, write: Callable[[Sequence[Row]], object], *, most: int) -> None:
        self._write = write
        self._most = most
        self._lock = threading.Lock()
        self._waiting: list[_Brought[Row]] = []
        self._is_writing = False

    def bring(self, row: Row) -> bool:
        """Have the row written with others and return True; or False when they failed together: write it alone."""
        brought = _Brought(row)
        with self._lock:
            self._waiting.append(brought)
            must_wait, self._is_writing = self._is_writing, True
        if must_wait:
            brought.wait()
        if brought.is_written is None:
            self._write_waiting()
        return bool(brought.is_written)

    def _write_waiting(self) -> None:
        """Write for all who wait, oneself the first of them, then let the next one write."""
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        is_written = False
        try:
            self._write([brought.row for brought in batch])
            is_written = True
        except Exception:
            if len(batch) == 1:
                raise
        finally:
            for brought in batch:
                brought.is_written = is_written
            for brought in batch[1:]:
                brought.call()
            self._let_next_write()

    def _let_next_write(self) -> None:
        with self._lock:
            self._is_writing = bool(self._waiting)
            if self._waiting:
                self._waiting[0].call()
