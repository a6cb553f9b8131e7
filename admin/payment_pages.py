"""Money on the desk: every payment, what of it is given back, and what waits for a person."""

from __future__ import annotations

from typing import Annotated

from flask import Response, flash, render_template
from pydantic import StringConstraints

from admin import desk, payment_services
from admin import kept_services as kept
from auth.decorators import current_user, permission_required
from payments import (
    refund_reading_services,
    refund_schemas,
    refund_services,
    review_services,
    transaction_services,
)
from payments import schemas as payment_schemas
from utils import downloads, forms, redirects
from utils.errors import IdempotencyInProgress, IdempotencyMismatch, IllegalTransition, NothingToRefund, OrderOpen

bp = desk.blueprint("payments", __name__)

READS, REFUNDS = permission_required("payments:read"), permission_required("payments:refund")
SHOWN = 30
SORTS = {
    "newest": "Newest first",
    "oldest": "Oldest first",
    "-amount": "Highest amount first",
    "amount": "Lowest amount first",
}
STATUSES = ("pending", "succeeded", "failed", "review")
PLACES = {
    "payment": "/admin/payments/{id}",
    "attempt": "/admin/payments/{id}",
    "refund": "/admin/refunds/{id}",
    "contradiction": "/admin/refunds/{id}",
    "order": "/admin/orders/{id}",
}
NAMED = {
    NothingToRefund: forms.WHOLE,
    OrderOpen: forms.WHOLE,
    IdempotencyMismatch: forms.WHOLE,
    IdempotencyInProgress: forms.WHOLE,
}


class MoneyPage(desk.Query):
    """How lists of payments and refunds are filtered and sorted."""

    status: Annotated[str | None, desk.one_of(STATUSES)] = None
    receipt: Annotated[str, StringConstraints(max_length=20)] | None = None
    sort: Annotated[str | None, desk.one_of(SORTS)] = None


# --- payments


@bp.get("/payments")
@READS
@bp.input(MoneyPage, location="query", arg_name="page")
def list_payments(page: MoneyPage) -> str:
    """Show every payment."""
    found = transaction_services.list_transactions(query=_payments_of(page), user_id=None)
    return render_template(
        "admin/payments.html",
        page=page,
        payments=found.items,
        next_cursor=found.next_cursor,
        statuses=STATUSES,
        sorts=SORTS,
    )


@bp.get("/payments.csv")
@READS
@bp.input(MoneyPage, location="query", arg_name="page")
def export_payments(page: MoneyPage) -> Response:
    """Write the payments that were looked for as CSV, all of them."""
    return downloads.csv_file("payments.csv", lambda: payment_services.write_payments(query=_payments_of(page)))


def _payments_of(page: MoneyPage) -> payment_schemas.TransactionQuery:
    return payment_schemas.TransactionQuery(limit=SHOWN, **page.model_dump(exclude_none=True))


@bp.get("/payments/<int:payment_id>")
@READS
def show_payment(payment_id: int) -> Response:
    """Show a payment, and give it back."""
    return _show_payment(payment_id, {})


def _show_payment(payment_id: int, errors: forms.Errors) -> Response:
    return forms.show(
        "admin/payment.html",
        errors,
        payment=transaction_services.get_transaction(payment_id=payment_id, user_id=current_user().id, sees_all=True),
        background=payment_services.get_background(payment_id=payment_id),
        refunds=refund_reading_services.list_refunds(
            query=refund_schemas.RefundQuery(payment_id=payment_id, limit=100), user_id=None
        ).items,
    )


@bp.post("/payments/<int:payment_id>/refund")
@REFUNDS
def start_refund(payment_id: int) -> Response:
    """Give a payment back, or a part of it; the same form twice gives it back once."""
    asked, errors = forms.parse(refund_schemas.RefundIn)
    if asked is not None:
        with forms.noting(errors, NAMED):
            claim = desk.claim_once()
            if claim is not None:
                refund_services.start_refund(
                    payment_id=payment_id,
                    amount=asked.amount,
                    reason=asked.reason,
                    user_id=current_user().id,
                    claim=claim,
                )
            flash("The refund is on its way.", "good")
            return redirects.to(f"/admin/payments/{payment_id}")
    return _show_payment(payment_id, errors)


# --- refunds


@bp.get("/refunds")
@READS
@bp.input(MoneyPage, location="query", arg_name="page")
def list_refunds(page: MoneyPage) -> str:
    """Show every refund."""
    found = refund_reading_services.list_refunds(query=_refunds_of(page), user_id=None)
    return render_template(
        "admin/refunds.html",
        page=page,
        refunds=found.items,
        next_cursor=found.next_cursor,
        statuses=STATUSES,
        sorts=SORTS,
    )


@bp.get("/refunds.csv")
@READS
@bp.input(MoneyPage, location="query", arg_name="page")
def export_refunds(page: MoneyPage) -> Response:
    """Write the refunds that were looked for as CSV, all of them."""
    return downloads.csv_file("refunds.csv", lambda: payment_services.write_refunds(query=_refunds_of(page)))


def _refunds_of(page: MoneyPage) -> refund_schemas.RefundQuery:
    return refund_schemas.RefundQuery(limit=SHOWN, **page.model_dump(exclude_none=True))


@bp.get("/refunds/<int:refund_id>")
@READS
def show_refund(refund_id: int) -> Response:
    """Show a refund, and decide it when it waits for a person."""
    return _show_refund(refund_id, {})


def _show_refund(refund_id: int, errors: forms.Errors) -> Response:
    refund = refund_reading_services.get_refund(refund_id=refund_id, user_id=current_user().id, sees_all=True)
    return forms.show("admin/refund.html", errors, refund=refund)


@bp.post("/refunds/<int:refund_id>/settle")
@REFUNDS
def settle_refund(refund_id: int) -> Response:
    """Say what became of a refund that waits for a person."""
    decision, errors = forms.parse(refund_schemas.RefundDecision)
    if decision is not None:
        with forms.noting(errors, {IllegalTransition: forms.WHOLE}):
            refund_services.decide(refund_id=refund_id, decision=decision, user_id=current_user().id)
            flash("Noted.", "good")
            return redirects.to(f"/admin/refunds/{refund_id}")
    return _show_refund(refund_id, errors)


# --- what waits


@bp.get("/review")
@READS
def list_waiting() -> str:
    """Show everything that waits for a person, and the checks as they were last found."""
    items = review_services.list_without_checks().items
    checks = kept.read(name=kept.CHECKS)
    return render_template("admin/review.html", items=items, places=PLACES, checks=checks)
