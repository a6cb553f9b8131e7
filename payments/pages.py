"""Paying, as a page: check your phone, how it stands, and what to do when it fails.

The page looks again by itself: with a script every few seconds, without one by being loaded anew, as long as there is
something to wait for. Everything it says is read from the order and its newest attempt, so it may be reloaded, opened
twice and come back to: only the guarded UPDATE in the services decides whether there is a prompt.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from apiflask import APIBlueprint
from flask import Response, flash, render_template, request

import config
from auth.decorators import optional_login
from extensions import limiter
from orders import reading_services as orders
from orders import viewers
from payments import services, transaction_services, wait
from payments.schemas import PromptForm, TransactionQuery
from utils import clock, forms, pages, redirects
from utils.errors import (
    AlreadyPaid,
    AmountTooHigh,
    OrderClosed,
    OrderInReview,
    PaymentInProgress,
    PaymentRefused,
    PaymentUnavailable,
)
from utils.idempotency import Claim

bp = APIBlueprint("payment_pages", __name__, enable_openapi=False)
bp.after_request(pages.keep_nowhere)

# Each prompt disturbs somebody: as many as a family behind one address needs, too few to torment a phone.
PROMPT_LIMIT = "20/minute"
# What these say stands on the page anyway: it shows the state that was the reason.
SEEN_ON_THE_PAGE = (AlreadyPaid, OrderClosed, OrderInReview, PaymentInProgress)
TOLD_ONCE = {AmountTooHigh: forms.WHOLE, PaymentRefused: forms.WHOLE, PaymentUnavailable: forms.WHOLE}


@bp.get("/orders/<int:order_id>/pay")
@optional_login
def show_payment(order_id: int) -> Response:
    """Show how the payment of an order stands."""
    return forms.show("payments/pay.html", {}, **_standing(order_id))


@bp.get("/orders/<int:order_id>/pay/state")
@optional_login
def show_state(order_id: int) -> Response:
    """Answer with the part of the page that changes, or with nothing when `seen` is how it still stands."""
    standing = _standing(order_id)
    if request.args.get("seen") == standing["state"]:
        return Response(status=204)
    return Response(render_template("payments/state.html", errors={}, values={}, **standing))


@bp.post("/orders/<int:order_id>/pay")
@limiter.limit(PROMPT_LIMIT)
@optional_login
def ask(order_id: int) -> Response:
    """Have a prompt sent to the phone that was typed."""
    viewer = viewers.viewer_of(order_id)
    form, errors = forms.parse(PromptForm)
    if form is None:
        return forms.show("payments/pay.html", errors, **_standing(order_id))
    return send_prompt(order_id=order_id, phone_number=form.phone_number, viewer=viewer)


def send_prompt(*, order_id: int, phone_number: str, viewer: viewers.Viewer) -> Response:
    """Ask for an order's money on a phone, and go to the page that tells what becomes of it.

    Raises NotFound for somebody else's order.
    """
    errors: forms.Errors = {}
    with suppress(*SEEN_ON_THE_PAGE), forms.noting(errors, TOLD_ONCE):
        services.start_stk_push(
            order_id=order_id,
            phone_number=phone_number,
            user_id=viewer.user_id,
            manages=viewer.manages,
            claim=Claim(),
        )
    for text in errors.values():
        flash(text, "bad")
    return redirects.to(f"/orders/{order_id}/pay")


def _standing(order_id: int) -> dict[str, Any]:
    """Read how an order's payment stands. Raises NotLoggedIn, and NotFound for somebody else's order."""
    viewer = viewers.viewer_of(order_id)
    order = orders.get_order(order_id=order_id, user_id=viewer.user_id, sees_all=viewer.sees_all)
    found = transaction_services.list_transactions(query=TransactionQuery(order_id=order_id, limit=1), user_id=None)
    payment = found.items[0] if found.items else None
    standing = wait.describe(order, payment, now=clock.now())
    settings = config.current()
    return {
        "order": order,
        "payment": payment,
        "wait": standing,
        "state": f"{standing.name}-{payment.id if payment else 0}-{order.paid}",
        "due": order.total - order.paid,
        "phone_number": orders.find_phone_number(order_id=order_id) if standing.may_ask else None,
        "paybill": settings.MPESA_SHORTCODE if settings.MPESA_TRANSACTION_TYPE == "CustomerPayBillOnline" else None,
    }
