"""The way in and the security page in a browser: for everybody, on a small phone, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyotp
import pytest
import requests
from playwright.sync_api import Page, expect

from auth import session_services
from tests.browser.axe import assert_accessible
from tests.browser.shop import OpenShop
from tests.factories import PASSWORD, make_user

LogIn = Callable[[Page, str, str], None]
OPEN_TO_ALL = ["/login", "/register", "/forgot-password", "/verify-email", "/verify-email?token=x", "/reset-password"]


@pytest.mark.parametrize("path", OPEN_TO_ALL)
def test_everybody_can_come_in_by_day(shop: OpenShop, page: Page, path: str) -> None:
    page.goto(path)
    assert_accessible(page)


@pytest.mark.parametrize("path", OPEN_TO_ALL)
def test_everybody_can_come_in_by_night_on_a_phone(shop: OpenShop, open_page: Callable[..., Page], path: str) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme="dark")
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert_accessible(page)


def test_a_mistake_is_told_at_its_field_to_those_who_listen_too(shop: OpenShop, page: Page) -> None:
    page.goto("/register")
    page.get_by_label("User name").fill("x")
    page.get_by_label("E-mail").fill("x@example.com")
    page.get_by_label("Password").fill("password123")
    page.get_by_role("button", name="Open the account").click()
    expect(page.get_by_label("User name")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Password")).to_have_accessible_description(re.compile("one of the first"))
    expect(page.get_by_label("E-mail")).to_have_value("x@example.com")
    assert_accessible(page)


@pytest.mark.parametrize("where", ["phone", "plain"])
def test_the_second_factor_is_switched_on_and_asked_for(
    shop: OpenShop, log_in: LogIn, request: pytest.FixtureRequest, where: str
) -> None:
    page: Page = request.getfixturevalue(where)
    user = make_user()
    elsewhere = {"username": user.username, "password": PASSWORD}
    assert requests.post(f"{shop.url}/api/auth/login", json=elsewhere, timeout=10).status_code == 200
    log_in(page, user.username, PASSWORD)
    page.goto("/account/security")
    expect(page.get_by_role("button", name="End this one")).to_have_count(1)
    if where == "phone":
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert_accessible(page)
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("img", name="QR code with the secret below")).to_be_visible()
    authenticator = pyotp.TOTP(page.locator("#secret").inner_text())
    if where == "phone":
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert_accessible(page)
    page.get_by_label("The code that it shows now").fill(authenticator.now())
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("heading", name="Your recovery codes")).to_be_visible()
    code = page.locator(".codes code").first.inner_text()
    if where == "phone":
        assert_accessible(page)
    page.get_by_role("link", name="I have them").click()
    page.get_by_role("button", name="Log out everywhere").click()
    expect(page).to_have_url(f"{shop.url}/")
    page.goto("/account/security")
    page.get_by_label("User name or e-mail").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Code of your authenticator")).to_be_focused()
    if where == "phone":
        assert_accessible(page)
    page.get_by_label("Code of your authenticator").fill(code)
    page.locator("main").get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/account/security$"))
    expect(page.get_by_text("9 recovery codes left")).to_be_visible()


def test_who_is_logged_out_sees_nothing_more_by_going_back(shop: OpenShop, page: Page, log_in: LogIn) -> None:
    user = make_user()
    log_in(page, user.username, PASSWORD)
    page.goto("/account/security")
    page.get_by_role("button", name="Log out everywhere").click()
    expect(page).to_have_url(f"{shop.url}/")
    page.go_back()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_search_on_the_desk_after_the_session_ended_leads_to_the_log_in_and_back(
    shop: OpenShop, page: Page, log_in: LogIn
) -> None:
    staff = make_user(role="admin")
    log_in(page, staff.username, PASSWORD)
    page.goto("/admin/orders")
    session_services.log_out_everywhere(user_id=staff.id)
    page.locator("#pick-q").press_sequentially("KX")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert "next=%2Fadmin%2Forders" in page.url
