"""Hearing of the catalogue's changes: by whom they are made, when they are heard, in whatever order they commit."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest

import config
from products import category_services, change_services, page_services, search_services
from products import services as products
from products import stock_services as stock
from tests import factories
from tests.threads import at_once
from utils import db

MakeProduct = Callable[..., factories.Product]
NEVER = 1e9


@pytest.fixture
def process(app: Any, database_url: str) -> Callable[[], Any]:
    """Another process at the same database: nothing of this one hears what it does but through the tables."""

    @contextmanager
    def open_connection() -> Iterator[Any]:
        connection = pymysql.connect(**db.connect_arguments(database_url))
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                yield Process(connection, cursor)
        finally:
            connection.close()

    return open_connection


class Process:
    """Edits products as the shop does, statement by statement."""

    def __init__(self, connection: Any, cursor: Any) -> None:
        self.connection, self.cursor = connection, cursor

    def rename(self, product_id: int, name: str) -> None:
        self.cursor.execute("UPDATE products SET name = %s, version = version + 1 WHERE id = %s", (name, product_id))
        self.cursor.execute(
            "INSERT INTO catalogue_changes (product_id, created_at) VALUES (%s, UTC_TIMESTAMP(6))", (product_id,)
        )

    def commit(self) -> None:
        self.connection.commit()


def names() -> list[str]:
    return [item["name"] for item in search_services.list_products(sort="newest").items]


def patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(change_services, "LOOK_SECONDS", seconds)


def test_until_it_is_time_to_look_nothing_is_asked(
    make_product: MakeProduct,
    process: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    count_statements: Callable[[Callable[[], Any]], int],
) -> None:
    tea = make_product(name="Tea")
    assert (names(), page_services.get_product(key=tea.slug)["name"]) == (["Tea"], "Tea")
    patience(monkeypatch, NEVER)
    with process() as other:
        other.rename(tea.id, "Chai")
        other.commit()
    assert count_statements(lambda: (names(), page_services.get_product(key=tea.slug))) == 0
    assert names() == ["Tea"]
    patience(monkeypatch, 0)
    assert (names(), page_services.get_product(key=tea.slug)["name"]) == (["Chai"], "Chai")


def test_what_one_does_oneself_is_there_at_once(make_product: MakeProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    tea = make_product(name="Tea", stock=5)
    assert names() == ["Tea"]
    patience(monkeypatch, NEVER)
    products.change_product(product_id=tea.id, fields={"name": "Chai"}, actor_id=None)
    assert names() == ["Chai"]
    stock.set_stock(variant_id=tea.variant.id, stock=0, reason="counted", actor_id=None)
    assert page_services.get_product(key=str(tea.id))["variants"][0]["stock"] == 0
    assert search_services.list_products(filters=search_services.filters_of(in_stock=True)).items == []


def test_a_change_that_commits_behind_a_later_one_is_heard(
    make_product: MakeProduct, process: Callable[[], Any]
) -> None:
    tea, sugar = make_product(name="Tea"), make_product(name="Sugar")
    assert names() == ["Sugar", "Tea"]
    with process() as slow, process() as quick:
        slow.rename(tea.id, "Chai")
        quick.rename(sugar.id, "Sukari")
        quick.commit()
        assert names() == ["Sukari", "Tea"]
        slow.commit()
        assert names() == ["Sukari", "Chai"]


def test_whoever_has_missed_very_much_forgets_everything(
    make_product: MakeProduct, process: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tea = make_product(name="Tea")
    assert names() == ["Tea"]
    monkeypatch.setattr(change_services, "MOST_HEARD", 3)
    with process() as other:
        for number in range(5):
            other.rename(tea.id, f"Tea {number}")
        other.commit()
    assert names() == ["Tea 4"]


def test_what_was_changed_by_hand_is_seen_within_a_minute(
    make_product: MakeProduct, process: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tea = make_product(name="Tea")
    assert names() == ["Tea"]
    with process() as other:
        other.cursor.execute("UPDATE products SET name = 'Chai' WHERE id = %s", (tea.id,))
        other.commit()
    assert names() == ["Tea"]
    monkeypatch.setattr(change_services, "FORGET_SECONDS", 0.0)
    assert names() == ["Chai"]


def test_a_renamed_category_is_shown_on_all_its_products(app: Any) -> None:
    first, _ = [
        products.create_product(fields={"name": name, "price": 1, "category": "Tea"}, actor_id=None) for name in "ab"
    ]
    assert {item["category"] for item in search_services.list_products().items} == {"tea"}
    category_services.change_category(slug="tea", changes={"slug": "chai"})
    assert {item["category"] for item in search_services.list_products().items} == {"chai"}
    assert page_services.get_product(key=str(first))["breadcrumbs"][0]["slug"] == "chai"


def test_readers_amid_writers_end_with_what_the_tables_hold(make_product: MakeProduct) -> None:
    made = [make_product(name=f"P{number}", stock=50) for number in range(6)]

    def write() -> None:
        for turn in range(15):
            one = random.choice(made)
            if turn % 2:
                products.change_product(product_id=one.id, fields={"name": f"Q{random.random()}"}, actor_id=None)
            else:
                stock.set_stock(
                    variant_id=one.variant.id, stock=random.randrange(1, 99), reason="counted", actor_id=None
                )

    def read() -> None:
        for _ in range(60):
            names()
            page_services.get_product(key=str(random.choice(made).id))

    assert at_once(write, write, read, read, read, read) == [None] * 6
    rows = db.reading().fetch_all(
        "SELECT p.id, p.name, v.stock FROM products p JOIN variants v ON v.product_id = p.id ORDER BY p.id DESC"
    )
    listed = [(item["id"], item["name"], item["stock"]) for item in search_services.list_products().items]
    assert listed == [(row["id"], row["name"], row["stock"]) for row in rows]
    for row in rows:
        page = page_services.get_product(key=str(row["id"]))
        assert (page["name"], page["stock"]) == (row["name"], row["stock"])


def test_lookers_who_share_one_connection_do_not_wait_for_each_other(
    app: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config.current()
    db.release()
    db.open_pool(database_url, 1)
    together = threading.Barrier(2)

    def look_again_and_again(holds: bool) -> None:
        for _ in range(30):
            if holds:
                db.reading()
            together.wait(10)
            change_services.look()
            db.release()
            together.wait(10)  # who begins the next round takes the connection again

    both = [threading.Thread(target=look_again_and_again, args=(holds,), daemon=True) for holds in (True, False)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in both)
    db.open_pool(database_url, settings.DATABASE_POOL_SIZE)


def test_changes_heard_long_ago_are_deleted(make_product: MakeProduct, frozen_clock: Any) -> None:
    make_product()
    assert change_services.delete_heard_changes() == 0
    frozen_clock.forward(hours=25)
    assert change_services.delete_heard_changes() == 1
