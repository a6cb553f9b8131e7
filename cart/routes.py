"""The cart over HTTP. A log-in counts more than an X-Cart-Token; every change answers with the whole cart."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, g

from auth.decorators import optional_login
from cart import services, tokens
from cart.owner_services import Owner
from cart.schemas import Cart, CartAddition, QuantityUpdate
from utils import web

bp = APIBlueprint("cart", __name__, url_prefix="/api", tag="Cart")


def _owner() -> Owner:
    return Owner(user_id=g.user_id, token=tokens.offered_token())


@bp.get("/cart")
@optional_login
@bp.output(Cart)
def get_cart() -> Response:
    """Show the cart at the prices and stock of now."""
    return web.answer(Cart(**services.get_cart(owner=_owner())))


@bp.post("/cart")
@optional_login
@bp.input(CartAddition, location="json", arg_name="body")
@bp.output(Cart, status_code=201)
def add_item(body: CartAddition) -> Response:
    """Put something in; a guest's first piece is answered with his X-Cart-Token."""
    cart, new_token = services.add_item(owner=_owner(), choice=body.choice(), quantity=body.quantity)
    return web.answer(Cart(**cart), 201, {tokens.HEADER: new_token} if new_token else None)


@bp.put("/cart/<int:item_id>")
@bp.patch("/cart/<int:item_id>")
@optional_login
@bp.input(QuantityUpdate, location="json", arg_name="body")
@bp.output(Cart)
def set_quantity(item_id: int, body: QuantityUpdate) -> Response:
    """Set how many pieces a line has; 0 takes it out."""
    return web.answer(Cart(**services.set_quantity(owner=_owner(), item_id=item_id, quantity=body.quantity)))


@bp.delete("/cart/<int:item_id>")
@optional_login
@bp.output(Cart)
def remove_item(item_id: int) -> Response:
    """Take a line out."""
    return web.answer(Cart(**services.remove_item(owner=_owner(), item_id=item_id)))


@bp.delete("/cart/clear")
@optional_login
@bp.output(Cart)
def clear_cart() -> Response:
    """Take everything out."""
    return web.answer(Cart(**services.clear_cart(owner=_owner())))
