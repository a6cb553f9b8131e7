"""Where the provider calls: each view takes what the door lets in, keeps it, and answers; the worker applies it.

A view here reads, in this order: the token, the body, and calls one service that stores it.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from payments import callback_services, door
from payments.schemas import CallbackAnswer
from utils import web

PREFIX = "/api/payments/callbacks"

bp = APIBlueprint("callbacks", __name__, url_prefix=PREFIX, tag="Payments")


@bp.before_request
def guard_door() -> None:
    """Turn away who calls from elsewhere, whatever kind of callback he brings."""
    door.require_allowed_address(kind=request.path.removeprefix(PREFIX).split("/")[1])


@bp.post("/stk/<token>")
@bp.output(CallbackAnswer)
@bp.doc(responses=[400, 413])
def take_stk_callback(token: str) -> Response:
    """Take the provider's word about a prompt: kept first, applied afterwards."""
    payment_id = door.require_known_token("stk", token)
    body = door.read_body("stk")
    callback_services.receive(kind="stk", payment_id=payment_id, body=body, address=request.remote_addr or "")
    return web.answer(CallbackAnswer())
