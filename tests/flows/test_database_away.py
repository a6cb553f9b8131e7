"""The database is killed under the running shop and comes back: clear answers, nothing half-done, no restart."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymysql
import pytest
from apiflask import APIFlask
from dbutils.steady_db import SteadyDBConnection
from flask.testing import FlaskClient
from pymysql.constants import CR
from werkzeug.test import TestResponse

import config
from products import stock_services
from tests.conftest import ENGINE, Clock, empty
from tests.factories import PASSWORD, Product, make_product, make_user
from tests.logins import log_in
from utils import checks, db, idempotency, migrations, private_server, web

# PyMySQL leaves the socket of a refused connection to be collected, which Python tells.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")

BUYERS = 6
LEASE = idempotency.LEASE.total_seconds()


class Server:
    """A database server of this test's own, which the shop is moved to."""

    def __init__(self, home: Path, held: ExitStack) -> None:
        self.home = home
        self._held = held

    def start(self) -> str:
        """Start the server, or start it again."""
        return self._held.enter_context(private_server.running(self.home, engine=ENGINE))

    def kill(self) -> None:
        """Kill the server as a lack of memory or of electricity would, and wait until it is gone."""
        os.kill(int((self.home / "server.pid").read_text()), signal.SIGKILL)
        with open(self.home / "server.pid", "ab") as pid_file:
            fcntl.flock(pid_file, fcntl.LOCK_SH)  # the server's own lock goes with it


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ExitStack() as held:
        own = Server(tmp_path_factory.mktemp("server"), held)
        migrations.apply(own.start())
        yield own


@pytest.fixture
def shop(session_app: APIFlask, server: Server, database_url: str) -> Iterator[FlaskClient]:
    """The suite's application object, empty and over the server that may be killed; in the end all invariants hold."""
    url = server.start()
    empty(url)
    db.open_pool(url, config.current().DATABASE_POOL_SIZE)
    try:
        yield session_app.test_client()
        assert checks.run(db.reading()) == []
    finally:
        db.release()
        db.open_pool(database_url, config.current().DATABASE_POOL_SIZE)
        gc.collect()  # here, where the sockets that the driver left may be told


def order(client: FlaskClient, headers: dict[str, str], key: str, product: Product) -> TestResponse:
    body = {
        "shipping_address": "Moi Avenue 1, Nairobi",
        "items": [{"variant_id": product.variant.id, "quantity": 1}],
    }
    return client.post("/api/orders", json=body, headers={**headers, "Idempotency-Key": key})


