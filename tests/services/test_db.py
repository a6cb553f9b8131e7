"""The database layer: strict verbs, transactions that run again, connections that die."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import pymysql
import pytest
from apiflask import APIFlask

import config
from tests.rivals import kill, other_connection
from tests.threads import at_once
from utils import db, outbox, trace
from utils.errors import DatabaseBusy, DatabaseUnavailable, EmailTaken, NotFound, StaleRow

pytestmark = pytest.mark.usefixtures("app")

ADD_ONE = "UPDATE outbox_events SET attempts = attempts + 1 WHERE id = %(id)s"


@pytest.fixture
def rows(app: APIFlask) -> list[int]:
    """The ids of two rows with a counter, `attempts`."""

    @db.in_transaction
    def make(tx: db.Tx) -> None:
        outbox.stage_tx(tx, "row.made", place=1)
        outbox.stage_tx(tx, "row.made", place=2)

    make()
    return [row["id"] for row in db.reading().fetch_all("SELECT id FROM outbox_events ORDER BY id")]


def count_of(row_id: int) -> int:
    count: int = db.reading().fetch_value("SELECT attempts FROM outbox_events WHERE id = %(id)s", {"id": row_id})
    return count


@db.in_transaction
def connection_id(tx: db.Tx) -> int:
    found: int = tx.fetch_value("SELECT CONNECTION_ID() AS id")
    return found


@db.in_transaction
def inside(tx: db.Tx, work: Callable[[db.Tx], Any]) -> Any:
    return work(tx)


# --- the verbs


@pytest.mark.parametrize(
    ("sql", "params", "complaint"),
    [
        ("SELECT %(a)s AS a, %(b)s AS b", {"a": 1}, r"missing parameters \['b'\]"),
        ("SELECT %(a)s AS a", {"a": 1, "b": 2}, r"unused \['b'\]"),
        ("SELECT %(a)s AS a", None, r"missing parameters \['a'\]"),
    ],
)
def test_a_missing_or_unused_parameter_raises(sql: str, params: dict[str, Any] | None, complaint: str) -> None:
    with pytest.raises(db.StatementError, match=complaint):
        db.reading().fetch_all(sql, params)


def test_a_fragment_without_its_place_raises() -> None:
    with pytest.raises(db.StatementError, match=r"no place \{order\}"):
        db.reading().fetch_all("SELECT 1 AS a", order="a")


def test_a_name_that_is_bound_twice_raises() -> None:
    with pytest.raises(db.StatementError, match="bound twice"):
        db.reading().fetch_all(
            "SELECT id FROM outbox_events {where} LIMIT %(id)s",
            {"id": 1},
            where=db.where({"id": "id = %(id)s"}, {"id": 5}),
        )


def test_more_rows_than_one_raise_where_one_was_meant(rows: list[int]) -> None:
    for fetch in (db.reading().fetch_one, db.reading().fetch_value):
        with pytest.raises(db.StatementError, match="2 rows"):
            fetch("SELECT id FROM outbox_events")


def test_a_missing_row_is_none_or_the_error_that_was_named() -> None:
    nothing = "SELECT id FROM outbox_events"
    assert db.reading().fetch_one(nothing) is None
    assert db.reading().fetch_value(nothing) is None
    assert db.reading().fetch_all(nothing) == []
    with pytest.raises(NotFound):
        db.reading().require_one(nothing, missing=NotFound(what="row"))


def test_execute_counts_the_rows_it_found_whether_or_not_they_changed(rows: list[int]) -> None:
    same = "UPDATE outbox_events SET attempts = attempts WHERE id >= %(id)s"
    assert inside(lambda tx: tx.execute(same, {"id": rows[0]})) == 2


def test_execute_one_wants_exactly_one_row(rows: list[int]) -> None:
    inside(lambda tx: tx.execute_one(ADD_ONE, {"id": rows[0]}))
    with pytest.raises(StaleRow):
        inside(lambda tx: tx.execute_one(ADD_ONE, {"id": -1}))
    with pytest.raises(db.StatementError, match="2 rows hit"):
        inside(lambda tx: tx.execute_one("UPDATE outbox_events SET attempts = 7"))
    assert (count_of(rows[0]), count_of(rows[1])) == (1, 0)


ADD_BEATS = "INSERT INTO heartbeats (name, beat_at) VALUES (%(name)s, %(at)s)"


def test_insert_many_writes_all_rows_with_one_statement() -> None:
    beats = [{"name": f"n{number}", "at": "2026-01-01"} for number in range(3)]
    before = trace.tally().statements
    assert inside(lambda tx: tx.insert_many(ADD_BEATS, beats)) == 3
    assert trace.tally().statements - before == 1
    found = db.reading().fetch_all("SELECT name FROM heartbeats ORDER BY name")
    assert [row["name"] for row in found] == ["n0", "n1", "n2"]


def test_insert_many_of_nothing_sends_nothing() -> None:
    before = trace.tally().statements
    assert inside(lambda tx: tx.insert_many(ADD_BEATS, [])) == 0
    assert trace.tally().statements == before


def test_insert_many_names_the_row_that_does_not_fit() -> None:
    with pytest.raises(db.StatementError, match="row 1 names"):
        inside(lambda tx: tx.insert_many(ADD_BEATS, [{"name": "a", "at": "2026-01-01"}, {"name": "b"}]))


def test_an_empty_list_or_set_clause_raises_before_the_server_sees_it() -> None:
    with pytest.raises(db.StatementError, match="empty IN"):
        db.in_list("id", [])
    with pytest.raises(db.StatementError, match="without a column"):
        db.set_clause({"a": "a = %(a)s"}, {})


def test_what_a_client_sends_is_a_value_and_never_sql(rows: list[int]) -> None:
    evil = "x' OR '1'='1"
    filters = {"topic": "topic = %(topic)s"}
    found = db.reading().fetch_all("SELECT id FROM outbox_events {where}", where=db.where(filters, {"topic": evil}))
    assert found == []
    with pytest.raises(KeyError):
        db.where(filters, {"1=1 --": "x"})


def test_every_statement_ends_in_the_request_id(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    send = pymysql.connections.Connection.query
    monkeypatch.setattr(
        pymysql.connections.Connection, "query", lambda self, sql, *a, **k: sent.append(sql) or send(self, sql, *a, **k)
    )
    with trace.span("order-7.a"):
        inside(lambda tx: tx.fetch_value("SELECT 1 AS one"))
    assert [str(sql) for sql in sent if "SELECT" in str(sql)] == ["SELECT 1 AS one /* order-7.a */"]


# --- transactions


def test_a_verb_that_raises_leaves_nothing(rows: list[int]) -> None:
    def fail(tx: db.Tx) -> None:
        tx.execute_one(ADD_ONE, {"id": rows[0]})
        raise NotFound(what="order")

    with pytest.raises(NotFound):
        inside(fail)
    assert count_of(rows[0]) == 0


def test_an_attempt_that_raises_is_undone_and_what_was_done_before_it_stays(rows: list[int]) -> None:
    def try_both(tx: db.Tx) -> None:
        tx.execute_one(ADD_ONE, {"id": rows[0]})
        with suppress(NotFound), tx.attempt():
            tx.execute_one(ADD_ONE, {"id": rows[1]})
            raise NotFound(what="order")
        with tx.attempt():
            tx.execute_one(ADD_ONE, {"id": rows[0]})

    inside(try_both)
    assert [count_of(row) for row in rows] == [2, 0]


def test_a_transaction_inside_another_raises_and_names_both() -> None:
    with pytest.raises(db.StatementError, match=r"test_db\.connection_id opens .* inside .*test_db\.inside"):
        inside(lambda tx: connection_id())


def test_reading_inside_a_transaction_raises() -> None:
    with pytest.raises(db.StatementError, match="use tx"):
        inside(lambda tx: db.reading())


def test_an_outside_call_is_refused_inside_a_transaction_and_allowed_after_it() -> None:
    with pytest.raises(db.StatementError, match="an outside call"):
        inside(lambda tx: db.assert_no_transaction())
    inside(lambda tx: None)
    db.assert_no_transaction()


def test_a_broken_constraint_becomes_the_error_named_for_it() -> None:
    twice = [{"name": "same", "at": "2026-01-01"}] * 2

    def insert(tx: db.Tx) -> None:
        with db.naming({"PRIMARY": EmailTaken}):
            tx.insert_many(ADD_BEATS, twice)

    with pytest.raises(EmailTaken):
        inside(insert)


def test_a_constraint_that_nobody_named_goes_on_as_it_is() -> None:
    def insert(tx: db.Tx) -> None:
        with db.naming({"uq_users_email": EmailTaken}):
            tx.execute("INSERT INTO sessions (user_id, created_at, last_used_at) VALUES (0, NOW(6), NOW(6))")

    with pytest.raises(pymysql.err.IntegrityError) as refused:
        inside(insert)
    assert db.constraint_of(refused.value) == "fk_sessions_user_id"


def test_the_name_of_a_check_is_known_on_every_engine() -> None:
    def insert(tx: db.Tx) -> None:
        tx.execute("INSERT INTO carts (created_at, updated_at) VALUES (NOW(6), NOW(6))")

    with pytest.raises(pymysql.err.Error) as refused:
        inside(insert)
    assert "ck_carts_owner" in str(refused.value)


def test_of_two_that_deadlock_both_succeed_and_the_counters_are_right(
    rows: list[int], log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    crossed = threading.Barrier(2)

    def cross(first: int, second: int) -> None:
        tries: list[int] = []

        @db.in_transaction
        def both(tx: db.Tx) -> None:
            tries.append(1)
            tx.execute_one(ADD_ONE, {"id": first})
            if len(tries) == 1:
                crossed.wait()  # now each holds what the other wants
            with tx.attempt():  # which leaves a deadlock to the whole
                tx.execute_one(ADD_ONE, {"id": second})

        both()

    assert at_once(lambda: cross(*rows), lambda: cross(*reversed(rows))) == [None, None]
    assert [count_of(row) for row in rows] == [2, 2]
    repeated = [line for line in log_lines() if line["event"] == "transaction repeated"]
    assert [line["code"] for line in repeated] == [1213]


def test_a_lock_that_never_comes_is_tried_again_and_then_told_as_busy(rows: list[int]) -> None:
    tries: list[int] = []

    @db.in_transaction
    def wait_for_it(tx: db.Tx) -> None:
        tries.append(1)
        tx.execute("SET SESSION innodb_lock_wait_timeout = 1")
        tx.execute_one(ADD_ONE, {"id": rows[0]})

    with other_connection() as rival:
        rival.execute("BEGIN")
        rival.execute("SELECT id FROM outbox_events WHERE id = %s FOR UPDATE", (rows[0],))
        try:
            with pytest.raises(DatabaseBusy):
                wait_for_it()
        finally:
            inside(lambda tx: tx.execute("SET SESSION innodb_lock_wait_timeout = 5"))
    assert len(tries) == 2
    assert count_of(rows[0]) == 0


# --- connections that die


def test_a_connection_killed_between_requests_is_replaced_unnoticed() -> None:
    first = connection_id()
    kill(first)
    assert connection_id() != first


def test_a_killed_connection_is_replaced_for_a_read_too() -> None:
    first = db.reading().fetch_value("SELECT CONNECTION_ID() AS id")
    kill(first)
    assert db.reading().fetch_value("SELECT CONNECTION_ID() AS id") != first


def test_a_replaced_connection_has_the_sessions_settings() -> None:
    kill(connection_id())
    row = db.reading().fetch_one("SELECT @@sql_mode AS mode, @@time_zone AS zone, @@autocommit AS autocommit")
    assert row is not None
    assert "STRICT_ALL_TABLES" in row["mode"]
    assert (row["zone"], row["autocommit"]) == ("+00:00", 1)


def test_a_connection_killed_inside_a_transaction_is_told_and_leaves_nothing(rows: list[int]) -> None:
    def cut_off(tx: db.Tx) -> None:
        tx.execute_one(ADD_ONE, {"id": rows[0]})
        kill(tx.fetch_value("SELECT CONNECTION_ID() AS id"))
        tx.execute_one(ADD_ONE, {"id": rows[1]})

    with pytest.raises(DatabaseUnavailable):
        inside(cut_off)
    assert [count_of(row) for row in rows] == [0, 0]
    inside(lambda tx: tx.execute_one(ADD_ONE, {"id": rows[0]}))
    assert count_of(rows[0]) == 1


def test_a_connection_killed_before_its_commit_is_told_and_leaves_nothing(rows: list[int]) -> None:
    def cut_off(tx: db.Tx) -> None:
        tx.execute_one(ADD_ONE, {"id": rows[0]})
        kill(tx.fetch_value("SELECT CONNECTION_ID() AS id"))

    with pytest.raises(DatabaseUnavailable):
        inside(cut_off)
    assert count_of(rows[0]) == 0


@pytest.fixture
def pool_of_one(app: APIFlask) -> Iterator[None]:
    settings = config.current()
    db.release()
    db.open_pool(settings.DATABASE_URL, 1)
    yield
    db.release()
    db.open_pool(settings.DATABASE_URL, settings.DATABASE_POOL_SIZE)


def test_who_finds_no_connection_free_waits_for_one(pool_of_one: None) -> None:
    held, may_go = threading.Event(), threading.Event()

    def hold(_tx: db.Tx) -> str:
        held.set()
        may_go.wait(10)
        return "first"

    def take_turn(work: Callable[[db.Tx], str]) -> str:
        try:
            done: str = inside(work)
            return done
        finally:
            db.release()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(take_turn, hold)
        held.wait(10)
        second = threads.submit(take_turn, lambda tx: "second")
        assert wait([second], timeout=0.2).done == set()
        may_go.set()
        assert (first.result(10), second.result(10)) == ("first", "second")


def test_a_server_that_is_away_is_told_as_such_and_found_again_when_it_is_back(pool_of_one: None) -> None:
    settings = config.current()
    db.open_pool("mysql://nobody@127.0.0.1:1/nothing", 1)
    for _ in range(2):  # the second finds the pool as free as the first
        with pytest.raises(DatabaseUnavailable):
            db.reading()
        with pytest.raises(DatabaseUnavailable):
            connection_id()
    db.open_pool(settings.DATABASE_URL, 1)
    assert connection_id() > 0


def test_addresses_are_read_with_everything_that_may_stand_in_them() -> None:
    over_tcp = db.connect_arguments("mysql://sh%40p:p%2Fw@db.example:3307/shop")
    assert (over_tcp["user"], over_tcp["password"], over_tcp["host"]) == ("sh@p", "p/w", "db.example")
    assert (over_tcp["port"], over_tcp["database"]) == (3307, "shop")
    by_socket = db.connect_arguments("mysql://duka@/duka?unix_socket=%2Fa%20b%2Fs.sock")
    assert (by_socket["unix_socket"], "host" in by_socket) == ("/a b/s.sock", False)
