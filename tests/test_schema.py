"""The schema: made from nothing, made once, named by hand, and watched over by checks that can fail."""

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
from apiflask import APIFlask

import config
from tests import factories
from utils import checks, db, migrations

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
        assert kind not in ("timestamp", "date", "time"), f"{table}.{name}"
        assert precision == 6 or not is_time, f"{table}.{name}"


# --- the checks

HOUR_OLD = "UTC_TIMESTAMP(6) - INTERVAL 61 MINUTE"
PLACED = [
    """
    INSERT INTO orders (number, user_id, email, status, payment_status, payment_method, currency, subtotal, discount,
                        shipping, rounding, tax_included, total, shipping_address, created_at, updated_at, expires_at)
    SELECT 'CHECKED', u.id, u.email, 'pending', 'unpaid', 'mpesa', 'KES', 200, 0,
           0, 0, 27.59, 200, '{}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6)
      FROM users u
    """,
    """
    INSERT INTO order_items (order_id, product_id, variant_id, name, options, unit_price, quantity, line_total)
    SELECT o.id, v.product_id, v.id, 'Tea', '{}', 100, 2, 200
      FROM orders o
      JOIN variants v
    """,
    """
    INSERT INTO order_events (order_id, name, to_status, request_id, created_at)
    SELECT o.id, 'order.placed', 'pending', '-', UTC_TIMESTAMP(6)
      FROM orders o
    """,
    """
    INSERT INTO stock_movements (variant_id, delta, reason, order_id, request_id, created_at)
    SELECT oi.variant_id, -oi.quantity, 'order', oi.order_id, '-', UTC_TIMESTAMP(6)
      FROM order_items oi
    """,
    "UPDATE variants SET stock = stock - 2",
]
OVERSOLD = """
    CREATE TEMPORARY TABLE variants (
        id BIGINT, sku VARCHAR(64), stock INT, product_id BIGINT, price DECIMAL(12, 2), deleted_at DATETIME(6)
    ) SELECT 1 AS id, 'oversold' AS sku, -1 AS stock, 1 AS product_id, 1 AS price, NULL AS deleted_at
"""
BREACHES = [
    ("order_totals", "UPDATE orders SET subtotal = subtotal + 10, total = total + 10"),
    ("stock_movements", "UPDATE variants SET stock = stock + 1"),
    # ck_variants_stock stands before this check, so the row is one of a table that hides the real one.
    ("stock_never_negative", OVERSOLD),
    ("order_stock", "UPDATE stock_movements SET order_id = NULL"),
    ("order_stock", "UPDATE orders SET status = 'cancelled'"),
    ("order_paid", "UPDATE orders SET paid = 1"),
    ("paid_in_full", "UPDATE orders SET payment_status = 'paid'"),
    ("paid_in_full", "UPDATE orders SET paid = total"),
    ("prompt_open", "UPDATE orders SET payment_status = 'pending'"),
    ("order_status_has_event", "DELETE FROM order_events"),
    ("order_status_has_event", "UPDATE orders SET status = 'processing'"),
    ("unpaid_orders_expire", "UPDATE orders SET expires_at = NULL"),
    (
        "callbacks_stuck",
        "INSERT INTO provider_callbacks (kind, body, address, request_id, received_at)"
        f" VALUES ('stk', '', '', '-', {HOUR_OLD})",
    ),
    (
        "outbox_stuck",
        f"INSERT INTO outbox_events (topic, payload, request_id, created_at) VALUES ('a.b', '', '-', {HOUR_OLD})",
    ),
    (
        "outbox_stuck",
        "INSERT INTO outbox_events (topic, payload, request_id, created_at, dead_at)"
        " VALUES ('a.b', '', '-', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
    ),
    ("product_prices", "UPDATE products SET price_max = price_max + 1"),
    ("product_prices", "UPDATE products SET price = price - 1"),
]

PAID = [
    """
    INSERT INTO payments
        (order_id, method, status, amount, settled_amount, currency, request_id, created_at, updated_at, settled_at)
    SELECT o.id, 'mock', 'succeeded', o.total, o.total, o.currency, '-', o.created_at, o.created_at, o.created_at
      FROM orders o
    """,
    "UPDATE orders SET paid = total, payment_status = 'paid'",
    """
    INSERT INTO ledger_journals (kind, reference, order_id, payment_id, request_id, created_at)
    SELECT 'settled', 'payment', p.order_id, p.id, '-', p.created_at
      FROM payments p
    """,
    """
    INSERT INTO ledger_journals (kind, reference, order_id, request_id, created_at)
    SELECT 'sold', 'order', o.id, '-', o.created_at
      FROM orders o
    """,
    """
    INSERT INTO ledger_entries (journal_id, account, amount)
    SELECT lj.id, moved.account, moved.amount
      FROM ledger_journals lj
      JOIN (SELECT 'settled' AS kind, 'mock_clearing' AS account, 200 AS amount
            UNION ALL SELECT 'settled', 'receivable', -200
            UNION ALL SELECT 'sold', 'receivable', 200
            UNION ALL SELECT 'sold', 'sales', -172.41
            UNION ALL SELECT 'sold', 'vat', -27.59) AS moved ON moved.kind = lj.kind
    """,
]
REFUND = """
    INSERT INTO refunds
        (payment_id, order_id, method, status, amount, currency, reason, request_id, created_at, updated_at, settled_at)
    SELECT p.id, p.order_id, 'mock', 'succeeded', 10, p.currency, '', '-', p.created_at, p.created_at, p.created_at
      FROM payments p
"""
BREACHES_OF_MONEY = [
    ("refunds_are_booked", REFUND),
    ("clearing", REFUND),
    ("journals_balance", "UPDATE ledger_entries SET amount = amount + 1 WHERE account = 'sales'"),
    ("journals_balance", "DELETE FROM ledger_entries"),
    ("money_is_booked", "UPDATE payments SET settled_amount = settled_amount + 1"),
    ("money_is_booked", "UPDATE payments SET method = 'cod'"),
    ("money_is_booked", "UPDATE ledger_journals SET payment_id = NULL"),
    ("clearing", "UPDATE payments SET settled_amount = settled_amount - 1"),
    ("clearing", "UPDATE ledger_entries SET account = 'cash_on_delivery' WHERE account = 'mock_clearing'"),
    ("unallocated", "UPDATE payments SET status = 'review'"),
    ("unallocated", "UPDATE ledger_entries SET account = 'unallocated' WHERE account = 'receivable'"),
    ("receivable", "UPDATE orders SET paid = paid + 1"),
    ("receivable", "UPDATE ledger_journals SET kind = 'refunded' WHERE kind = 'settled'"),
    ("sales", "UPDATE orders SET paid = 0"),
    ("sales", "UPDATE orders SET tax_included = tax_included + 1"),
    ("sales", "UPDATE ledger_journals SET kind = 'settled' WHERE kind = 'sold'"),
]


