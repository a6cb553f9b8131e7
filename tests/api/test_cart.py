"""The cart over HTTP: shapes, codes, guests, and the merge at log-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.factories import Product, User
from tests.logins import log_in

MakeUser = Callable[..., User]
MakeProduct = Callable[..., Product]
Count = Callable[[Callable[[], Any]], int]

NOTHING = {"items": [], "subtotal": "0.00", "currency": "KES", "item_count": 0}


def put_in(client: FlaskClient, product: Product, quantity: int = 1, headers: Any = None) -> TestResponse:
    return client.post(
        "/api/cart", json={"variant_id": product.variant.id, "quantity": quantity}, headers=headers or {}
    )


@pytest.fixture
def customer(client: FlaskClient, make_user: MakeUser) -> dict[str, str]:
    """The headers of somebody who is logged in."""
    return log_in(client, make_user())


def test_the_cart_has_the_shape_of_the_contract(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct
) -> None:
    assert client.get("/api/cart", headers=customer).get_json() == NOTHING
    product = make_product(variants=[{"options": {"Size": "M", "Colour": "Blue"}, "price": "1499.5", "stock": 9}])
    answer = put_in(client, product, 2, customer)
    assert (answer.status_code, answer.mimetype) == (201, "application/json")
    cart = answer.get_json()
    assert cart == {
        "items": [
            {
                "id": cart["items"][0]["id"],
                "product_id": product.id,
                "variant_id": product.variant.id,
                "sku": product.variant.sku,
                "name": product.name,
                "options": {"Size": "M", "Colour": "Blue"},
                "quantity": 2,
                "unit_price": "1499.50",
                "subtotal": "2999.00",
                "in_stock": True,
                "price_changed": False,
            }
        ],
        "subtotal": "2999.00",
        "currency": "KES",
        "item_count": 2,
    }
    assert "X-Cart-Token" not in answer.headers
    assert client.get("/api/cart", headers=customer).get_json() == cart


def test_a_variant_is_named_by_id_product_or_sku(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct
) -> None:
    product = make_product()
    for choice in (
        {"variant_id": product.variant.id},
        {"product_id": product.id},
        {"sku": product.variant.sku},
    ):
        assert client.post("/api/cart", json=choice, headers=customer).status_code == 201
    assert client.get("/api/cart", headers=customer).get_json()["item_count"] == 3


@pytest.mark.parametrize("choice", [{"variant_id": 10**15}, {"product_id": 10**15}, {"sku": "none"}])
def test_what_is_not_sold_is_404(client: FlaskClient, customer: dict[str, str], choice: dict[str, Any]) -> None:
    answer = client.post("/api/cart", json=choice, headers=customer)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "json"),
        ({"variant_id": 1, "product_id": 1}, "json"),
        ({"quantity": 1}, "json"),
        ({"variant_id": "one"}, "variant_id"),
        ({"variant_id": 1, "quantity": 0}, "quantity"),
        ({"variant_id": 1, "quantity": 1000}, "quantity"),
        ({"variant_id": 1, "quantity": -1}, "quantity"),
        ({"variant_id": 1, "quantity": 1.5}, "quantity"),
        ({"variant_id": 1, "quantity": True}, "quantity"),
        ({"variant_id": 10**30}, "variant_id"),
        ({"sku": ""}, "sku"),
        ({"variant_id": 1, "colour": "red"}, "colour"),
    ],
)
def test_a_bad_addition_is_422_and_names_the_field(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/cart", json=body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_fields")
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


def test_several_variants_are_offered_to_choose_from(client: FlaskClient, make_product: MakeProduct) -> None:
    product = make_product(variants=[{"options": {"Size": "S"}, "price": "5"}, {"options": {"Size": "M"}, "stock": 0}])
    answer = client.post("/api/cart", json={"product_id": product.id})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "variant_required")
    assert answer.get_json()["data"]["variants"][0] == {
        "id": product.variant.id,
        "sku": product.variant.sku,
        "options": {"Size": "S"},
        "price": "5.00",
        "stock": 10,
        "in_stock": True,
    }


def test_more_than_there_is_tells_what_is_available(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct
) -> None:
    product = make_product(stock=5)
    item_id = put_in(client, product, 3, customer).get_json()["items"][0]["id"]
    for answer in (
        put_in(client, product, 3, customer),
        client.put(f"/api/cart/{item_id}", json={"quantity": 6}, headers=customer),
    ):
        assert (answer.status_code, answer.get_json()["code"]) == (409, "out_of_stock")
        assert answer.get_json()["data"]["available"] == 5


def test_a_full_line_says_how_much_it_holds(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct
) -> None:
    product = make_product(stock=5000)
    put_in(client, product, 999, customer)
    answer = put_in(client, product, 1, customer)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "cart_line_full")
    assert "999" in answer.get_json()["detail"]


@pytest.mark.parametrize("method", ["put", "patch"])
def test_quantity_is_set_and_0_removes(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct, method: str
) -> None:
    item_id = put_in(client, make_product(), headers=customer).get_json()["items"][0]["id"]

    def change(body: Any) -> TestResponse:
        return client.open(f"/api/cart/{item_id}", method=method, json=body, headers=customer)

    assert change({"quantity": 4}).get_json()["item_count"] == 4
    assert [change(body).status_code for body in ({}, {"quantity": 1000}, {"quantity": "x"})] == [422] * 3
    assert change({"quantity": 0}).get_json() == NOTHING
    assert change({"quantity": 1}).status_code == 404


def test_a_line_is_deleted_once_and_the_cart_cleared(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct
) -> None:
    put_in(client, make_product(), headers=customer)
    item_id = put_in(client, make_product(), headers=customer).get_json()["items"][1]["id"]
    assert client.delete(f"/api/cart/{item_id}", headers=customer).get_json()["item_count"] == 1
    assert client.delete(f"/api/cart/{item_id}", headers=customer).status_code == 404
    assert client.delete("/api/cart/clear", headers=customer).get_json() == NOTHING
    assert client.delete("/api/cart/clear", headers=customer).status_code == 200


def test_other_peoples_lines_are_404(
    client: FlaskClient, customer: dict[str, str], make_user: MakeUser, make_product: MakeProduct
) -> None:
    product = make_product()
    item_id = put_in(client, product, headers=customer).get_json()["items"][0]["id"]
    for other in ({}, {"X-Cart-Token": "made-up"}, log_in(client, make_user())):
        assert client.put(f"/api/cart/{item_id}", json={"quantity": 2}, headers=other).status_code == 404
        assert client.delete(f"/api/cart/{item_id}", headers=other).status_code == 404
        assert client.delete("/api/cart/clear", headers=other).status_code == 200
    assert client.get("/api/cart", headers=customer).get_json()["item_count"] == 1


def test_a_guests_cart_goes_by_the_token_of_the_first_answer(client: FlaskClient, make_product: MakeProduct) -> None:
    product = make_product()
    first = put_in(client, product)
    guest = {"X-Cart-Token": first.headers["X-Cart-Token"]}
    second = put_in(client, product, headers=guest)
    assert "X-Cart-Token" not in second.headers
    assert client.get("/api/cart", headers=guest).get_json()["item_count"] == 2
    item_id = second.get_json()["items"][0]["id"]
    assert client.put(f"/api/cart/{item_id}", json={"quantity": 1}, headers=guest).get_json()["item_count"] == 1
    assert client.get("/api/cart").get_json() == NOTHING


@pytest.mark.parametrize("token", ["made-up", "", "é" * 300, "'; DROP TABLE carts; --"])
def test_a_token_that_is_not_ours_is_an_empty_cart_and_gets_a_new_one(
    client: FlaskClient, make_product: MakeProduct, token: str
) -> None:
    assert client.get("/api/cart", headers={"X-Cart-Token": token}).get_json() == NOTHING
    answer = put_in(client, make_product(), headers={"X-Cart-Token": token})
    assert answer.status_code == 201
    assert answer.headers["X-Cart-Token"] != token


def test_a_bad_access_token_is_401_and_not_a_guest(client: FlaskClient, make_product: MakeProduct) -> None:
    assert put_in(client, make_product(), headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_a_log_in_takes_the_guests_cart_over_once(
    client: FlaskClient, make_user: MakeUser, make_product: MakeProduct
) -> None:
    product = make_product(stock=100)
    user = make_user()
    put_in(client, product, 2, log_in(client, user))
    guest = {"X-Cart-Token": put_in(client, product, 3).headers["X-Cart-Token"]}
    for _ in range(2):
        customer = log_in(client, user, **guest)
        assert client.get("/api/cart", headers={**customer, **guest}).get_json()["item_count"] == 5
    assert client.get("/api/cart", headers=guest).get_json() == NOTHING


def test_a_registration_takes_the_guests_cart_over(client: FlaskClient, make_product: MakeProduct) -> None:
    guest = {"X-Cart-Token": put_in(client, make_product(), 3).headers["X-Cart-Token"]}
    new = {"username": "wanjiku", "email": "wanjiku@example.com", "password": "maji-ya-moto"}
    tokens = client.post("/api/auth/register", json=new, headers=guest).get_json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert client.get("/api/cart", headers=headers).get_json()["item_count"] == 3


def test_a_failed_log_in_leaves_the_guests_cart(
    client: FlaskClient, make_user: MakeUser, make_product: MakeProduct
) -> None:
    guest = {"X-Cart-Token": put_in(client, make_product()).headers["X-Cart-Token"]}
    body = {"username": make_user().username, "password": "not-this-one"}
    assert client.post("/api/auth/login", json=body, headers=guest).status_code == 401
    assert client.get("/api/cart", headers=guest).get_json()["item_count"] == 1


def test_statements_of_the_cart_are_few_and_the_same_for_any_number_of_lines(
    client: FlaskClient, customer: dict[str, str], make_product: MakeProduct, count_statements: Count
) -> None:
    guest: dict[str, str] = {}
    first, second = make_product(), make_product()

    def put_in_as_guest() -> None:
        guest["X-Cart-Token"] = put_in(client, first).headers["X-Cart-Token"]

    # the cart, looked for and made; the variant; the touch; the line; the cart as it is now
    assert count_statements(put_in_as_guest) == 6
    assert count_statements(lambda: put_in(client, second, headers=guest)) == 5
    assert count_statements(lambda: client.get("/api/cart", headers=guest)) == 1
    # a log-in is one more
    assert count_statements(lambda: put_in(client, first, headers=customer)) == 7
    assert count_statements(lambda: put_in(client, second, headers=customer)) == 6
    assert count_statements(lambda: client.get("/api/cart", headers=customer)) == 2
