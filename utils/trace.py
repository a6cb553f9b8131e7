"""What one request (or one worker job) carries with it: its id, whence it came, and the tally of its statements.

The id enters with `X-Request-ID` or is made here; it goes into every log line, SQL comment, outbox row and answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from structlog.contextvars import bind_contextvars, clear_contextvars

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
LONGEST_ADDRESS = 45


@dataclass(slots=True)
class Tally:
    """How often and how long a request was at the database."""

    statements: int = 0
    seconds: float = 0.0


_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_address: ContextVar[str] = ContextVar("address", default="")
_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


def request_id() -> str:
    """Return the id of the request at hand, `-` outside of one."""
    return _request_id.get()


def address() -> str:
    """Return the network address that sent the request at hand, empty outside of one."""
    return _address.get()


def tally() -> Tally:
    """Return the counter of the request at hand; outside of one, a counter that nobody reads."""
    return _tally.get() or Tally()


def begin(offered: str | None = None, *, address: str = "") -> str:
    """Start a trace under the offered id when it is well-formed, else under a new one."""
    chosen = offered if offered and ACCEPTED.match(offered) else f"{random.getrandbits(64):016x}"
    _request_id.set(chosen)
    _address.set(address.encode("ascii", "replace").decode()[:LONGEST_ADDRESS])
    _tally.set(Tally())
    clear_contextvars()
    bind_contextvars(request_id=chosen)
    return chosen


def end() -> None:
    """Forget the trace, so that nothing leaks to the next request of the thread."""
    _request_id.set("-")
    _address.set("")
    _tally.set(None)
    clear_contextvars()


@contextmanager
def span(offered: str | None = None) -> Iterator[str]:
    """Run a job that no HTTP request started under a request id of its own."""
    try:
        yield begin(offered)
    finally:
        end()
