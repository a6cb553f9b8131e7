"""What a call that went wrong tells about the push: was it sent, or not? Over real sockets, without a database."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import config
from payments import daraja
from payments.daraja_answers import NotTaken, OutcomeUnknown, Refused
from utils import db

PUSH = {"token": "t", "phone_number": "254712345678", "amount": 1, "account": "A1", "callback_url": "http://x/y"}


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    before = config._current
    config.use(config.load({"SHOP_ENV": "testing", "DATABASE_URL": "mysql://nobody@localhost/none"}))
    yield
    if before is not None:
        config.use(before)


@contextmanager
def provider(serve: Callable[[socket.socket], None]) -> Iterator[None]:
    """Listen on loopback, and treat the one caller as `serve` does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take_call() -> None:
            caller, _ = listening.accept()
            with caller:
                serve(caller)

        thread = threading.Thread(target=take_call)
        thread.start()
        with config.override(MPESA_BASE_URL=f"http://127.0.0.1:{listening.getsockname()[1]}"):
            yield
        thread.join()


def read_request(caller: socket.socket) -> bytes:
    received = b""
    while b"Order payment" not in received:
        received += caller.recv(65536)
    return received


def answer(content: bytes) -> Callable[[socket.socket], None]:
    def serve(caller: socket.socket) -> None:
        read_request(caller)
        caller.sendall(content)

    return serve


def test_nobody_listening_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with config.override(MPESA_BASE_URL=f"http://127.0.0.1:{port}"):
        with pytest.raises(NotTaken):
            daraja.push(**PUSH)
        with pytest.raises(NotTaken):
            daraja.fetch_token()


def test_a_name_that_leads_nowhere_means_that_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nobody(*_: object) -> None:
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", find_nobody)
    with config.override(MPESA_BASE_URL="http://no-such-host.invalid"), pytest.raises(NotTaken):
        daraja.push(**PUSH)


def test_an_answer_that_does_not_come_means_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daraja, "READ_SECONDS", 0.1)
    over = threading.Event()

    def serve(caller: socket.socket) -> None:
        read_request(caller)
        over.wait(10)

    with provider(serve):
        with pytest.raises(OutcomeUnknown):
            daraja.push(**PUSH)
        over.set()


def test_a_connection_that_breaks_after_the_request_means_unknown() -> None:
    with provider(answer(b"")), pytest.raises(OutcomeUnknown):
        daraja.push(**PUSH)


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_an_answer_that_cannot_be_read_means_unknown(content: bytes) -> None:
    with provider(answer(content)), pytest.raises(OutcomeUnknown):
        daraja.push(**PUSH)


def test_a_readable_refusal_means_refused() -> None:
    body = b'{"errorCode":"400.002.02","errorMessage":"Bad Request - Invalid Amount"}'
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with provider(answer(head + body)), pytest.raises(Refused):
        daraja.push(**PUSH)


def test_a_proxy_of_the_environment_never_sees_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://no-such-proxy.invalid:3128")
    with provider(answer(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")), pytest.raises(OutcomeUnknown):
        daraja.push(**PUSH)


def test_nobody_is_called_inside_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    held = db._Held(transaction="orders.place_order")
    reset = db._held.set(held)
    try:
        with pytest.raises(db.StatementError):
            daraja.push(**PUSH)
    finally:
        db._held.reset(reset)
