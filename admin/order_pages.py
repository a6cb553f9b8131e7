"""Orders on the desk: found at once, moved along one by one or many together, and each with all that happened to it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Response, flash, request
from pydantic import BaseModel, Field, StringConstraints

from admin import desk, order_services
from auth.decorators import current_user, permission_required
from orders import bulk, reading_services, services, states
from orders import schemas as order_schemas
from payments import refund_reading_services, refund_schemas, transaction_services
from payments import schemas as payment_schemas
from utils import downloads, forms, redirects
from utils.errors import IllegalTransition
from utils.idempotency import Claim

bp = desk.blueprint("orders", __name__)

SHOWN = 30
READS, MANAGES = permission_required("orders:read"), permission_required("orders:manage")
SORTS = {"newest": "Newest first", "oldest": "Oldest first"}
PAYMENT_STATUSES = ("unpaid", "pending", "paid", "partially_refunded", "refunded", "review")
NEXT = {"pending": "processing", "processing": "shipped", "shipped": "delivered"}
FORWARD = tuple(NEXT.values())


class OrdersPage(desk.Span):
    """How the list is filtered: `q` is a number, receipt, phone or e-mail, or how it begins."""

    q: Annotated[str, StringConstraints(max_length=254)] = ""
    status: Annotated[str | None, desk.one_of(states.TRANSITIONS)] = None
    payment_status: Annotated[str | None, desk.one_of(PAYMENT_STATUSES)] = None
    sort: Annotated[str | None, desk.one_of(SORTS)] = None

    def query(self) -> order_schemas.OrderQuery:
        """Return what the services look for; one letter is not looked for yet."""
        wanted = self.model_dump(include={"status", "payment_status", "sort", "cursor"}, exclude_none=True)
        return order_schemas.OrderQuery(limit=SHOWN, q=self.q if len(self.q) > 1 else None, **wanted, **self.moments())


class BulkChange(BaseModel):
    order_ids: Annotated[list[int], Field(min_length=1, max_length=100)]
    status: Literal["processing", "shipped", "delivered"]


@bp.get("/orders")
@READS
@bp.input(OrdersPage, location="query", arg_name="page")
def list_orders(page: OrdersPage) -> Response:
    """Show the orders that were looked for."""
    return _show_list(page)


def _show_list(page: OrdersPage, **more: Any) -> Response:
    found = reading_services.list_orders(query=page.query(), user_id=None)
    return forms.show(
        "admin/orders.html",
        more.pop("errors", {}),
        page=page,
        orders=found.items,
        next_cursor=found.next_cursor,
        statuses=list(states.TRANSITIONS),
        payment_statuses=PAYMENT_STATUSES,
        forward=FORWARD,
        sorts=SORTS,
        **more,
    )


@bp.get("/orders.csv")
@READS
@bp.input(OrdersPage, location="query", arg_name="page")
def export_orders(page: OrdersPage) -> Response:
    """Write the orders that were looked for as CSV, all of them."""
    return downloads.csv_file("orders.csv", lambda: order_services.write_orders(query=page.query()))


@bp.post("/orders/status")
@MANAGES
def change_many() -> Response:
    """Move many orders along, and tell of each whether it went."""
    change, errors = forms.parse(BulkChange)
    if change is None:
        return _show_list(OrdersPage(), errors=errors)
    results = bulk.change_orders(
        order_ids=change.order_ids, change=order_schemas.OrderChange(status=change.status), actor_id=current_user().id
    )
    numbers = order_services.get_numbers(order_ids=change.order_ids)
    return _show_list(OrdersPage(), results=results, numbers=numbers, wanted=change.status)


@bp.get("/orders/<int:order_id>")
@READS
def show_order(order_id: int) -> Response:
    """Show an order with its history, its money, and what can be done next."""
    return _show_order(order_id, {})


def _show_order(order_id: int, errors: forms.Errors) -> Response:
    user = current_user()
    order = reading_services.get_order(order_id=order_id, user_id=user.id, sees_all=True)
    sees_money = user.may("payments:read")
    payments = (
        transaction_services.list_transactions(
            query=payment_schemas.TransactionQuery(order_id=order_id, limit=100), user_id=None
        ).items
        if sees_money
        else []
    )
    refunds = (
        refund_reading_services.list_refunds(
            query=refund_schemas.RefundQuery(order_id=order_id, limit=100), user_id=None
        ).items
        if sees_money
        else []
    )
    return forms.show(
        "admin/order.html",
        errors,
        order=order,
        owner=order_services.get_owner(order_id=order_id),
        events=order_services.list_events(order_id=order_id),
        payments=payments,
        refunds=refunds,
        next_status=NEXT.get(order.status),
        can_cancel=order.status in states.CANCELLABLE,
    )


@bp.post("/orders/<int:order_id>")
@MANAGES
def change_order(order_id: int) -> Response:
    """Move an order along, note its tracking number, or write a note into its history."""
    change, errors = forms.parse(order_schemas.OrderChange)
    if change is not None:
        with forms.noting(errors, {IllegalTransition: forms.WHOLE}):
            services.change_order(order_id=order_id, change=change, actor_id=current_user().id)
            flash(f"The order is {change.status} now." if change.status else "Noted.", "good")
            return redirects.to(request.path)
    return _show_order(order_id, errors)


@bp.post("/orders/<int:order_id>/cancel")
@MANAGES
def cancel_order(order_id: int) -> Response:
    """Cancel an order that has not left the house; its stock, and its money, go back."""
    asked, errors = forms.parse(order_schemas.CancelIn)
    if asked is not None:
        with forms.noting(errors, {IllegalTransition: forms.WHOLE}):
            services.cancel_order(
                order_id=order_id, user_id=current_user().id, manages=True, reason=asked.reason, claim=Claim()
            )
            flash("The order is cancelled; its goods are for sale again.", "good")
            return redirects.to(f"/admin/orders/{order_id}")
    return _show_order(order_id, errors)
