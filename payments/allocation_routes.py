"""Money without a home, for staff: where it may belong, and putting it there."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth.decorators import current_user, permission_required
from payments import allocation_services
from payments.allocation_schemas import AllocationIn, UnallocatedList, UnallocatedQuery
from payments.schemas import Payment
from utils import web

bp = APIBlueprint("allocation", __name__, url_prefix="/api/payments/unallocated", tag="Payments")


@bp.get("")
@permission_required("payments:read")
@bp.input(UnallocatedQuery, location="query", arg_name="query")
@bp.output(UnallocatedList)
def list_unallocated(query: UnallocatedQuery) -> Response:
    """List the money that arrived and fits no order, newest first, with the orders that it may be meant for."""
    return web.answer(allocation_services.list_unallocated(query=query))


@bp.post("/<int:payment_id>/allocate")
@permission_required("payments:refund")
@bp.input(AllocationIn, arg_name="body")
@bp.output(Payment)
@bp.doc(responses=[409])
def allocate(payment_id: int, body: AllocationIn) -> Response:
    """Put money to an order, once: a second time for the same order changes nothing."""
    payment = allocation_services.allocate(payment_id=payment_id, order_id=body.order_id, actor_id=current_user().id)
    return web.answer(payment)
