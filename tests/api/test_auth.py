"""Accounts over HTTP: registration, log-in, one's own profile."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth.signals import user_logged_in
from tests import factories
from utils import db

NEW = {"username": "wanjiku", "email": "Wanjiku@EXAMPLE.com", "password": "maji-ya-moto"}
HIGH_SURROGATE = "\ud83d"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(client: FlaskClient, user: factories.User) -> dict[str, Any]:
    answer = client.post("/api/auth/login", json={"username": user.username, "password": user.password})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


# --- registration


@pytest.mark.parametrize("path", ["/api/auth/register", "/api/auth/signup"])
def test_registration_answers_with_the_account_and_tokens_that_work(client: FlaskClient, path: str) -> None:
    answer = client.post(path, json={**NEW, "phone_number": "0712 345 678"})
    assert answer.status_code == 201
    body = answer.get_json()
    user = body["user"]
    assert user["created_at"].endswith("Z")
    assert user | {"id": 0, "created_at": ""} == {
        "id": 0,
        "username": "wanjiku",
        "email": "Wanjiku@example.com",
        "email_verified": False,
        "phone_number": "254712345678",
        "avatar": None,
        "role": "customer",
        "permissions": [],
        "totp_enabled": False,
        "created_at": "",
    }
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert client.get("/api/profile", headers=bearer(body["access_token"])).get_json() == user


@pytest.mark.parametrize(
    ("taken", "code"),
    [
        ({"username": "WANJIKU", "email": "other@example.com"}, "username_taken"),
        ({"username": "other", "email": "WANJIKU@example.com"}, "email_taken"),
    ],
)
def test_a_name_or_address_is_taken_whatever_its_case(client: FlaskClient, taken: dict[str, str], code: str) -> None:
    client.post("/api/auth/register", json=NEW)
    answer = client.post("/api/auth/register", json={**NEW, **taken})
    assert (answer.status_code, answer.get_json()["code"]) == (409, code)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "a" * 61),
        ("username", "wanji ku"),
        ("username", "wanjiku\n"),
        ("username", "wan\0jiku"),
        ("username", "\N{GRINNING FACE}" * 3),
        ("username", f"wanjiku{HIGH_SURROGATE}"),
        ("username", 254),
        ("username", None),
        ("email", "wanjiku"),
        ("email", "wanjiku@"),
        ("email", "a\0@example.com"),
        ("email", f"{HIGH_SURROGATE}@example.com"),
        ("email", "w" * 300 + "@example.com"),
        ("password", "seven77"),
        ("password", "long-enough\0"),
        ("password", HIGH_SURROGATE * 8),
        ("password", "p" * 73),
        ("password", "\N{GRINNING FACE}" * 19),
        ("password", 12345678),
        ("password", "password1"),
        ("password", "Qwertyuiop"),
        ("password", "NAIROBI2026"),
        ("phone_number", "0812345678"),
        ("phone_number", ""),
        ("role", "admin"),
    ],
)
def test_a_field_that_does_not_do_is_named_and_nobody_is_registered(
    client: FlaskClient, field: str, value: object
) -> None:
    answer = client.post("/api/auth/register", data=json.dumps({**NEW, field: value}))
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_fields")
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]
    assert db.reading().fetch_value("SELECT COUNT(*) FROM users") == 0


def test_all_bad_fields_are_named_at_once(client: FlaskClient) -> None:
    answer = client.post("/api/auth/register", json={"username": "x", "password": "short"})
    assert {error["field"] for error in answer.get_json()["errors"]} == {"username", "email", "password"}


def test_a_password_of_72_bytes_is_read_whole(client: FlaskClient) -> None:
    password = "\N{GRINNING FACE}" * 18
    assert client.post("/api/auth/register", json={**NEW, "password": password}).status_code == 201
    for offered, status in ((password, 200), (password + "x", 401), (password[:-1], 401)):
        answer = client.post("/api/auth/login", json={"username": "wanjiku", "password": offered})
        assert answer.status_code == status


@pytest.mark.parametrize("path", ["/api/auth/register", "/api/auth/login", "/api/profile"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 100_000, 400),
        (b'{"username": NaN}', 400),
        (b'{"username": ' + b"9" * 5000 + b"}", 400),
        (b"[]", 422),
        (b'"wanjiku"', 422),
        (b'{"\\ud800": 1}', 422),
        (b" " * (10 << 20), 413),
    ],
)
def test_a_body_that_cannot_be_read_is_the_clients_mistake(
    client: FlaskClient, make_user: Callable[..., factories.User], path: str, body: bytes, status: int
) -> None:
    headers = bearer(log_in(client, make_user())["access_token"])
    method = "PUT" if path == "/api/profile" else "POST"
    answer = client.open(path, method=method, data=body, headers=headers, content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


# --- log-in


def test_login_by_user_name_or_address_in_any_case(client: FlaskClient) -> None:
    client.post("/api/auth/register", json=NEW)
    for name in ({"username": "WANJIKU"}, {"email": "wanjiku@Example.com"}, {"username": "wanjiku@example.com"}):
        answer = client.post("/api/auth/login", json={**name, "password": NEW["password"]})
        assert answer.status_code == 200
        assert answer.get_json()["user"]["username"] == "wanjiku"


def test_staff_see_what_they_may_do(client: FlaskClient, make_user: Callable[..., factories.User]) -> None:
    user = log_in(client, make_user(role="support"))["user"]
    assert (user["role"], user["permissions"]) == ("support", ["orders:read", "payments:read"])


def test_an_unknown_user_a_wrong_password_and_a_closed_account_are_refused_alike(
    client: FlaskClient, make_user: Callable[..., factories.User], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[bytes] = []
    really = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, kept: checked.append(kept) or really(password, kept))
    user, closed = make_user(), make_user()
    close_account(user_id=closed.id)

    answers = [
        client.post("/api/auth/login", json={"username": "nobody", "password": factories.PASSWORD}),
        client.post("/api/auth/login", json={"username": user.username, "password": "not-the-password"}),
        client.post("/api/auth/login", json={"username": closed.username, "password": factories.PASSWORD}),
    ]

    assert {answer.status_code for answer in answers} == {401}
    bodies = [{**answer.get_json(), "request_id": ""} for answer in answers]
    assert bodies[0]["code"] == "invalid_credentials"
    assert bodies == bodies[:1] * 3
    costs = {kept[:7] for kept in checked}
    assert (len(checked), costs) == (3, {b"$2b$04$"})  # each took one bcrypt check, all of the same cost


@db.in_transaction
def close_account(tx: db.Tx, *, user_id: int) -> None:
    tx.execute_one("UPDATE users SET disabled_at = NOW(6) WHERE id = %(id)s", {"id": user_id})


@pytest.mark.parametrize(
    "body",
    [
        {"password": "some-password"},
        {"username": "wanjiku", "email": "wanjiku@example.com", "password": "some-password"},
        {"username": "wanjiku"},
        {"username": ["wanjiku"], "password": "some-password"},
        {"username": "wanjiku", "password": HIGH_SURROGATE * 8},
        {"username": HIGH_SURROGATE, "password": "some-password"},
        {"username": "wanjiku", "password": "p" * 5000},
    ],
)
def test_a_login_that_makes_no_sense_is_a_422(client: FlaskClient, body: dict[str, Any]) -> None:
    assert client.post("/api/auth/login", data=json.dumps(body)).status_code == 422


@pytest.mark.parametrize("name", ["\N{GRINNING FACE}", "wan\0jiku", "' OR 1=1 -- ", "%", "a@b@c"])
def test_a_strange_name_is_just_unknown(client: FlaskClient, name: str) -> None:
    answer = client.post("/api/auth/login", json={"username": name, "password": "some\0password"})
    assert answer.get_json()["code"] == "invalid_credentials"


def test_login_and_registration_are_told_to_whoever_listens(app: APIFlask, client: FlaskClient) -> None:
    heard: list[tuple[object, int]] = []

    def listen(sender: object, user_id: int) -> None:
        heard.append((sender, user_id))

    with user_logged_in.connected_to(listen):
        user_id = client.post("/api/auth/register", json=NEW).get_json()["user"]["id"]
        client.post("/api/auth/login", json={"username": "wanjiku", "password": NEW["password"]})
        client.post("/api/auth/login", json={"username": "wanjiku", "password": "not-the-password"})
    assert heard == [(app, user_id)] * 2


# --- one's own profile


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_profile_keeps_what_is_left_out(
    client: FlaskClient, make_user: Callable[..., factories.User], method: str
) -> None:
    user = make_user(phone_number="254712345678")
    headers = bearer(log_in(client, user)["access_token"])

    changed = client.open("/api/profile", method=method, json={"username": "new.name"}, headers=headers).get_json()
    assert (changed["username"], changed["email"], changed["phone_number"]) == ("new.name", user.email, "254712345678")

    changed = client.open(
        "/api/profile", method=method, json={"email": "N@Example.COM", "phone_number": None}, headers=headers
    ).get_json()
    assert (changed["username"], changed["email"], changed["phone_number"]) == ("new.name", "N@example.com", None)
    assert client.get("/api/profile", headers=headers).get_json() == changed
    assert client.open("/api/profile", method=method, json={}, headers=headers).get_json() == changed


@pytest.mark.parametrize(
    "change",
    [{"role": "admin"}, {"id": 1}, {"username": None}, {"email": None}, {"username": ""}, {"phone_number": "12"}],
)
def test_a_profile_takes_only_good_values_of_its_own_fields(
    client: FlaskClient, make_user: Callable[..., factories.User], change: dict[str, Any]
) -> None:
    headers = bearer(log_in(client, make_user())["access_token"])
    answer = client.put("/api/profile", json=change, headers=headers)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == list(change)


def test_nobody_takes_anothers_name_or_address(client: FlaskClient, make_user: Callable[..., factories.User]) -> None:
    other = make_user()
    headers = bearer(log_in(client, make_user())["access_token"])
    for change, code in (({"username": other.username}, "username_taken"), ({"email": other.email}, "email_taken")):
        answer = client.put("/api/profile", json=change, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (409, code)


# --- what it costs


def test_statements_of_accounts_are_pinned(
    client: FlaskClient, make_user: Callable[..., factories.User], count_statements: Callable[..., int]
) -> None:
    user = make_user(role="admin")
    opened: dict[str, Any] = {}
    assert count_statements(lambda: client.post("/api/auth/register", json=NEW)) == 5
    assert count_statements(lambda: opened.update(log_in(client, user))) == 10
    refresh = bearer(opened["refresh_token"])
    assert count_statements(lambda: client.post("/api/auth/refresh", headers=refresh)) == 3
    access = bearer(opened["access_token"])
    assert count_statements(lambda: client.get("/api/profile", headers=access)) == 2  # who asks; the account
    assert count_statements(lambda: client.post("/api/auth/logout", headers=access)) == 2  # who asks; the end
