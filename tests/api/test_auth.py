"""Accounts over HTTP: registration, log-in, profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests import factories

NEW = {"username": "wanjiku", "email": "Wanjiku@EXAMPLE.com", "password": "maji-ya-moto"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def log_in(client: FlaskClient, user: factories.User) -> dict[str, Any]:
    answer = client.post("/api/auth/login", json={"username": user.username, "password": user.password})
    assert answer.status_code == 200, answer.text
    return answer.get_json()


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
        "phone_number": "254712345678",
        "role": "customer",
        "permissions": [],
        "created_at": "",
    }
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert client.get("/api/profile", headers=bearer(body["access_token"])).get_json() == user


def test_login_by_user_name_or_address_in_any_case(client: FlaskClient) -> None:
    client.post("/api/auth/register", json=NEW)
    for name in ({"username": "WANJIKU"}, {"email": "wanjiku@Example.com"}, {"username": "wanjiku@example.com"}):
        answer = client.post("/api/auth/login", json={**name, "password": NEW["password"]})
        assert answer.status_code == 200
        assert answer.get_json()["user"]["username"] == "wanjiku"


def test_a_login_costs_three_statements_and_an_authorised_request_one(
    client: FlaskClient, make_user: Callable[..., factories.User], count_statements: Callable[..., int]
) -> None:
    user = make_user(role="admin")
    opened: dict[str, Any] = {}
    assert count_statements(lambda: opened.update(log_in(client, user))) == 3
    headers = bearer(opened["access_token"])
    assert count_statements(lambda: client.get("/api/profile", headers=headers)) == 2  # who asks; the account
