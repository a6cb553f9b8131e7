"""The schema: made from nothing, made once, and named by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

import config
from utils import db, migrations

FILES = sorted(migrations.FOLDER.glob("*.sql"))
MONEY = re.compile(r"(.*_)?(price|amount|total|subtotal|paid|refunded|discount|shipping|rounding)|price_max|tax_.*")


@pytest.fixture
def scratch_url(database_url: str) -> Iterator[str]:
    """An empty database beside the suite's own."""
    ours = db.connect_arguments(database_url)["database"]
    name = f"duka_scratch_{os.getpid()}"
    run(database_url, f"CREATE DATABASE {name} CHARACTER SET {db.CHARSET} COLLATE {db.COLLATION}")
    yield database_url.replace(f"/{ours}?", f"/{name}?")
    run(database_url, f"DROP DATABASE {name}")


def run(url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = pymysql.connect(**db.connect_arguments(url), autocommit=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
    finally:
        connection.close()


@pytest.fixture
def describe(database_url: str) -> Callable[[str, str], list[tuple[Any, ...]]]:
    """Read an information_schema table about the tables that are ours, in the order of `columns`."""

    def read(columns: str, table: str) -> list[tuple[Any, ...]]:
        schema = "constraint_schema" if "constraint" in table else "table_schema"
        return run(
            database_url,
            f"SELECT {columns} FROM information_schema.{table}"
            f" WHERE {schema} = DATABASE() AND table_name NOT LIKE '%yoyo%' ORDER BY {columns}",
        )

    return read


# --- migrations


def test_from_nothing_each_migration_is_applied_and_a_second_time_none(scratch_url: str) -> None:
    told: list[str] = []
    assert migrations.apply(scratch_url, told.append) == len(FILES)
    assert [line.rpartition(" ")[2] for line in told] == [path.stem for path in FILES]
    tables = "SELECT table_name, create_time FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
    before = run(scratch_url, tables)
    assert migrations.apply(scratch_url) == 0
    assert run(scratch_url, tables) == before


def test_two_processes_that_migrate_at_once_apply_each_migration_once(scratch_url: str) -> None:
    code = "import sys; from utils import migrations; print(migrations.apply(sys.argv[1]))"
    both = [
        subprocess.Popen([sys.executable, "-c", code, scratch_url], cwd=config.ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(int(number) for number in said) == [0, len(FILES)]


def test_a_broken_migration_is_named_and_leaves_those_before_it(
    scratch_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FILES[0], tmp_path)
    (tmp_path / "0002_break.sql").write_text("-- transactional: false\nCREATE TABLE broken (id BIGINT, id BIGINT);\n")
    (tmp_path / "0003_never.sql").write_text("-- transactional: false\nCREATE TABLE never (id BIGINT);\n")
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    with pytest.raises(migrations.MigrationFailed, match="0002_break"):
        migrations.apply(scratch_url)
    assert run(scratch_url, "SELECT migration_id FROM _yoyo_migration") == [(FILES[0].stem,)]
    assert run(scratch_url, "SHOW TABLES LIKE 'never'") == []

    (tmp_path / "0002_break.sql").write_text("-- transactional: false\nCREATE TABLE mended (id BIGINT);\n")
    assert migrations.apply(scratch_url) == 2


def test_a_migration_holds_one_statement_and_has_a_number_of_its_own() -> None:
    assert len({path.name[:5] for path in FILES}) == len(FILES)
    for path in FILES:
        bare = re.sub(r"--.*|'[^']*'", "", path.read_text())
        statements = [statement for statement in bare.split(";") if statement.strip()]
        assert len(statements) == 1, path.name
        assert re.match(r"\d{4}_\w+\.sql$", path.name), path.name


def test_a_migration_that_changes_the_schema_is_marked_as_without_a_transaction() -> None:
    for path in FILES:
        changes_schema = re.search(r"^(CREATE|ALTER|DROP)\s", path.read_text(), re.M)
        assert path.read_text().startswith("-- transactional: false\n") == bool(changes_schema), path.name


def test_each_table_says_what_it_is_for() -> None:
    for path in FILES:
        if table := re.search(r"^CREATE TABLE (\w+)", path.read_text(), re.M):
            above = path.read_text()[: table.start()].removeprefix("-- transactional: false\n")
            assert above.startswith("-- "), f"{path.name}: write above it what a row of {table[1]} is"


# --- names and types


def test_every_constraint_is_named_by_hand_after_its_table_and_columns(describe: Callable[..., Any]) -> None:
    columns: dict[tuple[str, str], list[str]] = {}
    for table, name, _, column in describe(
        "table_name, constraint_name, ordinal_position, column_name", "key_column_usage"
    ):
        columns.setdefault((table, name), []).append(column)
    kinds = {"UNIQUE": "uq", "FOREIGN KEY": "fk"}
    found = describe("table_name, constraint_name, constraint_type", "table_constraints")
    assert len(found) > 50
    for table, name, kind in found:
        if kind == "CHECK":
            assert name.startswith(f"ck_{table}_"), name
        elif kind != "PRIMARY KEY":
            assert name == "_".join([kinds[kind], table, *columns[table, name]])


def test_every_index_is_named_by_hand_after_its_table_and_leading_columns(describe: Callable[..., Any]) -> None:
    columns: dict[tuple[str, str, bool], list[str]] = {}
    for table, name, not_unique, _, column in describe(
        "table_name, index_name, non_unique, seq_in_index, column_name", "statistics"
    ):
        columns.setdefault((table, name, bool(int(not_unique))), []).append(column)
    for (table, name, not_unique), indexed in columns.items():
        leading = ["_".join(indexed[:length]) for length in range(1, len(indexed) + 1)]
        kinds = ("ix", "fk") if not_unique else ("uq",)  # a foreign key without an index of ours brings one of its name
        assert name == "PRIMARY" or name in [f"{kind}_{table}_{part}" for kind in kinds for part in leading]


def test_every_foreign_key_is_served_by_an_index_that_cannot_be_null(
    database_url: str, describe: Callable[..., Any]
) -> None:
    """MySQL 9.7 looks a key up by the first index that begins with it, and lets any value in where a later column
    of that index is NULL."""
    only_of_deleted_variants = ("variants", "product_id")  # nothing is inserted deleted
    keys = describe("table_name, column_name, constraint_name", "key_column_usage")
    for table, column, _ in (key for key in keys if key[2].startswith("fk_")):
        columns = [(row[2], int(row[3]), row[4], row[9]) for row in run(database_url, f"SHOW INDEX FROM {table}")]
        first = next(name for name, place, led_by, _ in columns if place == 1 and led_by == column)
        nullable = [name for index, place, name, null in columns if index == first and place > 1 and null == "YES"]
        assert not nullable or (table, column) == only_of_deleted_variants, (table, column, first, nullable)


def test_every_table_is_innodb_and_speaks_all_of_unicode(describe: Callable[..., Any]) -> None:
    tables = describe("table_name, engine, table_collation", "tables")
    assert len(tables) >= 22
    assert {(engine, collation) for _, engine, collation in tables} == {("InnoDB", db.COLLATION)}


def test_every_text_compares_as_people_or_as_bytes(describe: Callable[..., Any]) -> None:
    collations = {collation for _, collation in describe("table_name, collation_name", "columns") if collation}
    assert collations <= {db.COLLATION, "utf8mb4_bin", "ascii_bin"}


def test_money_is_decimal_and_nothing_is_a_float(describe: Callable[..., Any]) -> None:
    columns = describe("table_name, column_name, data_type, numeric_precision, numeric_scale", "columns")
    for table, name, kind, precision, scale in columns:
        place = f"{table}.{name}"
        assert kind not in ("float", "double"), place
        if MONEY.fullmatch(name):
            assert kind == "decimal", place
        if kind == "decimal" and place not in ("products.rating", "products.live_rating"):
            assert (precision, scale) == (12, 2), place


def test_times_hold_microseconds_and_are_named_so(describe: Callable[..., Any]) -> None:
    columns = describe("table_name, column_name, data_type, datetime_precision", "columns")
    for table, name, kind, precision in columns:
        is_time = name.endswith(("_at", "_until"))  # an instant, or the end of a lease
        assert (kind == "datetime") == is_time, f"{table}.{name}"
        assert (kind == "date") == (name == "day"), f"{table}.{name}"
        assert kind not in ("timestamp", "time"), f"{table}.{name}"
        assert precision == 6 or not is_time, f"{table}.{name}"
