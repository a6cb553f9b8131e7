"""Limits that several machines count together, in a Redis; and what happens when it is away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from app import create_app
from extensions import limiter
from tests import redis_server
from tests.api.test_auth_limits import guess
from tests.factories import PASSWORD, make_user
from utils import db

Machine = Callable[[str], FlaskClient]


@pytest.fixture
def machine(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Start the shop anew, as one more machine that counts in this Redis."""
    monkeypatch.setattr(limiter, "enabled", True)
    monkeypatch.setattr(limiter, "_storage_dead", False)
    before = config.current()

    def start(url: str) -> FlaskClient:
        db.release()
        return create_app(before.model_copy(update={"RATELIMIT_ENABLED": True, "REDIS_URL": url})).test_client()

    yield start
    config.use(before)


def test_machines_that_share_a_redis_count_together(machine: Machine) -> None:
    user = make_user()
    with redis_server.running() as redis:
        first = machine(redis.url)
        assert [guess(first, user.username, PASSWORD).status_code for _ in range(10)] == [200] * 10
        answer = guess(machine(redis.url), user.username, PASSWORD)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (429, "0")
    assert 1 <= int(answer.headers["Retry-After"]) <= 61


def test_a_redis_that_is_away_keeps_nobody_out_and_each_machine_counts_by_itself(machine: Machine) -> None:
    user = make_user()
    with redis_server.running() as redis:
        client = machine(redis.url)
        assert guess(client, user.username, PASSWORD).status_code == 200
    limiter.storage.storage.connection_pool.disconnect()  # type: ignore[attr-defined]  # as its end does
    statuses = [guess(client, user.username, PASSWORD).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


def test_a_redis_that_was_never_there_lets_the_shop_start(machine: Machine) -> None:
    with redis_server.running() as redis:
        nobody = redis.url
    assert guess(machine(nobody), make_user().username, PASSWORD).status_code == 200