REFUNDED = [
    """
    INSERT INTO refunds
        (payment_id, order_id, method, status, amount, currency, reason, request_id, created_at, updated_at, settled_at)
    SELECT p.id, p.order_id, 'mock', 'succeeded', 50, p.currency, 'broken', '-', p.created_at, p.created_at,
           p.created_at
      FROM payments p
    """,
    "UPDATE payments SET refund_claimed = 50",
    "UPDATE orders SET refunded = 50, payment_status = 'partially_refunded'",
    """
    INSERT INTO ledger_journals (kind, reference, order_id, payment_id, refund_id, request_id, created_at)
    SELECT 'refunded', 'refund', r.order_id, r.payment_id, r.id, '-', r.created_at
      FROM refunds r
    """,
    """
    INSERT INTO ledger_entries (journal_id, account, amount)
    SELECT lj.id, moved.account, moved.amount
      FROM ledger_journals lj
      JOIN (SELECT 'mock_clearing' AS account, -50 AS amount
            UNION ALL SELECT 'refunds', 43.10
            UNION ALL SELECT 'vat', 6.90) AS moved
     WHERE lj.kind = 'refunded'
    """,
]
BREACHES_OF_REFUNDS = [
    ("refunds_are_booked", "DELETE FROM ledger_entries WHERE amount = -50"),
    ("refunds_are_booked", "UPDATE refunds SET amount = 51"),
    ("refunds_are_booked", "UPDATE refunds SET status = 'failed'"),
    ("order_refunded", "UPDATE orders SET refunded = 49"),
    ("order_refunded", "UPDATE refunds SET status = 'review'"),
    ("refunds_within_payment", "UPDATE refunds SET amount = 201"),
    ("refund_claimed", "UPDATE payments SET refund_claimed = 51"),
    ("refund_claimed", "UPDATE refunds SET status = 'failed'"),
    ("refunds_looked_after", "UPDATE refunds SET status = 'sent'"),
    ("refunds_looked_after", "UPDATE refunds SET due_at = created_at"),
    ("paid_in_full", "UPDATE orders SET payment_status = 'refunded'"),
    ("paid_in_full", "UPDATE orders SET refunded = 0"),
]


class Undo(Exception):
    """Rolls a transaction back and carries out what was found in it."""


def find_after(*breach: str) -> set[str]:
    """Place an order by hand, break it, run the checks, and leave no trace."""

    @db.in_transaction
    def break_and_look(tx: db.Tx) -> None:
        for statement in [*PLACED, *breach]:
            tx.execute(statement)
        found = {finding.name for finding in checks.run(tx)}
        tx.execute("DROP TEMPORARY TABLE IF EXISTS variants")
        raise Undo(found)

    factories.make_user()
    factories.make_product(stock=10)
    with pytest.raises(Undo) as undone:
        break_and_look()
    found: set[str] = undone.value.args[0]
    return found


def test_every_check_in_the_file_is_read() -> None:
    names = [name for name, _, _ in checks.read_checks()]
    text = checks.FILE.read_text()
    assert len(names) == len(set(names)) == text.count(";\n") == len(re.findall(r"^SELECT", text, re.M))


def test_a_sound_order_breaks_no_check(app: APIFlask) -> None:
    assert find_after() == set()


def test_a_sound_payment_breaks_no_check(app: APIFlask) -> None:
    assert find_after(*PAID) == set()


def test_a_sound_refund_breaks_no_check(app: APIFlask) -> None:
    assert find_after(*PAID, *REFUNDED) == set()


@pytest.mark.parametrize(("name", "breach"), BREACHES)
def test_a_breach_is_found(app: APIFlask, name: str, breach: str) -> None:
    assert name in find_after(breach)


@pytest.mark.parametrize(("name", "breach"), BREACHES_OF_MONEY)
def test_a_breach_of_the_money_is_found(app: APIFlask, name: str, breach: str) -> None:
    assert name in find_after(*PAID, breach)


@pytest.mark.parametrize(("name", "breach"), BREACHES_OF_REFUNDS)
def test_a_breach_of_a_refund_is_found(app: APIFlask, name: str, breach: str) -> None:
    assert name in find_after(*PAID, *REFUNDED, breach)


def test_every_check_was_seen_to_fail() -> None:
    seen = BREACHES + BREACHES_OF_MONEY + BREACHES_OF_REFUNDS
    assert {name for name, _ in seen} == {name for name, _, _ in checks.read_checks()}
