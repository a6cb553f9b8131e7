"""The ways round the straight one: a second tab, the Back button, no JavaScript, a small phone, money paid by hand."""

from __future__ import annotations

import re

import pytest
import requests
from apiflask import APIFlask
from playwright.sync_api import Page, expect

from payments import attempt_services
from tests.browser.axe import assert_accessible
from tests.browser.buying import (
    GOES_PAST,
    assert_paid,
    assert_unpaid,
    facts_of,
    fill_in,
    id_of,
    order,
    orders_of,
    put_in_cart,
    see,
)
from tests.browser.conftest import OpenPage
from tests.browser.shop import OpenShop
from tests.factories import Product, make_product
from utils import clock, db

PAID = "Paid. Asante sana!"
ORDER = re.compile("^Order for")


@pytest.fixture
def basket(shop: OpenShop) -> Product:
    return make_product(name="Market basket", price="1250.00", stock=20)


def number_of(order_id: int) -> str:
    number: str = db.reading().fetch_value("SELECT number FROM orders WHERE id = %(id)s", {"id": order_id})
    db.release()
    return number


# --- twice


def test_a_second_tab_neither_orders_nor_prompts_again(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345620")
    second = page.context.new_page()
    fill_in(second, "0712345699")
    order_id = order(page)
    second.get_by_role("button", name=ORDER).click()
    expect(second.get_by_text("There is nothing in your cart to be ordered")).to_be_visible()
    second.goto(f"/orders/{order_id}/pay")
    see(page, PAID)
    see(second, PAID)
    assert_paid(order_id)
    assert orders_of(basket) == 1


def test_back_to_the_checkout_and_once_more_leads_to_the_same_order(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345620")
    order_id = order(page)
    page.go_back()
    if page.url.endswith("/checkout"):  # else the browser asked us, and the empty cart was the answer
        page.get_by_role("button", name=ORDER).click()
        page.wait_for_url(GOES_PAST)
        assert id_of(page) == order_id
    page.goto(f"/orders/{order_id}/pay")
    see(page, PAID)
    assert_paid(order_id)
    assert orders_of(basket) == 1


def test_back_from_a_failure_and_the_prompt_again_is_one_prompt_more(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345632")
    order_id = order(page)
    see(page, "The prompt was cancelled")
    page.get_by_label("Phone that pays").fill("0712345620")
    page.get_by_role("button", name="Send the prompt again").click()
    see(page, "Check your phone")
    page.go_back()
    page.goto(f"/orders/{order_id}/pay")
    see(page, PAID)
    assert_paid(order_id, prompts=2)


def test_two_clicks_on_the_button_are_one_order(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345699")
    page.get_by_role("button", name=ORDER).dblclick()
    page.wait_for_url(GOES_PAST)
    order_id = id_of(page)
    see(page, PAID)
    assert_paid(order_id)
    assert orders_of(basket) == 1


# --- after the minute, and by hand


def test_when_nothing_is_heard_for_a_minute_another_prompt_can_be_had(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345620")
    order_id = order(page)
    see(page, "Check your phone")
    let_the_minute_pass(order_id)
    assert attempt_services.give_up_dead_prompts() <= 1  # the worker may have been quicker
    see(page, "Nothing heard from M-Pesa yet")
    assert_accessible(page)
    see(page, PAID)  # the first prompt is confirmed after all
    assert_paid(order_id)


@db.in_transaction
def let_the_minute_pass(tx: db.Tx, order_id: int) -> None:
    tx.execute(
        "UPDATE payments SET prompt_until = %(now)s WHERE order_id = %(id)s", {"id": order_id, "now": clock.now()}
    )


def test_the_paybill_is_paid_by_hand_with_what_the_page_says(
    page: Page, basket: Product, shop: OpenShop, session_app: APIFlask
) -> None:
    assert session_app.test_cli_runner().invoke(args=["payments", "register-c2b"]).exit_code == 0
    put_in_cart(page, basket)
    fill_in(page, "0712345601")
    order_id = order(page)
    see(page, "There was too little money")
    typed = page.locator(".by-hand code").all_inner_texts()
    assert typed == [shop.settings.MPESA_SHORTCODE, number_of(order_id), "1250"]
    pay_by_hand(shop, account=typed[1], amount=int(typed[2]))
    see(page, PAID)
    assert_paid(order_id, prompts=2)  # the second is the money that came by hand


def pay_by_hand(shop: OpenShop, *, account: str, amount: int) -> None:
    body = {"phone": "0712345678", "amount": amount, "account": account}
    assert requests.post(f"{shop.simulator_url}/simulator/c2b", json=body, timeout=10).status_code == 200


# --- without JavaScript


def test_without_javascript_a_guest_buys_and_sees_it_paid(plain: Page, basket: Product) -> None:
    put_in_cart(plain, basket)
    fill_in(plain, "0712345699")
    order_id = order(plain)
    see(plain, PAID)  # the page loads itself anew
    assert_paid(order_id)


def test_without_javascript_a_failure_is_told_and_another_phone_pays(plain: Page, basket: Product) -> None:
    put_in_cart(plain, basket)
    fill_in(plain, "0712345632")
    order_id = order(plain)
    see(plain, "The prompt was cancelled")
    plain.get_by_label("Phone that pays").fill("0112 345 699")
    plain.get_by_role("button", name="Send the prompt again").click()
    see(plain, PAID)
    assert_paid(order_id, prompts=2)


def test_without_javascript_what_is_wrong_is_told_beside_its_field(plain: Page, basket: Product) -> None:
    put_in_cart(plain, basket)
    fill_in(plain, "0712")
    plain.get_by_role("button", name=ORDER).click()
    expect(plain.get_by_text("Must be a Kenyan mobile number")).to_be_visible()
    expect(plain.get_by_label("Street, building or landmark")).to_have_value("Moi Avenue 12")
    assert orders_of(basket) == 0


# --- on a small phone, and for everybody


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360, page.url
    assert_accessible(page)


def test_every_page_of_a_purchase_fits_a_small_phone_and_is_accessible(phone: Page, basket: Product) -> None:
    phone.goto("/cart")
    assert_fits(phone)
    put_in_cart(phone, basket, 2)
    assert_fits(phone)
    fill_in(phone, "0712345620")
    assert_fits(phone)
    order_id = order(phone)
    see(phone, "Check your phone")
    assert_fits(phone)
    see(phone, PAID)
    assert_fits(phone)
    for path in (f"/orders/{order_id}", "/orders"):
        phone.goto(path)
        assert_fits(phone)
    assert_paid(order_id)


def test_what_is_wrong_on_the_checkout_is_accessible_too(page: Page, basket: Product) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712")
    page.get_by_role("button", name=ORDER).click()
    expect(page.get_by_text("Must be a Kenyan mobile number")).to_be_visible()
    assert_accessible(page)


def test_the_pages_are_accessible_in_the_dark(open_page: OpenPage, basket: Product) -> None:
    page = open_page(color_scheme="dark")
    put_in_cart(page, basket)
    assert_accessible(page)
    fill_in(page, "0712345632")
    assert_accessible(page)
    order_id = order(page)
    see(page, "The prompt was cancelled")
    assert_accessible(page)
    page.goto(f"/orders/{order_id}")
    assert_accessible(page)
    assert_unpaid(order_id)


def test_a_guest_comes_back_by_the_link_of_the_mail(
    page: Page, open_page: OpenPage, basket: Product, shop: OpenShop
) -> None:
    put_in_cart(page, basket)
    fill_in(page, "0712345699", email="baraka@example.com")
    order_id = order(page)
    see(page, PAID)
    elsewhere = open_page()
    elsewhere.goto(link_in_mail(shop, "baraka@example.com"))
    expect(elsewhere.get_by_role("heading", name=f"Order {number_of(order_id)}")).to_be_visible()
    assert facts_of(order_id)["payment_status"] == "paid"


def link_in_mail(shop: OpenShop, to: str) -> str:
    letters = [path.read_text() for path in shop.mails.glob("order.p*.eml")]
    (found, *_) = [letter for letter in letters if to in letter]
    link = re.search(r"\S+/orders/open/\S+", found.replace("=\n", ""))
    assert link
    return link[0]
