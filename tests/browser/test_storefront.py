"""The shop's front, lists and products in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from products import page_services, services
from tests.browser.axe import assert_accessible
from tests.browser.shop import OpenShop
from tests.html import Html

PATHS = ["/", "/search", "/search?q=kanga", "/categories/groceries", "/products/kitenge-shirt", "/design", "/nothing"]
MOST_FOR_HOME = 150_000
FILES = re.compile(r"\.(css|js|woff2)(\?|$)")


@pytest.mark.parametrize("path", PATHS)
def test_everybody_can_use_the_page_by_day(shop: OpenShop, page: Page, path: str) -> None:
    page.goto(path)
    assert_accessible(page)


@pytest.mark.parametrize("path", PATHS)
def test_everybody_can_use_the_page_by_night_on_a_phone(
    shop: OpenShop, open_page: Callable[..., Page], path: str
) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme="dark")
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert_accessible(page)


def test_a_list_is_narrowed_in_place_and_its_address_tells_how(shop: OpenShop, page: Page) -> None:
    page.goto("/categories/fashion")
    page.evaluate("document.body.dataset.here = 'yes'")
    page.get_by_label("Sort by").select_option("price")
    expect(page).to_have_url(re.compile(r"/categories/fashion\?sort=price$"))
    page.get_by_label("Only what is in stock").check()
    expect(page).to_have_url(re.compile(r"in_stock=1"))
    expect(page.get_by_role("link", name="Remove: in stock")).to_be_visible()
    assert page.evaluate("document.body.dataset.here") == "yes"
    page.go_back()
    expect(page.get_by_label("Only what is in stock")).not_to_be_checked()
    page.reload()
    expect(page.get_by_label("Sort by")).to_have_value("price")


def test_a_line_that_breaks_is_told_and_what_was_there_stays(shop: OpenShop, browser: Browser) -> None:
    with browser.new_context(base_url=shop.url) as context:  # a context of its own: that a request fails is meant
        page = context.new_page()
        page.goto("/categories/fashion")
        context.set_offline(True)
        page.get_by_label("Sort by").select_option("price")
        expect(page.locator("#messages")).to_contain_text("could not be reached")
        expect(page.locator(".good").first).to_be_visible()


def test_a_list_is_narrowed_without_javascript(shop: OpenShop, plain: Page) -> None:
    plain.goto("/categories/fashion")
    plain.get_by_label("Only what is in stock").check()
    plain.get_by_role("button", name="Show").click()
    expect(plain.get_by_role("link", name="Remove: in stock")).to_be_visible()


def test_two_options_are_chosen_one_after_the_other(shop: OpenShop, page: Page) -> None:
    variants = [
        {"options": {"Size": "M", "Colour": "Red"}, "price": 1200, "stock": 4},
        {"options": {"Size": "M", "Colour": "Blue"}, "price": 1300, "stock": 0},
        {"options": {"Size": "L", "Colour": "Red"}, "price": 1400, "stock": 1},
    ]
    fields = {"name": "Two-way bag", "options": ["Size", "Colour"], "variants": variants}
    bag = page_services.get_product(key=str(services.create_product(fields=fields, actor_id=None)))
    page.goto(f"/products/{bag['slug']}")
    page.get_by_label("L", exact=True).check()
    page.get_by_label("Red", exact=True).check()
    expect(page.locator("#price")).to_contain_text("1,400.00")
    expect(page.locator("#stock")).to_have_text("Last piece")
    sent = page.evaluate("new FormData(document.querySelector('form.buy')).get('variant_id')")
    assert sent == str(bag["variants"][2]["id"])
    page.get_by_label("Blue", exact=True).check()
    page.get_by_label("M", exact=True).check()
    expect(page.get_by_role("button", name="Sold out")).to_be_disabled()
    assert_accessible(page)
    page.get_by_label("Red", exact=True).check()
    page.get_by_role("button", name="Add to cart").click()
    expect(page).to_have_url(re.compile("/cart$"))
    expect(page.locator("main")).to_contain_text("1,200.00")


def test_the_colours_are_changed_without_javascript_and_stay(shop: OpenShop, plain: Page) -> None:
    plain.goto("/search?q=kanga")
    plain.get_by_role("button", name="Dark").click()
    expect(plain).to_have_url(re.compile(r"/search\?q=kanga$"))
    expect(plain.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_api_can_be_tried_under_the_policy_of_pages(shop: OpenShop, page: Page) -> None:
    page.goto("/docs")
    page.locator("#operations-Catalogue-get_categories").get_by_role("button").first.click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".responses-table.live-responses-table")).to_contain_text("Groceries")


def test_home_comes_in_150_kilobytes_without_its_pictures(shop: OpenShop) -> None:
    """As it goes over the wire: the page, its styles, its scripts, its type."""

    def weigh(address: str) -> tuple[int, requests.Response]:
        answer = requests.get(shop.url + address, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=10)
        weight = len(answer.raw.read(decode_content=False))
        return weight, answer

    total, _ = weigh("/")
    page = Html(requests.get(shop.url, timeout=10).text)
    files = [tag.get("src") or tag.get("href") or "" for name, tag in page.found if name in ("script", "link")]
    loaded = {file for file in files if FILES.search(file)}
    assert len(loaded) >= 4
    total += sum(weigh(file)[0] for file in loaded)
    assert total < MOST_FOR_HOME
