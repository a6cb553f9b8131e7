"""The cart as a page: what is in it at the price and stock of now, and what stands against buying it."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, flash, g, render_template

from auth.decorators import optional_login
from cart import counts, services, tokens
from cart.owner_services import Owner
from cart.schemas import CartForm, LineForm
from utils import forms, redirects
from utils.errors import CartLineFull, OutOfStock, VariantRequired

bp = APIBlueprint("cart_pages", __name__, enable_openapi=False)

REFUSALS = {CartLineFull: "quantity", OutOfStock: "quantity", VariantRequired: "variant_id"}


def _owner() -> Owner:
    return Owner(user_id=g.user_id, token=tokens.offered_token())


def _show(cart: dict[str, Any], *, errors: forms.Errors, line_id: int | None = None) -> Response:
    page = render_template("cart/cart.html", cart=cart, errors=errors, line_id=line_id)
    return counts.tell_count(Response(page, 422 if errors else 200), cart["item_count"])


@bp.get("/cart")
@optional_login
def show_cart() -> Response:
    """Show the cart."""
    return _show(services.get_cart(owner=_owner()), errors={})


@bp.post("/cart")
@optional_login
def add_item() -> Response:
    """Put something in, and show the cart."""
    form, errors = forms.parse(CartForm)
    if form is not None:
        with forms.noting(errors, REFUSALS):
            cart, new_token = services.add_item(owner=_owner(), choice=form.choice(), quantity=form.quantity)
            flash("It is in your cart.", "good")
            return tokens.hand_token(counts.tell_count(redirects.to("/cart"), cart["item_count"]), new_token)
    return _show(services.get_cart(owner=_owner()), errors=errors)


@bp.post("/cart/<int:item_id>")
@optional_login
def set_quantity(item_id: int) -> Response:
    """Set how many pieces a line has, or take it out."""
    form, errors = forms.parse(LineForm)
    if form is not None:
        with forms.noting(errors, REFUSALS):
            cart = services.set_quantity(owner=_owner(), item_id=item_id, quantity=form.wanted())
            return counts.tell_count(redirects.to("/cart"), cart["item_count"])
    return _show(services.get_cart(owner=_owner()), errors=errors, line_id=item_id)
