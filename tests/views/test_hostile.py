"""What strangers try: forged headers, names that are markup, addresses of other shops. Each changes nothing."""

from __future__ import annotations

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import notification_services
from tests.api.test_auth_limits import guess
from tests.api.test_passwords import deliver
from tests.factories import PASSWORD, User, make_address, make_notification, make_order, make_product, make_user
from tests.surfing import Browser, csrf_headers, enter
from utils import db

MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture
def user(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def browser(client: FlaskClient, user: User) -> Browser:
    enter(client, user)
    return Browser(client)


def assert_harmless(browser: Browser, path: str) -> None:
    answer = browser.open(path)
    assert answer.status_code == 200, path
    assert "alert(" in answer.text, path  # it is shown
    assert "<script>alert" not in answer.text, path
    assert "<img src=x" not in answer.text, path
    assert "\"'>" not in answer.text, path


# --- headers that a proxy of ours would set


def test_a_forwarded_address_counts_for_nothing_without_a_proxy_of_ours(limited_client: FlaskClient) -> None:
    user = make_user()
    statuses = [
        limited_client.post(
            "/api/auth/login",
            json={"username": user.username, "password": PASSWORD},
            headers={"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"},
        ).status_code
        for number in range(11)
    ]
    assert statuses == [200] * 10 + [429]
    rows = db.reading().fetch_all("SELECT DISTINCT address FROM sessions")
    assert rows == [{"address": "127.0.0.1"}]


def test_no_link_of_a_mail_leads_to_the_host_that_a_request_names(client: FlaskClient, user: User) -> None:
    client.post(
        "/api/auth/forgot-password",
        json={"email": user.email},
        headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    )
    (mail,) = deliver()
    assert "evil.example" not in mail.as_string()
    assert "/reset-password?token=" in mail.get_content()


def test_the_way_to_the_log_in_names_no_host(client: FlaskClient) -> None:
    answer = client.get("/account", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert answer.location == "/login?next=%2Faccount"


def test_a_method_that_a_field_or_header_names_is_not_the_requests(browser: Browser, user: User) -> None:
    overrides = {"X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "DELETE"}
    assert browser.client.get(f"/api/users/{user.id}?_method=DELETE", headers=overrides).status_code == 200
    assert browser.open("/account").status_code == 200


# --- markup where people type, or where their programs do


def test_a_device_that_calls_itself_markup_is_shown_as_text(browser: Browser, user: User) -> None:
    client = browser.client.application.test_client()
    client.post(
        "/api/auth/login",
        json={"username": user.username, "password": PASSWORD},
        headers={"User-Agent": MARKUP},
    )
    assert_harmless(browser, "/account/security")


def test_what_one_is_told_is_shown_as_text(browser: Browser, user: User) -> None:
    make_notification(user, title=MARKUP, text=MARKUP)
    assert notification_services.count_unread(user_id=user.id) == 1
    assert_harmless(browser, "/account/notifications")


def test_names_notes_and_places_of_an_order_are_shown_as_text(browser: Browser, user: User) -> None:
    product = make_product(name=MARKUP)
    there = {"line1": MARKUP, "town": MARKUP, "county": "Nairobi"}
    order = make_order(user, (product.variant, 1), shipping_address=there, note=MARKUP)
    make_address(user, line1=MARKUP, recipient_name="Achieng")
    for path in (f"/orders/{order.id}", "/account/addresses", f"/products/{product.slug}", "/search?q=alert"):
        assert_harmless(browser, path)
    staff = Browser(browser.client.application.test_client())
    enter(staff.client, make_user(role="admin"))
    assert_harmless(staff, f"/admin/orders/{order.id}")


def test_a_reason_that_is_markup_is_shown_as_text(browser: Browser, user: User) -> None:
    order = make_order(user, (make_product().variant, 1))
    headers = csrf_headers(browser.client)
    browser.client.post(f"/orders/{order.id}/cancel", data={"reason": MARKUP}, headers=headers)
    staff = Browser(browser.client.application.test_client())
    enter(staff.client, make_user(role="admin"))
    assert_harmless(staff, f"/admin/orders/{order.id}")


def test_what_is_looked_for_comes_back_as_text(browser: Browser) -> None:
    answer = browser.client.get("/search", query_string={"q": MARKUP})
    assert "<script>alert" not in answer.text
    assert "\"'><" not in answer.text


# --- tokens


@pytest.mark.parametrize("path", ["/", "/account", "/account/security", "/orders", "/checkout", "/nothing-here"])
def test_no_page_holds_a_token_of_its_session(browser: Browser, path: str) -> None:
    with browser.client.session_transaction() as session:
        secrets = [session["access_token"], session["refresh_token"]]
    text = browser.open(path).text
    assert all(secret not in text for secret in secrets)


def test_a_lock_that_somebody_causes_keeps_no_logged_in_owner_out(browser: Browser, user: User) -> None:
    stranger = browser.client.application.test_client()
    for _ in range(6):
        guess(stranger, user.username)
    assert browser.open("/account").status_code == 200
