"""Result sets are read as PyMySQL itself reads them, whatever is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from utils import db, wire

EVERYTHING = {
    "numbers": "SELECT 0 AS a, -1 AS b, 18446744073709551615 AS c, 1.50 AS d, 1.5e0 AS e, NULL AS f, TRUE AS g",
    "decimals": "SELECT CAST('123456789.10' AS DECIMAL(12, 2)) AS a, CAST('-0.01' AS DECIMAL(12, 2)) AS b",
    "moments": """SELECT CAST('2026-11-20 08:01:02.000003' AS DATETIME(6)) AS a,
                         CAST('2026-11-20 08:01:02' AS DATETIME) AS b, CAST('2026-11-20' AS DATE) AS c,
                         CAST('-12:34:56' AS TIME) AS d""",
    "texts": "SELECT 'maji \U0001f4a7' AS a, '' AS b, CAST('x' AS BINARY) AS c, X'00ff' AS d, 'same' AS e, 'two' AS e",
    "lengths": "SELECT REPEAT('a', 250) AS a, REPEAT('b', 251) AS b, REPEAT('c', 65535) AS c, REPEAT('d', 65536) AS d",
    "no rows": "SELECT 1 AS a FROM roles WHERE id = 0",
    "many rows": "SELECT a.id, b.name, REPEAT('x', 999) AS x FROM permissions a, permissions b ORDER BY 1, 2",
    "no result set": "SET @nothing = 1",
    "several packets": "SELECT REPEAT('z', 16777214) AS a, 'after' AS b",
}


@pytest.fixture
def cursors(database_url: str) -> Iterator[tuple[Any, Any]]:
    """A cursor of PyMySQL's own, and one of ours."""
    arguments = db.connect_arguments(database_url) | {"max_allowed_packet": 64 * 1024 * 1024}
    with pymysql.connect(**arguments) as plain, wire.connect(**arguments) as ours:
        yield plain.cursor(pymysql.cursors.DictCursor), ours.cursor(pymysql.cursors.DictCursor)


@pytest.mark.parametrize("statement", EVERYTHING.values(), ids=EVERYTHING)
def test_a_result_set_is_what_pymysql_makes_of_it(cursors: tuple[Any, Any], statement: str) -> None:
    found = []
    for cursor in cursors:
        hit = cursor.execute(statement)
        found.append((hit, cursor.description, cursor.rowcount, cursor.lastrowid, list(cursor.fetchall())))
    assert found[0] == found[1]
    types = [[type(value) for row in rows for value in row.values()] for *_, rows in found]
    assert types[0] == types[1]


def test_a_refused_statement_leaves_the_connection_usable(cursors: tuple[Any, Any]) -> None:
    _, cursor = cursors
    for statement in (
        "SELECT nothing",
        "SELECT (SELECT id FROM roles)",
        "SELECT 1 FROM roles WHERE EXP(id * 1000) > 0",
    ):
        with pytest.raises(pymysql.err.Error):
            cursor.execute(statement)
        cursor.execute("SELECT 7 AS a")
        assert cursor.fetchall() == [{"a": 7}]
