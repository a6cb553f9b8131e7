"""Buying in a browser, as a guest and as a customer, with each story that the simulator can play."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.buying import assert_paid, assert_unpaid, facts_of, fill_in, order, put_in_cart, see
from tests.browser.shop import OpenShop
from tests.factories import PASSWORD, Product, make_order, make_product, make_user

LogIn = Callable[[Page, str, str], None]

PAID = "Paid. Asante sana!"
# What the page says in the end, by the last digits of the phone.
PAYING = ["11", "20", "33", "44", "54", "70", "99"]
FAILING = {
    "01": "There was too little money",
    "21": "The PIN was wrong",
    "32": "The prompt was cancelled",
    "37": "The phone was not reached",
    "40": "No prompt was sent",
    "43": "No prompt was sent",
    "50": "No prompt was sent",
}
TOLD_BESIDE = {
    "40": "M-Pesa refused the request",
    "43": "M-Pesa cannot be reached just now",
    "50": "M-Pesa cannot be reached just now",
}


@pytest.fixture
def basket(shop: OpenShop) -> Product:
    return make_product(name="Market basket", price="1250.00", stock=20)


@pytest.mark.parametrize("suffix", PAYING)
def test_a_guest_buys_and_sees_it_paid(page: Page, basket: Product, suffix: str) -> None:
    put_in_cart(page, basket)
    fill_in(page, f"07123456{suffix}")
    page.set_default_timeout(40_000)
    order_id = order(page)
    expect(page.get_by_role("heading", level=1, name=PAID)).to_be_visible(timeout=40_000)
    assert_paid(order_id)


@pytest.mark.parametrize(("suffix", "heading"), FAILING.items())
def test_what_fails_is_told_in_words_and_paid_from_another_phone(
    page: Page, basket: Product, suffix: str, heading: str
) -> None:
    put_in_cart(page, basket)
    fill_in(page, f"07123456{suffix}")
    order_id = order(page)
    if suffix in TOLD_BESIDE:
        expect(page.get_by_text(TOLD_BESIDE[suffix])).to_be_visible()
    see(page, heading)
    assert_accessible(page)
    assert_unpaid(order_id)
    page.get_by_label("Phone that pays").fill("+254 712 345 699")
    page.get_by_role("button", name="Send the prompt again").click()
    see(page, PAID)
    assert_paid(order_id, prompts=2)


def test_a_customer_buys_from_the_log_in_to_the_order(page: Page, basket: Product, log_in: LogIn) -> None:
    put_in_cart(page, basket, 2)
    customer = make_user(phone_number="254712345688")
    log_in(page, customer.username, PASSWORD)
    page.goto("/cart")
    expect(page.get_by_text("KSh\N{NO-BREAK SPACE}2,500.00").first).to_be_visible()  # it came with him
    page.goto("/checkout")
    expect(page.get_by_label("M-Pesa phone")).to_have_value("0712345688")
    fill_in(page, "0712 345 688", email=None)
    order_id = order(page)
    see(page, PAID)
    page.get_by_role("link", name="See the order").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    expect(page.get_by_text("M-Pesa receipt")).to_be_visible()
    assert_accessible(page)
    page.goto("/orders")
    expect(page.get_by_role("listitem").filter(has_text="Market basket")).to_have_count(1)
    assert_accessible(page)
    assert_paid(order_id)


def have_prompt_sent(page: Page, suffix: str) -> None:
    """Ask for a prompt on the pay page that is open, and wait until it tells of the new one."""
    before = page.locator("#payment").get_attribute("data-state")
    page.get_by_label("Phone that pays").fill(f"07123457{suffix}")
    page.get_by_role("button", name="Send the prompt").click()
    expect(page.locator("#payment")).not_to_have_attribute("data-state", before or "")


def test_a_customers_order_stands_through_every_failure_until_it_is_paid(
    page: Page, basket: Product, log_in: LogIn
) -> None:
    customer = make_user()
    log_in(page, customer.username, PASSWORD)
    placed = make_order(customer, (basket.variant, 1))
    page.goto(f"/orders/{placed.id}/pay")
    for count, (suffix, heading) in enumerate(FAILING.items(), start=1):
        have_prompt_sent(page, suffix)
        see(page, heading)
        assert_unpaid(placed.id, prompts=count)
    have_prompt_sent(page, "99")
    see(page, PAID)
    assert_paid(placed.id, prompts=len(FAILING) + 1)


def test_a_customer_sees_every_story_that_ends_well(page: Page, basket: Product, log_in: LogIn) -> None:
    customer = make_user()
    log_in(page, customer.username, PASSWORD)
    for suffix in PAYING:
        placed = make_order(customer, (basket.variant, 1))
        page.goto(f"/orders/{placed.id}/pay")
        have_prompt_sent(page, suffix)
        see(page, PAID)
        assert_paid(placed.id)


def test_paying_on_delivery_needs_no_prompt(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345699")
    page.get_by_label("When it is delivered").check()
    order_id = order(page)
    expect(page.get_by_text("being packed", exact=True)).to_be_visible()
    assert facts_of(order_id)["prompts"] == 0


def test_an_order_is_cancelled_by_the_guest_who_placed_it(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345632")
    order_id = order(page)
    see(page, "The prompt was cancelled")
    page.get_by_role("link", name="See the order").click()
    page.get_by_text("Cancel this order").click()
    page.get_by_label("Why?").fill("Changed my mind")
    page.get_by_role("button", name="Cancel the order").click()
    expect(page.get_by_text("Changed my mind")).to_be_visible()
    assert_accessible(page)
    assert facts_of(order_id)["status"] == "cancelled"
