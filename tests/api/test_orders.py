"""Orders over HTTP: shapes, codes, who may do what, the same key twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from orders import checkout_services
from tests.factories import Product, User, make_order, make_product, make_user, stock_of
from tests.logins import Headers, log_in
from tests.threads import at_once
from utils import db
from utils.errors import DatabaseUnavailable


@pytest.fixture
def buyer(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def headers(buyer: User, client: FlaskClient) -> Headers:
    return log_in(client, buyer)


def body_for(product: Product, quantity: int = 1, **fields: Any) -> dict[str, Any]:
    return {
        "shipping_address": {"line1": "Moi Avenue 1", "town": "Nairobi", "county": "Nairobi"},
        "items": [{"variant_id": product.variant.id, "quantity": quantity}],
        **fields,
    }


def count_orders() -> int:
    counted: int = db.reading().fetch_value("SELECT COUNT(*) AS counted FROM orders")
    return counted


def test_an_order_has_the_shape_of_the_contract(client: FlaskClient, headers: Headers) -> None:
    product = make_product(name="Kikoi", price="1499.50", variants=[{"options": {"Size": "M"}, "sku": "KIKOI-M"}])
    answer = client.post("/api/orders", json=body_for(product, 2, note="Leave it at the gate 🙏"), headers=headers)
    order = answer.get_json()
    assert answer.status_code == 201
    assert order.pop("created_at").endswith("Z")
    assert order.pop("expires_at").endswith("Z")
    assert len(order.pop("number")) == 10
    assert order == {
        "id": order["id"],
        "status": "pending",
        "payment_status": "unpaid",
        "payment_method": "mpesa",
        "currency": "KES",
        "items": [
            {
                "product_id": product.id,
                "variant_id": product.variant.id,
                "sku": "KIKOI-M",
                "name": "Kikoi",
                "options": {"Size": "M"},
                "quantity": 2,
                "unit_price": "1499.50",
                "line_total": "2999.00",
            }
        ],
        "subtotal": "2999.00",
        "discount": "0.00",
        "shipping": "0.00",
        "tax_included": "413.66",
        "rounding": "0.00",
        "total": "2999.00",
        "paid": "0.00",
        "refunded": "0.00",
        "shipping_address": {"line1": "Moi Avenue 1", "town": "Nairobi", "county": "Nairobi", "country": "KE"},
        "note": "Leave it at the gate 🙏",
        "tracking_number": None,
        "paid_at": None,
    }
    read = client.get(f"/api/orders/{order['id']}", headers=headers).get_json()
    assert {key: read[key] for key in order} == order


def test_an_address_in_one_line_is_taken_as_it_is(client: FlaskClient, headers: Headers) -> None:
    order = client.post(
        "/api/orders", json=body_for(make_product(), shipping_address=" Kwa Njoroge, Ruiru "), headers=headers
    )
    assert order.get_json()["shipping_address"] == {"line1": "Kwa Njoroge, Ruiru", "country": "KE"}


def test_every_invalid_field_is_named_at_once(client: FlaskClient, headers: Headers) -> None:
    answer = client.post(
        "/api/orders",
        json={"shipping_address": {"line1": ""}, "phone_number": "12", "colour": "red", "items": []},
        headers=headers,
    )
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (422, "invalid_fields")
    assert {error["field"] for error in problem["errors"]} == {
        "shipping_address.line1",
        "shipping_address.town",
        "shipping_address.county",
        "phone_number",
        "colour",
        "items",
    }
    assert count_orders() == 0


def test_an_empty_cart_is_told(client: FlaskClient, headers: Headers) -> None:
    answer = client.post("/api/orders", json={"shipping_address": "Ruiru"}, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "cart_empty")


def test_what_is_short_is_told_with_what_is_left(client: FlaskClient, headers: Headers) -> None:
    product = make_product(stock=3)
    answer = client.post("/api/orders", json=body_for(product, 4), headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "out_of_stock")
    assert answer.get_json()["data"]["items"] == [{"variant_id": product.variant.id, "requested": 4, "available": 3}]


def test_the_same_key_and_body_give_the_first_answer_again(client: FlaskClient, headers: Headers) -> None:
    product = make_product(stock=10)
    keyed = {**headers, "Idempotency-Key": "one-tap"}
    first = client.post("/api/orders", json=body_for(product), headers=keyed)
    again = client.post("/api/orders", json=body_for(product), headers=keyed)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (count_orders(), stock_of(product.variant)) == (1, 9)


def test_another_body_under_the_key_is_refused(client: FlaskClient, headers: Headers) -> None:
    product = make_product()
    keyed = {**headers, "Idempotency-Key": "one-tap"}
    client.post("/api/orders", json=body_for(product, 1), headers=keyed)
    answer = client.post("/api/orders", json=body_for(product, 2), headers=keyed)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "idempotency_mismatch")


def test_a_key_belongs_to_its_user(client: FlaskClient, headers: Headers) -> None:
    product, other = make_product(), log_in(client, make_user())
    for whose in (headers, other):
        answer = client.post("/api/orders", json=body_for(product), headers={**whose, "Idempotency-Key": "1"})
        assert answer.status_code == 201
        assert "Idempotent-Replayed" not in answer.headers
    assert count_orders() == 2


def test_a_refusal_is_kept_under_the_key_as_well(client: FlaskClient, headers: Headers) -> None:
    product = make_product(stock=0)
    keyed = {**headers, "Idempotency-Key": "one-tap"}
    first = client.post("/api/orders", json=body_for(product), headers=keyed)
    again = client.post("/api/orders", json=body_for(product), headers=keyed)
    assert (first.status_code, again.status_code) == (409, 409)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.mimetype == "application/problem+json"


def test_a_failure_of_ours_is_not_kept_and_the_key_works_again(
    client: FlaskClient, headers: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = make_product()
    keyed = {**headers, "Idempotency-Key": "one-tap"}

    def go_away(*_: Any, **__: Any) -> None:
        raise DatabaseUnavailable

    with monkeypatch.context() as broken:
        broken.setattr(checkout_services.stock, "take_tx", go_away)
        answer = client.post("/api/orders", json=body_for(product), headers=keyed)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert count_orders() == 0
    assert client.post("/api/orders", json=body_for(product), headers=keyed).status_code == 201


def test_one_tap_sent_many_times_at_once_makes_one_order(app: APIFlask, headers: Headers) -> None:
    product = make_product(stock=10)

    def tap() -> tuple[int, str | None]:
        answer = app.test_client().post(
            "/api/orders", json=body_for(product), headers={**headers, "Idempotency-Key": "one-tap"}
        )
        return answer.status_code, answer.get_json().get("code")

    codes = at_once(*[tap] * 6)
    assert set(codes) <= {(201, None), (409, "idempotency_in_progress")}
    assert (201, None) in codes
    assert (count_orders(), stock_of(product.variant)) == (1, 9)


def test_a_customer_sees_own_orders_only_and_staff_see_all(client: FlaskClient, buyer: User, headers: Headers) -> None:
    product = make_product(stock=10)
    mine, theirs = make_order(buyer, (product.variant, 1)), make_order(make_user(), (product.variant, 1))
    assert [order["id"] for order in client.get("/api/orders", headers=headers).get_json()["items"]] == [mine.id]
    for path in (f"/api/orders/{theirs.id}", f"/api/orders/{theirs.id}/events"):
        assert client.get(path, headers=headers).status_code == 404
    assert client.post(f"/api/orders/{theirs.id}/cancel", json={}, headers=headers).status_code == 404
    assert client.get(f"/api/orders/user/{buyer.id}", headers=headers).status_code == 403
    staff = log_in(client, make_user(role="support"))
    listed = client.get("/api/orders?count=1", headers=staff).get_json()
    assert ([order["id"] for order in listed["items"]], listed["total"]) == ([theirs.id, mine.id], 2)
    of_buyer = client.get(f"/api/orders/user/{buyer.id}", headers=staff).get_json()
    assert [order["id"] for order in of_buyer["items"]] == [mine.id]


def test_only_those_who_manage_orders_move_them(client: FlaskClient, buyer: User, headers: Headers) -> None:
    order = make_order(buyer, (make_product().variant, 1), method="cod")
    shipped = {"status": "shipped", "tracking_number": "G4S-77"}
    assert client.put(f"/api/orders/{order.id}", json=shipped, headers=headers).status_code == 403
    support, admin = log_in(client, make_user(role="support")), log_in(client, make_user(role="admin"))
    assert client.put(f"/api/orders/{order.id}", json=shipped, headers=support).status_code == 403
    answer = client.patch(f"/api/orders/{order.id}", json=shipped, headers=admin)
    assert (answer.status_code, answer.get_json()["tracking_number"]) == (200, "G4S-77")
    again = client.put(f"/api/orders/{order.id}", json=shipped, headers=admin)
    assert (again.status_code, again.get_json()["code"]) == (409, "illegal_transition")
    unknown = client.put(f"/api/orders/{order.id}", json={"total": "1.00"}, headers=admin)
    assert unknown.status_code == 422


def test_cancelling_answers_with_the_order_and_a_second_time_with_a_conflict(
    client: FlaskClient, buyer: User, headers: Headers
) -> None:
    product = make_product(stock=5)
    order = make_order(buyer, (product.variant, 2))
    answer = client.post(f"/api/orders/{order.id}/cancel", json={"reason": "too slow"}, headers=headers)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")
    again = client.post(f"/api/orders/{order.id}/cancel", json={}, headers=headers)
    assert (again.status_code, again.get_json()["code"]) == (409, "illegal_transition")
    assert stock_of(product.variant) == 5


def test_a_list_of_orders_costs_three_statements_however_long_it_is(
    client: FlaskClient, buyer: User, headers: Headers, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    product = make_product(stock=30)
    for _ in range(21):
        make_order(buyer, (product.variant, 1))
    assert count_statements(lambda: client.get("/api/orders", headers=headers)) == 3
    assert count_statements(lambda: client.get("/api/orders?limit=100", headers=headers)) == 3


def test_without_a_login_nothing_is_shown(client: FlaskClient) -> None:
    for method, path in (("get", "/api/orders"), ("post", "/api/orders"), ("get", "/api/orders/1")):
        answer = getattr(client, method)(path)
        assert (answer.status_code, answer.get_json()["code"]) == (401, "not_logged_in")


def test_mock_payment_is_not_for_production(client: FlaskClient, headers: Headers) -> None:
    with config.override(SHOP_ENV="production"):
        answer = client.post("/api/orders", json=body_for(make_product(), payment_method="mock"), headers=headers)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "payment_method")
