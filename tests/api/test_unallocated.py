"""Money without a home over HTTP: who may see it, who may move it, shapes and codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from orders.schemas import Order
from tests.c2b import confirm, money_of, payment_with
from tests.daraja import Daraja
from tests.factories import make_order, make_product, make_user
from tests.logins import Headers, log_in
from utils import db

LIST = "/api/payments/unallocated"
RECEIPT = "RKL51ZDR4F"


@pytest.fixture
def staff(client: FlaskClient) -> Headers:
    return log_in(client, make_user(role="manager"))


@pytest.fixture
def order(daraja: Daraja) -> Order:
    return make_order(make_user(), (make_product(price="100.00").variant, 1))


@pytest.fixture
def lost(order: Order) -> int:
    confirm(order.number[:-1])
    payment_id: int = payment_with(RECEIPT)["id"]
    return payment_id


@pytest.fixture
def allocate(client: FlaskClient, staff: Headers, lost: int) -> Callable[..., Any]:
    def run(order_id: object, payment_id: int = lost, headers: Headers = staff) -> Any:
        return client.post(f"{LIST}/{payment_id}/allocate", json={"order_id": order_id}, headers=headers)

    return run


def test_the_list_has_its_shape(client: FlaskClient, staff: Headers, order: Order, lost: int) -> None:
    answer = client.get(LIST, query_string={"count": 1}, headers=staff).get_json()
    (item,) = answer.pop("items")
    assert answer == {"next_cursor": None, "total": 1, "total_capped": False}
    (suggestion,) = item.pop("suggestions")
    assert item.pop("created_at").endswith("Z")
    assert item == {
        "id": lost,
        "order_id": None,
        "method": "mpesa_c2b",
        "amount": "100.00",
        "currency": "KES",
        "receipt": RECEIPT,
        "account": order.number[:-1],
        "phone_number": None,
        "reason": "no order has this account number",
    }
    assert suggestion.pop("created_at").endswith("Z")
    assert suggestion == {
        "order_id": order.id,
        "number": order.number,
        "status": "pending",
        "due": "100.00",
        "currency": "KES",
        "reasons": ["the account is a part of its number", "exactly 100.00 is due", "it was placed 0 min before"],
    }


def test_nobody_who_paid_is_named(client: FlaskClient, staff: Headers, lost: int) -> None:
    answer = client.get(LIST, headers=staff).text
    assert "NICHOLAS" not in answer
    assert "126" not in answer.replace(f'"id":{lost}', "")


def test_allocated_money_is_a_payment_of_the_order(allocate: Callable[..., Any], order: Order, lost: int) -> None:
    answer = allocate(order.id)
    payment = answer.get_json()
    assert answer.status_code == 200
    assert (payment["id"], payment["order_id"], payment["status"]) == (lost, order.id, "succeeded")
    assert payment["settled_at"].endswith("Z")
    assert allocate(order.id).get_json() == payment
    assert money_of(order.id) == ("processing", "paid", 100)
    told = db.reading().fetch_all("SELECT target, old_values, new_values FROM audit_log WHERE action LIKE 'payment.%'")
    assert [(row["target"], json.loads(row["old_values"]), json.loads(row["new_values"])) for row in told] == [
        (f"payment:{lost}", {"order_id": None}, {"order_id": order.id})
    ]


@pytest.mark.parametrize(
    ("role", "sees", "moves"), [("customer", 403, 403), ("support", 200, 403), ("admin", 200, 200)]
)
def test_who_may_see_and_who_may_move(
    client: FlaskClient,
    allocate: Callable[..., Any],
    order: Order,
    role: str,
    sees: int,
    moves: int,
) -> None:
    headers = log_in(client, make_user(role=role))
    assert client.get(LIST, headers=headers).status_code == sees
    assert allocate(order.id, headers=headers).status_code == moves


def test_without_a_token_it_is_401(client: FlaskClient, lost: int) -> None:
    assert client.get(LIST).status_code == 401
    assert client.post(f"{LIST}/{lost}/allocate", json={"order_id": 1}).status_code == 401


def test_what_cannot_be_allocated_is_refused_by_name(allocate: Callable[..., Any], order: Order, lost: int) -> None:
    assert allocate(10**9).get_json()["code"] == "not_found"
    assert allocate(order.id, payment_id=10**9).get_json()["code"] == "not_found"
    for bad in (None, "x", 0, -1, 2**63, 1.5, []):
        assert allocate(bad).get_json()["code"] == "invalid_fields", bad
    assert allocate(order.id).status_code == 200
    other = make_order(make_user(), (make_product().variant, 1))
    refused = allocate(other.id)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "already_allocated")
    assert refused.get_json()["data"] == {"order_id": order.id}


def test_an_allocation_takes_few_statements(
    allocate: Callable[..., Any], order: Order, count_statements: Callable[..., int]
) -> None:
    assert count_statements(lambda: allocate(order.id)) == 23
    assert count_statements(lambda: allocate(order.id)) == 5
