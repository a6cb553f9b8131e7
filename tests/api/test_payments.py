"""Payments over HTTP: shapes, codes, who may see what, the same key twice. The door for callbacks: test_door.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient

import config
from orders.schemas import Order
from payments import attempt_services
from tests import daraja as scripted
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import User, make_order, make_product, make_user
from tests.logins import Headers, log_in


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def headers(buyer: User, client: FlaskClient) -> Headers:
    return log_in(client, buyer)


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


@pytest.fixture
def push(client: FlaskClient, headers: Headers, order: Order) -> Callable[..., Any]:
    def run(key: str | None = None, **body: Any) -> Any:
        sent = {**headers, **({"Idempotency-Key": key} if key else {})}
        fields = {"order_id": order.id, "phone_number": "0712 345 678", **body}
        return client.post("/api/payments/stkpush", json=fields, headers=sent)

    return run


def test_a_push_has_the_shape_of_the_contract_and_hides_the_phone(
    push: Callable[..., Any], order: Order, client: FlaskClient, headers: Headers
) -> None:
    answer = push()
    payment = answer.get_json()
    assert answer.status_code == 202
    assert payment["created_at"].endswith("Z")
    assert payment["checkout_request_id"].startswith("ws_CO_")
    assert payment == {
        "id": payment["id"],
        "order_id": order.id,
        "method": "mpesa_stk",
        "status": "pending",
        "amount": "100.00",
        "currency": "KES",
        "phone_number": "25471*****78",
        "checkout_request_id": payment["checkout_request_id"],
        "receipt": None,
        "result_code": None,
        "result_desc": None,
        "created_at": payment["created_at"],
        "settled_at": None,
    }
    assert client.get(f"/api/transactions/{payment['id']}", headers=headers).get_json() == payment


def test_the_same_key_gives_the_first_answer_again_and_makes_no_second_prompt(
    push: Callable[..., Any], daraja: Daraja
) -> None:
    first, second = push("once"), push("once")
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (second.status_code, second.get_json()) == (202, first.get_json())
    assert first.get_json()["checkout_request_id"] is not None
    assert daraja.count("processrequest") == 1
    assert push("once", phone_number="0712345679").get_json()["code"] == "idempotency_mismatch"


def test_a_key_whose_push_was_not_taken_is_free_for_another_try(push: Callable[..., Any], daraja: Daraja) -> None:
    daraja.pushes.extend([(500, {"errorCode": "500.003.02"}), (400, {"errorCode": "400.002.02", "errorMessage": "No"})])
    away = push("again")
    assert (away.status_code, away.get_json()["code"]) == (503, "payment_unavailable")
    assert int(away.headers["Retry-After"]) > 0
    refused = push("again")
    assert (refused.status_code, refused.get_json()["code"]) == (502, "payment_refused")
    assert push("again").status_code == 202


def test_a_key_whose_push_had_no_answer_stays_pending_and_makes_no_second_prompt(
    push: Callable[..., Any], daraja: Daraja, frozen_clock: Any
) -> None:
    daraja.pushes.append(requests.ReadTimeout())
    assert push("lost").get_json()["status"] == "pending"
    assert push("lost").headers["Idempotent-Replayed"] == "true"
    assert daraja.count("processrequest") == 1
    frozen_clock.forward(minutes=4)
    attempt_services.give_up_dead_prompts()


def test_a_busy_phone_is_told_to_wait_a_minute(push: Callable[..., Any], daraja: Daraja) -> None:
    daraja.pushes.append((500, {"errorCode": "500.001.1001", "errorMessage": "Unable to lock subscriber, a transact"}))
    answer = push()
    assert (answer.status_code, answer.get_json()["code"], answer.headers["Retry-After"]) == (503, "phone_busy", "60")


def test_a_second_prompt_for_the_order_is_409(push: Callable[..., Any]) -> None:
    push()
    answer = push()
    assert (answer.status_code, answer.get_json()["code"]) == (409, "payment_in_progress")


def test_a_paid_order_is_409(push: Callable[..., Any]) -> None:
    payment = push().get_json()
    scripted.call_back(payment["id"], success_body(payment["checkout_request_id"]))
    answer = push()
    assert (answer.status_code, answer.get_json()["code"]) == (409, "already_paid")


@pytest.mark.parametrize("number", ["0812345678", "071234567", "abc", "", "+1 212 555 0100"])
def test_a_phone_that_is_not_kenyan_is_422_and_named(push: Callable[..., Any], number: str) -> None:
    answer = push(phone_number=number)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == ["phone_number"]


def test_an_order_of_somebody_else_is_404(client: FlaskClient, order: Order) -> None:
    body = {"order_id": order.id, "phone_number": "0712345678"}
    stranger = log_in(client, make_user())
    assert client.post("/api/payments/stkpush", json=body, headers=stranger).status_code == 404
    assert client.post("/api/payments/stkpush", json=body).status_code == 401


def test_more_than_the_provider_moves_is_422(push: Callable[..., Any]) -> None:
    with config.override(MPESA_MAX_AMOUNT=99):
        answer = push()
    assert (answer.status_code, answer.get_json()["code"]) == (422, "amount_too_high")


def test_mock_pays_at_once_and_is_not_there_in_production(client: FlaskClient, headers: Headers, order: Order) -> None:
    path = f"/api/payments/{order.id}/mock"
    with config.override(SHOP_ENV="production"):
        assert client.post(path, headers=headers).status_code == 404
    answer = client.post(path, headers=headers)
    assert (answer.status_code, answer.get_json()["status"]) == (201, "succeeded")
    assert client.get(f"/api/orders/{order.id}", headers=headers).get_json()["payment_status"] == "paid"


# --- looking


@pytest.fixture
def staff(client: FlaskClient) -> Headers:
    return log_in(client, make_user(role="support"))


def test_customers_see_their_own_payments_and_staff_all(
    client: FlaskClient, push: Callable[..., Any], headers: Headers, staff: Headers
) -> None:
    payment = push().get_json()
    stranger = log_in(client, make_user())
    path = f"/api/transactions/{payment['id']}"
    assert client.get(path, headers=stranger).status_code == 404
    assert client.get(path, headers=staff).get_json() == payment
    assert client.get("/api/transactions", headers=stranger).get_json()["items"] == []
    assert client.get("/api/transactions", headers=headers).get_json()["items"] == [payment]
    assert client.get("/api/transactions", headers=staff).get_json()["items"] == [payment]
    assert client.get("/api/transactions").status_code == 401


def test_payments_are_filtered_and_paged(
    client: FlaskClient, push: Callable[..., Any], buyer: User, staff: Headers
) -> None:
    product = make_product(price="100.00", stock=100)
    orders = [make_order(buyer, (product.variant, 1)) for _ in range(5)]
    paid, failed, *_ = [push(order_id=order.id).get_json() for order in orders]
    scripted.call_back(paid["id"], success_body(paid["checkout_request_id"]))
    scripted.call_back(failed["id"], failure_body(failed["checkout_request_id"]))

    def ids(query: str) -> list[int]:
        return [item["id"] for item in client.get(f"/api/transactions?{query}", headers=staff).get_json()["items"]]

    assert ids("status=succeeded") == ids("receipt=nlj7rt61sv") == [paid["id"]]
    assert ids("status=failed") == ids(f"order_id={orders[1].id}") == [failed["id"]]
    assert ids("status=review") == []
    assert len(ids("status=pending")) == 3

    seen: list[int] = []
    page = client.get("/api/transactions?limit=2&count=1", headers=staff).get_json()
    assert (page["total"], page["total_capped"]) == (5, False)
    while True:
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        page = client.get(f"/api/transactions?limit=2&cursor={page['next_cursor']}", headers=staff).get_json()
    assert seen == sorted(ids("limit=100"), reverse=True)
    assert len(seen) == 5
    assert client.get("/api/transactions?cursor=x", headers=staff).status_code == 400
    assert client.get("/api/transactions?status=sent", headers=staff).status_code == 422
