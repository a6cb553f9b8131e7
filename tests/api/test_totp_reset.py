"""Somebody lost the authenticator, and the recovery codes too: staff take the second factor away."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth import handlers
from tests.api.test_roles import told
from tests.api.test_totp import enter, moment, switch_on
from tests.conftest import Clock
from tests.factories import User, make_user
from tests.logins import Headers, log_in
from utils import db, outbox

__all__ = ["moment"]  # a fixture


@pytest.fixture
def admin(app: APIFlask) -> User:
    return make_user(role="admin")


@pytest.fixture
def boss(client: FlaskClient, admin: User) -> Headers:
    return log_in(client, admin)


def reset(client: FlaskClient, user: User, headers: Headers) -> Any:
    return client.delete(f"/api/users/{user.id}/totp", headers=headers)


def audited() -> list[tuple[str, int, str]]:
    rows = db.reading().fetch_all("SELECT action, actor_id, target FROM audit_log WHERE action = 'user.totp_reset'")
    return [(row["action"], row["actor_id"], row["target"]) for row in rows]


def mails() -> list[str]:
    outbox.deliver_due(handlers.HANDLERS)
    return [path.read_text() for path in (config.current().INSTANCE_DIR / "mail").glob("account.totp_reset-*.eml")]


def test_who_has_lost_the_second_factor_comes_in_without_it(
    client: FlaskClient, admin: User, boss: Headers, moment: Clock
) -> None:
    user = make_user()
    _, codes, theirs = switch_on(client, user, moment)
    assert reset(client, user, boss).status_code == 204
    assert enter(client, user).status_code == 200
    assert enter(client, user, codes[0]).status_code == 200  # asked for no more, so nothing is spent
    assert client.get("/api/profile", headers=theirs).get_json()["code"] == "token_revoked"
    assert audited() == [("user.totp_reset", admin.id, f"user:{user.id}")]
    (mail,) = mails()
    assert f"To: {user.email}" in mail
    assert "/account/security" in mail


def test_where_there_is_none_nothing_changes_and_nobody_is_told(
    client: FlaskClient, boss: Headers, moment: Clock
) -> None:
    user = make_user()
    theirs = log_in(client, user)
    for _ in range(2):
        assert reset(client, user, boss).status_code == 204
    assert client.get("/api/profile", headers=theirs).status_code == 200
    assert (audited(), mails()) == ([], [])


def test_nobody_takes_it_from_somebody_who_may_do_more(
    client: FlaskClient, admin: User, boss: Headers, moment: Clock
) -> None:
    role = {"name": "clerk", "permissions": ["orders:read", "users:manage"]}
    assert client.post("/api/roles", json=role, headers=boss).status_code == 201
    clerk = log_in(client, make_user(role="clerk"))
    customer = make_user()
    switch_on(client, admin, moment)
    switch_on(client, customer, moment)
    assert told(reset(client, admin, clerk)) == (403, "forbidden")
    assert enter(client, admin).get_json()["code"] == "totp_required"
    assert reset(client, customer, clerk).status_code == 204


def test_a_stolen_session_does_not_take_the_staffs_own_away(client: FlaskClient, admin: User, moment: Clock) -> None:
    _, _, headers = switch_on(client, admin, moment)
    assert told(reset(client, admin, headers)) == (403, "forbidden")
    assert enter(client, admin).get_json()["code"] == "totp_required"


@pytest.mark.parametrize("role", ["customer", "support", "manager"])
def test_it_takes_the_permission(client: FlaskClient, role: str, moment: Clock) -> None:
    user = make_user()
    assert told(reset(client, user, log_in(client, make_user(role=role)))) == (403, "forbidden")
    assert client.delete(f"/api/users/{user.id}/totp").status_code == 401


def test_somebody_who_is_not_there_is_not_found(client: FlaskClient, boss: Headers) -> None:
    assert client.delete(f"/api/users/{10**12}/totp", headers=boss).status_code == 404
