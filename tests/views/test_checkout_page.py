"""Checkout and what follows it, as a browser without JavaScript sees it; the provider is scripted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from cart import services as cart
from cart import tokens
from cart.owner_services import Owner
from orders import guest_keys, viewers
from tests.daraja import Daraja
from tests.factories import Product, User, make_address, make_order, make_product, make_user
from tests.surfing import Browser, enter
from tests.views.test_cart_page import put_in, set_price
from utils import db

Count = Callable[[Callable[[], Any]], int]

TYPED = {
    "email": "achieng@example.com",
    "phone_number": "0712 345 678",
    "recipient_name": "Achieng Otieno",
    "line1": "Moi Avenue 12",
    "town": "Nairobi",
    "county": "Nairobi",
}


@pytest.fixture
def product(app: Any) -> Product:
    return make_product(name="Kikoi", price="850.00", stock=3)


@pytest.fixture
def browser(client: FlaskClient, daraja: Daraja) -> Browser:
    return Browser(client)


@pytest.fixture
def at_checkout(browser: Browser, product: Product) -> Browser:
    """A guest with one kikoi."""
    put_in(browser, product)
    browser.open("/checkout")
    return browser


def orders() -> list[dict[str, Any]]:
    return db.reading().fetch_all(
        """
        SELECT o.id, o.user_id, o.email, o.phone_number, o.status, o.payment_status, o.total,
               (SELECT COUNT(*) FROM payments p WHERE p.order_id = o.id) AS prompts
          FROM orders o
         ORDER BY o.id
        """
    )


def test_what_was_ordered_and_where_it_goes_stays_in_no_cache(browser: Browser, product: Product) -> None:
    user = make_user()
    enter(browser.client, user)
    put_in(browser, product)
    placed = make_order(user, (product.variant, 1))
    for page in ("/checkout", "/orders", f"/orders/{placed.id}", f"/orders/{placed.id}/pay"):
        assert browser.open(page).headers["Cache-Control"] == "no-store", page


def test_a_guest_orders_and_is_told_to_check_the_phone(at_checkout: Browser) -> None:
    at_checkout.send("/checkout", **TYPED)
    (placed,) = orders()
    assert at_checkout.path == f"/orders/{placed['id']}/pay"
    assert "Check your phone" in at_checkout.page.text
    assert (placed["user_id"], placed["email"], placed["phone_number"]) == (None, TYPED["email"], "254712345678")
    assert (placed["payment_status"], placed["prompts"]) == ("pending", 1)
    assert "nothing in it yet" in at_checkout.open("/cart").text


def test_what_is_missing_is_told_beside_its_field_and_what_was_typed_stays(at_checkout: Browser) -> None:
    answer = at_checkout.send("/checkout", **{**TYPED, "email": "achieng", "phone_number": "12", "county": ""})
    assert answer.status_code == 422
    assert orders() == []
    assert "must be a Kenyan mobile number" in at_checkout.page.text.replace("Must", "must")
    fields = at_checkout.page.form_to("/checkout").fields
    assert (fields["line1"], fields["phone_number"], fields["email"]) == ("Moi Avenue 12", "12", "achieng")
    assert at_checkout.send("/checkout", **TYPED).status_code == 200
    assert len(orders()) == 1


def test_the_same_page_sent_again_leads_to_the_order_that_is_there(at_checkout: Browser, product: Product) -> None:
    page = at_checkout.page
    at_checkout.send("/checkout", **TYPED)
    put_in(at_checkout, product)  # so that it is not the empty cart that keeps it from being ordered
    at_checkout.page = page
    at_checkout.send("/checkout", **{**TYPED, "line1": "Kimathi Street 3"})
    (placed,) = orders()
    assert at_checkout.path == f"/orders/{placed['id']}/pay"
    assert "You have ordered this already" in at_checkout.page.text
    assert placed["prompts"] == 1


def test_a_second_tab_finds_nothing_left_to_order(at_checkout: Browser) -> None:
    first, second = at_checkout.page, at_checkout.open("/checkout") and at_checkout.page
    assert first.form_to("/checkout").fields["checkout_key"] != second.form_to("/checkout").fields["checkout_key"]
    at_checkout.page = first
    at_checkout.send("/checkout", **TYPED)
    at_checkout.page = second
    at_checkout.send("/checkout", **TYPED)
    assert at_checkout.path == "/cart"
    assert len(orders()) == 1


def test_the_answer_to_a_click_that_was_lost_is_found_again_by_a_guest(at_checkout: Browser) -> None:
    """The browser gave up the first answer, and with it the cookie that holds the key to the order."""
    page = at_checkout.page
    at_checkout.send("/checkout", **TYPED)
    at_checkout.client.delete_cookie(viewers.COOKIE)
    at_checkout.page = page
    at_checkout.send("/checkout", **TYPED)
    assert at_checkout.path == f"/orders/{orders()[0]['id']}/pay"


def test_another_price_than_was_shown_is_told_before_anything_is_ordered(
    at_checkout: Browser, product: Product
) -> None:
    set_price(product, "900.00")
    assert at_checkout.send("/checkout", **TYPED).status_code == 422
    assert "together it is KSh\N{NO-BREAK SPACE}900.00 now" in at_checkout.page.text
    assert orders() == []
    at_checkout.send("/checkout", **TYPED)
    assert orders()[0]["total"] == 900


def test_what_somebody_else_bought_meanwhile_leads_back_to_the_cart(at_checkout: Browser, product: Product) -> None:
    make_order(make_user(), (product.variant, 3))
    at_checkout.send("/checkout", **TYPED)
    assert at_checkout.path == "/cart"
    assert "cannot be had any more" in at_checkout.page.text
    assert len(orders()) == 1


def test_an_empty_cart_has_no_checkout(browser: Browser) -> None:
    browser.open("/checkout")
    assert browser.path == "/cart"


@pytest.mark.parametrize("key", ["", "1", "x" * 32])
def test_a_page_without_a_good_key_orders_nothing(at_checkout: Browser, key: str) -> None:
    assert at_checkout.send("/checkout", **TYPED, checkout_key=key).status_code == 422
    assert orders() == []
    at_checkout.send("/checkout", **TYPED)  # the page that came back has one
    assert len(orders()) == 1


def test_a_form_of_another_site_orders_nothing(at_checkout: Browser) -> None:
    assert at_checkout.send("/checkout", **TYPED, csrf_token="").status_code == 403
    assert orders() == []


def test_paying_on_delivery_sends_no_prompt(at_checkout: Browser, daraja: Daraja) -> None:
    at_checkout.send("/checkout", **TYPED, payment_method="cod")
    (placed,) = orders()
    assert at_checkout.path == f"/orders/{placed['id']}"
    assert (placed["status"], placed["prompts"]) == ("processing", 0)
    assert "You pay when it comes" in at_checkout.open(f"/orders/{placed['id']}/pay").text


# --- customers


@pytest.fixture
def customer(browser: Browser, product: Product) -> User:
    user = make_user(phone_number="254712345678")
    cart.add_item(owner=Owner(user_id=user.id), choice={"variant_id": product.variant.id}, quantity=1)
    enter(browser.client, user)
    return user


def test_a_customer_orders_to_an_address_of_the_book(browser: Browser, customer: User) -> None:
    address_id = make_address(customer)["id"]
    browser.open("/checkout")
    assert browser.page.form_to("/checkout").fields["address_id"] == str(address_id)
    browser.send("/checkout")
    (placed,) = orders()
    assert (placed["user_id"], placed["email"], placed["phone_number"]) == (customer.id, customer.email, "254712345678")


def test_an_address_of_somebody_elses_book_is_refused(browser: Browser, customer: User) -> None:
    theirs = make_address(make_user())["id"]
    browser.open("/checkout")
    assert browser.send("/checkout", **TYPED, address_id=str(theirs)).status_code == 422
    assert orders() == []


def test_a_customers_order_is_no_guests(browser: Browser, customer: User) -> None:
    browser.open("/checkout")
    browser.send("/checkout", **TYPED)
    assert browser.client.get_cookie(viewers.COOKIE) is None


# --- whose order it is


@pytest.fixture
def guests_order(at_checkout: Browser) -> int:
    at_checkout.send("/checkout", **TYPED)
    order_id: int = orders()[0]["id"]
    return order_id


PAGES = ["/orders/{}", "/orders/{}/pay", "/orders/{}/pay/state"]


@pytest.mark.parametrize("path", PAGES)
def test_a_guests_order_is_shown_to_who_holds_its_key(at_checkout: Browser, guests_order: int, path: str) -> None:
    assert at_checkout.client.get(path.format(guests_order)).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_a_guest_without_the_key_is_led_to_the_log_in(at_checkout: Browser, guests_order: int, path: str) -> None:
    at_checkout.client.delete_cookie(viewers.COOKIE)
    answer = at_checkout.client.get(path.format(guests_order))
    assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/login")


@pytest.mark.parametrize("path", PAGES)
def test_a_customer_without_the_key_does_not_see_a_guests_order(
    at_checkout: Browser, guests_order: int, path: str
) -> None:
    at_checkout.client.delete_cookie(viewers.COOKIE)
    enter(at_checkout.client, make_user())
    assert at_checkout.client.get(path.format(guests_order)).status_code == 404


def test_the_key_to_one_order_opens_no_other(at_checkout: Browser, guests_order: int, product: Product) -> None:
    other = make_order(make_user(), (product.variant, 1))
    assert at_checkout.client.get(f"/orders/{other.id}").status_code == 303


def test_the_link_of_the_mail_gives_another_browser_the_key(app: Any, guests_order: int) -> None:
    elsewhere = Browser(app.test_client())
    elsewhere.open(f"/orders/open/{guest_keys.make_key([guests_order])}")
    assert elsewhere.path == f"/orders/{guests_order}"
    assert "What you ordered" in elsewhere.page.text
    cookie = elsewhere.client.get_cookie(viewers.COOKIE)
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")


def test_a_link_that_was_tampered_with_opens_nothing(browser: Browser, guests_order: int) -> None:
    assert browser.open(f"/orders/open/{guest_keys.make_key([guests_order])}x").status_code == 404


def test_a_guest_finds_his_orders_in_his_list(at_checkout: Browser, guests_order: int, app: Any) -> None:
    assert f"/orders/{guests_order}" in at_checkout.open("/orders").text
    assert "No orders of this browser" in Browser(app.test_client()).open("/orders").text


# --- paying and cancelling


def test_while_a_prompt_is_open_no_other_is_sent(at_checkout: Browser, guests_order: int) -> None:
    send_prompt(at_checkout, guests_order)
    assert at_checkout.path == f"/orders/{guests_order}/pay"
    assert "Check your phone" in at_checkout.page.text
    assert orders()[0]["prompts"] == 1


def send_prompt(browser: Browser, order_id: int, phone: str = "0712345678") -> Any:
    """Send the form that stood on the page before the prompt."""
    token = browser.page.forms[-1].fields["csrf_token"]
    path = f"/orders/{order_id}/pay"
    return browser._look(path, lambda: browser.client.post(path, data={"csrf_token": token, "phone_number": phone}))


def test_a_wrong_phone_is_told_beside_the_field(at_checkout: Browser, guests_order: int) -> None:
    answer = send_prompt(at_checkout, guests_order, "12")
    assert answer.status_code == 422


def test_the_state_is_answered_with_nothing_while_it_is_what_was_seen(at_checkout: Browser, guests_order: int) -> None:
    found = re.search(r'data-state="([^"]+)"', at_checkout.answer.text)
    assert found
    state = f"/orders/{guests_order}/pay/state"
    assert at_checkout.client.get(state, query_string={"seen": found[1]}).status_code == 204
    assert "Check your phone" in at_checkout.client.get(state, query_string={"seen": "older"}).text


def test_a_page_without_a_script_loads_itself_anew_while_it_waits_and_then_no_more(
    at_checkout: Browser, guests_order: int
) -> None:
    assert 'http-equiv="refresh"' in at_checkout.answer.text
    at_checkout.open(f"/orders/{guests_order}")
    at_checkout.send(f"/orders/{guests_order}/cancel", reason="too slow")
    assert 'http-equiv="refresh"' not in at_checkout.open(f"/orders/{guests_order}/pay").text


def test_an_order_is_cancelled_once(at_checkout: Browser, guests_order: int, product: Product) -> None:
    at_checkout.open(f"/orders/{guests_order}")
    page = at_checkout.page
    at_checkout.send(f"/orders/{guests_order}/cancel", reason="Changed my mind")
    assert "Changed my mind" in at_checkout.page.text
    at_checkout.page = page
    at_checkout.send(f"/orders/{guests_order}/cancel")
    assert "too late to cancel" in at_checkout.page.text
    assert orders()[0]["status"] == "cancelled"


def test_the_paybill_is_named_with_the_account_and_the_amount_to_type(at_checkout: Browser, guests_order: int) -> None:
    number = db.reading().fetch_value("SELECT number FROM orders WHERE id = %(id)s", {"id": guests_order})
    for typed in ("174379", number, "850"):
        assert f"<code>{typed}</code>" in at_checkout.answer.text


# --- what it costs


def test_the_statements_of_the_pages_are_counted(
    browser: Browser, customer: User, product: Product, count_statements: Count
) -> None:
    placed = make_order(customer, (product.variant, 1))
    pages = {
        "/checkout": 4,
        "/orders": 4,
        f"/orders/{placed.id}": 6,
        f"/orders/{placed.id}/pay": 6,
        f"/orders/{placed.id}/pay/state": 5,
    }
    counted = {path: count_statements(lambda path=path: browser.client.get(path)) for path in pages}
    assert counted == pages


def test_the_cookies_of_guests_are_for_this_shop_alone(at_checkout: Browser, guests_order: int) -> None:
    for name in (tokens.COOKIE, viewers.COOKIE):
        cookie = at_checkout.client.get_cookie(name)
        assert cookie is not None
        assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")
