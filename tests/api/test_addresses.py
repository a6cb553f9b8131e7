"""The address book over HTTP, and what orders take from it."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app import HANDLERS
from auth import address_services
from tests.factories import ADDRESS, User, make_address, make_order, make_product, make_user
from tests.logins import Headers, log_in
from tests.threads import at_once
from utils import db, outbox
from utils.errors import TooManyAddresses

HERE = "/api/addresses"


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku")


@pytest.fixture
def own(client: FlaskClient, wanjiku: User) -> Headers:
    return log_in(client, wanjiku)


def labels_of(user: User) -> list[tuple[str, bool]]:
    rows = address_services.list_addresses(user_id=user.id)
    return [(row["label"], bool(row["is_default"])) for row in rows]


# --- saved, read, changed, deleted


def test_an_address_is_saved_in_one_normal_form(client: FlaskClient, own: Headers) -> None:
    written = {**ADDRESS, "county": "muranga county", "line2": " ", "postal_code": " 01000 "}
    answer = client.post(HERE, json=written, headers=own)
    saved = answer.get_json()
    assert answer.status_code == 201
    assert saved | {"id": 0, "created_at": ""} == {
        "id": 0,
        "label": "Home",
        "recipient_name": "Wanjiku Kamau",
        "phone_number": "254712345678",
        "line1": "Moi Avenue 12",
        "line2": None,
        "town": "Thika",
        "county": "Murang'a",
        "postal_code": "01000",
        "country": "KE",
        "is_default": True,
        "created_at": "",
    }
    assert client.get(f"{HERE}/{saved['id']}", headers=own).get_json() == saved
    assert client.get(HERE, headers=own).get_json() == {"items": [saved], "next_cursor": None}


def test_all_that_is_wrong_is_told_at_once(client: FlaskClient, own: Headers) -> None:
    bad = {"label": "x" * 41, "phone_number": "12", "line1": "", "town": "a\nb", "county": "Atlantis", "country": "UG"}
    answer = client.post(HERE, json={**bad, "colour": "red"}, headers=own)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.get_json()["errors"]} == {*bad, "colour"}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_field_left_out_stays_as_it_is(client: FlaskClient, own: Headers, wanjiku: User, method: str) -> None:
    saved = client.get(f"{HERE}/{make_address(wanjiku)['id']}", headers=own).get_json()
    changed = client.open(
        f"{HERE}/{saved['id']}", method=method, json={"town": "Ruiru", "phone_number": None}, headers=own
    )
    assert (changed.status_code, changed.get_json()) == (200, {**saved, "town": "Ruiru", "phone_number": None})


@pytest.mark.parametrize("change", [{"county": "Atlantis"}, {"line1": None}, {"label": None}, {"id": 5}, {"town": " "}])
def test_a_change_that_cannot_be_is_422(
    client: FlaskClient, own: Headers, wanjiku: User, change: dict[str, Any]
) -> None:
    address = make_address(wanjiku)
    assert client.put(f"{HERE}/{address['id']}", json=change, headers=own).status_code == 422
    assert address_services.get_address(user_id=wanjiku.id, address_id=address["id"]) == address


def test_somebody_elses_address_is_not_there(client: FlaskClient, own: Headers) -> None:
    other = make_user()
    address = make_address(other)
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = client.open(f"{HERE}/{address['id']}", method=method, json={"town": "Ruiru"}, headers=own)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found"), method
    assert client.get(HERE, headers=own).get_json()["items"] == []
    assert address_services.get_address(user_id=other.id, address_id=address["id"]) == address


def test_a_deleted_address_is_gone(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    here = f"{HERE}/{make_address(wanjiku)['id']}"
    assert client.delete(here, headers=own).status_code == 204
    assert client.delete(here, headers=own).status_code == 404
    assert client.get(here, headers=own).status_code == 404


# --- the default, and how many


def test_the_first_address_is_the_default_until_another_one_is_made_it(
    client: FlaskClient, own: Headers, wanjiku: User
) -> None:
    make_address(wanjiku)
    shop = make_address(wanjiku, label="Shop")
    assert labels_of(wanjiku) == [("Home", True), ("Shop", False)]
    client.put(f"{HERE}/{shop['id']}", json={"is_default": True}, headers=own)
    make_address(wanjiku, label="Shamba", is_default=True)
    assert labels_of(wanjiku) == [("Shamba", True), ("Shop", False), ("Home", False)]


def test_the_default_cannot_just_be_dropped(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    home, shop = make_address(wanjiku), make_address(wanjiku, label="Shop")
    answer = client.put(f"{HERE}/{home['id']}", json={"is_default": False, "label": "House"}, headers=own)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "default_needed")
    assert client.put(f"{HERE}/{shop['id']}", json={"is_default": False}, headers=own).status_code == 200
    assert labels_of(wanjiku) == [("Home", True), ("Shop", False)]


def test_when_the_default_is_deleted_the_newest_of_the_rest_is_it(
    client: FlaskClient, own: Headers, wanjiku: User
) -> None:
    home, _, shamba = (make_address(wanjiku, label=label) for label in ("Home", "Shop", "Shamba"))
    client.delete(f"{HERE}/{home['id']}", headers=own)
    assert labels_of(wanjiku) == [("Shamba", True), ("Shop", False)]
    client.delete(f"{HERE}/{shamba['id']}", headers=own)
    assert labels_of(wanjiku) == [("Shop", True)]


def test_a_book_that_is_full_takes_no_more(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    for _ in range(address_services.MOST_ADDRESSES):
        make_address(wanjiku)
    answer = client.post(HERE, json=ADDRESS, headers=own)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "too_many_addresses")
    assert answer.get_json()["data"] == {"limit": address_services.MOST_ADDRESSES}


def test_two_at_once_never_overfill_a_book(wanjiku: User) -> None:
    for _ in range(address_services.MOST_ADDRESSES - 1):
        make_address(wanjiku)
    ended = at_once(*[lambda: make_address(wanjiku)] * 3)
    assert sorted(type(one).__name__ for one in ended) == ["TooManyAddresses", "TooManyAddresses", "dict"]
    assert all(one.data == {"limit": 20} for one in ended if isinstance(one, TooManyAddresses))


def test_of_many_first_addresses_at_once_one_is_the_default(wanjiku: User) -> None:
    at_once(*[lambda: make_address(wanjiku, is_default=True)] * 4)
    assert sorted(is_default for _, is_default in labels_of(wanjiku)) == [False, False, False, True]


# --- orders


def test_an_order_copies_an_address_of_the_book(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    address = make_address(wanjiku)
    items = [{"variant_id": make_product().variant.id, "quantity": 1}]
    order = client.post("/api/orders", json={"address_id": address["id"], "items": items}, headers=own)
    copied = {
        "recipient_name": "Wanjiku Kamau",
        "phone_number": "254712345678",
        "line1": "Moi Avenue 12",
        "town": "Thika",
        "county": "Kiambu",
        "country": "KE",
    }
    assert (order.status_code, order.get_json()["shipping_address"]) == (201, copied)
    client.put(f"{HERE}/{address['id']}", json={"line1": "Elsewhere"}, headers=own)
    client.delete(f"{HERE}/{address['id']}", headers=own)
    kept = client.get(f"/api/orders/{order.get_json()['id']}", headers=own).get_json()
    assert kept["shipping_address"] == copied


def test_nobody_orders_to_an_address_of_somebody_else(client: FlaskClient, own: Headers) -> None:
    address = make_address(make_user())
    items = [{"variant_id": make_product().variant.id, "quantity": 1}]
    answer = client.post("/api/orders", json={"address_id": address["id"], "items": items}, headers=own)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("where", [{}, {"shipping_address": "Ruiru", "address_id": 1}])
def test_an_order_goes_to_one_place(client: FlaskClient, own: Headers, where: dict[str, Any]) -> None:
    answer = client.post("/api/orders", json=where, headers=own)
    assert [error["field"] for error in answer.get_json()["errors"]] == ["shipping_address"]


# --- the end of an account, and the cost


def test_the_book_goes_with_the_account(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    make_address(wanjiku)
    assert client.delete(f"/api/users/{wanjiku.id}", headers=own).status_code == 204
    assert db.reading().fetch_value("SELECT COUNT(*) FROM addresses") == 0


def test_orders_forget_who_lived_where_and_keep_the_county(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    address = make_address(wanjiku)
    order = make_order(wanjiku, (make_product().variant, 1), shipping_address=None, address_id=address["id"])
    client.post(f"/api/orders/{order.id}/cancel", json={}, headers=own)
    client.delete(f"/api/users/{wanjiku.id}", headers=own)
    outbox.deliver_due(HANDLERS)
    kept = client.get(f"/api/orders/{order.id}", headers=log_in(client, make_user(role="admin"))).get_json()
    assert kept["shipping_address"] == {"line1": "(deleted)", "town": "Thika", "county": "Kiambu", "country": "KE"}


def test_the_statements_of_each_request(
    client: FlaskClient, own: Headers, wanjiku: User, count_statements: Any
) -> None:
    make_address(wanjiku)
    here = f"{HERE}/{make_address(wanjiku)['id']}"
    assert count_statements(lambda: client.get(HERE, headers=own)) == 2
    assert count_statements(lambda: client.get(here, headers=own)) == 2
    assert count_statements(lambda: client.post(HERE, json=ADDRESS, headers=own)) == 5
    assert count_statements(lambda: client.put(here, json={"town": "Ruiru"}, headers=own)) == 5
    assert count_statements(lambda: client.put(here, json={"is_default": True}, headers=own)) == 7
    assert count_statements(lambda: client.delete(here, headers=own)) == 7


def test_an_order_from_the_book_costs_one_statement_more(wanjiku: User, count_statements: Any) -> None:
    product, address = make_product(), make_address(wanjiku)
    plain = count_statements(lambda: make_order(wanjiku, (product.variant, 1)))
    booked = count_statements(
        lambda: make_order(wanjiku, (product.variant, 1), shipping_address=None, address_id=address["id"])
    )
    assert booked == plain + 1
