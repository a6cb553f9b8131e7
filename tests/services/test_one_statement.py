"""Verbs of one statement: a transaction without BEGIN and COMMIT."""

from __future__ import annotations

import time
from typing import Any

import pymysql
import pytest

from tests.rivals import kill
from utils import db

pytestmark = pytest.mark.usefixtures("app")

ADD_BEAT = "INSERT INTO heartbeats (name, beat_at) VALUES (%(name)s, UTC_TIMESTAMP(6))"


@db.in_one_statement
def add_beats(tx: db.Tx, *names: str) -> None:
    for name in names:
        tx.insert(ADD_BEAT, {"name": name})


@db.in_transaction
def inside(tx: db.Tx) -> None:
    add_beats("a")


def beats() -> list[str]:
    return [row["name"] for row in db.reading().fetch_all("SELECT name FROM heartbeats ORDER BY name")]


def test_it_is_committed_when_it_returns_and_opens_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("no BEGIN, COMMIT or ROLLBACK is sent")

    for verb in ("begin", "commit", "rollback"):
        monkeypatch.setattr(pymysql.connections.Connection, verb, refuse)
    before = time.monotonic()
    add_beats("a")
    monkeypatch.undo()
    assert db.committed_at() > before
    kill(db.reading().fetch_value("SELECT CONNECTION_ID() AS id"))  # what was not committed would be gone
    assert beats() == ["a"]


def test_a_second_statement_raises_and_what_was_sent_stands() -> None:
    with pytest.raises(db.StatementError, match="a second statement"):
        add_beats("a", "b")
    assert beats() == ["a"]


def test_inside_a_transaction_it_raises() -> None:
    with pytest.raises(db.StatementError, match=r"add_beats opens .* inside .*test_one_statement\.inside"):
        inside()


def test_a_connection_killed_before_is_replaced_unnoticed() -> None:
    kill(db.reading().fetch_value("SELECT CONNECTION_ID() AS id"))
    add_beats("a")
    assert beats() == ["a"]
