"""Tokens and sessions over HTTP: who is let in, until when, and what is never written down."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from apiflask import APIFlask
from flask import g
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token, create_refresh_token

import config
from auth import handlers, tokens
from auth.decorators import current_user, login_required, optional_login, permission_required
from tests import factories
from tests.api.test_auth import NEW, bearer, close_account, log_in
from tests.conftest import Clock
from tests.threads import at_once
from utils import db, log, outbox

MakeUser = Callable[..., factories.User]


def refusal(client: FlaskClient, headers: dict[str, str], path: str = "/api/profile") -> str:
    """Ask, expect a 401, return its code."""
    answer = client.open(path, method="GET" if path == "/api/profile" else "POST", headers=headers)
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    return answer.get_json()["code"]


def refresh(client: FlaskClient, pair: dict[str, Any]) -> Any:
    return client.post("/api/auth/refresh", headers=bearer(pair["refresh_token"]))


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


# --- refresh


def test_a_refresh_token_buys_a_new_pair_that_works(client: FlaskClient, make_user: MakeUser) -> None:
    first = log_in(client, make_user())
    answer = refresh(client, first)
    assert answer.status_code == 200
    second = answer.get_json()
    assert set(second) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert client.get("/api/profile", headers=bearer(second["access_token"])).status_code == 200
    assert claims_of(second["access_token"])["sid"] == claims_of(first["access_token"])["sid"]
    assert refresh(client, second).status_code == 200


def test_a_spent_refresh_token_ends_its_whole_session_and_no_other(
    client: FlaskClient, make_user: MakeUser, frozen_clock: Clock
) -> None:
    user = make_user()
    elsewhere, stolen = log_in(client, user), log_in(client, user)
    fresh = refresh(client, stolen).get_json()
    frozen_clock.forward(seconds=10)

    assert refresh(client, stolen).get_json()["code"] == "token_reused"

    assert refresh(client, fresh).get_json()["code"] == "token_revoked"
    assert refusal(client, bearer(fresh["access_token"])) == "token_revoked"
    assert refresh(client, stolen).get_json()["code"] == "token_reused"
    assert refresh(client, elsewhere).status_code == 200


def test_tabs_that_refresh_at_the_same_moment_are_not_taken_for_theft(app: APIFlask, make_user: MakeUser) -> None:
    pair = log_in(app.test_client(), make_user())
    answers = at_once(*[lambda: refresh(app.test_client(), pair)] * 6)
    assert [answer.status_code for answer in answers] == [200] * 6
    bought = [answer.get_json() for answer in answers]
    assert len({new["refresh_token"] for new in bought}) == 6
    assert [refresh(app.test_client(), new).status_code for new in bought] == [200] * 6
    assert db.reading().fetch_value("SELECT revoked_at FROM sessions") is None


def test_the_grace_of_a_spent_token_is_counted_from_its_first_use(
    client: FlaskClient, make_user: MakeUser, frozen_clock: Clock
) -> None:
    pair = log_in(client, make_user())
    assert refresh(client, pair).status_code == 200
    frozen_clock.forward(seconds=9)
    assert refresh(client, pair).status_code == 200
    frozen_clock.forward(seconds=2)
    assert refresh(client, pair).get_json()["code"] == "token_reused"


def test_a_token_that_is_spent_within_the_grace_does_not_open_an_ended_session(
    client: FlaskClient, make_user: MakeUser
) -> None:
    pair = log_in(client, make_user())
    fresh = refresh(client, pair).get_json()
    client.post("/api/auth/logout", headers=bearer(fresh["access_token"]))
    assert refresh(client, pair).get_json()["code"] == "token_revoked"


def test_the_owner_is_told_once_of_a_token_that_was_used_again(
    client: FlaskClient, make_user: MakeUser, frozen_clock: Clock
) -> None:
    user = make_user()
    credentials = {"username": user.username, "password": user.password}
    pair = client.post("/api/auth/login", json=credentials, headers={"User-Agent": "Simu 7"}).get_json()
    refresh(client, pair)
    frozen_clock.forward(seconds=11)
    for _ in range(2):
        assert refresh(client, pair).get_json()["code"] == "token_reused"
    outbox.deliver_due(handlers.HANDLERS)
    (mail,) = (config.current().INSTANCE_DIR / "mail").glob("*.eml")
    assert f"To: {user.email}" in mail.read_text()
    assert "Simu 7, at 127.0.0.1" in mail.read_text()
    told = db.reading().fetch_all("SELECT action, target, actor_id FROM audit_log")
    assert told == [{"action": "account.token_reused", "target": f"user:{user.id}", "actor_id": None}]


# --- signing keys


def test_a_new_signing_key_logs_nobody_out_while_the_old_one_is_kept(client: FlaskClient, make_user: MakeUser) -> None:
    old, new = config.current().JWT_SECRET_KEY, "another key that is as long as ours are, or longer"
    pair = log_in(client, make_user())
    with config.override(JWT_SECRET_KEY=new, JWT_PREVIOUS_SECRET_KEYS=f"an-even-older-key, {old}"):
        assert client.get("/api/profile", headers=bearer(pair["access_token"])).status_code == 200
        renewed = refresh(client, pair).get_json()
        assert jwt.get_unverified_header(renewed["access_token"])["kid"] == tokens.key_id(new)
        assert jwt.decode(renewed["access_token"], new, algorithms=["HS256"])
    with config.override(JWT_SECRET_KEY=new):
        assert refusal(client, bearer(pair["access_token"])) == "invalid_token"
        assert client.get("/api/profile", headers=bearer(renewed["access_token"])).status_code == 200


def test_a_token_that_names_no_key_of_ours_is_refused(client: FlaskClient, make_user: MakeUser) -> None:
    claims = claims_of(log_in(client, make_user())["access_token"])
    ours = config.current().JWT_SECRET_KEY
    for header in ({}, {"kid": "x"}, {"kid": ours}, {"kid": tokens.key_id("another key")}):
        assert refusal(client, bearer(jwt.encode(claims, ours, algorithm="HS256", headers=header))) == "invalid_token"
    forged = jwt.encode(claims, "not our key, though it says so itself", headers={"kid": tokens.key_id(ours)})
    assert refusal(client, bearer(forged)) == "invalid_token"
    good = jwt.encode(claims, ours, algorithm="HS256", headers={"kid": tokens.key_id(ours)})
    assert client.get("/api/profile", headers=bearer(good)).status_code == 200


def test_only_the_hash_of_a_refresh_token_is_kept(client: FlaskClient, make_user: MakeUser) -> None:
    secret = claims_of(log_in(client, make_user())["refresh_token"])["jti"]
    kept = db.reading().fetch_value("SELECT token_hash FROM refresh_tokens")
    assert kept == hashlib.sha256(secret.encode()).hexdigest()


def test_a_session_remembers_its_device_and_address(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    client.post(
        "/api/auth/login",
        json={"username": user.username, "password": user.password},
        headers={"User-Agent": "Simu \xe9 " + "x" * 1000},
        environ_overrides={"REMOTE_ADDR": "caf\xe9 " + "f" * 100},
    )
    row = db.reading().fetch_one("SELECT device, address FROM sessions")
    assert row == {"device": ("Simu \xe9 " + "x" * 1000)[:255], "address": ("caf? " + "f" * 100)[:45]}


# --- log-out, closed accounts


def test_logout_ends_this_session_at_once_and_no_other(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    here, there = log_in(client, user), log_in(client, user)

    answer = client.post("/api/auth/logout", headers=bearer(here["access_token"]))

    assert (answer.status_code, answer.data) == (204, b"")
    assert refusal(client, bearer(here["access_token"])) == "token_revoked"
    assert refusal(client, bearer(here["access_token"]), "/api/auth/logout") == "token_revoked"
    assert refresh(client, here).get_json()["code"] == "token_revoked"
    assert client.get("/api/profile", headers=bearer(there["access_token"])).status_code == 200


def test_logout_all_ends_every_session_of_this_user_only(client: FlaskClient, make_user: MakeUser) -> None:
    user, other = make_user(), make_user()
    sessions, others = [log_in(client, user) for _ in range(3)], log_in(client, other)
    assert client.post("/api/auth/logout-all", headers=bearer(sessions[1]["access_token"])).status_code == 204
    for session in sessions:
        assert refusal(client, bearer(session["access_token"])) == "token_revoked"
        assert refresh(client, session).get_json()["code"] == "token_revoked"
    assert client.get("/api/profile", headers=bearer(others["access_token"])).status_code == 200


def test_a_closed_account_is_shut_out_at_once(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    pair = log_in(client, user)
    close_account(user_id=user.id)
    assert refusal(client, bearer(pair["access_token"])) == "token_revoked"
    assert refresh(client, pair).get_json()["code"] == "token_revoked"


# --- tokens that are no good


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


HS256 = encoded(b'{"alg":"HS256","typ":"JWT"}')
DEEP = b"[" * 50_000
HOPELESS = {
    "no header at all": ({}, "not_logged_in"),
    "another scheme": ({"Authorization": "Basic d2FuamlrdTptYWpp"}, "not_logged_in"),
    "commas": ({"Authorization": ",  ,"}, "invalid_token"),
    "no token": ({"Authorization": "Bearer"}, "invalid_token"),
    "two words": ({"Authorization": "Bearer a b"}, "invalid_token"),
    "not a token": (bearer("rubbish"), "invalid_token"),
    "not ASCII": (bearer("\xe9.\xe9.\xe9"), "invalid_token"),
    "no JSON inside": (bearer(f"{encoded(b'{')}.{encoded(b'{}')}.x"), "invalid_token"),
    "a list as header": (bearer(f"{encoded(b'[]')}.{encoded(b'{}')}.x"), "invalid_token"),
    "a bottomless header": (bearer(f"{encoded(DEEP)}.{encoded(b'{}')}.x"), "invalid_token"),
    "a bottomless payload": (bearer(f"{HS256}.{encoded(DEEP)}.x"), "invalid_token"),
    "9000 letters": (bearer("x" * 9000), "invalid_token"),
}


@pytest.mark.parametrize("path", ["/api/profile", "/api/auth/refresh", "/api/auth/logout"])
@pytest.mark.parametrize(("headers", "code"), HOPELESS.values(), ids=HOPELESS.keys())
def test_what_is_no_token_is_a_401(client: FlaskClient, headers: dict[str, str], code: str, path: str) -> None:
    assert refusal(client, headers, path) == code


def test_a_tampered_token_is_refused(client: FlaskClient, make_user: MakeUser) -> None:
    head, payload, signature = log_in(client, make_user())["access_token"].split(".")
    claims = claims_of(f"{head}.{payload}.{signature}")
    other = encoded(json.dumps({**claims, "sub": str(int(claims["sub"]) + 1)}).encode())
    unsigned = encoded(b'{"alg":"none","typ":"JWT"}')
    foreign = jwt.encode(claims, "another key that is as long as ours are, or longer", algorithm="HS256")
    longer = jwt.encode(claims, config.current().JWT_SECRET_KEY + "x" * 32, algorithm="HS512")
    for token in (f"{head}.{other}.{signature}", f"{unsigned}.{payload}.", f"{unsigned}.{other}.x", foreign, longer):
        assert refusal(client, bearer(token)) == "invalid_token"


def test_a_token_of_the_other_kind_is_refused(client: FlaskClient, make_user: MakeUser) -> None:
    pair = log_in(client, make_user())
    assert refusal(client, bearer(pair["refresh_token"])) == "invalid_token"
    assert refusal(client, bearer(pair["access_token"]), "/api/auth/refresh") == "invalid_token"
    assert refresh(client, pair).status_code == 200  # neither spent nor ended by that


def test_an_expired_token_says_so_and_ends_nothing(app: APIFlask, client: FlaskClient, make_user: MakeUser) -> None:
    pair = log_in(client, make_user())
    claims = claims_of(pair["refresh_token"])
    with app.app_context():
        kept = {"sid": claims["sid"]}
        past = timedelta(seconds=-1)
        access = create_access_token(claims["sub"], expires_delta=past, additional_claims=kept)
        old = create_refresh_token(claims["sub"], expires_delta=past, additional_claims={**kept, "jti": claims["jti"]})
    assert refusal(client, bearer(access)) == "token_expired"
    assert refusal(client, bearer(old), "/api/auth/refresh") == "token_expired"
    assert refresh(client, pair).status_code == 200


# --- the decorators


@pytest.fixture
def ask(app: APIFlask) -> Callable[..., Any]:
    """Run a view under a decorator as a request would; return what it returns, or the code of the refusal."""

    def run(decorator: Callable[..., Any], view: Callable[[], Any], headers: dict[str, str]) -> Any:
        with app.test_request_context("/api/x", headers=headers):
            try:
                return decorator(view)()
            except Exception as error:
                return app.handle_user_exception(error).get_json()["code"]

    return run


def test_the_view_knows_who_asks(ask: Callable[..., Any], client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user(role="manager", phone_number="254712345678")
    headers = bearer(log_in(client, user)["access_token"])
    found = ask(login_required, current_user, headers)
    assert (found.id, found.username, found.email, found.role) == (user.id, user.username, user.email, "manager")
    assert found.phone_number == "254712345678"
    assert found.may("products:write")
    assert not found.may("users:manage")
    assert ask(login_required, lambda: g.user_id, headers) == user.id


def test_optional_login_lets_guests_in_but_no_bad_token(
    ask: Callable[..., Any], client: FlaskClient, make_user: MakeUser
) -> None:
    user = make_user()
    access = log_in(client, user)["access_token"]
    assert ask(optional_login, lambda: g.user_id, {}) is None
    assert ask(optional_login, current_user, {}) == "not_logged_in"
    assert ask(optional_login, lambda: g.user_id, bearer(access)) == user.id
    assert ask(optional_login, lambda: g.user_id, bearer("rubbish")) == "invalid_token"
    client.post("/api/auth/logout", headers=bearer(access))
    assert ask(optional_login, lambda: g.user_id, bearer(access)) == "token_revoked"


def test_a_permission_is_asked_of_the_role_as_it_is_now(
    ask: Callable[..., Any], client: FlaskClient, make_user: MakeUser
) -> None:
    user = make_user()
    headers = bearer(log_in(client, user)["access_token"])
    write = permission_required("products:write")
    assert ask(write, lambda: "written", headers) == "forbidden"
    change_role(user_id=user.id, role="admin")
    assert ask(write, lambda: "written", headers) == "written"
    assert ask(write, lambda: "written", {}) == "not_logged_in"


@db.in_transaction
def change_role(tx: db.Tx, *, user_id: int, role: str) -> None:
    tx.execute_one(
        "UPDATE users SET role_id = (SELECT r.id FROM roles r WHERE r.name = %(role)s) WHERE id = %(id)s",
        {"id": user_id, "role": role},
    )


def test_who_is_let_in_costs_one_statement(
    app: APIFlask,
    ask: Callable[..., Any],
    client: FlaskClient,
    make_user: MakeUser,
    count_statements: Callable[..., int],
) -> None:
    headers = bearer(log_in(client, make_user(role="admin"))["access_token"])
    decorator = permission_required("users:manage")
    assert count_statements(lambda: ask(decorator, lambda: "in", headers)) == 1
    assert count_statements(lambda: ask(optional_login, lambda: "in", {})) == 0


# --- what is written down


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged, from DEBUG up."""
    stream = io.StringIO()
    log.configure("DEBUG", stream)
    yield stream
    log.configure(config.current().LOG_LEVEL)


