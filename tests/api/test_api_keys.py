"""API keys over HTTP: shown once, never more than the owner may do, refused the moment they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth import key_services, role_services, user_services
from tests.api.test_roles import actor_of
from tests.conftest import Clock
from tests.factories import User, make_order, make_product, make_user
from tests.logins import Headers, log_in
from tests.threads import at_once
from utils import clock, db, outbox
from utils.errors import TooManyKeys


@pytest.fixture
def manager(app: APIFlask) -> User:
    return make_user(role="manager")


@pytest.fixture
def person(client: FlaskClient, manager: User) -> Headers:
    return log_in(client, manager)


@pytest.fixture
def make_key(client: FlaskClient, person: Headers) -> Callable[..., dict[str, Any]]:
    def run(*scopes: str, **body: object) -> dict[str, Any]:
        wanted = {"name": "till", "scopes": scopes or ["products:write", "orders:read"], **body}
        answer = client.post("/api/api-keys", json=wanted, headers=person)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.get_json()
        return made

    return run


def with_key(key: dict[str, Any]) -> Headers:
    return {"X-API-Key": key["key"]}


def told(answer: Any) -> tuple[int, object]:
    return answer.status_code, answer.get_json()["code"]


# --- made, shown once, kept as a hash


def test_a_key_is_shown_once_and_kept_as_a_hash(
    client: FlaskClient, person: Headers, make_key: Callable[..., dict[str, Any]]
) -> None:
    made = make_key(expires_at="2099-01-01T03:00:00+03:00")
    secret = made["key"].removeprefix(made["prefix"])
    assert made["prefix"] == f"duka_{made['id']}_"
    assert len(secret) == 43
    listed = client.get("/api/api-keys", headers=person)
    (shown,) = listed.get_json()["items"]
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert shown["expires_at"] == "2099-01-01T00:00:00.000Z"
    assert shown["scopes"] == ["orders:read", "products:write"]
    for table in ("api_keys", "audit_log", "outbox_events"):
        rows = db.reading().fetch_all(f"SELECT * FROM {table}")
        assert rows
        assert secret not in str(rows), table


def test_a_key_lets_a_program_in_by_either_header(client: FlaskClient, make_key: Callable[..., dict[str, Any]]) -> None:
    key = make_key("products:write")["key"]
    for headers in ({"X-API-Key": key}, {"Authorization": f"Bearer {key}"}):
        answer = client.post("/api/products", json={"name": "Tea", "price": 120}, headers=headers)
        assert answer.status_code == 201, headers


def test_what_a_key_does_is_told_of_its_owner(
    client: FlaskClient, manager: User, person: Headers, make_key: Callable[..., dict[str, Any]]
) -> None:
    key = make_key("products:write")
    client.post("/api/products", json={"name": "Tea", "price": 120}, headers=with_key(key))
    client.delete(f"/api/api-keys/{key['id']}", headers=person)
    entries = client.get("/api/admin/audit-log", headers=person).get_json()["items"]
    assert [(entry["action"], entry["actor_id"]) for entry in reversed(entries)] == [
        ("api_key.created", manager.id),
        ("product.created", manager.id),
        ("api_key.revoked", manager.id),
    ]
    assert entries[-1]["after"] == {"name": "till", "scopes": ["products:write"], "expires_at": None}
    topics = [event.topic for event in outbox.lease_due(limit=10)]
    assert topics == ["account.api_key_created"]


# --- never more than the owner may do


def test_nobody_makes_a_key_that_may_do_more_than_they(client: FlaskClient, person: Headers) -> None:
    answer = client.post("/api/api-keys", json={"name": "x", "scopes": ["users:manage"]}, headers=person)
    assert told(answer) == (403, "forbidden")
    assert answer.get_json()["data"] == {"permission": "users:manage"}
    shopper = log_in(client, make_user())
    assert told(client.post("/api/api-keys", json={"name": "x", "scopes": ["orders:read"]}, headers=shopper)) == (
        403,
        "forbidden",
    )


def test_a_key_may_do_what_its_scopes_say_and_no_more(
    client: FlaskClient, make_key: Callable[..., dict[str, Any]]
) -> None:
    headers = with_key(make_key("orders:read"))
    order = make_order(make_user(), (make_product().variant, 1))
    assert client.get(f"/api/orders/{order.id}", headers=headers).status_code == 200
    assert len(client.get("/api/orders", headers=headers).get_json()["items"]) == 1
    assert told(client.put(f"/api/orders/{order.id}", json={"note": "x"}, headers=headers)) == (403, "forbidden")
    assert told(client.post(f"/api/orders/{order.id}/cancel", json={}, headers=headers)) == (403, "forbidden")
    assert told(client.get("/api/transactions", headers=headers)) == (403, "forbidden")
    assert told(client.get("/api/admin/audit-log", headers=headers)) == (403, "forbidden")


def test_a_key_loses_at_once_what_its_owner_loses(
    client: FlaskClient, manager: User, make_key: Callable[..., dict[str, Any]]
) -> None:
    headers = with_key(make_key("products:write", "orders:read"))
    boss = actor_of(make_user(role="admin"))
    user_services.change_user(actor=boss, user_id=manager.id, changes={"role": "support"})
    assert told(client.post("/api/products", json={"name": "Tea", "price": 1}, headers=headers)) == (403, "forbidden")
    assert client.get("/api/orders", headers=headers).status_code == 200
    user_services.change_user(actor=boss, user_id=manager.id, changes={"disabled": True})
    assert told(client.get("/api/orders", headers=headers)) == (401, "invalid_api_key")


def test_a_key_may_nothing_while_its_owner_lacks_a_second_factor_that_staff_must_have(
    client: FlaskClient, make_key: Callable[..., dict[str, Any]]
) -> None:
    headers = with_key(make_key("reports:read"))
    with config.override(TOTP_REQUIRED_FOR_STAFF=True):
        answer = client.get("/api/admin/audit-log", headers=headers)
    assert told(answer) == (403, "totp_setup_required")
    assert client.get("/api/admin/audit-log", headers=headers).status_code == 200


def test_a_key_gives_nobody_powers_beyond_its_scopes(client: FlaskClient) -> None:
    boss = log_in(client, make_user(role="admin"))
    made = client.post("/api/api-keys", json={"name": "hr", "scopes": ["users:manage"]}, headers=boss).get_json()
    role = {"name": "helper", "permissions": ["payments:refund"]}
    assert told(client.post("/api/roles", json=role, headers=with_key(made))) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/profile"),
        ("PUT", "/api/profile"),
        ("POST", "/api/auth/logout-all"),
        ("GET", "/api/api-keys"),
        ("POST", "/api/api-keys"),
        ("DELETE", "/api/api-keys/1"),
        ("DELETE", "/api/users/1"),
        ("POST", "/api/orders"),
        ("GET", "/api/cart"),
    ],
)
def test_what_belongs_to_a_person_is_closed_to_keys(
    client: FlaskClient, make_key: Callable[..., dict[str, Any]], method: str, path: str
) -> None:
    answer = client.open(path, method=method, json={}, headers=with_key(make_key()))
    assert told(answer) == (403, "person_required")


def test_a_key_sends_no_form_by_which_it_would_become_a_person(client: FlaskClient) -> None:
    boss = make_user(role="admin")
    every = [permission["name"] for permission in role_services.list_permissions()]
    made = key_services.create_key(owner=actor_of(boss), name="x", scopes=every, expires_at=None)
    form = {"username": boss.username, "email": "thief@example.com", "phone_number": "", "role": "admin"}
    answer = client.post(f"/admin/people/{boss.id}", data={**form, "disabled": "0"}, headers=with_key(made))
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert db.reading().fetch_value("SELECT email FROM users") == boss.email


# --- refused


def test_a_revoked_key_is_refused_from_then_on(
    client: FlaskClient, person: Headers, make_key: Callable[..., dict[str, Any]]
) -> None:
    key = make_key()
    here = f"/api/api-keys/{key['id']}"
    assert client.delete(here, headers=log_in(client, make_user(role="admin"))).status_code == 404
    assert client.get("/api/orders", headers=with_key(key)).status_code == 200
    assert client.delete(here, headers=person).status_code == 204
    assert client.delete(here, headers=person).status_code == 404
    assert told(client.get("/api/orders", headers=with_key(key))) == (401, "invalid_api_key")
    assert client.get("/api/api-keys", headers=person).get_json()["items"] == []


def test_an_expired_key_is_refused(
    client: FlaskClient, frozen_clock: Clock, make_key: Callable[..., dict[str, Any]]
) -> None:
    key = make_key(expires_at=clock.iso(frozen_clock.moment.replace(microsecond=0, year=2099)))
    assert client.get("/api/orders", headers=with_key(key)).status_code == 200
    frozen_clock.moment = frozen_clock.moment.replace(year=2099)
    assert told(client.get("/api/orders", headers=with_key(key))) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: key[:-1],
        lambda key: key[:-2] + ("AA" if key[-2:] != "AA" else "BB"),
        lambda key: key + "A",
        lambda key: key.upper(),
        lambda key: "duka_1_",
        lambda key: "duka_" + "9" * 40 + "_" + "A" * 43,
        lambda key: "",
        lambda key: "é",
    ],
)
def test_a_key_that_is_none_is_refused_wherever_one_is_read(
    client: FlaskClient, make_key: Callable[..., dict[str, Any]], spoil: Callable[[str], str]
) -> None:
    headers = {"X-API-Key": spoil(make_key()["key"])}
    for path in ("/api/orders", "/api/cart", "/api/profile"):
        assert told(client.get(path, headers=headers)) == (401, "invalid_api_key"), path


def test_a_key_of_a_deleted_account_is_refused(
    client: FlaskClient, manager: User, person: Headers, make_key: Callable[..., dict[str, Any]]
) -> None:
    key = make_key()
    assert client.delete(f"/api/users/{manager.id}", headers=person).status_code == 204
    assert told(client.get("/api/orders", headers=with_key(key))) == (401, "invalid_api_key")
    assert db.reading().fetch_value("SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL") == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["orders"]}, "scopes"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_key_that_cannot_be_is_not_made(
    client: FlaskClient, person: Headers, body: dict[str, Any], field: str
) -> None:
    answer = client.post("/api/api-keys", json={"name": "x", "scopes": ["orders:read"], **body}, headers=person)
    assert told(answer) == (422, "invalid_fields")
    assert answer.get_json()["errors"][0]["field"].startswith(field)


def test_an_account_has_so_many_keys_and_no_more_also_at_once(manager: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_services, "MOST_KEYS", 3)
    owner = actor_of(manager)

    def create() -> dict[str, Any]:
        return key_services.create_key(owner=owner, name="x", scopes=["orders:read"], expires_at=None)

    results = at_once(*[create] * 5)
    assert [type(result) for result in results if isinstance(result, Exception)] == [TooManyKeys] * 2


# --- what it costs


def test_a_request_with_a_key_costs_one_statement_and_its_use_is_noted_once_a_minute(
    client: FlaskClient,
    person: Headers,
    frozen_clock: Clock,
    make_key: Callable[..., dict[str, Any]],
    count_statements: Callable[[Callable[[], Any]], int],
) -> None:
    headers = with_key(make_key("reports:read"))

    def ask() -> int:
        return count_statements(lambda: client.get("/api/admin/audit-log", headers=headers))

    def last_used() -> object:
        return client.get("/api/api-keys", headers=person).get_json()["items"][0]["last_used_at"]

    assert last_used() is None
    assert ask() == 3  # who asks, the note of it, the log
    first = last_used()
    assert first == clock.iso(frozen_clock.moment)
    frozen_clock.forward(seconds=59)
    assert (ask(), last_used()) == (2, first)
    frozen_clock.forward(seconds=1)
    assert (ask(), last_used()) == (3, clock.iso(frozen_clock.moment))


def test_keys_cost_few_statements(
    client: FlaskClient, person: Headers, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    body = {"name": "till", "scopes": ["orders:read"]}
    assert count_statements(lambda: client.post("/api/api-keys", json=body, headers=person)) == 6
    assert count_statements(lambda: client.get("/api/api-keys", headers=person)) == 2
