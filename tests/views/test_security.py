"""The security page: the password, the second factor, the devices; each without JavaScript, each its owner's alone."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import devices
from tests.api.test_auth import bearer
from tests.api.test_totp import code_of, mails, moment, switch_on
from tests.api.test_totp import enter as log_in_by_api
from tests.conftest import Clock
from tests.factories import PASSWORD, User, make_user
from tests.surfing import Browser, csrf_headers, enter
from utils import csrf, db, session_tokens

__all__ = ["moment"]  # a fixture

PAGE = "/account/security"
NEW = "maji-ya-moto"
FORMS = [
    (f"{PAGE}/password", {"current_password": PASSWORD, "new_password": NEW}),
    (f"{PAGE}/totp", {}),
    (f"{PAGE}/totp/confirm", {"code": "123456"}),
    (f"{PAGE}/totp/end", {"password": PASSWORD}),
    (f"{PAGE}/sessions/1/end", {}),
    (f"{PAGE}/logout-all", {}),
]


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def browser(client: FlaskClient, user: User) -> Browser:
    """A browser that is logged in."""
    enter(client, user)
    browser = Browser(client)
    browser.open(PAGE)
    return browser


def who(client: FlaskClient) -> str:
    answer = client.get("/api/profile").get_json()
    name: str = answer.get("username") or answer["code"]
    return name


# --- whose


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}/totp"])
def test_a_guest_is_led_to_the_log_in(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.location) == (303, f"/login?next={path.replace('/', '%2F')}")


@pytest.mark.parametrize(("path", "typed"), FORMS)
def test_nothing_is_done_for_a_guest(client: FlaskClient, user: User, path: str, typed: dict[str, str]) -> None:
    answer = client.post(path, data=typed, headers=csrf_headers(client))
    assert (answer.status_code, answer.location) == (303, "/login?next=%2F")


@pytest.mark.parametrize(("path", "typed"), FORMS)
def test_nothing_is_done_for_another_page(browser: Browser, user: User, path: str, typed: dict[str, str]) -> None:
    for token in ("", csrf.masked(b"x" * csrf.SIZE)):
        answer = browser.client.post(path, data={**typed, csrf.FIELD: token})
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert who(browser.client) == user.username
    assert log_in_by_api(browser.client.application.test_client(), user).status_code == 200


def test_the_page_stays_in_no_cache(browser: Browser) -> None:
    assert browser.answer.headers["Cache-Control"] == "no-store"


def test_only_places_that_exist_are_linked(browser: Browser, app: APIFlask) -> None:
    links = re.findall(r'<nav class="tabs".*?</nav>', browser.answer.text, re.S)[0]
    paths = re.findall(r'href="([^"]+)"', links)
    assert PAGE in paths
    assert 'href="/account/security" aria-current="page"' in links
    for path in paths:
        assert browser.client.get(path).status_code != 404, path


def test_statements_of_the_page_are_pinned(browser: Browser, count_statements: Callable[..., int]) -> None:
    assert count_statements(lambda: browser.client.get(PAGE)) == 5


# --- the password


def test_the_password_is_changed_and_every_other_device_logged_out(browser: Browser, user: User) -> None:
    elsewhere = log_in_by_api(browser.client.application.test_client(), user).get_json()
    answer = browser.send(f"{PAGE}/password", current_password=PASSWORD, new_password=NEW)
    assert (answer.status_code, browser.path) == (200, PAGE)
    assert "The new password is set" in browser.page.text
    assert who(browser.client) == user.username
    stranger = browser.client.application.test_client()
    assert stranger.get("/api/profile", headers=bearer(elsewhere["access_token"])).status_code == 401
    assert log_in_by_api(stranger, user, password=NEW).status_code == 200
    assert mails() == ["account.password_changed"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"current_password": "wrong", "new_password": NEW}, "Is not your password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "Must have at least 8 characters."),
        ({"current_password": PASSWORD, "new_password": "password123"}, "Is one of the first"),
        ({"current_password": "", "new_password": ""}, "Please fill this in."),
    ],
)
def test_a_password_that_does_not_do_changes_nothing(
    browser: Browser, user: User, typed: dict[str, str], said: str
) -> None:
    answer = browser.send(f"{PAGE}/password", **typed)
    assert answer.status_code == 422
    assert said in browser.page.text
    assert PASSWORD not in answer.text
    assert log_in_by_api(browser.client.application.test_client(), user).status_code == 200


def test_a_change_that_is_sent_twice_says_that_the_password_is_another(browser: Browser) -> None:
    form = browser.page.form_to(f"{PAGE}/password")
    data = {**form.fields, "current_password": PASSWORD, "new_password": NEW}
    assert [browser.client.post(form.action, data=data).status_code for _ in range(2)] == [303, 422]


# --- the second factor


def switch_on_by_page(browser: Browser) -> tuple[str, list[str]]:
    browser.open(PAGE)
    browser.send(f"{PAGE}/totp")
    assert browser.path == f"{PAGE}/totp"
    secret = re.findall(r'<code id="secret">(\w+)</code>', browser.answer.text)[0]
    browser.send(f"{PAGE}/totp/confirm", code=code_of(secret))
    return secret, re.findall(r"<li><code>([\w-]+)</code></li>", browser.answer.text)


def test_the_second_factor_is_switched_on_and_its_codes_are_shown_once(
    browser: Browser, user: User, moment: Clock
) -> None:
    secret, codes = switch_on_by_page(browser)
    assert len(set(codes)) == 10
    assert browser.answer.headers["Cache-Control"] == "no-store"
    assert who(browser.client) == user.username
    assert browser.open(PAGE).text.count(codes[0]) == 0
    assert "10 recovery codes left" in browser.page.text
    stranger = browser.client.application.test_client()
    assert log_in_by_api(stranger, user).get_json()["code"] == "totp_required"
    assert log_in_by_api(stranger, user, codes[0]).status_code == 200
    browser.open(f"{PAGE}/totp")  # nothing waits there any more
    assert browser.path == PAGE
    assert secret not in browser.answer.text


def test_the_picture_is_the_secret(browser: Browser, moment: Clock) -> None:
    browser.send(f"{PAGE}/totp")
    drawn = re.findall(r'<svg[^>]*class="segno".*?</svg>', browser.answer.text, re.S)[0]
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 (our own)
    assert "style=" not in drawn


def test_a_wrong_code_shows_the_same_secret_again(browser: Browser, user: User, moment: Clock) -> None:
    browser.send(f"{PAGE}/totp")
    first = re.findall(r'<code id="secret">(\w+)</code>', browser.answer.text)
    answer = browser.send(f"{PAGE}/totp/confirm", code="000000")
    assert answer.status_code == 422
    assert "Is not the code that the authenticator shows now" in browser.page.text
    assert re.findall(r'<code id="secret">(\w+)</code>', answer.text) == first
    assert log_in_by_api(browser.client.application.test_client(), user).status_code == 200


def test_a_confirmation_that_is_sent_twice_shows_no_codes_again(browser: Browser, moment: Clock) -> None:
    browser.send(f"{PAGE}/totp")
    form = browser.page.form_to(f"{PAGE}/totp/confirm")
    secret = re.findall(r'<code id="secret">(\w+)</code>', browser.answer.text)[0]
    data = {**form.fields, "code": code_of(secret)}
    assert [browser.client.post(form.action, data=data).status_code for _ in range(2)] == [200, 303]
    answer = browser.client.post(f"{PAGE}/totp", data=form.fields)  # a form from before
    assert (answer.status_code, answer.location) == (303, PAGE)


def test_the_password_switches_it_off(browser: Browser, user: User, moment: Clock) -> None:
    _, codes, _ = switch_on(browser.client.application.test_client(), user, moment)
    enter_with(browser, user, codes[0])  # what switched it on has ended the other sessions
    browser.open(PAGE)
    answer = browser.send(f"{PAGE}/totp/end", password="wrong")
    assert answer.status_code == 422
    assert "Is not your password" in browser.page.text
    browser.send(f"{PAGE}/totp/end", password=PASSWORD)
    assert "Your second factor is off." in browser.page.text
    assert log_in_by_api(browser.client.application.test_client(), user).status_code == 200


def enter_with(browser: Browser, user: User, code: str) -> None:
    browser.client.delete_cookie("session")
    answer = log_in_by_api(browser.client, user, code)
    with browser.client.session_transaction() as kept:
        kept.update(session_tokens.written(answer.get_json()))


# --- devices


def test_the_devices_are_named_and_ended_one_by_one(browser: Browser, user: User) -> None:
    phone = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0.0.0 Mobile Safari/537.36"
    body = {"username": user.username, "password": PASSWORD}
    stranger = browser.client.application.test_client()
    lost = stranger.post("/api/auth/login", json=body, headers={"User-Agent": phone}).get_json()["access_token"]
    browser.open(PAGE)
    assert "Chrome on Android" in browser.page.text
    assert "this one" in browser.page.text
    ends = [form.action for form in browser.page.forms if form.action.endswith("/end") and "sessions" in form.action]
    assert len(ends) == 1
    form = browser.page.form_to(ends[0])
    browser.send(ends[0])
    assert "That device is logged out." in browser.page.text
    assert stranger.get("/api/profile", headers=bearer(lost)).get_json()["code"] == "token_revoked"
    assert browser.client.post(ends[0], data=form.fields).status_code == 303  # twice is as good as once
    assert who(browser.client) == user.username


def test_nobody_ends_anybody_elses_session(browser: Browser, user: User) -> None:
    other = browser.client.application.test_client()
    enter(other, make_user())
    theirs = db.reading().fetch_value("SELECT MAX(id) FROM sessions")
    browser.client.post(f"{PAGE}/sessions/{theirs}/end", headers=csrf_headers(browser.client))
    assert who(other) != "not_logged_in"
    assert other.get(PAGE).status_code == 200


def test_a_log_out_everywhere_is_one_here_as_well(browser: Browser, user: User) -> None:
    elsewhere = browser.client.application.test_client()
    enter(elsewhere, user)
    browser.send(f"{PAGE}/logout-all")
    assert browser.path == "/"
    assert "You are logged out everywhere." in browser.page.text
    assert who(browser.client) == "not_logged_in"
    assert who(elsewhere) == "token_revoked"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
            "Safari on an iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/130.0.0.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        ("Opera/9.80 (Android; Opera Mini/36.2)", "Opera Mini on Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("<script>" * 20, "<script>" * 7 + "<scr"),
        ("", "Unknown device"),
    ],
)
def test_a_device_is_named_as_its_owner_would(user_agent: str, name: str) -> None:
    assert devices.name_of(user_agent) == name
