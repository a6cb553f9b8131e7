"""Accounts over HTTP: found and changed by those who manage them, read, changed and given up by their owners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app import HANDLERS
from tests.factories import PASSWORD, User, make_address, make_order, make_product, make_user
from tests.logins import Headers, log_in
from utils import db, outbox


@pytest.fixture
def boss(client: FlaskClient) -> Headers:
    return log_in(client, make_user(role="admin", username="boss"))


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku", phone_number="254712345678")


@pytest.fixture
def find(client: FlaskClient, boss: Headers) -> Callable[..., list[str]]:
    def run(**query: object) -> list[str]:
        answer = client.get("/api/users", query_string=query, headers=boss)
        return [user["username"] for user in answer.get_json()["items"]]

    return run


def row_of(user: User) -> db.Row:
    return db.reading().require_one(
        "SELECT username, email, phone_number, disabled_at, anonymised_at FROM users WHERE id = %(id)s",
        {"id": user.id},
        missing=AssertionError(),
    )


# --- found


def test_accounts_are_found_by_name_address_phone_role_and_state(
    client: FlaskClient, boss: Headers, wanjiku: User, find: Callable[..., list[str]]
) -> None:
    make_user(username="wambui")
    client.put(f"/api/users/{make_user(username='gone').id}", json={"disabled": True}, headers=boss)
    assert find() == ["gone", "wambui", "wanjiku", "boss"]
    assert find(sort="name") == ["boss", "gone", "wambui", "wanjiku"]
    assert find(q="WAN") == ["wanjiku"]
    assert find(q="wanjiku@exam") == ["wanjiku"]
    assert find(q="0712 345 678") == ["wanjiku"]
    assert find(q="wa%") == []
    assert find(role="admin") == ["boss"]
    assert find(disabled=1) == ["gone"]
    assert find(disabled=0, role="customer") == ["wambui", "wanjiku"]


def test_accounts_are_paged_newest_first_and_counted(client: FlaskClient, boss: Headers) -> None:
    for number in range(4):
        make_user(username=f"user-{number}")
    first = client.get("/api/users?limit=3&count=1", headers=boss).get_json()
    assert ([user["username"] for user in first["items"]], first["total"]) == (["user-3", "user-2", "user-1"], 5)
    rest = client.get(f"/api/users?limit=3&cursor={first['next_cursor']}", headers=boss).get_json()
    assert ([user["username"] for user in rest["items"]], rest["next_cursor"]) == (["user-0", "boss"], None)


def test_no_answer_shows_a_password_hash(client: FlaskClient, boss: Headers, wanjiku: User) -> None:
    account = client.get(f"/api/users/{wanjiku.id}", headers=boss).get_json()
    assert set(account) >= {"id", "username", "email", "phone_number", "role", "disabled", "anonymised", "created_at"}
    assert "$2b$" not in client.get("/api/users", headers=boss).text + str(account)


# --- oneself and others


def test_one_reads_and_changes_oneself_and_nobody_else(client: FlaskClient, wanjiku: User) -> None:
    own, other = log_in(client, wanjiku), make_user()
    assert client.get(f"/api/users/{wanjiku.id}", headers=own).get_json()["username"] == "wanjiku"
    changed = client.patch(f"/api/users/{wanjiku.id}", json={"phone_number": None}, headers=own)
    assert (changed.status_code, changed.get_json()["phone_number"]) == (200, None)
    for method in ("GET", "PUT", "DELETE"):
        answer = client.open(f"/api/users/{other.id}", method=method, json={"phone_number": None}, headers=own)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found"), method


@pytest.mark.parametrize("change", [{"role": "admin"}, {"role": "customer"}, {"disabled": False}])
def test_nobody_changes_their_own_powers(client: FlaskClient, wanjiku: User, change: dict[str, Any]) -> None:
    answer = client.put(f"/api/users/{wanjiku.id}", json=change, headers=log_in(client, wanjiku))
    assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"role": "nobody"}, 422),
        ({"role": None}, 422),
        ({"disabled": "maybe"}, 422),
        ({"password": "x"}, 422),
        ({"username": "boss"}, 409),
        ({"email": "boss@example.com"}, 409),
        ({}, 200),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    client: FlaskClient, boss: Headers, wanjiku: User, change: dict[str, Any], status: int
) -> None:
    before = row_of(wanjiku)
    assert client.put(f"/api/users/{wanjiku.id}", json=change, headers=boss).status_code == status
    assert row_of(wanjiku) == before


def test_who_is_shut_out_is_out_at_once_until_let_in_again(client: FlaskClient, boss: Headers, wanjiku: User) -> None:
    theirs, here = log_in(client, wanjiku), f"/api/users/{wanjiku.id}"
    assert client.put(here, json={"disabled": True}, headers=boss).get_json()["disabled"] is True
    assert client.get("/api/profile", headers=theirs).get_json()["code"] == "token_revoked"
    credentials = {"username": "wanjiku", "password": PASSWORD}
    assert client.post("/api/auth/login", json=credentials).get_json()["code"] == "invalid_credentials"
    client.put(here, json={"disabled": False}, headers=boss)
    assert client.get("/api/profile", headers=theirs).status_code == 401
    assert client.get("/api/profile", headers=log_in(client, wanjiku)).status_code == 200


# --- the end of an account


def test_deletion_takes_the_person_out_and_leaves_orders_and_books(
    client: FlaskClient, boss: Headers, wanjiku: User
) -> None:
    order = make_order(wanjiku, (make_product().variant, 1), method="mock")
    own = log_in(client, wanjiku)
    client.post(f"/api/payments/{order.id}/mock", headers=own)
    for status in ("shipped", "delivered"):
        client.put(f"/api/orders/{order.id}", json={"status": status}, headers=boss)

    assert client.delete(f"/api/users/{wanjiku.id}", headers=own).status_code == 204

    row = row_of(wanjiku)
    assert (row["username"], row["phone_number"]) == (f"deleted:{wanjiku.id}", None)
    assert row["email"] == f"deleted-{wanjiku.id}@deleted.invalid"
    assert row["disabled_at"] == row["anonymised_at"] is not None
    assert client.get("/api/profile", headers=own).get_json()["code"] == "token_revoked"
    credentials = {"username": "wanjiku", "password": PASSWORD}
    assert client.post("/api/auth/login", json=credentials).get_json()["code"] == "invalid_credentials"
    sessions = db.reading().fetch_all("SELECT device, address FROM sessions WHERE user_id = %(id)s", {"id": wanjiku.id})
    assert {(session["device"], session["address"]) for session in sessions} == {("", "")}
    outbox.deliver_due(HANDLERS)
    kept = client.get(f"/api/orders/{order.id}", headers=boss).get_json()
    assert kept["shipping_address"].get("line1") == "(deleted)"
    assert client.get("/api/orders?q=wanjiku@example.com", headers=boss).get_json()["items"] == []
    assert (kept["total"], kept["paid"], kept["status"]) == ("100.00", "100.00", "delivered")
    assert client.get(f"/api/transactions?order_id={order.id}", headers=boss).get_json()["items"]


def test_nothing_that_names_the_person_is_left_in_any_table(client: FlaskClient) -> None:
    nyambura = {"username": "nyambura", "email": "nyambura@example.com", "password": PASSWORD}
    answer = client.post("/api/auth/register", json={**nyambura, "phone_number": "0712349876"})
    own = {"Authorization": f"Bearer {answer.get_json()['access_token']}", "User-Agent": "Simu ya Nyambura"}
    user = User(answer.get_json()["user"]["id"], "nyambura", "nyambura@example.com")
    client.post("/api/auth/forgot-password", json={"email": user.email})
    client.put("/api/profile", json={"email": "nyambura.k@example.com"}, headers=own)
    client.post("/api/auth/login", json={"username": "NYAMBURA", "password": "wrong"})
    make_address(user, recipient_name="Nyambura Kamau", line1="Nyambura's house", phone_number="0712349876")
    there = {"shipping_address": "Nyambura's house, Nairobi", "phone_number": "0712349876", "note": "for Nyambura"}
    order = make_order(user, (make_product().variant, 1), **there)
    outbox.deliver_due(HANDLERS)
    assert client.post(f"/api/orders/{order.id}/cancel", json={}, headers=own).status_code == 200

    assert client.delete(f"/api/users/{user.id}", headers=own).status_code == 204

    while outbox.deliver_due(HANDLERS):
        pass
    tables = db.reading().fetch_all(
        "SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()"
    )
    held = {table["name"]: str(db.reading().fetch_all(f"SELECT * FROM {table['name']}")).lower() for table in tables}
    assert [name for name, rows in held.items() if "nyambura" in rows or "712349876" in rows] == []


def test_name_and_address_are_free_again_after_deletion(client: FlaskClient, wanjiku: User) -> None:
    client.delete(f"/api/users/{wanjiku.id}", headers=log_in(client, wanjiku))
    again = {"username": "wanjiku", "email": wanjiku.email, "password": PASSWORD}
    assert client.post("/api/auth/register", json=again).status_code == 201


def test_nobody_can_take_the_name_of_a_deleted_account_before(client: FlaskClient, wanjiku: User) -> None:
    again = {"username": f"deleted:{wanjiku.id}", "email": "w@example.com", "password": PASSWORD}
    assert client.post("/api/auth/register", json=again).status_code == 422


def test_a_second_deletion_finds_nobody(client: FlaskClient, boss: Headers, wanjiku: User) -> None:
    here = f"/api/users/{wanjiku.id}"
    assert client.delete(here, headers=boss).status_code == 204
    assert client.delete(here, headers=boss).status_code == 404
    assert client.put(here, json={"disabled": False}, headers=boss).status_code == 404
    assert client.get(here, headers=boss).get_json()["anonymised"] is True


def test_who_waits_for_an_order_is_not_deleted(client: FlaskClient, wanjiku: User) -> None:
    order = make_order(wanjiku, (make_product().variant, 1))
    own = log_in(client, wanjiku)
    answer = client.delete(f"/api/users/{wanjiku.id}", headers=own)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "orders_open")
    assert answer.get_json()["data"] == {"numbers": [order.number]}
    client.post(f"/api/orders/{order.id}/cancel", json={}, headers=own)
    assert client.delete(f"/api/users/{wanjiku.id}", headers=own).status_code == 204
