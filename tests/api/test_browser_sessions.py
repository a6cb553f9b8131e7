"""Browser sessions: tokens in the cookie, let in by it, renewed in silence, and of use to nobody else's page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from app import _flask_settings, create_app
from auth import session_services
from tests.conftest import Clock
from tests.factories import User, make_product, make_user
from tests.surfing import csrf_headers, enter
from tests.threads import at_once
from utils import csrf, db, session_tokens

SESSION = "session"
Count = Callable[[Callable[[], Any]], int]


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


def kept(client: FlaskClient) -> dict[str, Any]:
    with client.session_transaction() as session:
        return dict(session)


def who(client: FlaskClient, **options: Any) -> Any:
    answer = client.get("/api/profile", **options)
    return answer.get_json()["username"] if answer.status_code == 200 else answer.get_json()["code"]


def change_phone(client: FlaskClient, headers: dict[str, str] | None = None) -> tuple[int, str | None]:
    answer = client.put("/api/profile", json={"phone_number": "0712345678"}, headers=headers)
    return answer.status_code, answer.get_json().get("code")


def bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


# --- let in


def test_the_session_lets_a_browser_in_as_a_bearer_token_would(client: FlaskClient, user: User) -> None:
    assert who(client) == "not_logged_in"
    enter(client, user)
    assert who(client) == user.username


def test_a_token_in_the_header_counts_more_than_the_session(client: FlaskClient, user: User) -> None:
    other = make_user()
    pair = enter(client, other)
    enter(client, user)
    assert who(client, headers=bearer(pair)) == other.username
    assert who(client, headers={"Authorization": "Bearer nonsense"}) == "invalid_token"
    assert who(client, headers={"X-API-Key": "duka_nonsense"}) == "invalid_api_key"
    assert who(client, headers={"Authorization": "Basic d2hvOmV2ZXI="}) == user.username  # a proxy's, sent by itself


def test_no_script_can_read_the_cookie_and_no_other_page_sends_it_along(client: FlaskClient, user: User) -> None:
    enter(client, user)
    cookie = client.get_cookie(SESSION)
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")


def test_in_production_the_cookie_is_of_https_and_of_this_host_alone(app: APIFlask) -> None:
    told = _flask_settings(config.current().model_copy(update={"SHOP_ENV": "production"}))
    about = {name: told[f"SESSION_COOKIE_{name}"] for name in ("NAME", "SECURE", "HTTPONLY", "SAMESITE")}
    assert about == {"NAME": "__Host-session", "SECURE": True, "HTTPONLY": True, "SAMESITE": "Lax"}
    assert told["PERMANENT_SESSION_LIFETIME"] == config.current().REFRESH_TOKEN_SECONDS


def test_a_cookie_that_was_written_by_somebody_else_is_nobodys(client: FlaskClient, user: User) -> None:
    enter(client, user)
    cookie = client.get_cookie(SESSION)
    assert cookie is not None
    payload, _, rest = cookie.value.rpartition(".")
    client.set_cookie(SESSION, f"{payload}.{rest[::-1]}")
    assert who(client) == "not_logged_in"


def test_what_only_somebody_logged_in_may_see_stays_in_no_cache(client: FlaskClient, user: User) -> None:
    pair = enter(client, user)
    assert client.get("/api/profile").headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in client.get("/api/cart").headers
    assert "Cache-Control" not in client.get("/api/profile", headers=bearer(pair)).headers


def test_a_request_without_a_cookie_opens_no_session(client: FlaskClient) -> None:
    answer = client.get("/api/cart")
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert "Set-Cookie" not in answer.headers


def test_the_session_costs_no_statement_more_than_a_token(
    client: FlaskClient, user: User, count_statements: Count
) -> None:
    pair = enter(client, user)
    by_session = count_statements(lambda: client.get("/api/profile"))
    assert by_session == count_statements(lambda: client.get("/api/profile", headers=bearer(pair))) == 2


# --- other people's pages


def test_an_unsafe_request_of_a_session_needs_its_token(client: FlaskClient, user: User) -> None:
    enter(client, user)
    assert change_phone(client) == (403, "csrf_failed")
    assert change_phone(client, csrf_headers(client)) == (200, None)


@pytest.mark.parametrize("sent", ["", "x", "é", "AAAA", "=" * 100, csrf.masked(b"x" * 32), csrf.masked(b"")])
def test_a_wrong_token_is_refused(client: FlaskClient, user: User, sent: str) -> None:
    enter(client, user)
    csrf_headers(client)
    assert change_phone(client, {csrf.HEADER: sent}) == (403, "csrf_failed")


def test_another_sessions_token_is_refused(app: APIFlask, user: User) -> None:
    mine, other = app.test_client(), app.test_client()
    enter(mine, user)
    enter(other, make_user())
    assert change_phone(mine, csrf_headers(other)) == (403, "csrf_failed")
    assert change_phone(mine, csrf_headers(mine)) == (200, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/auth/logout"),
        ("DELETE", "/api/users/1"),
        ("PATCH", "/api/profile"),
        ("POST", "/api/cart"),
        ("POST", "/api/orders"),
    ],
)
def test_every_unsafe_method_is_held_back_before_anything_is_done(
    client: FlaskClient, user: User, method: str, path: str
) -> None:
    enter(client, user)
    for body in ({"json": {}}, {"data": {csrf.FIELD: csrf_headers(client)[csrf.HEADER]}}, {}):  # no form under /api
        answer = client.open(path, method=method, **body)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "csrf_failed")
    assert who(client) == user.username


def test_programs_and_guests_need_no_token(client: FlaskClient, user: User) -> None:
    pair = enter(client, user)
    assert change_phone(client, bearer(pair)) == (200, None)  # even with the cookie beside it
    client.delete_cookie(SESSION)
    variant = make_product().variant
    token = client.post("/api/cart", json={"variant_id": variant.id}).headers["X-Cart-Token"]
    with client.session_transaction() as session:
        session[csrf.KEY] = b"a guest's"
    answer = client.post("/api/cart", json={"variant_id": variant.id}, headers={"X-Cart-Token": token})
    assert answer.get_json()["item_count"] == 2


def test_the_token_looks_otherwise_each_time_and_is_the_same(client: FlaskClient, user: User) -> None:
    enter(client, user)
    first, second = csrf_headers(client), csrf_headers(client)
    assert first != second
    assert change_phone(client, first) == change_phone(client, second) == (200, None)


# --- renewed in silence


def test_a_spent_access_token_is_renewed_and_the_answer_brings_the_new_pair(
    client: FlaskClient, user: User, frozen_clock: Clock
) -> None:
    enter(client, user)
    before = kept(client)
    frozen_clock.forward(seconds=900 - 16)
    answer = client.get("/api/profile")
    assert "Set-Cookie" not in answer.headers
    frozen_clock.forward(seconds=1)  # it is near its end
    answer = client.get("/api/profile")
    assert answer.get_json()["username"] == user.username
    assert "Expires=" in answer.headers["Set-Cookie"] or not before.get("_permanent")
    after = kept(client)
    assert after[session_tokens.REFRESH] != before[session_tokens.REFRESH]
    assert who(client) == user.username
    assert after == kept(client)


def test_an_access_token_past_its_end_is_renewed_too(client: FlaskClient, user: User, frozen_clock: Clock) -> None:
    enter(client, user)
    frozen_clock.forward(days=20)
    assert who(client) == user.username


def test_the_renewal_keeps_the_forms_that_are_open_good(client: FlaskClient, user: User, frozen_clock: Clock) -> None:
    enter(client, user)
    headers = csrf_headers(client)
    frozen_clock.forward(hours=1)
    assert change_phone(client, headers) == (200, None)
    assert change_phone(client, headers) == (200, None)


def test_a_forged_request_renews_nothing(client: FlaskClient, user: User, frozen_clock: Clock) -> None:
    enter(client, user)
    before = kept(client)
    frozen_clock.forward(hours=1)
    assert change_phone(client) == (403, "csrf_failed")
    assert kept(client) == before


def test_two_tabs_that_renew_at_once_both_stay_logged_in(app: APIFlask, user: User, frozen_clock: Clock) -> None:
    tabs = [app.test_client() for _ in range(4)]
    enter(tabs[0], user)
    cookie = tabs[0].get_cookie(SESSION)
    assert cookie is not None
    for tab in tabs:
        tab.set_cookie(SESSION, cookie.value)
    frozen_clock.forward(hours=1)
    assert at_once(*[lambda tab=tab: who(tab) for tab in tabs]) == [user.username] * 4
    pairs = {json.dumps(kept(tab)[session_tokens.REFRESH]) for tab in tabs}
    assert len(pairs) == 4
    frozen_clock.forward(hours=1)
    assert [who(tab) for tab in tabs] == [user.username] * 4  # whichever answer came last, its pair is good


def test_a_phone_that_lost_the_answer_of_a_renewal_stays_logged_in_when_it_reloads(
    client: FlaskClient, user: User, frozen_clock: Clock
) -> None:
    enter(client, user)
    before = client.get_cookie(SESSION)
    assert before is not None
    frozen_clock.forward(hours=1)
    assert who(client) == user.username  # and this answer, with the new cookie, is lost
    client.set_cookie(SESSION, before.value)
    frozen_clock.forward(seconds=59)
    assert who(client) == user.username
    frozen_clock.forward(hours=1)
    assert who(client) == user.username
    assert db.reading().fetch_value("SELECT COUNT(*) FROM outbox_events WHERE topic = 'account.token_reused'") == 0


def test_the_longer_grace_is_the_silent_renewals_alone(client: FlaskClient, user: User, frozen_clock: Clock) -> None:
    spent = enter(client, user)[session_tokens.REFRESH]
    frozen_clock.forward(hours=1)
    assert who(client) == user.username
    frozen_clock.forward(seconds=11)
    client.delete_cookie(SESSION)
    answer = client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {spent}"})
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_reused")


def test_a_copied_cookie_used_later_ends_the_session_for_both(app: APIFlask, user: User, frozen_clock: Clock) -> None:
    mine, thiefs = app.test_client(), app.test_client()
    enter(mine, user)
    cookie = mine.get_cookie(SESSION)
    assert cookie is not None
    thiefs.set_cookie(SESSION, cookie.value)
    frozen_clock.forward(hours=1)
    assert who(mine) == user.username
    frozen_clock.forward(seconds=61)
    assert who(thiefs) == "not_logged_in"
    assert thiefs.get_cookie(SESSION) is None
    assert who(mine) == "token_revoked"
    assert mine.get_cookie(SESSION) is None
    assert db.reading().fetch_value("SELECT revoked_reason FROM sessions ORDER BY id DESC LIMIT 1") == "token_reused"


# --- another key for the cookies


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_new_secret_key_logs_no_browser_out_while_the_old_one_is_kept(
    app: APIFlask, client: FlaskClient, user: User, is_kept: bool
) -> None:
    enter(client, user)
    cookie = client.get_cookie(SESSION)
    assert cookie is not None
    before = config.current()
    new = {"SECRET_KEY": "another key, as long as the ones that are made"}
    try:
        old = {"PREVIOUS_SECRET_KEYS": before.SECRET_KEY} if is_kept else {}
        browser = create_app(before.model_copy(update={**new, **old})).test_client()
        browser.set_cookie(SESSION, cookie.value)
        assert who(browser) == (user.username if is_kept else "not_logged_in")
    finally:
        config.use(before)


# --- ended


def test_a_session_that_was_ended_elsewhere_is_cleared_and_its_browser_a_guest(client: FlaskClient, user: User) -> None:
    enter(client, user)
    session_services.log_out_everywhere(user_id=user.id)
    answer = client.get("/api/cart")
    assert (answer.status_code, answer.get_json()["item_count"]) == (200, 0)
    assert client.get_cookie(SESSION) is None
    assert who(client) == "not_logged_in"


def test_a_program_still_hears_that_its_session_has_ended(client: FlaskClient, user: User) -> None:
    pair = enter(client, user)
    session_services.log_out_everywhere(user_id=user.id)
    answer = client.get("/api/cart", headers=bearer(pair))
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_revoked")
    assert client.get_cookie(SESSION) is not None


def test_a_signing_key_that_is_gone_makes_a_guest_of_the_browser(client: FlaskClient, user: User) -> None:
    enter(client, user)
    with config.override(JWT_SECRET_KEY="another key, as long as the ones that are made"):
        assert client.get("/api/cart").status_code == 200
    assert client.get_cookie(SESSION) is None


@pytest.mark.parametrize("path", ["/api/auth/logout", "/api/auth/logout-all"])
def test_a_log_out_over_the_api_empties_the_session(client: FlaskClient, user: User, path: str) -> None:
    enter(client, user)
    assert client.post(path, headers=csrf_headers(client)).status_code == 204
    assert client.get_cookie(SESSION) is None
    assert who(client) == "not_logged_in"


def test_an_account_that_was_shut_out_is_cleared_at_its_renewal(
    client: FlaskClient, user: User, frozen_clock: Clock
) -> None:
    enter(client, user)
    session_services.log_out_everywhere(user_id=user.id)
    frozen_clock.forward(hours=1)
    assert who(client) == "not_logged_in"
    assert client.get_cookie(SESSION) is None


# --- pages


def test_every_form_of_a_page_needs_the_token_of_its_session(client: FlaskClient) -> None:
    for body in ({}, {csrf.FIELD: csrf.masked(b"x" * csrf.SIZE)}):
        answer = client.post("/appearance", data={"theme": "dark", **body})
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
        assert "Set-Cookie" not in answer.headers or "theme" not in answer.headers["Set-Cookie"]
    token = csrf_headers(client)[csrf.HEADER]
    assert client.post("/appearance", data={"theme": "dark", csrf.FIELD: token}).status_code == 303


def test_an_address_that_does_not_exist_is_not_found_whoever_asks(client: FlaskClient) -> None:
    assert client.post("/nothing-here").status_code == 404