def test_no_password_token_or_phone_number_is_ever_logged(
    client: FlaskClient, written: io.StringIO, frozen_clock: Clock
) -> None:
    first = client.post("/api/auth/register", json={**NEW, "phone_number": "0712345678"}).get_json()
    client.post("/api/auth/register", json={**NEW, "phone_number": "0712345678"})
    client.post("/api/auth/register", json={**NEW, "password": "short-p"})
    client.post("/api/auth/login", json={"username": "wanjiku", "password": "a-wrong-guess"})
    second = client.post("/api/auth/login", json={"email": NEW["email"], "password": NEW["password"]}).get_json()
    third = refresh(client, second).get_json()
    frozen_clock.forward(seconds=11)
    refresh(client, second)
    client.get("/api/profile", headers=bearer(first["access_token"] + "x"))
    client.put("/api/profile", headers=bearer(first["access_token"]), json={"phone_number": "0712345679"})
    client.post("/api/auth/logout-all", headers=bearer(first["access_token"]))

    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    secrets = [NEW["password"], "a-wrong-guess", "short-p", "12345678", "12345679"]
    for pair in (first, second, third):
        secrets += [pair["access_token"], pair["refresh_token"], claims_of(pair["refresh_token"])["jti"]]
    assert [secret for secret in secrets if secret in written.getvalue()] == []
    told = [(line["route"], line["status"], line["user_id"]) for line in lines if line["event"] == "request"]
    assert len(told) == 10
    assert ("/api/profile", 200, first["user"]["id"]) in told
    assert [line["session_id"] for line in lines if line["event"].startswith("refresh token reused")] == [
        claims_of(second["refresh_token"])["sid"]
    ]
