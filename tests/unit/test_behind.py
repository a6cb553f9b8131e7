"""Lines that are written a moment later: all of them, whole, in their order, and before the process ends."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from typing import Any

import pytest

from tests.threads import at_once
from utils import behind
from utils.behind import Behind


class Stream(io.StringIO):
    """Tells when something was written, and how often."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.written = threading.Event()

    def write(self, text: str) -> int:
        done = super().write(text)
        self.times += bool(text)
        self.written.set()
        return done


def test_lines_are_written_soon_and_together() -> None:
    stream = Stream()
    lines = Behind(stream)
    for number in range(100):
        lines.write(f"{number}\n")
    assert stream.written.wait(10)
    lines.flush_now()
    assert stream.getvalue().split() == [str(number) for number in range(100)]
    assert stream.times <= 2


def test_lines_of_many_threads_are_whole_and_each_threads_in_order() -> None:
    stream = Stream()
    lines = Behind(stream)

    def write(thread: int) -> None:
        for number in range(200):
            lines.write(f"{thread} {number}\n")

    assert at_once(*[lambda thread=thread: write(thread) for thread in range(6)]) == [None] * 6
    lines.flush_now()
    found: dict[str, list[int]] = {}
    for line in stream.getvalue().splitlines():
        thread, number = line.split()
        found.setdefault(thread, []).append(int(number))
    assert found == {str(thread): list(range(200)) for thread in range(6)}


def test_who_writes_faster_than_the_stream_takes_writes_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "WRITTEN_WITHIN", 60.0)
    monkeypatch.setattr(behind, "MOST_WAITING", 10)
    stream = Stream()
    lines = Behind(stream)
    for number in range(25):
        lines.write(f"{number}\n")
    assert len(stream.getvalue().split()) == 22


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "raise RuntimeError"])
def test_what_waits_when_the_process_ends_is_written(ending: str) -> None:
    program = f"from utils import log; log.configure('INFO'); log.get_logger('shop').info('the last line'); {ending}"
    ended: Any = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert '"event": "the last line"' in ended.stderr
