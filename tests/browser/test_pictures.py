"""The pictures of docs/: the demo shop as one sees it who walks in, buys and pays. They are drawn when they are asked
for (bin/test --pictures), then in a shop in which nobody else has been; the walk itself is tried each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.buying import assert_paid, fill_in, id_of, order, see
from tests.browser.conftest import OpenPage
from tests.browser.shop import OpenShop, open_shop

Picture = Callable[..., None]

WANTED = ("kiondo-basket", "kahawa-aa-coffee-beans", "enamel-mugs")


@pytest.fixture(scope="module")
def open_shop_of_this_run(
    open_shop_of_this_run: OpenShop, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenShop]:
    if not os.environ.get("DUKA_PICTURES"):
        yield open_shop_of_this_run
        return
    with open_shop(server_url, tmp_path_factory.mktemp("pictures"), name="pictures") as shop:
        yield shop


@pytest.fixture
def phone(open_page: OpenPage) -> Page:
    return open_page(viewport={"width": 390, "height": 900}, device_scale_factor=2, has_touch=True, is_mobile=True)


def test_somebody_looks_round(open_page: OpenPage, picture: Picture) -> None:
    page = open_page(viewport={"width": 1280, "height": 1000})
    for path, name in (("/", "storefront"), ("/products/kitenge-shirt", "product")):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_load_state("networkidle")
        picture(page, name)
    phone = open_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True, color_scheme="dark")
    phone.goto("/categories/fashion")
    phone.wait_for_load_state("networkidle")
    picture(phone, "category-on-a-phone")


def test_somebody_buys_and_pays(page: Page, phone: Page, picture: Picture) -> None:
    for slug in WANTED:
        page.goto(f"/products/{slug}")
        for choice in page.locator("form.buy fieldset:visible").all():
            choice.locator("label.choice", has=page.locator("input:enabled")).first.click()
        page.get_by_role("button", name="Add to cart").click()
        expect(page.get_by_role("heading", name="Your cart")).to_be_visible()
    page.goto("/cart")
    picture(page, "cart")
    fill_in(page, "0712 345 620")
    page.evaluate("document.activeElement.blur()")
    picture(page, "checkout", full_page=True)
    order_id = order(page)

    phone.context.add_cookies(page.context.cookies())
    phone.goto(f"/orders/{order_id}/pay")
    see(phone, "Check your phone")
    picture(phone, "mpesa-wait")
    see(phone, "Paid. Asante sana!")
    picture(phone, "mpesa-paid")
    page.goto(f"/orders/{order_id}")
    picture(page, "order", full_page=True)
    assert id_of(page) == order_id
    assert_paid(order_id)
