"""Refunds for programs: give money back, look how far it is, and decide what nobody else can."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth.decorators import current_user, login_or_key, permission_required
from payments import refund_reading_services, refund_services
from payments.refund_schemas import Refund, RefundDecision, RefundIn, RefundList, RefundQuery
from utils import web
from utils.idempotency import Claim

bp = APIBlueprint("refunds", __name__, url_prefix="/api", tag="Payments")

READ_ALL = "payments:read"
REFUND = "payments:refund"


@bp.post("/transactions/<int:payment_id>/refund")
@permission_required(REFUND)
@bp.input(RefundIn, arg_name="body")
@bp.output(Refund, status_code=202)
@web.idempotent
def start_refund(claim: Claim, payment_id: int, body: RefundIn) -> Response:
    """Give a payment back, or a part of it; look at the refund to see it arrive (staff)."""
    refund = refund_services.start_refund(
        payment_id=payment_id, amount=body.amount, reason=body.reason, user_id=current_user().id, claim=claim
    )
    return web.answer(refund, 202)


@bp.get("/refunds")
@login_or_key(READ_ALL)
@bp.input(RefundQuery, location="query", arg_name="query")
@bp.output(RefundList)
def list_refunds(query: RefundQuery) -> Response:
    """List the refunds of one's own orders; staff see all."""
    user = current_user()
    user_id = None if user.may(READ_ALL) else user.id
    return web.answer(refund_reading_services.list_refunds(query=query, user_id=user_id))


@bp.get("/refunds/<int:refund_id>")
@login_or_key(READ_ALL)
@bp.output(Refund)
def get_refund(refund_id: int) -> Response:
    """Read a refund of one's own order; staff read any."""
    user = current_user()
    refund = refund_reading_services.get_refund(refund_id=refund_id, user_id=user.id, sees_all=user.may(READ_ALL))
    return web.answer(refund)


@bp.post("/refunds/<int:refund_id>/settle")
@permission_required(REFUND)
@bp.input(RefundDecision, arg_name="body")
@bp.output(Refund)
def settle_refund(refund_id: int, body: RefundDecision) -> Response:
    """Say what became of a refund in review: the money went back, or it did not and can be given again (staff)."""
    return web.answer(refund_services.decide(refund_id=refund_id, decision=body, user_id=current_user().id))
