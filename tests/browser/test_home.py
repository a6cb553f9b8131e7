"""The first page that anybody sees."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.shop import OpenShop


def test_home_is_accessible_and_shows_the_shelf(shop: OpenShop, page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.get_by_role("listitem").count() > 10
    assert_accessible(page)


def test_home_fits_on_a_small_phone(shop: OpenShop, phone: Page) -> None:
    phone.goto("/")
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    assert_accessible(phone)


def test_home_is_whole_without_javascript(shop: OpenShop, plain: Page) -> None:
    plain.goto("/")
    expect(plain.get_by_role("heading", level=1)).to_be_visible()
