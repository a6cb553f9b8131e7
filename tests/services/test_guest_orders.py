"""Buying without an account: the guest's cart becomes an order of nobody's, once for each page it was sent from."""

from __future__ import annotations

from typing import Any

import pytest

import config
from cart import services as cart
from cart.owner_services import Owner
from orders import checkout_services, guest_keys, mail_services, reading_services, services
from orders.checkout_services import Buyer
from orders.schemas import Order, OrderIn
from tests.factories import Product, make_product, make_user, stock_of
from tests.threads import at_once
from utils import db
from utils.errors import CartEmpty, CheckoutSpent, NotFound
from utils.idempotency import Claim

pytestmark = pytest.mark.usefixtures("app")

EMAIL = "achieng@example.com"


def fill_cart(product: Product, token: str | None = None) -> str:
    _cart, made = cart.add_item(owner=Owner(token=token), choice={"variant_id": product.variant.id}, quantity=1)
    return made or str(token)


def order(token: str, *, key: str | None = None, **fields: Any) -> Order:
    return checkout_services.place_order(
        buyer=Buyer(email=EMAIL, cart_token=token),
        request=OrderIn.model_validate({"shipping_address": "Moi Avenue 1", **fields}),
        claim=Claim(),
        checkout_key=key,
    )


def test_a_guests_cart_becomes_an_order_of_nobodys_and_is_empty_afterwards() -> None:
    product = make_product(stock=3)
    token = fill_cart(product)
    placed = order(token)
    row = db.reading().fetch_one("SELECT user_id, email FROM orders WHERE id = %(id)s", {"id": placed.id})
    assert row == {"user_id": None, "email": EMAIL}
    assert stock_of(product.variant) == 2
    with pytest.raises(CartEmpty):
        order(token)


def test_an_order_is_found_by_the_key_of_its_page_by_its_own_buyer_only() -> None:
    user, product = make_user(), make_product()
    placed = order(fill_cart(product), key="page-1")
    assert checkout_services.find_placed_order(checkout_key="page-1", user_id=None) == placed.id
    assert checkout_services.find_placed_order(checkout_key="page-1", user_id=user.id) is None
    assert checkout_services.find_placed_order(checkout_key="page-2", user_id=None) is None


def test_a_page_places_one_order_whatever_is_in_the_cart_when_it_is_sent_again() -> None:
    product = make_product(stock=3)
    token = fill_cart(product)
    order(token, key="page-1")
    fill_cart(product, token)
    with pytest.raises(CheckoutSpent):
        order(token, key="page-1")
    assert stock_of(product.variant) == 2
    assert order(token, key="page-2").id


def test_a_double_click_places_one_order() -> None:
    product = make_product(stock=9)
    token = fill_cart(product)

    def click() -> str:
        try:
            order(token, key="page-1")
        except (CartEmpty, CheckoutSpent):
            return "refused"
        return "placed"

    assert sorted(at_once(*[click] * 4)) == ["placed", "refused", "refused", "refused"]
    assert stock_of(product.variant) == 8


def test_a_guest_has_no_address_book() -> None:
    token = fill_cart(make_product())
    with pytest.raises(NotFound):
        order(token, shipping_address=None, address_id=1)


def test_nobody_sees_a_guests_order_without_its_key_but_staff() -> None:
    placed = order(fill_cart(make_product()))
    for user_id in (None, make_user().id):
        with pytest.raises(NotFound):
            reading_services.get_order(order_id=placed.id, user_id=user_id, sees_all=False)
    assert reading_services.get_order(order_id=placed.id, user_id=None, sees_all=True).number == placed.number


def test_the_mail_to_a_guest_has_a_link_with_the_key_to_this_order() -> None:
    placed = order(fill_cart(make_product()))
    text = mail_services.write_letter(topic="order.placed", order_id=placed.id).text
    link = next(word for word in text.split() if "/orders/" in word)
    assert guest_keys.read_key(link.rpartition("/")[2]) == [placed.id]


def test_a_key_that_was_made_elsewhere_opens_nothing() -> None:
    with config.override(SECRET_KEY="x" * 40):
        forged = guest_keys.make_key([1])
    assert guest_keys.read_key(forged) == []
    assert guest_keys.read_key("") == []


def test_a_key_stays_good_when_the_secret_is_replaced() -> None:
    before = config.current().SECRET_KEY
    key = guest_keys.make_key([7])
    with config.override(SECRET_KEY="y" * 40, PREVIOUS_SECRET_KEYS=before):
        assert guest_keys.read_key(key) == [7]


def test_an_order_that_its_guest_cancelled_is_not_taken_up_again_by_late_money() -> None:
    """Only one that expired is: nobody had said that it is not wanted."""
    placed = order(fill_cart(make_product()))
    services.cancel_order(order_id=placed.id, user_id=None, manages=True, reason="", claim=Claim())
    event = db.reading().fetch_one(
        "SELECT name, actor_id FROM order_events WHERE order_id = %(id)s AND to_status = 'cancelled'", {"id": placed.id}
    )
    assert event == {"name": "order.cancelled", "actor_id": None}
    assert [row["action"] for row in db.reading().fetch_all("SELECT action FROM audit_log")] == []
