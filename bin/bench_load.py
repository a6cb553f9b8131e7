"""The load of bin/bench: HTTP/1.1 over many connections that stay open, from one process and one thread.

It knows ready-made requests and counts answers; what they are about is not its business. It must cost so little that
the server is what is measured: `Load.generator_busy` tells how much of one core it took itself.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from urllib.parse import quote

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE_SECONDS = 60.0
WARM_UP_SECONDS = 0.3
Place = tuple[str, int]


class LoadFailed(RuntimeError):
    """The server closed a connection, or said nothing any more."""


@dataclass
class Load:
    """What came back: how many answers by status while it was counted, and how many of all the rest."""

    seconds: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)
    uncounted: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0
    generator_busy: float = 0.0
    unexpected: bytes = b""

    @property
    def requests(self) -> int:
        """Return how many were answered, counted or not."""
        return self.answers.total() + self.uncounted.total()

    @property
    def rate(self) -> float:
        """Return good answers a second."""
        return sum(number for status, number in self.answers.items() if status < 400) / self.seconds


class Connection:
    """One open connection that sends its requests one after the other, each when the one before is answered."""

    def __init__(self, place: Place, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(place, timeout=PATIENCE_SECONDS)
        self.socket.settimeout(None)  # the selector waits; a timeout here would cost a system call more each time
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.sent = 0
        self.sent_at = 0.0
        self._read = b""
        self._wanted = 0

    def send_next(self) -> bool:
        """Send the next request, if there is one."""
        request = next(self.requests, None)
        if request is None:
            return False
        self._read, self._wanted = b"", 0
        self.sent += 1
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)
        return True

    def receive(self) -> bytes | None:
        """Read what is there; return the answer once it is whole. Raises LoadFailed."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise LoadFailed(f"the server closed a connection after {len(self._read)} bytes of an answer")
        self._read = self._read + data if self._read else data
        if not self._wanted:
            end = self._read.find(b"\r\n\r\n")
            if end < 0:
                return None
            length = LENGTH.search(self._read, 0, end + 2)
            if not length:
                raise LoadFailed(f"an answer without a length: {self._read[:end]!r}")
            self._wanted = end + 4 + int(length[1])
        return self._read if len(self._read) >= self._wanted else None


def run_for(place: Place, plans: Sequence[Sequence[bytes]], seconds: float, together: int = 1) -> Load:
    """Send each plan round and round over a connection of its own; count for `seconds`. Raises LoadFailed.

    So many requests of a plan belong `together`: a connection does not stop between them.
    """
    connections = [Connection(place, cycle(plan)) for plan in plans]
    return _run(connections, warm_up=WARM_UP_SECONDS, seconds=seconds, together=together)


def run_through(place: Place, plans: Sequence[Sequence[bytes]]) -> Load:
    """Send each plan once over a connection of its own, all at the same moment. Raises LoadFailed."""
    connections = [Connection(place, iter(plan)) for plan in plans]
    return _run(connections, warm_up=0.0, seconds=float("inf"), together=1)


def _run(connections: list[Connection], *, warm_up: float, seconds: float, together: int) -> Load:
    load = Load()
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        count_from = time.perf_counter() + warm_up
        stop_at = count_from + seconds
        busy_before = 0.0
        running = sum(connection.send_next() for connection in connections)
        while running:
            ready = selector.select(PATIENCE_SECONDS)
            if not ready:
                raise LoadFailed(f"{running} requests without an answer for {PATIENCE_SECONDS:.0f} s")
            for key, _ in ready:
                connection = key.data
                answer = connection.receive()
                if answer is None:
                    continue
                now = time.perf_counter()
                _count(load, answer, counted=count_from <= now < stop_at, took=now - connection.sent_at)
                if not busy_before and now >= count_from:
                    busy_before = time.process_time()
                if not load.seconds and now >= stop_at:
                    load.seconds = now - count_from
                    load.generator_busy = (time.process_time() - busy_before) / load.seconds
                done = now >= stop_at and connection.sent % together == 0
                if done or not connection.send_next():
                    running -= 1
        load.seconds = load.seconds or time.perf_counter() - count_from
    for connection in connections:
        connection.socket.close()
    return load


def _count(load: Load, answer: bytes, *, counted: bool, took: float) -> None:
    status = int(answer[9:12])
    if status >= 400 and not load.unexpected:
        load.unexpected = answer
    if counted:
        load.answers[status] += 1
        load.slowest = max(load.slowest, took)
    else:
        load.uncounted[status] += 1


# --- requests, ready to be sent


def get(path: str) -> bytes:
    """Write a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n".encode()


def post(path: str, body: bytes, token: str = "", method: str = "POST") -> bytes:
    """Write a request of JSON, with an access token."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n{authorization}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def body_of(answer: bytes) -> bytes:
    """Return the body of an answer."""
    return answer.partition(b"\r\n\r\n")[2]


def ask(place: Place, requests: Sequence[bytes]) -> list[bytes]:
    """Send requests one after the other and return the whole answers. Raises LoadFailed."""
    connection = Connection(place, iter(requests))
    answers = []
    with connection.socket:
        while connection.send_next():
            answer = None
            while answer is None:
                answer = connection.receive()
            if not answer.startswith(b"HTTP/1.1 2"):
                raise LoadFailed(f"not a good answer: {answer[:600].decode(errors='replace')}")
            answers.append(answer)
    return answers


def walk(place: Place, path: str) -> list[str]:
    """Return the addresses of a list's pages of 20: the first, and those that begin at every hundredth thing."""
    pages, cursor = [path], None
    while True:
        at = f"{path}&cursor={quote(cursor)}" if cursor else path
        page = json.loads(body_of(ask(place, [get(f"{at}&limit=100")])[0]))
        cursor = page["next_cursor"]
        if not cursor:
            return pages
        pages.append(f"{path}&cursor={quote(cursor)}")
