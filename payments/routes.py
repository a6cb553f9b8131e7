"""Payments for programs: ask to be paid, look at payments."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth.decorators import current_user, login_or_key, login_required
from payments import services, transaction_services
from payments.schemas import Payment, PaymentList, StkPushIn, TransactionQuery
from utils import web
from utils.idempotency import Claim

bp = APIBlueprint("payments", __name__, url_prefix="/api", tag="Payments")

READ_ALL = "payments:read"
MANAGE_ORDERS = "orders:manage"


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
@login_or_key(READ_ALL)
@bp.input(TransactionQuery, location="query", arg_name="query")
@bp.output(PaymentList)
def list_transactions(query: TransactionQuery) -> Response:
    """List the payments of one's own orders; staff see all."""
    user = current_user()
    user_id = None if user.may(READ_ALL) else user.id
    return web.answer(transaction_services.list_transactions(query=query, user_id=user_id))


@bp.get("/transactions/<int:payment_id>")
@login_or_key(READ_ALL)
@bp.output(Payment)
def get_transaction(payment_id: int) -> Response:
    """Read a payment of one's own; staff read any."""
    user = current_user()
    payment = transaction_services.get_transaction(payment_id=payment_id, user_id=user.id, sees_all=user.may(READ_ALL))
    return web.answer(payment)
