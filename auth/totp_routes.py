"""The second factor over HTTP: begun, confirmed, taken away."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth import totp_services
from auth.decorators import current_user, login_required
from auth.schemas import PasswordProof, RecoveryCodes, TotpBegun, TotpCode
from extensions import limiter
from utils import web

bp = APIBlueprint("totp", __name__, url_prefix="/api/auth", tag="Accounts")

TOTP_LIMIT = "60/minute"


@bp.post("/totp")
@login_required
@limiter.limit(TOTP_LIMIT)
@bp.output(TotpBegun, status_code=201)
@bp.doc(responses=[409])
def begin_totp() -> Response:
    """Begin a second factor: a secret for the authenticator, also as a QR code."""
    user = current_user()
    return web.answer(TotpBegun(**totp_services.begin_totp(user_id=user.id, email=user.email)), 201)


@bp.post("/totp/confirm")
@login_required
@limiter.limit(TOTP_LIMIT)
@bp.input(TotpCode, location="json", arg_name="body")
@bp.output(RecoveryCodes)
def confirm_totp(body: TotpCode) -> Response:
    """Switch the second factor on; the recovery codes are shown this once, and all other sessions end."""
    user = current_user()
    codes = totp_services.confirm_totp(user_id=user.id, session_id=user.session_id, code=body.code)
    return web.answer(RecoveryCodes(recovery_codes=codes))


@bp.delete("/totp")
@login_required
@limiter.limit(TOTP_LIMIT)
@bp.input(PasswordProof, location="json", arg_name="body")
@bp.output({}, status_code=204)
def end_totp(body: PasswordProof) -> Response:
    """Take the second factor away."""
    totp_services.end_totp(user_id=current_user().id, password=body.password)
    return Response(status=204)
