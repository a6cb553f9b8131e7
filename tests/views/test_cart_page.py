"""The page of the cart, as a browser without JavaScript sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from cart import counts, tokens
from cart import services as cart
from cart.owner_services import Owner
from tests.factories import Product, make_product, make_user
from tests.surfing import Browser, enter
from utils import db

Count = Callable[[Callable[[], Any]], int]


@pytest.fixture
def product(app: Any) -> Product:
    return make_product(name="Kikoi", price="850.00", stock=3)


@pytest.fixture
def browser(client: FlaskClient) -> Browser:
    return Browser(client)


def put_in(browser: Browser, product: Product, quantity: int = 1) -> Any:
    browser.open(f"/products/{product.slug}")
    return browser.send("/cart", quantity=str(quantity))


def line_of(browser: Browser) -> str:
    return next(form.action for form in browser.page.forms if form.action.startswith("/cart/"))


def set_price(product: Product, price: str) -> None:
    @db.in_transaction
    def write(tx: db.Tx) -> None:
        tx.execute(
            "UPDATE variants SET price = %(price)s WHERE product_id = %(id)s", {"price": price, "id": product.id}
        )
        tx.execute(
            "UPDATE products SET price = %(price)s, price_max = %(price)s, version = version + 1 WHERE id = %(id)s",
            {"price": price, "id": product.id},
        )

    write()


def test_an_empty_cart_says_so(browser: Browser) -> None:
    assert browser.open("/cart").status_code == 200
    assert "nothing in it yet" in browser.page.text


def test_a_guest_puts_something_in_and_finds_it_again(browser: Browser, product: Product) -> None:
    put_in(browser, product, 2)
    assert browser.path == "/cart"
    assert "It is in your cart." in browser.page.text
    browser.open("/cart")
    assert "KSh\N{NO-BREAK SPACE}1,700.00" in browser.page.text
    assert (browser.client.get_cookie(tokens.COOKIE) or 0) != 0


def test_the_token_is_for_no_script_and_no_program(browser: Browser, product: Product) -> None:
    put_in(browser, product)
    cookie = browser.client.get_cookie(tokens.COOKIE)
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    assert browser.client.get("/api/cart").get_json()["items"] == []  # a program names its cart in a header


def test_the_quantity_is_changed_and_a_line_taken_out(browser: Browser, product: Product) -> None:
    put_in(browser, product)
    browser.send(line_of(browser), quantity="3")
    assert "KSh\N{NO-BREAK SPACE}2,550.00" in browser.page.text
    browser.send(line_of(browser), remove="1")
    assert "nothing in it yet" in browser.page.text


def test_more_than_there_is_is_refused_beside_the_line_and_what_was_typed_stays(
    browser: Browser, product: Product
) -> None:
    put_in(browser, product)
    line = line_of(browser)
    assert browser.send(line, quantity="4").status_code == 422
    assert "There is not enough left of this." in browser.page.text
    assert browser.page.form_to(line).fields["quantity"] == "4"


def test_more_than_there_is_is_not_put_in(browser: Browser, product: Product) -> None:
    assert put_in(browser, product, 4).status_code == 422
    assert "There is not enough left of this." in browser.page.text
    assert "nothing in it yet" in browser.page.text


def test_a_product_of_several_kinds_wants_one_chosen(browser: Browser) -> None:
    several = make_product(variants=[{"options": {"Size": "M"}}, {"options": {"Size": "L"}}])
    browser.open(f"/products/{several.slug}")
    assert put_in(browser, several).status_code == 422
    assert "choose one of its kinds" in browser.page.text.lower()


def test_another_price_than_when_it_was_put_in_is_told(browser: Browser, product: Product) -> None:
    put_in(browser, product)
    set_price(product, "900.00")
    browser.open("/cart")
    assert "The price was KSh\N{NO-BREAK SPACE}850.00 when you put it in" in browser.page.text


def test_what_was_sold_out_meanwhile_stands_in_the_way_of_the_checkout(browser: Browser, product: Product) -> None:
    put_in(browser, product, 3)
    assert "Go to checkout" in browser.page.text

    @db.in_transaction
    def sell(tx: db.Tx) -> None:
        variant_id = product.variant.id
        tx.execute("UPDATE variants SET stock = stock - 2 WHERE id = %(id)s", {"id": variant_id})
        tx.insert(
            "INSERT INTO stock_movements (variant_id, delta, reason, request_id, created_at)"
            " VALUES (%(id)s, -2, 'sold', '-', NOW())",
            {"id": variant_id},
        )

    sell()
    browser.open("/cart")
    assert "Only 1 left" in browser.page.text
    assert "Go to checkout" not in browser.page.text


def test_the_head_of_every_page_counts_the_pieces(browser: Browser, product: Product) -> None:
    put_in(browser, product, 2)
    browser.open("/")
    assert ", pieces: 2" in browser.page.text


def test_who_logs_in_finds_the_pieces_of_both_carts_counted(browser: Browser, product: Product) -> None:
    customer = make_user()
    cart.add_item(owner=Owner(user_id=customer.id), choice={"variant_id": product.variant.id}, quantity=1)
    put_in(browser, product, 2)
    browser.open("/login")
    browser.send("/login", username=customer.username, password=customer.password)
    assert ">, pieces: </span>3<" in browser.answer.text


def test_the_count_of_somebody_else_is_not_shown(browser: Browser, product: Product) -> None:
    put_in(browser, product, 2)
    enter(browser.client, make_user())
    browser.open("/cart")
    assert browser.client.get_cookie(counts.COOKIE).value.endswith(".0")  # type: ignore[union-attr]


@pytest.mark.parametrize("value", ["0.x", "0", "0.99999999", "7.2", "0.-1"])
def test_a_count_that_was_tampered_with_is_no_count(browser: Browser, product: Product, value: str) -> None:
    browser.client.set_cookie(counts.COOKIE, value)
    assert ">, pieces: </span>0<" in browser.client.get("/").text


def test_the_statements_of_the_cart_are_counted(browser: Browser, product: Product, count_statements: Count) -> None:
    put_in(browser, product)
    assert count_statements(lambda: browser.client.get("/cart")) == 1
    enter(browser.client, make_user())
    assert count_statements(lambda: browser.client.get("/cart")) == 3  # who asks; the cart; what is unread
