"""Money without a home on the desk: where it may belong, and putting it there."""

from __future__ import annotations

from typing import Annotated

from flask import Response, flash
from pydantic import BaseModel, StringConstraints

from admin import desk, payment_services
from auth.decorators import current_user, permission_required
from payments import allocation_schemas, allocation_services
from utils import forms, redirects
from utils.errors import AlreadyAllocated, AlreadyPaid, MoneyGoesBack, OrderClosed, OutOfStock

bp = desk.blueprint("allocation", __name__)

READS, ALLOCATES = permission_required("payments:read"), permission_required("payments:refund")
SHOWN = 20
REFUSALS = (AlreadyAllocated, AlreadyPaid, MoneyGoesBack, OrderClosed, OutOfStock)


class Allocation(BaseModel):
    order_number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)]


@bp.get("/unallocated")
@READS
@bp.input(desk.Query, location="query", arg_name="page")
def list_unallocated(page: desk.Query) -> Response:
    """Show the money that fits no order, each with the orders that it may be meant for."""
    return _show(page, {})


def _show(page: desk.Query, errors: forms.Errors, *, payment_id: int | None = None) -> Response:
    found = allocation_services.list_unallocated(
        query=allocation_schemas.UnallocatedQuery(limit=SHOWN, cursor=page.cursor)
    )
    return forms.show(
        "admin/unallocated.html",
        errors,
        page=page,
        items=found.items,
        next_cursor=found.next_cursor,
        payment_id=payment_id,
    )


@bp.post("/unallocated/<int:payment_id>")
@ALLOCATES
def allocate(payment_id: int) -> Response:
    """Put money to the order with this number; a second time for the same order changes nothing."""
    asked, errors = forms.parse(Allocation)
    if asked is not None:
        order_id = payment_services.find_order_id(number=asked.order_number)
        if order_id is None:
            errors["order_number"] = "There is no order with this number."
        else:
            with forms.noting(errors, dict.fromkeys(REFUSALS, "order_number")):
                allocation_services.allocate(payment_id=payment_id, order_id=order_id, actor_id=current_user().id)
                flash(f"The money is with order {asked.order_number.upper()} now.", "good")
                return redirects.to("/admin/unallocated")
    return _show(desk.Query(), errors, payment_id=payment_id)
