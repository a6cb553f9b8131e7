"""Web and worker are killed, again and again, while customers pay; afterwards the three books are equal.

Real processes: the shop's own commands on the suite's database, and a simulated provider that nobody kills. The
moments are random and come again with their seed; a customer whose request is cut off repeats it under its key.

One thing no shop can heal by itself: a prompt whose push was cut off before its answer was written down, and whose
one callback is lost too. So a web process that was killed is back before its prompts are paid: when the machine is
too slow for that, the provider is made to hold its breath.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from apiflask import APIFlask

import config
from app import HANDLERS
from payments import attempt_services, callback_services
from tests.conftest import Clock
from tests.factories import Product, User, make_product, make_user
from utils import clock, db, outbox, processes

SPEED = 4
PAID_AFTER = 20 / SPEED  # the story of phones that end in 20
HOLD_BREATH_AFTER = 1.5
CUSTOMERS = 4
PATIENCE = 40.0

_phones = itertools.count(1)


class Program:
    """One of the shop's processes, which can be killed with all its children and started again."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self.command, self.environment = command, environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(os.devnull) as held:
            self.process = processes.start(
                self.command, environment=self.environment, folder=config.ROOT, held=held.fileno()
            )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        assert self.process.poll() is None, f"ended by itself: {self.command}"
        os.killpg(self.process.pid, number)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None and self.process.poll() is None:
            self.send(number)
            self.process.wait(PATIENCE)


class Shop:
    """The running shop: web, worker, and the provider that they talk to."""

    def __init__(self, database_url: str, folder: Path) -> None:
        port, provider_port = free_port(), free_port()
        self.url, self.provider_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{provider_port}"
        environment = os.environ | {
            "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
            "SHOP_ENV": "testing",
            "DATABASE_URL": database_url,
            "INSTANCE_DIR": str(folder),
            "PORT": str(port),
            "WEB_THREADS": "8",
            "MPESA_BASE_URL": self.provider_url,
            "MPESA_CALLBACK_BASE_URL": self.url,
            "MPESA_QUERY_AFTER_SECONDS": "0.5",
            "LOG_LEVEL": "WARNING",
        }
        commands = processes.read_procfile(config.ROOT / "Procfile")
        commands["simulator"] = f"exec python -m flask mpesa-simulator --port {provider_port} --speed {SPEED} --seed 1"
        self.web, self.worker, self.provider = (
            Program(commands[name], environment) for name in ("web", "worker", "simulator")
        )

    def kill_web(self) -> None:
        """Kill the web process and start it again; the provider goes on for a while, and calls in vain."""
        self.web.end()
        self.web.start()
        killed_at, holds_breath = time.monotonic(), False
        while not answers(f"{self.url}/health"):
            if not holds_breath and time.monotonic() > killed_at + HOLD_BREATH_AFTER:
                self.provider.send(signal.SIGSTOP)
                holds_breath = True
            assert time.monotonic() < killed_at + PATIENCE, "the web process does not come back"
        if holds_breath:
            self.provider.send(signal.SIGCONT)

    def kill_worker(self) -> None:
        self.worker.end()
        self.worker.start()

    def book(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.provider_url}/simulator/book", timeout=PATIENCE).json()
        return found


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        time.sleep(0.05)
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up_at, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def shop(app: APIFlask, database_url: str, tmp_path: Path) -> Iterator[Shop]:
    running = Shop(database_url, tmp_path)
    with ExitStack() as ending:
        for program in (running.provider, running.web, running.worker):
            program.start()
            ending.callback(program.end)
        wait_for(lambda: answers(f"{running.url}/health") and answers(running.provider_url))
        yield running


# --- customers


