"""The end of a table that is only added to, read again and again, with no row missed. No database.

Ids are given before COMMIT, so a row may come to light below one that was read already. A tail therefore reads again
from the lowest id that is missing so far, and tells apart what it has seen. A gap that nothing fills in LATEST seconds
is taken for a transaction that was undone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

LATEST = 10.0  # seconds; a transaction of ours takes milliseconds, one that waited for a lock some seconds
SPAN = 1000  # how far below the last id rows may still be missing when the reading begins


class Tail:
    """How far a table was read: `after` is the id behind which to read on."""

    def __init__(self, last: int) -> None:
        self.after = max(0, last - SPAN)
        self._seen: set[int] = set()
        self._read: deque[tuple[float, int]] = deque()

    def take(self, ids: Iterable[int], now: float) -> set[int]:
        """Take what was read behind `after` at a moment, in seconds, and return what is new of it."""
        new = set(ids) - self._seen
        if new:
            self._seen |= new
            self._read.append((now, max(new)))
        while self._read and self._read[0][0] < now - LATEST:
            self._give_up_gaps(self._read.popleft()[1])
        while self.after + 1 in self._seen:
            self.after += 1
            self._seen.remove(self.after)
        return new

    def _give_up_gaps(self, top: int) -> None:
        if top > self.after:
            self.after = top
            self._seen = {id_ for id_ in self._seen if id_ > top}
