"""Writing lines a moment later, many at once, by a thread of their own.

A write in the midst of a request lets all other threads go first, and they are many: it took a tenth of a product's
page. What is paid for it: who is killed with SIGKILL loses the lines of his last WRITTEN_WITHIN seconds.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from typing import TextIO

WRITTEN_WITHIN = 0.05  # seconds
MOST_WAITING = 10_000  # lines; then the stream does not take them as fast as they come, and writers wait for it


class Behind:
    """A stream for lines, to another stream. What waits is written at the end of the process, too."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: deque[str] = deque()
        self._has_lines = threading.Event()
        self._writing = threading.Lock()
        threading.Thread(target=self._write_on, name="lines behind", daemon=True).start()
        atexit.register(self.flush_now)

    def write(self, text: str) -> None:
        """Have the text written soon."""
        self._lines.append(text)
        if not self._has_lines.is_set():
            self._has_lines.set()
        if len(self._lines) > MOST_WAITING:
            self.flush_now()

    def flush(self) -> None:
        """Do nothing: loggers call it after every line."""

    def flush_now(self) -> None:
        """Write what waits."""
        with self._writing:
            self._has_lines.clear()  # first: a line that comes now is written next time
            self._stream.write("".join([self._lines.popleft() for _ in range(len(self._lines))]))
            self._stream.flush()

    def _write_on(self) -> None:
        pause = threading.Event()
        while True:
            self._has_lines.wait()
            pause.wait(WRITTEN_WITHIN)
            self.flush_now()
