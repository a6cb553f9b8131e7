"""The ground of the suite: a real server of its own, a database of this run's own, the real application."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
import requests
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from app import create_app
from extensions import limiter
from products import change_services, kept
from tests import factories
from tests.daraja import Daraja
from utils import checks, clock, db, log, migrations, private_server, trace

ENGINE = os.environ.get("DUKA_TEST_ENGINE", "mariadb")
SEEDED = {"roles", "permissions", "role_permissions"}


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The suite's database server."""
    with private_server.running(config.INSTANCE / f"test-{ENGINE}", engine=ENGINE, durable=False) as url:
        yield url


@pytest.fixture(scope="session")
def database_url(server_url: str) -> Iterator[str]:
    """A freshly migrated database on the suite's server; each run has its own, so two can run side by side."""
    with database(server_url, f"duka_test_{os.getpid()}") as url:
        migrations.apply(url)
        yield url


@contextmanager
def database(server_url: str, name: str) -> Iterator[str]:
    """Make an empty database for the length of a `with` block; gives its address."""
    with _server(server_url) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")  # left by a killed run that had our number
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET {db.CHARSET} COLLATE {db.COLLATION}")
    try:
        yield server_url.replace("/duka?", f"/{name}?")
    finally:
        with _server(server_url) as cursor:
            cursor.execute(f"DROP DATABASE {name}")


@contextmanager
def _server(url: str) -> Iterator[Any]:
    connection = pymysql.connect(**db.connect_arguments(url), autocommit=True)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@pytest.fixture(scope="session")
def session_app(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[APIFlask]:
    settings = config.load(
        {
            "SHOP_ENV": "testing",
            "DATABASE_URL": database_url,
            "INSTANCE_DIR": str(tmp_path_factory.mktemp("instance")),
            "LOG_LEVEL": "WARNING",
        }
    )
    app = create_app(settings)
    change_services.LOOK_SECONDS = 0  # every read looks whether something changed: a test must not depend on the hour
    yield app
    db.close_pool()


@pytest.fixture
def app(session_app: APIFlask, database_url: str, tmp_path: Path) -> Iterator[APIFlask]:
    """The application over an empty shop, with an instance folder of this test's own.

    When the test is over, the invariants of sql/checks.sql must hold, whatever it did.
    """
    empty(database_url)
    kept.forget()
    with config.override(INSTANCE_DIR=tmp_path), trace.span():
        try:
            yield session_app
            assert checks.run(db.reading()) == []
        finally:
            db.release()


def empty(url: str) -> None:
    """Delete every row that a shop writes."""
    with _server(url) as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        tables = [row[0] for row in cursor.fetchall()]
        ours = sorted(table for table in tables if table not in SEEDED and not table.startswith(("_yoyo", "yoyo")))
        cursor.execute("SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {table})" for table in ours))
        filled = [table for table, some in zip(ours, cursor.fetchone(), strict=True) if some]
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
        for table in filled:
            cursor.execute(f"DELETE FROM {table}")
        for table in ("roles", "permissions"):
            cursor.execute(f"DELETE FROM {table} WHERE NOT built_in")
        cursor.execute(
            "DELETE FROM role_permissions WHERE role_id NOT IN (SELECT id FROM roles)"
            " OR permission_id NOT IN (SELECT id FROM permissions)"
        )


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """An HTTP client that keeps no cookies between tests."""
    return app.test_client()


@pytest.fixture
def limited_client(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """A client of the same shop with the limits on."""
    monkeypatch.setattr(limiter, "enabled", True)
    db.release()
    before = config.current()
    limited = create_app(before.model_copy(update={"RATELIMIT_ENABLED": True}))
    limiter.reset()
    yield limited.test_client()
    config.use(before)


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.moment = clock.now()

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, **span: float) -> datetime:
        self.moment += timedelta(**span)
        return self.moment


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The shop's clock, stopped; `forward(seconds=…)` moves it."""
    stopped = Clock()
    monkeypatch.setattr(clock, "now", stopped)
    return stopped


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged from INFO up, read line by line as a log collector would."""
    stream = io.StringIO()
    log.configure("INFO", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log.configure("WARNING")


@pytest.fixture
def daraja(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Daraja:
    """The provider, scripted by the test; nothing leaves the process."""
    scripted = Daraja()
    monkeypatch.setattr(requests.Session, "request", lambda *args, **options: scripted.request(*args, **options))
    return scripted


@pytest.fixture
def count_statements(app: APIFlask) -> Callable[[Callable[[], Any]], int]:
    """Tell how many statements a piece of work sends, BEGIN and COMMIT left out."""

    def count(work: Callable[[], Any]) -> int:
        trace.begin()  # a request through the client begins a trace of its own, which is then the one read
        work()
        return trace.tally().statements

    return count


@pytest.fixture
def make_user(app: APIFlask) -> Callable[..., factories.User]:
    return factories.make_user


@pytest.fixture
def make_product(app: APIFlask) -> Callable[..., factories.Product]:
    return factories.make_product