class Customer:
    """Orders and pays without end; a request that is cut off is sent again."""

    def __init__(self, shop: Shop, user: User, product: Product, seed: int) -> None:
        self.shop, self.product, self.random = shop, product, random.Random(seed)
        self.http = requests.Session()
        self.cut_off = 0
        answer = self.post("/api/auth/login", username=user.username, password=user.password)
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def post(self, path: str, **body: Any) -> requests.Response:
        """Send a request until it is answered, each time under the same key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        give_up_at = time.monotonic() + PATIENCE
        while True:
            try:
                return self.http.post(self.shop.url + path, json=body, headers=headers, timeout=PATIENCE)
            except requests.RequestException:
                assert time.monotonic() < give_up_at
                self.cut_off += 1
                time.sleep(0.05)

    def buy_until(self, enough: threading.Event) -> None:
        while not enough.wait(self.random.uniform(0.05, 0.3)):
            items = [{"variant_id": self.product.variant.id, "quantity": self.random.randint(1, 3)}]
            order = self.post("/api/orders", shipping_address="Moi Avenue 1, Nairobi", items=items)
            if order.status_code == 201:
                self.pay(order.json()["id"])
            else:  # the process died with the key in its hand, and nobody else may take it for a minute
                assert order.json()["code"] == "idempotency_in_progress", order.text

    def pay(self, order_id: int) -> None:
        ending = self.random.choice(["20", "20", "20", "32"])  # three of four pay in the end, one cancels
        phone = f"2547{next(_phones):06}{ending}"
        answer = self.post("/api/payments/stkpush", order_id=order_id, phone_number=phone)
        known = {"idempotency_in_progress", "payment_in_progress"}
        assert answer.status_code == 202 or answer.json()["code"] in known, answer.text


@contextmanager
def stream_of_payments(shop: Shop, seed: int) -> Iterator[list[Customer]]:
    product = make_product(price="100.00", stock=100_000)
    customers = [Customer(shop, make_user(), product, seed + place) for place in range(CUSTOMERS)]
    enough, failures = threading.Event(), []

    def buy(customer: Customer) -> None:
        try:
            customer.buy_until(enough)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=buy, args=(customer,)) for customer in customers]
    for thread in threads:
        thread.start()
    try:
        yield customers
    finally:
        enough.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert failures == []


# --- what is known


def count(sql: str, **values: Any) -> int:
    counted: int = db.reading().fetch_value(sql, values)
    return counted


def nobody_waits_for_word_since(killed_at: datetime) -> bool:
    """Tell whether every push that a kill may have cut off has heard of its payer, or never will."""
    if (clock.now() - killed_at).total_seconds() > PAID_AFTER + 1:
        return True
    waiting = count(
        """
        SELECT COUNT(*) AS counted
          FROM payments p
         WHERE p.created_at <= %(killed_at)s
           AND p.status IN ('created', 'unknown')
           AND p.checkout_request_id IS NULL
           AND NOT EXISTS (SELECT 1 FROM provider_callbacks pc WHERE pc.payment_id = p.id)
        """,
        killed_at=killed_at,
    )
    return waiting == 0


def every_known_prompt_has_ended() -> bool:
    return not count(
        "SELECT COUNT(*) AS counted FROM payments"
        " WHERE status IN ('created', 'sent', 'unknown') AND checkout_request_id IS NOT NULL"
    )


def work_as_the_next_worker_will(frozen_clock: Clock) -> None:
    """Take up what a killed worker had leased, once its lease has run out."""
    frozen_clock.forward(seconds=61)
    while callback_services.apply_due():
        pass
    while outbox.deliver_due(HANDLERS):
        pass
    frozen_clock.forward(minutes=4)
    while attempt_services.give_up_dead_prompts():
        pass


@pytest.mark.parametrize(
    ("seed", "kills"),
    [
        pytest.param(1, 2, id="twice"),
        *(pytest.param(seed, 10, id=f"ten times, seed {seed}", marks=pytest.mark.long) for seed in (2, 3)),
    ],
)
def test_whoever_is_killed_amid_payments_the_three_books_are_equal(shop: Shop, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    with stream_of_payments(shop, seed) as customers:
        wait_for(lambda: count("SELECT COUNT(*) AS counted FROM payments WHERE status = 'succeeded'") > 0)
        for _ in range(kills):
            time.sleep(chance.uniform(0.0, 1.0))
            shop.kill_web()
            killed_at = clock.now()
            time.sleep(chance.uniform(0.0, 1.0))
            shop.kill_worker()
            wait_for(lambda killed_at=killed_at: nobody_waits_for_word_since(killed_at))
    stopped_at = clock.now()
    wait_for(lambda: nobody_waits_for_word_since(stopped_at) and every_known_prompt_has_ended())
    for program in (shop.worker, shop.web):
        program.end(signal.SIGTERM)
    book = shop.book()
    with pytest.MonkeyPatch.context() as patched:
        frozen_clock = Clock()
        patched.setattr(clock, "now", frozen_clock)
        work_as_the_next_worker_will(frozen_clock)

    assert sum(customer.cut_off for customer in customers) > 0
    ours = db.reading().fetch_all(
        "SELECT checkout_request_id, settled_amount FROM payments WHERE status IN ('succeeded', 'review')"
    )
    assert {row["checkout_request_id"]: row["settled_amount"] for row in ours} == {
        entry["reference"]: entry["amount"] for entry in book["entries"]
    }
    assert len(ours) == len(book["entries"]) > 10 * kills
    assert book["balance"] == count("SELECT SUM(amount) AS s FROM ledger_entries WHERE account = 'mpesa_clearing'")
    assert book["balance"] == count("SELECT SUM(paid) AS s FROM orders")
    assert count("SELECT COUNT(*) AS counted FROM provider_callbacks WHERE applied_at IS NULL") == 0
    assert count("SELECT COUNT(*) AS counted FROM outbox_events WHERE done_at IS NULL") == 0
