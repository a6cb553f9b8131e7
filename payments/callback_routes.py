"""Where the provider calls: each view takes what the door lets in, keeps it, and answers; the worker applies it.

A view here reads, in this order: the token, the body, and calls one service that stores it. A validation alone is
not stored, only answered.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from payments import c2b_services, callback_services, door
from payments.schemas import CallbackAnswer, ValidationAnswer
from utils import web

PREFIX = "/api/payments/callbacks"
ACCEPTED = CallbackAnswer().model_dump_json()

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
    return _accepted()


@bp.post("/c2b/<token>/validation")
@bp.output(ValidationAnswer)
@bp.doc(responses=[400, 413])
def answer_c2b_validation(token: str) -> Response:
    """Tell the provider whether a payment by hand is welcome; nothing has moved yet, and nothing is kept."""
    door.require_known_token("c2b", token)
    return web.answer(c2b_services.validate(body=door.read_body("c2b")))


@bp.post("/c2b/<token>/confirmation")
@bp.output(CallbackAnswer)
@bp.doc(responses=[400, 413])
def take_c2b_confirmation(token: str) -> Response:
    """Take the provider's word that money was paid by hand: kept first, applied afterwards."""
    door.require_known_token("c2b", token)
    body = door.read_body("c2b")
    callback_services.receive(kind="c2b", body=body, address=request.remote_addr or "")
    return _accepted()


@bp.post("/result/<token>")
@bp.output(CallbackAnswer)
@bp.doc(responses=[400, 413])
def take_result(token: str) -> Response:
    """Take the provider's word about how a call for a refund ended: kept first, applied afterwards."""
    return _take_word_of_refund("result", token)


@bp.post("/timeout/<token>")
@bp.output(CallbackAnswer)
@bp.doc(responses=[400, 413])
def take_timeout(token: str) -> Response:
    """Take the provider's notice that a call for a refund waited too long: it may still be done."""
    return _take_word_of_refund("timeout", token)


def _accepted() -> Response:
    return Response(ACCEPTED, mimetype=web.JSON)


def _take_word_of_refund(kind: str, token: str) -> Response:
    refund_id, call = door.require_known_refund_token(kind, token)
    callback_services.receive(
        kind=kind,
        refund_id=refund_id,
        refund_call=call,
        body=door.read_body(kind),
        address=request.remote_addr or "",
    )
    return _accepted()