def assert_away(answer: TestResponse) -> None:
    problem = answer.get_json(force=True)
    assert (answer.status_code, answer.mimetype) == (503, web.PROBLEM), answer.text
    assert (problem["status"], problem["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert problem["request_id"] == answer.headers["X-Request-ID"]


def ordered() -> list[int]:
    return [row["id"] for row in db.reading().fetch_all("SELECT id FROM orders ORDER BY id")]


def stock_left(product: Product) -> int:
    left: int = db.reading().fetch_value("SELECT stock FROM variants WHERE id = %(id)s", {"id": product.variant.id})
    return left


def test_whatever_is_asked_meanwhile_is_503_and_the_first_request_after_is_answered(
    shop: FlaskClient, server: Server
) -> None:
    user, product = make_user(), make_product()
    headers = log_in(shop, user)
    in_cart = {"variant_id": product.variant.id}
    asked: list[Callable[[], TestResponse]] = [
        lambda: shop.get("/api/cart", headers=headers),
        lambda: shop.get("/api/cart"),
        lambda: shop.post("/api/cart", json=in_cart, headers=headers),
        lambda: shop.post("/api/cart", json=in_cart),
        lambda: shop.get("/api/orders", headers=headers),
        lambda: order(shop, headers, "before", product),
        lambda: shop.get("/api/profile", headers=headers),
        lambda: shop.post("/api/auth/login", json={"username": user.username, "password": PASSWORD}),
    ]
    assert {ask().status_code for ask in asked} <= {200, 201}
    server.kill()
    for ask in asked:
        assert_away(ask())
    assert shop.get("/health").status_code == 200
    assert (shop.get("/ready").status_code, shop.get("/ready").get_json()["database"]) == (503, "away")
    server.start()
    assert {ask().status_code for ask in asked} <= {200, 201}


def test_a_kill_in_the_middle_of_an_order_leaves_nothing_of_it(
    shop: FlaskClient, server: Server, monkeypatch: pytest.MonkeyPatch, frozen_clock: Clock
) -> None:
    product = make_product(stock=10)
    headers = log_in(shop, make_user())

    def take_tx(*_: Any, **__: Any) -> None:
        server.kill()
        take_stock(*_, **__)

    take_stock = stock_services.take_tx
    monkeypatch.setattr(stock_services, "take_tx", take_tx)
    assert_away(order(shop, headers, "once", product))
    monkeypatch.undo()
    monkeypatch.setattr("utils.clock.now", frozen_clock)
    server.start()
    assert (ordered(), stock_left(product)) == ([], 10)
    db.release()
    frozen_clock.forward(seconds=LEASE + 1)
    assert order(shop, headers, "once", product).status_code == 201
    assert (len(ordered()), stock_left(product)) == (1, 9)


def test_a_kill_after_the_commit_and_before_its_answer_leaves_one_order_and_the_first_answer(
    shop: FlaskClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = make_product(stock=10)
    headers = log_in(shop, make_user())
    commit = SteadyDBConnection.commit

    def commit_and_die(connection: SteadyDBConnection) -> None:
        commit(connection)
        if stock_taken:
            server.kill()
            raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")

    def take_tx(*_: Any, **__: Any) -> None:
        take_stock(*_, **__)
        stock_taken.append(True)

    stock_taken: list[bool] = []
    take_stock = stock_services.take_tx
    with monkeypatch.context() as patched:
        patched.setattr(stock_services, "take_tx", take_tx)
        patched.setattr(SteadyDBConnection, "commit", commit_and_die)
        assert_away(order(shop, headers, "once", product))
    server.start()
    answer = order(shop, headers, "once", product)
    assert (answer.status_code, answer.headers["Idempotent-Replayed"]) == (201, "true")
    assert ordered() == [answer.get_json()["id"]]
    assert stock_left(product) == 9


def test_a_kill_under_load_loses_and_doubles_no_order(
    session_app: APIFlask, shop: FlaskClient, server: Server, frozen_clock: Clock
) -> None:
    product = make_product(stock=100_000)
    headers = [log_in(shop, make_user()) for _ in range(BUYERS)]
    busy, away = threading.Semaphore(0), threading.Semaphore(0)
    is_back, enough = threading.Event(), threading.Event()

    def buy(mine: dict[str, str]) -> list[int]:
        """Order without end, each under a key of its own; a refusal is tried again once the database is back."""
        client = session_app.test_client()
        bought = []
        while not enough.is_set():
            key = uuid.uuid4().hex
            answer = order(client, mine, key, product)
            if answer.status_code != 201:
                assert_away(answer)
                away.release()
                assert is_back.wait(60)
                answer = order(client, mine, key, product)
                assert answer.status_code == 201, answer.text
                enough.set()
            client.post("/api/cart", json={"variant_id": product.variant.id}, headers=mine)
            bought.append(answer.get_json()["id"])
            busy.release()
        return bought

    with ThreadPoolExecutor(BUYERS) as threads:
        buyers = [threads.submit(buy, mine) for mine in headers]
        for _ in range(5 * BUYERS):
            assert busy.acquire(timeout=60)
        server.kill()
        for _ in range(BUYERS):
            assert away.acquire(timeout=60)
        frozen_clock.forward(seconds=LEASE + 1)
        server.start()
        is_back.set()
        bought = sorted(id_ for buyer in buyers for id_ in buyer.result(timeout=60))
    assert bought == ordered()
    assert len(set(bought)) == len(bought)
    assert stock_left(product) == 100_000 - len(bought)
