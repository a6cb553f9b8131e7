"""Every SQL statement of the shop, in every variant its code can send, is understood by the server and the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from tests.sources import OWN_TABLE_MODULES, Source, read_shop
from tests.statements import Statement, Unreadable, statements_of
from utils import db

# They speak to the server as such, before there is a schema or a pool.
NO_STATEMENTS = {"utils/db.py", "utils/verbs.py", "utils/private_server.py"}
MODULES = [source for source in read_shop() if source.may_hold_sql and source.path not in NO_STATEMENTS]


@pytest.fixture(scope="module")
def cursor(database_url: str) -> Iterator[Any]:
    connection = pymysql.connect(**db.connect_arguments(database_url))
    with connection.cursor() as opened:
        for statement in db.SESSION:
            opened.execute(statement)
        yield opened
    connection.close()


def complaint_about(cursor: Any, sql: str) -> str | None:
    try:
        cursor.execute("PREPARE tried FROM %s", (sql,))
    except pymysql.err.Error as error:
        return str(error.args[1])
    return None


def read(text: str) -> list[Statement | Unreadable]:
    source = Source("cart/services.py", text)
    return list(statements_of(source, [source]))


@pytest.mark.parametrize("source", MODULES, ids=lambda source: source.path)
def test_the_server_understands_every_statement(source: Source, cursor: Any) -> None:
    found = list(statements_of(source, read_shop()))
    assert found, "a services module without a statement: its verbs belong elsewhere"
    complaints = [str(unread) for unread in found if isinstance(unread, Unreadable)]
    complaints += [
        f"{statement.place}: {complaint}\n{statement.sql}"
        for statement in found
        if isinstance(statement, Statement) and (complaint := complaint_about(cursor, statement.sql))
    ]
    assert not complaints, "\n\n".join(complaints)


def test_every_module_that_may_hold_sql_is_read() -> None:
    assert {source.path for source in MODULES} >= OWN_TABLE_MODULES - NO_STATEMENTS


def test_a_wrong_column_is_found(cursor: Any) -> None:
    assert complaint_about(cursor, "SELECT id FROM users") is None
    assert "nmae" in (complaint_about(cursor, "SELECT nmae FROM users") or "")


def test_names_become_question_marks() -> None:
    (statement,) = read('def f(tx):\n    tx.fetch_all("SELECT id FROM carts WHERE id = %(id)s", {"id": 1})')
    assert statement == Statement("cart/services.py:2", "SELECT id FROM carts WHERE id = ?")


TEMPLATE = """
FILTERS = {{"a": "x.a = %(a)s", "b": "x.b = %(b)s"}}
SORTS = {{"up": "x.a", "down": "x.a DESC"}}
TAIL = "LIMIT 1"
class Sort:
    order: str
    back: str = "z"
PAIRS = {{"up": Sort("x.a"), "down": Sort(order="x.a DESC")}}
def narrowed(values):
    return db.where(FILTERS, values)
def top(tx, flag, values, sort):
    local = "FOR UPDATE" if flag else ""
    tx.execute("S {{place}}", {{}}, place={expression})
"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("db.where(FILTERS, values)", {"WHERE x.a = ?\n  AND x.b = ?", "", "WHERE x.a = ?", "WHERE x.b = ?"}),
        ("narrowed(values)", {"WHERE x.a = ?\n  AND x.b = ?", "", "WHERE x.a = ?", "WHERE x.b = ?"}),
        ("db.set_clause(FILTERS, values)", {"SET x.a = ?, x.b = ?"}),
        ('db.in_list("id", values)', {"(?)"}),
        ("SORTS[sort]", {"x.a", "x.a DESC"}),
        ('SORTS["up"]', {"x.a"}),
        ("PAIRS[sort].order", {"x.a", "x.a DESC"}),
        ("PAIRS[sort].back", {"z"}),
        ("local", {"FOR UPDATE", ""}),
        ("TAIL", {"LIMIT 1"}),
        ('TAIL + (" A" if flag else " B")', {"LIMIT 1 A", "LIMIT 1 B"}),
    ],
)
def test_a_place_is_filled_with_all_it_can_hold(expression: str, expected: set[str]) -> None:
    found = read(TEMPLATE.format(expression=expression))
    assert {statement.sql for statement in found if isinstance(statement, Statement)} == {f"S {e}" for e in expected}


def test_a_parameter_is_read_at_its_callers() -> None:
    helper = 'def one(tx, table_order, *, tail):\n    tx.execute("S {a} {b}", {}, a=table_order, b=tail)\n'
    found = read(helper + 'def f(tx):\n    one(tx, "A", tail="B" if tx else "C")')
    assert {statement.sql for statement in found if isinstance(statement, Statement)} == {"S A B", "S A C"}


@pytest.mark.parametrize(
    "call",
    ['tx.execute(f"DELETE FROM {table}")', "tx.execute(sql)", 'tx.execute("A {gone}")', 'tx.execute(" ".join(parts))'],
)
def test_sql_that_cannot_be_read_is_told_with_its_place(call: str) -> None:
    (found,) = read(f"def f(tx, sql):\n    {call}")
    assert isinstance(found, Unreadable)
    assert str(found).startswith("cart/services.py:2: ")
