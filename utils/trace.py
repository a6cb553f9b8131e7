"""What one request (or one worker job) carries with it: its id, whence it came, and the tally of its statements.

The id enters with `X-Request-ID` or is made here; it goes into every log line, SQL comment, outbox row and answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
LONGEST_ADDRESS = 45


@dataclass(slots=True)
class Tally:
    """How often and how long a request was at the database."""

    statements: int = 0
    seconds: float = 0.0


class _Trace:
    """What is carried: one object, so that to begin a request sets one variable. `facts` are keys of its log lines."""

    __slots__ = ("address", "facts", "request_id", "tally")

    def __init__(self, request_id: str, address: str, facts: dict[str, Any]) -> None:
        self.request_id = request_id
        self.address = address
        self.facts = facts
        self.tally = Tally()


NOWHERE = _Trace("-", "", {})
_trace: ContextVar[_Trace] = ContextVar("trace", default=NOWHERE)


def request_id() -> str:
    """Return the id of the request at hand, `-` outside of one."""
    return _trace.get().request_id


def address() -> str:
    """Return the network address that sent the request at hand, empty outside of one."""
    return _trace.get().address


def tally() -> Tally:
    """Return the counter of the request at hand; outside of one, a counter that nobody reads."""
    return _trace.get().tally


def facts() -> Mapping[str, Any]:
    """Return what every log line of the request at hand tells: its id, and what was noted since; outside, nothing."""
    return _trace.get().facts


def note(**facts: Any) -> None:
    """Have every further log line of the request at hand tell these facts, too."""
    trace = _trace.get()
    if trace is not NOWHERE:
        trace.facts |= facts


def begin(offered: str | None = None, *, address: str = "") -> str:
    """Start a trace under the offered id when it is well-formed, else under a new one."""
    chosen = offered if offered and ACCEPTED.match(offered) else f"{random.getrandbits(64):016x}"
    address = address if address.isascii() else address.encode("ascii", "replace").decode()
    _trace.set(_Trace(chosen, address[:LONGEST_ADDRESS], {"request_id": chosen}))
    return chosen


def end() -> None:
    """Forget the trace, so that nothing leaks to the next request of the thread."""
    _trace.set(NOWHERE)


@contextmanager
def span(offered: str | None = None) -> Iterator[str]:
    """Run a job that no HTTP request started under a request id of its own."""
    try:
        yield begin(offered)
    finally:
        end()
