"""Orders for programs: place, look, cancel; staff see all of them and move them along."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth.decorators import current_user, login_or_key, login_required, permission_required
from orders import checkout_services, reading_services, services
from orders.schemas import CancelIn, Order, OrderChange, OrderEvents, OrderIn, OrderList, OrderQuery
from utils import web
from utils.idempotency import Claim

bp = APIBlueprint("orders", __name__, url_prefix="/api/orders", tag="Orders")

READ_ALL = "orders:read"
MANAGE = "orders:manage"


@bp.post("")
@login_required
@bp.input(OrderIn, arg_name="body")
@bp.output(Order, status_code=201)
@web.idempotent
def place_order(claim: Claim, body: OrderIn) -> Response:
    """Place an order out of the cart, or out of `items`."""
    user = current_user()
    buyer = checkout_services.Buyer(email=user.email, user_id=user.id)
    order = checkout_services.place_order(buyer=buyer, request=body, claim=claim)
    return web.answer(order, 201)


@bp.get("")
@login_or_key(READ_ALL)
@bp.input(OrderQuery, location="query", arg_name="query")
@bp.output(OrderList)
def list_orders(query: OrderQuery) -> Response:
    """List one's own orders, newest first; staff see everybody's."""
    user = current_user()
    return web.answer(reading_services.list_orders(query=query, user_id=None if user.may(READ_ALL) else user.id))


@bp.get("/user/<int:user_id>")
@permission_required(READ_ALL)
@bp.input(OrderQuery, location="query", arg_name="query")
@bp.output(OrderList)
def list_orders_of_user(user_id: int, query: OrderQuery) -> Response:
    """List one customer's orders (staff)."""
    return web.answer(reading_services.list_orders(query=query, user_id=user_id))


@bp.get("/<int:order_id>")
@login_or_key(READ_ALL)
@bp.output(Order)
def get_order(order_id: int) -> Response:
    """Read an order of one's own; staff read any."""
    user = current_user()
    order = reading_services.get_order(order_id=order_id, user_id=user.id, sees_all=user.may(READ_ALL))
    return web.answer(order)


@bp.get("/<int:order_id>/events")
@login_or_key(READ_ALL)
@bp.output(OrderEvents)
def list_events(order_id: int) -> Response:
    """Read the history of an order."""
    user = current_user()
    events = reading_services.list_events(order_id=order_id, user_id=user.id, sees_all=user.may(READ_ALL))
    return web.answer(events)


@bp.route("/<int:order_id>", methods=["PUT", "PATCH"])
@permission_required(MANAGE)
@bp.input(OrderChange, arg_name="body")
@bp.output(Order)
def change_order(order_id: int, body: OrderChange) -> Response:
    """Move an order along pending, processing, shipped, delivered; note its tracking number (staff)."""
    user = current_user()
    services.change_order(order_id=order_id, change=body, actor_id=user.id)
    return web.answer(reading_services.get_order(order_id=order_id, user_id=user.id, sees_all=True))


@bp.post("/<int:order_id>/cancel")
@login_or_key(MANAGE)
@bp.input(CancelIn, arg_name="body")
@bp.output(Order)
@web.idempotent
def cancel_order(claim: Claim, order_id: int, body: CancelIn) -> Response:
    """Cancel an order that has not left the house; its stock goes back."""
    user = current_user()
    order = services.cancel_order(
        order_id=order_id, user_id=user.id, manages=user.may(MANAGE), reason=body.reason, claim=claim
    )
    return web.answer(order)
