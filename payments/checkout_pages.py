"""Checkout on one page: what, where to, how it is paid, and then the prompt. Guests need no account.

The page carries a key under which at most one order is placed (orders.checkout_services): sent twice, from a second
tab or again after Back, it leads to the order that is there. It carries the total that was shown, too, and nothing is
ordered at another one.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Any

from apiflask import APIBlueprint
from flask import Response, flash, g, request

from auth import address_services as addresses
from auth.decorators import optional_login
from cart import counts, owner_services, tokens
from cart import services as carts
from extensions import limiter
from orders import checkout_forms, checkout_services, pricing, schemas, viewers
from payments import pages as payment_pages
from utils import forms, pages, redirects
from utils.counties import COUNTIES
from utils.errors import CartEmpty, CheckoutSpent, NotFound, OutOfStock, PriceChanged
from utils.idempotency import Claim

bp = APIBlueprint("checkout_pages", __name__, enable_openapi=False)
bp.after_request(pages.keep_nowhere)

ORDER_LIMIT = "20/minute"  # an order holds goods for half an hour, and a guest needs no account for it
REFUSALS = {OutOfStock: "stock", PriceChanged: "total", NotFound: "address_id"}


@bp.get("/checkout")
@optional_login
def show_checkout() -> Response:
    """Ask where to and how; with nothing in the cart there is nothing to ask."""
    return _show({})


@bp.post("/checkout")
@limiter.limit(ORDER_LIMIT)
@optional_login
def place_order() -> Response:
    """Place the order, once, and have its prompt sent."""
    key = request.form.get("checkout_key", "")
    if placed := _placed_before(key):
        return placed
    form, errors = checkout_forms.read(is_guest=g.user_id is None)
    if form is not None:
        with suppress(CartEmpty, CheckoutSpent), forms.noting(errors, REFUSALS):
            return _go_on(_place(form, key), form)
        if not errors:  # a rival with the same key was quicker by a moment, or another tab has bought the cart empty
            return _placed_before(key) or _nothing_to_order()
    return _show(errors)


def _place(form: checkout_forms.Checkout, key: str) -> schemas.Order:
    user = g.current_user
    buyer = checkout_services.Buyer(
        email=user.email if user else form.email or "",
        user_id=g.user_id,
        cart_token=tokens.offered_token(),
    )
    request_ = schemas.OrderIn.model_validate(form.order())
    return checkout_services.place_order(buyer=buyer, request=request_, claim=Claim(), checkout_key=key)


def _go_on(order: schemas.Order, form: checkout_forms.Checkout) -> Response:
    """Have the prompt sent, and go where the rest is told; a guest gets the key to his order."""
    if order.payment_method == "mpesa":
        viewer = viewers.Viewer(g.user_id, sees_all=g.user_id is None, manages=g.user_id is None)
        response = payment_pages.send_prompt(order_id=order.id, phone_number=form.phone_number, viewer=viewer)
    else:
        response = redirects.to(f"/orders/{order.id}")
    return counts.tell_count(_with_key(response, order.id), 0)


def _with_key(response: Response, order_id: int) -> Response:
    return response if g.user_id else viewers.hand_key(response, [order_id])


def _placed_before(key: str) -> Response | None:
    """Lead to the order that was placed under this page's key, if there is one."""
    order_id = checkout_services.find_placed_order(checkout_key=key, user_id=g.user_id)
    if order_id is None:
        return None
    flash("You have ordered this already; here it is.", "good")
    return _with_key(redirects.to(f"/orders/{order_id}/pay"), order_id)


def _nothing_to_order() -> Response:
    flash("There is nothing in your cart to be ordered. What you have ordered stands under Orders.", "bad")
    return redirects.to("/cart")


def _show(errors: forms.Errors) -> Response:
    cart = carts.get_cart(owner=owner_services.Owner(user_id=g.user_id, token=tokens.offered_token()))
    if not cart["items"]:
        return _nothing_to_order()
    if not all(item["in_stock"] for item in cart["items"]):
        flash("Some of this cannot be had any more. Take it out, or order fewer.", "bad")
        return redirects.to("/cart")
    book = addresses.list_addresses(user_id=g.user_id) if g.user_id else []
    return forms.show("payments/checkout.html", errors, cart=cart, book=book, **_offer(cart))


def _offer(cart: dict[str, Any]) -> dict[str, Any]:
    """Return what the page holds besides what is typed: the sums, a key of its own, and what we know already."""
    sent = request.form.get("checkout_key", "")
    return {
        "totals": pricing.price_order(item["subtotal"] for item in cart["items"]),
        "key": sent if checkout_forms.KEY.fullmatch(sent) else secrets.token_hex(16),
        "counties": [("", "Choose …"), *((name, name) for name in sorted(COUNTIES))],
        "phone_number": g.current_user.phone_number if g.current_user else None,
    }
