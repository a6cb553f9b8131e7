"""The operators' queue over HTTP."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth.decorators import permission_required
from payments import review_services
from payments.schemas import Review
from utils import web

bp = APIBlueprint("review", __name__, url_prefix="/api", tag="Payments")


@bp.get("/payments/review")
@permission_required("payments:read")
@bp.output(Review)
def list_waiting() -> Response:
    """List everything that waits for a person: why, and what to do next."""
    return web.answer(review_services.list_waiting())
