"""The second step of a log-in by pages: the code, after the password but without it, in time, by the same person."""

from __future__ import annotations

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth import handlers, services
from tests.api.test_auth import close_account
from tests.api.test_totp import code_of, moment, switch_on
from tests.conftest import Clock
from tests.factories import PASSWORD, User, make_user
from tests.surfing import Browser, csrf_headers
from tests.views.test_way_in import kept, log_in, who
from utils import outbox

__all__ = ["moment"]  # a fixture


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    return Browser(client)


def test_a_second_factor_makes_it_two_steps(browser: Browser, user: User, moment: Clock) -> None:
    secret, codes, _ = switch_on(browser.client, user, moment)
    browser.open("/login?next=/docs")
    browser.send("/login", username=user.username, password=PASSWORD)
    assert browser.path == "/login/code?next=/docs"
    assert PASSWORD not in browser.answer.text
    assert PASSWORD not in str(kept(browser.client))
    assert who(browser.client) == "not_logged_in"
    answer = browser.send("/login/code", totp="000000")
    assert answer.status_code == 422
    assert "This code is wrong" in browser.page.text
    browser.send("/login/code", totp=code_of(secret))
    assert browser.path == "/docs"
    assert who(browser.client) == user.username
    browser.open("/")
    browser.send("/logout")
    log_in(browser, user)
    browser.send("/login/code", totp=codes[0])
    assert who(browser.client) == user.username


def test_the_second_step_takes_no_more_than_minutes(browser: Browser, user: User, moment: Clock) -> None:
    secret, _, _ = switch_on(browser.client, user, moment)
    log_in(browser, user)
    moment.forward(minutes=5)
    browser.send("/login/code", totp=code_of(secret))
    assert browser.path == "/login"
    assert "That took too long" in browser.page.text
    browser.open("/login/code")
    assert browser.path == "/login"
    assert who(browser.client) == "not_logged_in"


def test_the_second_step_is_over_when_the_password_was_changed(browser: Browser, user: User, moment: Clock) -> None:
    secret, _, headers = switch_on(browser.client, user, moment)
    log_in(browser, user)
    change = {"current_password": PASSWORD, "new_password": "maji-ya-moto"}
    assert browser.client.post("/api/auth/change-password", json=change, headers=headers).status_code == 202
    browser.send("/login/code", totp=code_of(secret))
    assert browser.path == "/login"
    assert "password is wrong" in browser.page.text
    assert who(browser.client) == "not_logged_in"


def test_the_second_step_is_over_when_the_account_was_closed(browser: Browser, user: User, moment: Clock) -> None:
    secret, _, _ = switch_on(browser.client, user, moment)
    log_in(browser, user)
    close_account(user_id=user.id)
    browser.send("/login/code", totp=code_of(secret))
    assert browser.path == "/login"
    assert who(browser.client) == "not_logged_in"


def test_a_proof_opens_no_other_account(browser: Browser, user: User, moment: Clock) -> None:
    other = make_user()
    secret, _, _ = switch_on(browser.client, other, moment)
    switch_on(browser.client, user, moment)
    log_in(browser, user)
    assert browser.send("/login/code", totp=code_of(secret)).status_code == 422


def test_guesses_at_the_code_lock_the_account(browser: Browser, user: User, moment: Clock) -> None:
    secret, _, _ = switch_on(browser.client, user, moment)
    wrong = f"{(int(code_of(secret)) + 1) % 10**6:06}"
    log_in(browser, user)
    assert [browser.send("/login/code", totp=wrong).status_code for _ in range(4)] == [422] * 4
    browser.send("/login/code", totp=code_of(secret))
    assert browser.path == "/login"
    assert "Too many wrong passwords" in browser.page.text
    outbox.deliver_due(handlers.HANDLERS)
    assert list((config.current().INSTANCE_DIR / "mail").glob("account.locked-*.eml"))


def test_nobody_comes_in_by_the_second_step_alone(browser: Browser, user: User, moment: Clock) -> None:
    secret, _, _ = switch_on(browser.client, user, moment)
    browser.open("/login/code")
    assert browser.path == "/login"
    answer = browser.client.post("/login/code", data={"totp": code_of(secret)}, headers=csrf_headers(browser.client))
    assert answer.location == "/login"
    assert who(browser.client) == "not_logged_in"


def test_a_proof_is_told_by_the_password_of_now(app: APIFlask, user: User, moment: Clock) -> None:
    switch_on(app.test_client(), user, moment)
    begun = services.begin_log_in(login=user.username, password=PASSWORD, device="", address="")
    assert set(begun) == {"proof"}
    assert PASSWORD not in str(begun)
