"""Accounts over HTTP: register, log in and out, refresh, one's own profile."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request
from flask_limiter.util import get_remote_address

from auth import entrance, services, session_services, tokens
from auth.decorators import current_user, login_required
from auth.schemas import LoggedIn, LoginRequest, ProfileUpdate, RegisterRequest, TokenPair, User
from extensions import limiter
from utils import session_tokens, web

bp = APIBlueprint("accounts", __name__, url_prefix="/api", tag="Accounts")

REFRESH_LIMIT = "600/minute"


def _address_and_account() -> str:
    body = request.get_json()
    return f"{get_remote_address()} {(body.get('username') or body['email']).casefold()}"


def _logged_in(opened: dict[str, Any], status: int) -> Response:
    return web.answer(LoggedIn(user=opened["user"], **entrance.welcome(opened)), status)


@bp.post("/auth/register")
@bp.post("/auth/signup")
@limiter.limit(entrance.REGISTER_LIMIT)
@bp.input(RegisterRequest, location="json", arg_name="body")
@bp.output(LoggedIn, status_code=201)
def register(body: RegisterRequest) -> Response:
    """Make an account and log it in."""
    return _logged_in(services.sign_up(**body.model_dump(), **entrance.device()), 201)


@bp.post("/auth/login")
@bp.input(LoginRequest, location="json", arg_name="body")
@limiter.limit(entrance.LOGIN_LIMIT)
@limiter.limit(entrance.LOGIN_LIMIT_OF_ACCOUNT, key_func=_address_and_account)
@bp.output(LoggedIn)
@bp.doc(responses=[401])
def login(body: LoginRequest) -> Response:
    """Log in with a user name or an e-mail address."""
    login = body.username or body.email
    return _logged_in(services.log_in(login=login, password=body.password, totp=body.totp, **entrance.device()), 200)


@bp.post("/auth/refresh")
@limiter.limit(REFRESH_LIMIT)
@bp.doc(security="bearer")
@bp.output(TokenPair)
def refresh() -> Response:
    """Spend a refresh token (as Bearer) for a new pair."""
    claims = tokens.read_claims(refresh=True)
    secret = session_services.refresh_session(session_id=claims["sid"], refresh_secret=claims["jti"])
    pair = tokens.make_pair(user_id=int(claims["sub"]), session_id=claims["sid"], refresh_secret=secret)
    return web.answer(TokenPair(**pair))


@bp.post("/auth/logout")
@login_required
@bp.output({}, status_code=204)
def log_out() -> Response:
    """End this session; its tokens are refused from now on."""
    session_services.log_out(session_id=current_user().session_id)
    session_tokens.forget()
    return Response(status=204)


@bp.post("/auth/logout-all")
@login_required
@bp.output({}, status_code=204)
def log_out_everywhere() -> Response:
    """End every session of this account."""
    session_services.log_out_everywhere(user_id=current_user().id)
    session_tokens.forget()
    return Response(status=204)


@bp.get("/profile")
@login_required
@bp.output(User)
def get_profile() -> Response:
    """Show one's own account."""
    return web.answer(User(**services.get_user(user_id=current_user().id)))


@bp.put("/profile")
@bp.patch("/profile")
@login_required
@bp.input(ProfileUpdate, location="json", arg_name="body")
@bp.output(User)
def update_profile(body: ProfileUpdate) -> Response:
    """Change one's own user name, e-mail address or phone number."""
    return web.answer(User(**services.update_profile(user_id=current_user().id, changes=body.changes())))
