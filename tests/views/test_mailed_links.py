"""What comes by mail: a link to a new password, a link that verifies an address; each good once."""

from __future__ import annotations

import re

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth import handlers
from tests.api.test_auth import bearer, log_in
from tests.conftest import Clock
from tests.factories import PASSWORD, User, make_user
from tests.surfing import Browser, csrf_headers
from utils import csrf, db, outbox

NEW = "maji-ya-moto"


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    return Browser(client)


def mailed_links() -> list[str]:
    """Return the paths of the links that were mailed since the last look."""
    outbox.deliver_due(handlers.HANDLERS)
    links = []
    for path in sorted((config.current().INSTANCE_DIR / "mail").glob("*.eml")):
        text = path.read_text().replace("=\n", "").replace("=3D", "=")
        links += re.findall(r"(/(?:reset-password|verify-email)\?token=[\w-]+)", text)
        path.unlink()
    return links


def can_log_in(client: FlaskClient, user: User, password: str) -> bool:
    body = {"username": user.username, "password": password}
    return client.application.test_client().post("/api/auth/login", json=body).status_code == 200


# --- a new password


def ask(browser: Browser, email: str) -> None:
    browser.open("/forgot-password")
    browser.send("/forgot-password", email=email)


def test_a_forgotten_password_is_set_anew_and_every_session_ends(browser: Browser, user: User) -> None:
    old = log_in(browser.client, user)
    ask(browser, user.email)
    assert browser.path == "/login"
    assert "a mail is on its way" in browser.page.text
    (link,) = mailed_links()
    browser.open(link)
    answer = browser.send("/reset-password", password="short")
    assert answer.status_code == 422
    assert "Must have at least 8 characters." in browser.page.text
    browser.send("/reset-password", password=NEW)
    assert browser.path == "/login"
    assert "The new password is set." in browser.page.text
    browser.send("/login", username=user.username, password=NEW)
    assert user.username in browser.page.text
    assert not can_log_in(browser.client, user, PASSWORD)
    stranger = browser.client.application.test_client()
    assert stranger.get("/api/profile", headers=bearer(old["access_token"])).status_code == 401


def test_an_unknown_address_is_answered_alike_and_gets_no_mail(browser: Browser, user: User) -> None:
    ask(browser, user.email)
    known = re.sub(r'value="[^"]+"|content="[^"]+"|nonce="[^"]+"', "", browser.answer.text)
    assert len(mailed_links()) == 1
    ask(browser, "nobody@example.com")
    assert re.sub(r'value="[^"]+"|content="[^"]+"|nonce="[^"]+"', "", browser.answer.text) == known
    assert mailed_links() == []


def test_what_is_no_address_is_said_at_the_field(browser: Browser) -> None:
    browser.open("/forgot-password")
    assert browser.send("/forgot-password", email="wanjiku").status_code == 422
    assert browser.page.form_to("/forgot-password").fields["email"] == "wanjiku"


@pytest.mark.parametrize("link", ["/reset-password", "/reset-password?token=", "/reset-password?token=none-of-ours"])
def test_a_link_that_is_none_of_ours_says_what_to_do(browser: Browser, link: str) -> None:
    assert browser.open(link).status_code == 422
    assert "This link was used before, is too old, or is none of ours." in browser.page.text
    assert 'href="/forgot-password"' in browser.answer.text


def test_a_link_sets_one_password(browser: Browser, user: User) -> None:
    ask(browser, user.email)
    (link,) = mailed_links()
    browser.open(link)
    form = browser.page.form_to("/reset-password")
    browser.send("/reset-password", password=NEW)
    answer = browser.client.post("/reset-password", data={**form.fields, "password": "another-one-yet"})
    assert answer.status_code == 422
    assert "This link was used before" in answer.text
    assert browser.open(link).status_code == 422
    assert can_log_in(browser.client, user, NEW)


def test_a_link_is_good_for_an_hour(browser: Browser, user: User, frozen_clock: Clock) -> None:
    ask(browser, user.email)
    (link,) = mailed_links()
    browser.open(link)
    frozen_clock.forward(hours=1)
    assert browser.send("/reset-password", password=NEW).status_code == 422
    assert can_log_in(browser.client, user, PASSWORD)


def test_one_address_is_not_flooded(limited_client: FlaskClient, user: User) -> None:
    browser = Browser(limited_client)
    for _ in range(6):
        ask(browser, user.email)
    assert browser.answer.status_code == 429


# --- an address


def register(browser: Browser) -> str:
    browser.open("/register")
    browser.send("/register", username="wanjiku", email="wanjiku@example.com", password=PASSWORD)
    (link,) = mailed_links()
    return link


def is_verified() -> bool:
    return bool(db.reading().fetch_value("SELECT email_verified_at IS NOT NULL FROM users"))


def test_a_click_on_the_page_of_the_link_verifies_the_address(browser: Browser) -> None:
    link = register(browser)
    for _ in range(2):  # a program that looks through mails may have opened it before
        assert browser.open(link).status_code == 200
    assert not is_verified()
    browser.send("/verify-email")
    assert "Your e-mail address is verified." in browser.page.text
    assert is_verified()


def test_the_link_works_in_a_browser_that_is_not_logged_in(browser: Browser) -> None:
    link = register(browser)
    other = Browser(browser.client.application.test_client())
    other.open(link)
    other.send("/verify-email")
    assert is_verified()


def test_a_spent_link_offers_another_mail(browser: Browser) -> None:
    link = register(browser)
    browser.open(link)
    form = browser.page.form_to("/verify-email")
    browser.send("/verify-email")
    answer = browser.client.post("/verify-email", data=form.fields)
    assert answer.status_code == 422
    assert "This link was used before" in answer.text
    assert 'name="email"' in answer.text


def test_another_mail_is_sent_to_who_asks_for_it(browser: Browser) -> None:
    first = register(browser)
    browser.open("/verify-email")
    browser.send("/verify-email", email="wanjiku@example.com")
    assert "a mail is on its way" in browser.page.text
    (second,) = mailed_links()
    assert first != second
    browser.open(second)
    browser.send("/verify-email")
    assert is_verified()


@pytest.mark.parametrize("path", ["/reset-password", "/verify-email"])
def test_no_other_page_sends_what_was_mailed(browser: Browser, user: User, path: str) -> None:
    ask(browser, user.email)
    (link,) = mailed_links()
    token = link.partition("=")[2]
    for wrong in ("", csrf.masked(b"x" * csrf.SIZE)):
        answer = browser.client.post(path, data={"token": token, "password": NEW, csrf.FIELD: wrong})
        assert answer.status_code == 403
    assert can_log_in(browser.client, user, PASSWORD)
    right = csrf_headers(browser.client)
    assert (
        browser.client.post("/reset-password", data={"token": token, "password": NEW}, headers=right).status_code == 303
    )
