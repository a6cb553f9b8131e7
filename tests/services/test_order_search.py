"""Staff look orders up by what the customer says on the phone: found by how it begins, and by an index."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask

from orders import reading_services
from orders.schemas import Order, OrderQuery
from tests.factories import make_order, make_product, make_user, settle
from utils import clock, db

MANY = 2000
SEARCHES = ["ABCD", "AB", "RKL0", "buyer7", "buyer7@", "buyer7@example.com", "0712 345", "+254712", "0712345678"]


@pytest.fixture
def orders(app: APIFlask) -> list[Order]:
    variant = make_product(stock=50).variant
    people = [make_user(username=name) for name in ("wanjiru", "otieno")]
    placed = [
        make_order(person, (variant, 1), method="mock", phone_number=phone)
        for person, phone in zip(people, ("0712345678", "0110123456"), strict=True)
    ]
    settle(placed[0].id, receipt="RKL7SEARCH", method="mpesa_stk")
    return placed


def found(q: str, **query: Any) -> list[int]:
    page = reading_services.list_orders(query=OrderQuery(q=q, **query), user_id=None)
    return [order.id for order in page.items]


@pytest.mark.parametrize(
    "q",
    [
        "wanjiru@example.com",
        "wanjiru@",
        "WANJIRU@EXAMPLE",
        "wanj",
        "0712345678",
        "+254 712 345 678",
        "712345678",
        "0712",
        "25471",
        "RKL7SEARCH",
        "rkl7se",
    ],
)
def test_an_order_is_found_by_what_a_customer_knows_of_it(orders: list[Order], q: str) -> None:
    assert found(q) == [orders[0].id]


def test_an_order_is_found_by_its_number_or_how_it_begins(orders: list[Order]) -> None:
    number = orders[1].number
    assert found(number) == found(number[:6]) == found(number.lower()) == [orders[1].id]


@pytest.mark.parametrize("q", ["anjiru@", "njiru", "%", "__", "\\%", "0799", "345678", "xx@"])
def test_nothing_is_found_by_what_stands_in_the_middle_or_is_a_pattern(orders: list[Order], q: str) -> None:
    if len(q) >= 2:
        assert found(q) == []


def test_a_search_goes_with_the_filters(orders: list[Order]) -> None:
    assert found("wanjiru@", status="processing") == [orders[0].id]
    assert found("wanjiru@", status="pending") == []


@pytest.fixture
def many_orders(app: APIFlask) -> None:
    """Enough orders and payments that to read all of them would be a choice."""
    _insert_many(user_id=make_user().id)
    reader = db.reading()
    for table in ("orders", "payments"):
        reader.fetch_all(f"ANALYZE TABLE {table}")


@db.in_transaction
def _insert_many(tx: db.Tx, *, user_id: int) -> None:
    now = clock.now()
    tx.insert_many(
        """
        INSERT INTO orders (number, user_id, email, phone_number, status, payment_status, payment_method, currency,
                            subtotal, discount, shipping, rounding, tax_included, total, shipping_address,
                            created_at, updated_at)
        VALUES (%(number)s, %(user_id)s, %(email)s, %(phone)s, 'cancelled', 'unpaid', 'mpesa', 'KES',
                0, 0, 1, 0, 0, 1, '{}', %(now)s, %(now)s)
        """,
        [
            {
                "number": f"{chr(65 + place % 23)}{place:09}",
                "user_id": user_id,
                "email": f"buyer{place}@example.com",
                "phone": f"2547{place:08}",
                "now": now,
            }
            for place in range(MANY)
        ],
    )
    tx.execute(
        """
        INSERT INTO order_events (order_id, name, to_status, request_id, created_at)
        SELECT o.id, 'order.cancelled', 'cancelled', '-', o.created_at FROM orders o
        """
    )
    tx.execute(
        """
        INSERT INTO payments (order_id, method, status, amount, currency, receipt, request_id, created_at, updated_at)
        SELECT o.id, 'mpesa_stk', 'failed', 1, 'KES', CONCAT('R', o.id), '-', o.created_at, o.created_at FROM orders o
        """
    )


@pytest.mark.parametrize("q", SEARCHES)
@pytest.mark.parametrize("filters", [{}, {"status": "cancelled"}], ids=["all", "one status"])
def test_no_search_reads_every_order(many_orders: None, q: str, filters: dict[str, Any]) -> None:
    found(q, **filters)  # the server opens its tables
    before = rows_read()
    found(q, **filters)
    assert rows_read() - before < MANY / 2


def test_what_is_not_found_by_an_index_reads_every_order(many_orders: None) -> None:
    before = rows_read()
    db.reading().fetch_all("SELECT o.id FROM orders o WHERE o.email LIKE '%%buyer7@%%'")
    assert rows_read() - before >= MANY


def rows_read() -> int:
    """Return how many rows and entries of indexes this connection has had the server read."""
    counters = db.reading().fetch_all("SHOW SESSION STATUS LIKE 'Handler_read%%'")
    return sum(int(counter["Value"]) for counter in counters)
