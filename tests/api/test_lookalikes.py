"""Addresses and names that the database's collation takes for one another, and that are other people's all the same."""

from __future__ import annotations

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import lockout_services
from tests.api.test_auth import bearer
from tests.api.test_auth_limits import guess
from tests.api.test_passwords import deliver, reset, token_in, verified
from tests.factories import User, make_user
from utils import db

OWN, OTHERS = "jos\xe9@example.com", "jose@example.com"
JOSE = {"username": "jose", "email": OWN, "password": "maji-ya-moto"}
ZERO_WIDTH = "\u200b"


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user(username="wanjiku")


@pytest.mark.parametrize("path", ["/api/auth/forgot-password", "/api/auth/verify-email"])
def test_who_asks_for_an_address_that_looks_alike_has_no_mail_sent(client: FlaskClient, user: User, path: str) -> None:
    assert client.post(path, json={"email": "wanj\xedku@example.com"}).status_code == 202
    assert deliver() == []
    client.post(path, json={"email": user.email.upper()})
    assert [mail["To"] for mail in deliver()] == [user.email]


def test_who_takes_an_address_that_looks_alike_has_it_verified_anew(client: FlaskClient) -> None:
    pair = client.post("/api/auth/register", json=JOSE).get_json()
    first = token_in(deliver()[0])
    client.post("/api/auth/forgot-password", json={"email": OWN})
    reset_token = token_in(deliver()[0])
    client.post("/api/auth/verify-email", json={"token": first})
    assert verified(client, pair)

    changed = client.put("/api/profile", json={"email": OTHERS}, headers=bearer(pair["access_token"])).get_json()

    assert not changed["email_verified"]
    assert sorted(mail["To"] for mail in deliver()) == sorted([OWN, OTHERS])
    assert reset(client, reset_token).get_json()["code"] == "link_spent"
    assert not verified(client, pair)


def test_a_link_that_was_mailed_to_an_address_that_looks_alike_verifies_nothing(client: FlaskClient) -> None:
    pair = client.post("/api/auth/register", json=JOSE).get_json()
    token = token_in(deliver()[0])
    client.put("/api/profile", json={"email": OTHERS}, headers=bearer(pair["access_token"]))
    assert client.post("/api/auth/verify-email", json={"token": token}).get_json()["code"] == "link_spent"
    assert not verified(client, pair)


@pytest.mark.parametrize("name", ["wanj\xedku", f"wan{ZERO_WIDTH}jiku", "wanj\xedku@example.com"])
def test_a_lock_does_not_tell_by_names_that_look_alike_whether_there_is_an_account(
    client: FlaskClient, user: User, name: str
) -> None:
    for _ in range(lockout_services.FREE):
        guess(client, user.username)
    assert guess(client, user.username).status_code == 429
    assert guess(client, name).status_code == 401  # as beside a name that nobody has
    assert guess(client, name, user.password).status_code == 401
    subjects = db.reading().fetch_all("SELECT subject FROM login_locks")
    assert len({row["subject"] for row in subjects}) == 2
