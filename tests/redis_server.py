"""As much of a Redis as the limits need: counters with an end, over the wire, in a thread of its own."""

from __future__ import annotations

import hashlib
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

INCREASE = "incrby"  # by this the one script that is run here is known


@dataclass
class Book:
    """What all connections share."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    scripts: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.book = Book()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.server_address[1]}/0"


class Conversation(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        while words := read_command(self.rfile):
            with self.server.book.lock:
                self.wfile.write(answer(self.server.book, words))


def read_command(stream: BinaryIO) -> list[str]:
    """Return the words of a command; none when the other side has hung up."""
    head = stream.readline()
    words = []
    for _ in range(int(head[1:]) if head else 0):
        size = int(stream.readline()[1:])
        words.append(stream.read(size).decode())
        stream.read(2)
    return words


def answer(book: Book, words: list[str]) -> bytes:
    match [words[0].upper(), *words[1:]]:
        case ["PING"]:
            return b"+PONG\r\n"
        case ["SCRIPT", _, script]:
            digest = hashlib.sha1(script.encode()).hexdigest()  # noqa: S324 (so Redis names scripts)
            book.scripts[digest] = script
            return f"${len(digest)}\r\n{digest}\r\n".encode()
        case ["EVALSHA", digest, *_] if digest not in book.scripts:
            return b"-NOSCRIPT No matching script.\r\n"
        case ["EVALSHA", digest, "1", key, seconds, amount] if INCREASE in book.scripts[digest]:
            book.counters[key] = book.counters.get(key, 0) + int(amount)
            book.ends.setdefault(key, int(seconds))
            return number(book.counters[key])
        case ["GET", key]:
            text = str(book.counters.get(key, 0))
            return f"${len(text)}\r\n{text}\r\n".encode()
        case ["TTL", key]:
            return number(book.ends.get(key, -2))
        case ["CLIENT" | "SELECT", *_]:
            return b"+OK\r\n"
    return b"-ERR unknown command\r\n"


def number(value: int) -> bytes:
    return f":{value}\r\n".encode()


@contextmanager
def running() -> Iterator[Server]:
    """Answer on a free port while the block runs."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
