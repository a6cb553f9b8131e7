"""Sorted lists: a page goes on where the last one ended, among equal ones too, and costs what the first one does."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask

from admin import audit_services
from admin.schemas import AuditQuery
from auth import user_services
from payments import refund_reading_services, transaction_services
from payments.refund_schemas import RefundQuery
from payments.schemas import TransactionQuery
from tests.factories import make_user
from utils import clock, db, paging
from utils.errors import BadCursor

MANY = 1000
LIMIT = 50
READ = {f"Handler_read_{what}" for what in ("first", "key", "last", "next", "prev", "rnd", "rnd_next")} | {"Sort_rows"}


def list_payments(sort: Any, cursor: str | None) -> Any:
    return transaction_services.list_transactions(
        query=TransactionQuery(sort=sort, limit=LIMIT, cursor=cursor), user_id=None
    )


def list_refunds(sort: Any, cursor: str | None) -> Any:
    return refund_reading_services.list_refunds(query=RefundQuery(sort=sort, limit=LIMIT, cursor=cursor), user_id=None)


def list_people(sort: Any, cursor: str | None) -> Any:
    page = user_services.list_users(q=None, role=None, disabled=None, sort=sort, limit=LIMIT, cursor=cursor)
    return paging.Page([Person(row) for row in page.items], page.next_cursor)


def list_deeds(sort: Any, cursor: str | None) -> Any:
    return audit_services.list_entries(query=AuditQuery(sort=sort, limit=LIMIT, cursor=cursor))


class Person:
    """An account with its fields to be named as those of the other lists are."""

    def __init__(self, row: db.Row) -> None:
        self.id, self.username = row["id"], row["username"]


MONEY: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "newest": (lambda one: one.id, True),
    "oldest": (lambda one: one.id, False),
    "amount": (lambda one: (one.amount, one.id), False),
    "-amount": (lambda one: (one.amount, one.id), True),
}
TIME = {sort: MONEY[sort] for sort in ("newest", "oldest")}
PEOPLE = {**TIME, "name": (lambda one: one.username, False)}
LISTS = [
    pytest.param(walk, sort, *order, id=f"{walk.__name__} {sort}")
    for walk, sorts in ((list_payments, MONEY), (list_refunds, MONEY), (list_people, PEOPLE), (list_deeds, TIME))
    for sort, order in sorts.items()
]


@pytest.fixture
def many(app: APIFlask) -> None:
    """Enough of everything that to read all of it would be a choice, and many of the same amount."""
    make_user()
    _insert_many()
    for table in ("users", "payments", "refunds", "audit_log"):
        db.reading().fetch_all(f"ANALYZE TABLE {table}")


@db.in_transaction
def _insert_many(tx: db.Tx) -> None:
    tx.insert_many(
        """
        INSERT INTO users (username, email, password_hash, role_id, created_at, updated_at)
        VALUES (%(name)s, %(email)s, '!', (SELECT r.id FROM roles r WHERE r.name = 'customer'), %(now)s, %(now)s)
        """,
        [
            {"name": f"n{place * 7 % MANY:06}", "email": f"n{place}@example.com", "now": clock.now()}
            for place in range(MANY)
        ],
    )
    tx.execute(
        """
        INSERT INTO payments (method, status, amount, currency, request_id, created_at, updated_at)
        SELECT 'mock', 'failed', 1 + MOD(u.id, 3), 'KES', '-', u.created_at, u.created_at FROM users u
        """
    )
    tx.execute(
        """
        INSERT INTO refunds (payment_id, method, status, amount, currency, reason, request_id, created_at, updated_at)
        SELECT p.id, 'mock', 'failed', p.amount, 'KES', 'broken', '-', p.created_at, p.created_at FROM payments p
        """
    )
    tx.execute(
        """
        INSERT INTO audit_log (action, target, address, request_id, created_at)
        SELECT 'user.changed', CONCAT('user:', u.id), '', '-', u.created_at FROM users u
        """
    )


@pytest.mark.parametrize(("walk", "sort", "key", "falls"), LISTS)
def test_every_row_comes_once_in_its_place_and_each_page_costs_the_same(
    many: None, walk: Callable[[Any, str | None], Any], sort: str, key: Callable[[Any], Any], falls: bool
) -> None:
    walk(sort, None)  # the server opens its tables
    found, costs, cursor = [], [], None
    while True:
        before = rows_read()
        page = walk(sort, cursor)
        costs.append(rows_read() - before)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(found) == len({one.id for one in found}) >= MANY
    assert [one.id for one in found] == [one.id for one in sorted(found, key=key, reverse=falls)]
    asked, again = rows_read(), rows_read()
    assert max(costs) - (again - asked) < LIMIT * 4, "besides what the question itself reads"


def rows_read() -> int:
    """Return how many rows this connection has read, sorted rows counted again."""
    rows = db.reading().fetch_all("SHOW SESSION STATUS")
    return sum(int(row["Value"]) for row in rows if row["Variable_name"] in READ)


@pytest.mark.parametrize(
    ("walk", "sort", "key"),
    [
        (list_payments, "amount", ["NaN", "1"]),
        (list_payments, "-amount", ["1E+99", "1"]),
        (list_refunds, "amount", ["Infinity", "1"]),
        (list_refunds, "newest", ["1.00", "1"]),
        (list_people, "name", ["\ud800"]),
        (list_people, "name", ["wanjiru", "1"]),
        (list_deeds, "oldest", ["first"]),
    ],
)
def test_a_cursor_that_no_page_has_given_is_refused(
    app: APIFlask, walk: Callable[[Any, str | None], Any], sort: str, key: list[str]
) -> None:
    forged = base64.urlsafe_b64encode(json.dumps([sort, *key]).encode()).decode().rstrip("=")
    with pytest.raises(BadCursor):
        walk(sort, forged)


def test_a_cursor_of_another_sort_is_refused(many: None) -> None:
    cursor = list_payments("newest", None).next_cursor
    with pytest.raises(BadCursor):
        list_payments("oldest", cursor)
