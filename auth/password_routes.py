"""Passwords and addresses over HTTP: forgotten, reset, changed, verified.

What is asked for an address is answered alike, and in like time, whether or not it is an account's.
"""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from auth import password_services
from auth.decorators import current_user, login_required
from auth.schemas import Accepted, AddressRequest, PasswordChange, PasswordReset, VerificationRequest
from extensions import limiter
from utils import web

bp = APIBlueprint("passwords", __name__, url_prefix="/api/auth", tag="Accounts")

ASK_LIMIT = "120/minute"
ASK_LIMIT_OF_ADDRESS = "5/hour"
TOKEN_LIMIT = "120/minute"  # noqa: S105 (a limit, not a token)

MAILED = "If this address belongs to an account, a mail is on its way."


def _asked_address() -> str:
    return f"mail to {str(request.get_json().get('email')).casefold()}"


def _asks_for_no_mail() -> bool:
    return not request.get_json().get("email")


@bp.post("/forgot-password")
@bp.input(AddressRequest, location="json", arg_name="body")
@limiter.limit(ASK_LIMIT)
@limiter.limit(ASK_LIMIT_OF_ADDRESS, key_func=_asked_address)
@bp.output(Accepted, status_code=202)
def forgot_password(body: AddressRequest) -> Response:
    """Ask for a link to set a new password."""
    password_services.ask_for_reset(email=body.email)
    return web.answer(Accepted(message=MAILED), 202)


@bp.post("/reset-password")
@bp.input(PasswordReset, location="json", arg_name="body")
@limiter.limit(TOKEN_LIMIT)
@bp.output(Accepted, status_code=202)
def reset_password(body: PasswordReset) -> Response:
    """Set a new password with the token of the mail; every session ends."""
    password_services.reset_password(token=body.token, new_password=body.password)
    return web.answer(Accepted(message="The new password is set. Log in with it."), 202)


@bp.post("/verify-email")
@bp.input(VerificationRequest, location="json", arg_name="body")
@limiter.limit(TOKEN_LIMIT)
@limiter.limit(ASK_LIMIT_OF_ADDRESS, key_func=_asked_address, exempt_when=_asks_for_no_mail)
@bp.output(Accepted, status_code=202)
def verify_email(body: VerificationRequest) -> Response:
    """Verify an address with the token of the mail, or ask for another mail."""
    if body.email:
        password_services.ask_for_verification(email=body.email)
        return web.answer(Accepted(message=MAILED), 202)
    password_services.verify_email(token=body.token)
    return web.answer(Accepted(message="The address is verified."), 202)


@bp.post("/change-password")
@login_required
@bp.input(PasswordChange, location="json", arg_name="body")
@limiter.limit(TOKEN_LIMIT)
@bp.output(Accepted, status_code=202)
def change_password(body: PasswordChange) -> Response:
    """Change one's own password; every other session ends."""
    user = current_user()
    password_services.change_password(
        user_id=user.id,
        session_id=user.session_id,
        current_password=body.current_password,
        new_password=body.new_password,
    )
    return web.answer(Accepted(message="The new password is set; all other sessions have ended."), 202)
