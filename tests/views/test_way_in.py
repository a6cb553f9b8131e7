"""The way in by pages, without JavaScript: log in, the second step, register, log out, and where one comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth.signals import user_logged_in
from tests.api.test_auth import bearer, close_account
from tests.api.test_auth import log_in as log_in_by_api
from tests.conftest import Clock
from tests.factories import PASSWORD, User, make_product, make_user
from tests.surfing import Browser, csrf_headers
from utils import csrf, db, session_tokens

SESSION = "session"
NEW = {"username": "wanjiku", "email": "wanjiku@example.com", "password": "maji-ya-moto", "phone_number": ""}
LEADS_OUT = ["https://evil.example/", "//evil.example", "/\\evil.example", "/%09/evil.example", "javascript:alert(1)"]


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    return Browser(client)


def log_in(browser: Browser, user: User, password: str = PASSWORD, page: str = "/login") -> Any:
    browser.open(page)
    return browser.send("/login", username=user.username, password=password)


def who(client: FlaskClient) -> str:
    answer = client.get("/api/profile").get_json()
    name: str = answer.get("username") or answer["code"]
    return name


def kept(client: FlaskClient) -> dict[str, Any]:
    with client.session_transaction() as session:
        return dict(session)


# --- log in


def test_a_log_in_leads_home_and_names_who_is_in(browser: Browser, user: User) -> None:
    answer = log_in(browser, user)
    assert (answer.status_code, browser.path) == (200, "/")
    assert user.username in browser.page.text
    assert who(browser.client) == user.username


def test_an_e_mail_address_does_as_well_and_a_blank_beside_it_too(browser: Browser, user: User) -> None:
    browser.open("/login")
    browser.send("/login", username=f" {user.email} ", password=PASSWORD)
    assert who(browser.client) == user.username


def test_the_session_notes_its_device(browser: Browser, user: User) -> None:
    browser.client.environ_base["HTTP_USER_AGENT"] = "Firefox"
    log_in(browser, user)
    assert db.reading().fetch_all("SELECT device, address FROM sessions") == [
        {"device": "Firefox", "address": "127.0.0.1"}
    ]


def test_a_log_in_is_kept_beyond_the_browsers_end(browser: Browser, user: User) -> None:
    browser.open("/login")
    form = browser.page.form_to("/login")
    answer = browser.client.post("/login", data={**form.fields, "username": user.username, "password": PASSWORD})
    assert answer.status_code == 303
    assert "Expires=" in answer.headers["Set-Cookie"]
    assert "HttpOnly" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("typed", [{"password": "not-the-password"}, {"username": "nobody"}])
def test_an_unknown_name_and_a_wrong_password_are_told_alike_and_the_name_stays(
    browser: Browser, user: User, typed: dict[str, str]
) -> None:
    browser.open("/login")
    answer = browser.send("/login", **{"username": user.username, "password": PASSWORD, **typed})
    assert answer.status_code == 422
    assert "The user name, e-mail or password is wrong." in browser.page.text
    assert browser.page.form_to("/login").fields["username"] == typed.get("username", user.username)
    assert browser.page.form_to("/login").fields["password"] == ""
    assert who(browser.client) == "not_logged_in"


def test_what_was_left_empty_is_said_at_its_field(browser: Browser) -> None:
    browser.open("/login")
    answer = browser.send("/login")
    assert answer.status_code == 422
    assert answer.text.count("Please fill this in.") == 2


def test_a_closed_account_does_not_come_in(browser: Browser, user: User) -> None:
    close_account(user_id=user.id)
    assert log_in(browser, user).status_code == 422


def test_guesses_lock_the_account_and_the_page_says_how_long(browser: Browser, user: User, frozen_clock: Clock) -> None:
    for _ in range(5):
        log_in(browser, user, "not-the-password")
    assert log_in(browser, user).status_code == 422
    assert "Wait 30 seconds" in browser.page.text
    frozen_clock.forward(seconds=31)
    assert log_in(browser, user).status_code == 200


def test_trying_at_one_account_is_slowed_down(limited_client: FlaskClient, user: User) -> None:
    browser = Browser(limited_client)
    statuses = [log_in(browser, user, "wrong").status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


def test_who_is_in_needs_no_log_in_page(browser: Browser, user: User) -> None:
    log_in(browser, user)
    for page in ("/login?next=/docs", "/register?next=/docs"):
        browser.open(page)
        assert browser.path == "/docs"


# --- where to


def test_who_must_log_in_comes_back_to_the_page(browser: Browser, user: User) -> None:
    browser.open("/account/security?from=mail")
    assert browser.path.startswith("/login?next=")
    browser.send("/login", username=user.username, password="wrong")
    browser.send("/login", username=user.username, password=PASSWORD)
    assert browser.path == "/account/security?from=mail"


def test_somebody_new_comes_back_to_the_page_as_well(browser: Browser) -> None:
    browser.open("/login?next=/docs")
    browser.open("/register?next=/docs")
    browser.send("/register", **NEW)
    assert browser.path == "/docs"


@pytest.mark.parametrize("wanted", LEADS_OUT)
def test_no_link_leads_out_of_the_shop_after_the_log_in(browser: Browser, user: User, wanted: str) -> None:
    browser.open(f"/login?next={wanted}")
    browser.send("/login", username=user.username, password=PASSWORD)
    assert browser.path == "/"
    answer = browser.client.get(f"/login?next={wanted}")
    assert answer.location == "/"


# --- other people's pages, other people's sessions


@pytest.mark.parametrize("path", ["/login", "/login/code", "/register", "/logout", "/forgot-password"])
def test_no_other_page_can_send_a_form_for_somebody(browser: Browser, user: User, path: str) -> None:
    fields = {"username": user.username, "password": PASSWORD, "email": user.email}
    stranger = browser.client.application.test_client()
    stranger.get("/login")
    theirs = csrf_headers(stranger)[csrf.HEADER]
    for token in ("", "nonsense", theirs):
        answer = browser.client.post(path, data={**fields, csrf.FIELD: token})
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
        assert "Load the page again" in answer.text
    assert db.reading().fetch_value("SELECT COUNT(*) FROM sessions") == 0
    assert db.reading().fetch_value("SELECT COUNT(*) FROM outbox_events") == 0


def test_nothing_of_the_session_before_the_log_in_is_left_after_it(browser: Browser, user: User) -> None:
    browser.open("/login")
    with browser.client.session_transaction() as planted:
        planted["planted"] = "by somebody else"
    before, token = kept(browser.client), csrf_headers(browser.client)
    log_in(browser, user)
    after = kept(browser.client)
    assert "planted" not in after
    assert after[csrf.KEY] != before[csrf.KEY]
    answer = browser.client.post("/logout", headers=token)  # who knew the old session's token knows nothing
    assert answer.status_code == 403


def test_a_cookie_from_before_the_log_in_is_nobodys(app: APIFlask, browser: Browser, user: User) -> None:
    browser.open("/login")
    cookie = browser.client.get_cookie(SESSION)
    assert cookie is not None
    log_in(browser, user)
    other = app.test_client()
    other.set_cookie(SESSION, cookie.value)
    assert who(other) == "not_logged_in"


def test_the_page_of_a_session_that_was_ended_leads_to_the_log_in_once(browser: Browser, user: User) -> None:
    log_in(browser, user)
    db.in_transaction(lambda tx: tx.execute("UPDATE sessions SET revoked_at = created_at"))()
    browser.open("/account/security")
    assert browser.path == "/login?next=%2Faccount%2Fsecurity"
    assert session_tokens.ACCESS not in kept(browser.client)


def test_a_form_that_was_open_when_the_session_ended_leads_to_the_log_in_and_back(browser: Browser, user: User) -> None:
    log_in(browser, user)
    browser.open("/account/security")
    db.in_transaction(lambda tx: tx.execute("UPDATE sessions SET revoked_at = created_at"))()
    form = browser.page.form_to("/account/security/password")
    answer = browser.client.post(
        form.action, data=form.fields, headers={"Referer": "http://localhost/account/security"}
    )
    assert answer.location == "/login?next=%2Faccount%2Fsecurity"


# --- every page


def test_every_page_names_who_is_in_also_one_that_is_not_there(
    browser: Browser, user: User, count_statements: Callable[..., int]
) -> None:
    as_guest = count_statements(lambda: browser.open("/docs"))
    log_in(browser, user)
    for path in ("/", "/design", "/nothing-here"):
        browser.open(path)
        assert user.username in browser.page.text, path
    assert count_statements(lambda: browser.open("/design")) == as_guest + 2  # who asks; what is unread


def test_a_page_for_everybody_is_shown_to_a_browser_whose_session_was_ended(browser: Browser, user: User) -> None:
    log_in(browser, user)
    db.in_transaction(lambda tx: tx.execute("UPDATE sessions SET revoked_at = created_at"))()
    assert browser.open("/").status_code == 200
    assert user.username not in browser.page.text
    assert session_tokens.ACCESS not in kept(browser.client)


def test_staff_without_the_second_factor_that_they_need_are_shown_where_to_set_it_up(browser: Browser) -> None:
    log_in(browser, make_user(role="manager"))
    with config.override(TOTP_REQUIRED_FOR_STAFF=True):
        for page in ("/admin", "/admin/orders"):
            assert browser.open(page).status_code == 403
            assert 'class="button" href="/account/security"' in browser.answer.text
        assert browser.open("/account/security").status_code == 200


# --- the guest's cart


def test_what_a_guest_has_in_his_cart_is_the_customers_after_the_log_in(browser: Browser, user: User) -> None:
    variant = make_product(stock=5).variant
    guest = {"variant_id": str(variant.id), "quantity": "2"}
    assert browser.client.post("/cart", data=guest, headers=csrf_headers(browser.client)).status_code == 303
    log_in(browser, user)
    cart = browser.client.get("/api/cart").get_json()
    assert [(line["variant_id"], line["quantity"]) for line in cart["items"]] == [(variant.id, 2)]


def test_everybody_who_listens_hears_of_a_log_in_and_a_registration(browser: Browser, user: User) -> None:
    heard: list[int] = []

    def listen(_app: object, *, user_id: int) -> None:
        heard.append(user_id)

    with user_logged_in.connected_to(listen):
        log_in(browser, user)
        browser.send("/logout")
        browser.open("/register")
        browser.send("/register", **NEW)
    assert len(heard) == 2
    assert heard[0] == user.id


# --- register, log out


def test_a_registration_logs_in_and_says_that_a_mail_comes(browser: Browser) -> None:
    browser.open("/register")
    answer = browser.send("/register", **NEW)
    assert answer.status_code == 200
    assert "A mail to wanjiku@example.com is on its way" in browser.page.text
    assert who(browser.client) == "wanjiku"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"username": "wa njiku"}, "Must have the form that is asked for."),
        ({"email": "wanjiku"}, "Value is not a valid email address"),
        ({"password": "short"}, "Must have at least 8 characters."),
        ({"password": "password123"}, "Is one of the first that anybody would try"),
        ({"phone_number": "12"}, "phone"),
        ({"username": ""}, "Please fill this in."),
        ({"username": "TAKEN"}, "This user name is taken."),
        ({"email": "taken@example.com"}, "An account with this e-mail address exists."),
    ],
)
def test_a_mistake_is_said_at_its_field_and_nothing_typed_is_lost(
    browser: Browser, typed: dict[str, str], said: str
) -> None:
    make_user(username="taken")
    browser.open("/register")
    answer = browser.send("/register", **{**NEW, **typed})
    assert answer.status_code == 422
    assert said in browser.page.text
    shown = browser.page.form_to("/register").fields
    assert {name: shown[name] for name in NEW} == {**NEW, **typed, "password": ""}
    assert who(browser.client) == "not_logged_in"


def test_of_a_registration_that_was_sent_twice_one_counts(browser: Browser) -> None:
    browser.open("/register")
    form = browser.page.form_to("/register")
    browser.send("/register", **NEW)
    answer = browser.client.post("/register", data={**form.fields, **NEW})  # the form of the session before
    assert answer.status_code == 403
    assert db.reading().fetch_value("SELECT COUNT(*) FROM users") == 1


def test_a_log_out_ends_the_session_for_whoever_kept_its_tokens(browser: Browser, user: User) -> None:
    log_in(browser, user)
    pair = kept(browser.client)
    browser.send("/logout")
    assert "You are logged out." in browser.page.text
    assert who(browser.client) == "not_logged_in"
    answer = browser.client.get("/api/profile", headers=bearer(pair[session_tokens.ACCESS]))
    assert answer.get_json()["code"] == "token_revoked"


def test_a_second_log_out_finds_nothing_to_do(browser: Browser, user: User) -> None:
    log_in(browser, user)
    browser.send("/logout")
    answer = browser.client.post("/logout", headers=csrf_headers(browser.client))
    assert (answer.status_code, answer.location) == (303, "/")


def test_no_link_logs_anybody_out(browser: Browser, user: User) -> None:
    log_in(browser, user)
    assert browser.client.get("/logout").status_code == 405
    assert who(browser.client) == user.username


def test_tokens_of_the_api_are_no_session(browser: Browser, user: User) -> None:
    log_in_by_api(browser.client, user)
    assert who(browser.client) == "not_logged_in"


def test_a_log_in_by_page_costs_the_statements_of_one_by_api_and_one_to_count_the_cart(
    browser: Browser, user: User, count_statements: Callable[..., int]
) -> None:
    browser.open("/login")
    data = {"username": user.username, "password": PASSWORD, **browser.page.form_to("/login").fields}
    data |= {"username": user.username, "password": PASSWORD}
    by_page = count_statements(lambda: browser.client.post("/login", data=data))
    by_api = count_statements(
        lambda: browser.client.application.test_client().post(
            "/api/auth/login", json={"username": user.username, "password": PASSWORD}
        )
    )
    assert by_page == by_api + 1
