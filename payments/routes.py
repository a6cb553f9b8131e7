"""Payments for programs: ask to be paid, look at payments; and the door for the provider's callbacks."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from auth.decorators import current_user, login_required
from payments import callback_json, callback_services, callback_tokens, services, transaction_services
from payments.schemas import CallbackAnswer, Payment, PaymentList, StkPushIn, TransactionQuery
from utils import metrics, web
from utils.errors import MalformedRequest, NotFound
from utils.idempotency import Claim

bp = APIBlueprint("payments", __name__, url_prefix="/api", tag="Payments")

READ_ALL = "payments:read"
MANAGE_ORDERS = "orders:manage"
LARGEST_CALLBACK = 64 * 1024


@bp.post("/payments/stkpush")
@login_required
@bp.input(StkPushIn, arg_name="body")
@bp.output(Payment, status_code=202)
@bp.doc(responses=[502])
@web.idempotent
def push(claim: Claim, body: StkPushIn) -> Response:
    """Ask for an order's money on the payer's phone; look at the transaction to see it paid."""
    user = current_user()
    payment = services.start_stk_push(
        order_id=body.order_id,
        phone_number=body.phone_number,
        user_id=user.id,
        manages=user.may(MANAGE_ORDERS),
        claim=claim,
    )
    return web.answer(payment, 202)


@bp.post("/payments/<int:order_id>/mock")
@login_required
@bp.output(Payment, status_code=201)
@web.idempotent
def mock(claim: Claim, order_id: int) -> Response:
    """Pay an order at once with money that does not exist (development and tests)."""
    user = current_user()
    payment = services.pay_by_mock(order_id=order_id, user_id=user.id, manages=user.may(MANAGE_ORDERS), claim=claim)
    return web.answer(payment, 201)


@bp.get("/transactions")
@login_required
@bp.input(TransactionQuery, location="query", arg_name="query")
@bp.output(PaymentList)
def list_transactions(query: TransactionQuery) -> Response:
    """List the payments of one's own orders, newest first; staff see all."""
    user = current_user()
    user_id = None if user.may(READ_ALL) else user.id
    return web.answer(transaction_services.list_transactions(query=query, user_id=user_id))


@bp.get("/transactions/<int:payment_id>")
@login_required
@bp.output(Payment)
def get_transaction(payment_id: int) -> Response:
    """Read a payment of one's own; staff read any."""
    user = current_user()
    payment = transaction_services.get_transaction(payment_id=payment_id, user_id=user.id, sees_all=user.may(READ_ALL))
    return web.answer(payment)


@bp.post("/payments/callbacks/stk/<token>")
@bp.output(CallbackAnswer)
@bp.doc(responses=[400, 413])
def take_stk_callback(token: str) -> Response:
    """Take the provider's word about a prompt: kept first, applied afterwards."""
    payment_id = callback_tokens.read_token(token, kind="stk")
    if payment_id is None:
        metrics.CALLBACKS_REFUSED.labels("stk", "token").inc()
        raise NotFound("There is nothing at this address.")
    body = _read_callback("stk")
    callback_services.receive(kind="stk", payment_id=payment_id, body=body, address=request.remote_addr or "")
    return web.answer(CallbackAnswer())


def _read_callback(kind: str) -> str:
    """Return the body of a callback. Raises RequestEntityTooLarge and MalformedRequest, each counted."""
    request.max_content_length = LARGEST_CALLBACK + 1  # a body of no told length is cut there, not refused
    if (request.content_length or 0) > LARGEST_CALLBACK or len(request.get_data()) > LARGEST_CALLBACK:
        metrics.CALLBACKS_REFUSED.labels(kind, "size").inc()
        raise RequestEntityTooLarge
    body = request.get_data().decode("utf-8-sig", "replace")  # a stray byte in its prose must not cost the money
    if not callback_json.is_json(body):
        metrics.CALLBACKS_REFUSED.labels(kind, "not JSON").inc()
        raise MalformedRequest("The body is not JSON.")
    return body
