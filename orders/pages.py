"""A customer's orders as pages, and a guest's for whom holds the key: the list, one with its history, cancelling."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, flash, g, render_template, request

from auth.decorators import optional_login
from orders import guest_keys, reading_services, services, states, viewers, words
from orders.schemas import CancelIn, OrderQuery
from utils import forms, pages, redirects
from utils.errors import IllegalTransition, NotFound
from utils.idempotency import Claim

bp = APIBlueprint("order_pages", __name__, enable_openapi=False)
bp.after_request(pages.keep_nowhere)

SHOWN = 10
PAYABLE = {"unpaid", "pending"}


@bp.get("/orders")
@optional_login
def list_orders() -> str:
    """List one's own orders; a guest's are those that were placed in this browser."""
    if g.user_id is None:
        found, next_cursor = reading_services.list_guests_orders(order_ids=viewers.held_orders()), None
    else:
        query = OrderQuery(limit=SHOWN, cursor=request.args.get("cursor"))
        page = reading_services.list_orders(query=query, user_id=g.user_id)
        found, next_cursor = page.items, page.next_cursor
    return render_template("orders/list.html", orders=found, next_cursor=next_cursor, words=words)


@bp.get("/orders/open/<token>")
def open_order(token: str) -> Response:
    """Let in who holds the link of a mail: from now on this browser has the key to the order."""
    order_ids = guest_keys.read_key(token)
    if not order_ids:
        raise NotFound(what="order")
    return viewers.hand_key(redirects.to(f"/orders/{order_ids[0]}"), order_ids)


@bp.get("/orders/<int:order_id>")
@optional_login
def show_order(order_id: int) -> str:
    """Show an order: what is in it, what it costs, how it stands and what happened to it."""
    viewer = viewers.viewer_of(order_id)
    order = reading_services.get_order(order_id=order_id, user_id=viewer.user_id, sees_all=viewer.sees_all)
    events = reading_services.read_events(order_id=order_id)
    return render_template(
        "orders/order.html",
        order=order,
        events=words.tell(events.items),
        receipts=reading_services.list_receipts(order_id=order_id),
        words=words,
        may_pay=order.status == "pending" and order.payment_status in PAYABLE,
        may_cancel=order.status in states.CANCELLABLE,
    )


@bp.post("/orders/<int:order_id>/cancel")
@optional_login
def cancel_order(order_id: int) -> Response:
    """Cancel an order that has not left the house."""
    viewer = viewers.viewer_of(order_id)
    form, errors = forms.parse(CancelIn)
    if form is not None:
        with forms.noting(errors, {IllegalTransition: forms.WHOLE}):
            services.cancel_order(
                order_id=order_id,
                user_id=viewer.user_id,
                manages=viewer.manages,
                reason=form.reason,
                claim=Claim(),
            )
            flash("Your order is cancelled. What you paid is on its way back.", "good")
    if errors:
        flash("It is too late to cancel this order: it has left our house, or was cancelled before.", "bad")
    return redirects.to(f"/orders/{order_id}")
