"""One's own sessions over HTTP: seen, ended one by one, by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from tests.api.test_auth import bearer
from tests.conftest import Clock
from tests.factories import PASSWORD, User, make_user
from tests.logins import Headers

PATH = "/api/auth/sessions"


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


def enter(client: FlaskClient, user: User, device: str = "Firefox") -> Headers:
    body = {"username": user.username, "password": PASSWORD}
    return bearer(client.post("/api/auth/login", json=body, headers={"User-Agent": device}).get_json()["access_token"])


def listed(client: FlaskClient, headers: Headers, **query: Any) -> Any:
    return client.get(PATH, headers=headers, query_string=query).get_json()


def test_the_list_names_each_device_newest_first_and_the_one_that_asks(client: FlaskClient, user: User) -> None:
    first = enter(client, user, "Firefox")
    enter(client, user, "curl/8")
    enter(client, make_user())
    items = listed(client, first)["items"]
    assert [(item["device"], item["current"]) for item in items] == [("curl/8", False), ("Firefox", True)]
    assert items[0].keys() == {"id", "device", "address", "created_at", "last_used_at", "current"}
    assert items[0]["address"] == "127.0.0.1"
    assert items[0]["created_at"].endswith("Z")


def test_the_list_goes_on_from_page_to_page(client: FlaskClient, user: User) -> None:
    headers, *_ = [enter(client, user, str(number)) for number in range(3)]
    first = listed(client, headers, limit=2)
    second = listed(client, headers, limit=2, cursor=first["next_cursor"])
    assert [item["device"] for item in first["items"] + second["items"]] == ["2", "1", "0"]
    assert second["next_cursor"] is None


def test_a_session_that_ended_or_ran_out_is_not_listed(client: FlaskClient, user: User, frozen_clock: Clock) -> None:
    enter(client, user, "ran out")
    frozen_clock.forward(days=30)
    gone, here = enter(client, user, "logged out"), enter(client, user, "here")
    client.post("/api/auth/logout", headers=gone)
    assert [item["device"] for item in listed(client, here)["items"]] == ["here"]


def test_one_session_is_ended_and_no_other(client: FlaskClient, user: User) -> None:
    lost, here = enter(client, user, "lost"), enter(client, user, "here")
    target = next(item["id"] for item in listed(client, here)["items"] if item["device"] == "lost")
    assert client.delete(f"{PATH}/{target}", headers=here).status_code == 204
    assert client.get("/api/profile", headers=lost).get_json()["code"] == "token_revoked"
    assert client.get("/api/profile", headers=here).status_code == 200
    again = client.delete(f"{PATH}/{target}", headers=here)
    assert (again.status_code, again.get_json()["code"]) == (404, "not_found")


def test_nobody_ends_anybody_elses_session(client: FlaskClient, user: User) -> None:
    theirs, staff = enter(client, user), enter(client, make_user(role="admin"))
    target = listed(client, theirs)["items"][0]["id"]
    for path in (f"{PATH}/{target}", f"{PATH}/{10**12}"):
        assert client.delete(path, headers=staff).status_code == 404
    assert client.get("/api/profile", headers=theirs).status_code == 200


def test_one_may_end_the_session_that_asks(client: FlaskClient, user: User) -> None:
    here = enter(client, user)
    target = listed(client, here)["items"][0]["id"]
    assert client.delete(f"{PATH}/{target}", headers=here).status_code == 204
    assert client.get(PATH, headers=here).status_code == 401


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"colour": "red"}])
def test_a_list_that_cannot_be_is_refused(client: FlaskClient, user: User, query: dict[str, Any]) -> None:
    assert client.get(PATH, headers=enter(client, user), query_string=query).status_code in (400, 422)
