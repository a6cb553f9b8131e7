"""Pages for the way in and out: log in, register, log out, a forgotten password, an address to verify.

A log-in with a second factor takes two steps. Between them the session keeps, for a few minutes, that the password was
right; neither the page nor the session holds the password.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apiflask import APIBlueprint
from flask import Response, flash, g, request, session
from flask_limiter.util import get_remote_address

from auth import entrance, one_time_services, password_routes, password_services, services, session_services
from auth.decorators import current_user, optional_login
from auth.page_forms import CodeForm, LogInForm
from auth.schemas import AddressRequest, PasswordReset, RegisterRequest, VerificationRequest
from extensions import limiter
from utils import clock, forms, pages, redirects, session_tokens
from utils.errors import AccountLocked, EmailTaken, InvalidCredentials, InvalidTotp, LinkSpent, UsernameTaken

bp = APIBlueprint("auth_pages", __name__, enable_openapi=False)

PROOF, PROVED_UNTIL = "password_proof", "proved_until"
TIME_FOR_THE_CODE = timedelta(minutes=5)
REFUSED = {InvalidCredentials: forms.WHOLE, AccountLocked: forms.WHOLE}


def _next() -> str:
    """Return where somebody wanted to go who was sent here."""
    return pages.own_path(request.args.get("next", "/"))


def _come_in(opened: dict[str, Any]) -> Response:
    session_tokens.keep(entrance.welcome(opened))
    return redirects.to(_next())


# --- log in


def _typed_account() -> str:
    return f"{get_remote_address()} {request.form.get('username', '').strip().casefold()}"


@bp.get("/login")
@optional_login
def show_log_in() -> Response:
    """Ask who somebody is; who is in already goes on."""
    return redirects.to(_next()) if g.user_id else forms.show("auth/log_in.html", {}, next=_next())


@bp.post("/login")
@limiter.limit(entrance.LOGIN_LIMIT)
@limiter.limit(entrance.LOGIN_LIMIT_OF_ACCOUNT, key_func=_typed_account)
def log_in() -> Response:
    """Let somebody in who knows the password, or go on to the second step."""
    form, errors = forms.parse(LogInForm)
    if form is not None:
        with forms.noting(errors, REFUSED):
            begun = services.begin_log_in(login=form.username, password=form.password, **entrance.device())
            return _ask_for_code(begun["proof"]) if "proof" in begun else _come_in(begun)
    return forms.show("auth/log_in.html", errors, next=_next())


def _ask_for_code(proof: dict[str, Any]) -> Response:
    session[PROOF], session[PROVED_UNTIL] = proof, clock.now() + TIME_FOR_THE_CODE
    return redirects.to_page("auth_pages.show_code", next=_next())


def _proof() -> dict[str, Any] | None:
    """Return what says that the password was right, as long as that counts."""
    if PROOF not in session or clock.now() >= session[PROVED_UNTIL].replace(tzinfo=None):
        return None
    proof: dict[str, Any] = session[PROOF]
    return proof


@bp.get("/login/code")
def show_code() -> Response:
    """Ask for the code of the second factor."""
    if _proof() is None:
        return redirects.to_page("auth_pages.show_log_in", next=_next())
    return forms.show("auth/code.html", {}, next=_next())


@bp.post("/login/code")
@limiter.limit(entrance.LOGIN_LIMIT)
def finish_log_in() -> Response:
    """Let somebody in who has the code, too."""
    form, errors = forms.parse(CodeForm)
    proof = _proof()
    if form is not None and proof is not None:
        with forms.noting(errors, {InvalidTotp: "totp", **REFUSED}):
            return _come_in(services.finish_log_in(proof=proof, totp=form.totp, **entrance.device()))
    if proof is None or forms.WHOLE in errors:
        flash(errors.get(forms.WHOLE, "That took too long. Log in again."), "bad")
        return redirects.to_page("auth_pages.show_log_in", next=_next())
    return forms.show("auth/code.html", errors, next=_next())


# --- register, log out


@bp.get("/register")
@optional_login
def show_registration() -> Response:
    """Ask for what an account needs."""
    return redirects.to(_next()) if g.user_id else forms.show("auth/register.html", {}, next=_next())


@bp.post("/register")
@limiter.limit(entrance.REGISTER_LIMIT)
def register() -> Response:
    """Make an account and let its owner in."""
    form, errors = forms.parse(RegisterRequest)
    if form is not None:
        with forms.noting(errors, {UsernameTaken: "username", EmailTaken: "email"}):
            response = _come_in(services.sign_up(**form.model_dump(), **entrance.device()))
            flash(f"Karibu, {form.username}! A mail to {form.email} is on its way: open its link.", "good")
            return response
    return forms.show("auth/register.html", errors, next=_next())


@bp.post("/logout")
@optional_login
def log_out() -> Response:
    """End the session; a browser that had none is where it wanted to be."""
    if g.user_id is not None:
        session_services.log_out(session_id=current_user().session_id)
        session_tokens.forget()
    flash("You are logged out.", "good")
    return redirects.to(redirects.HOME)


# --- what is mailed: a new password, a verified address


def _typed_address() -> str:
    return f"mail to {request.form.get('email', '').strip().casefold()}"


def _asks_for_no_mail() -> bool:
    return not request.form.get("email")


@bp.get("/forgot-password")
def show_forgotten() -> Response:
    """Ask where to send a link to."""
    return forms.show("auth/forgot_password.html", {})


@bp.post("/forgot-password")
@limiter.limit(password_routes.ASK_LIMIT)
@limiter.limit(password_routes.ASK_LIMIT_OF_ADDRESS, key_func=_typed_address)
def ask_for_reset() -> Response:
    """Have a link mailed, and say the same whether or not the address is known."""
    form, errors = forms.parse(AddressRequest)
    if form is None:
        return forms.show("auth/forgot_password.html", errors)
    password_services.ask_for_reset(email=form.email)
    flash(password_routes.MAILED, "good")
    return redirects.to_page("auth_pages.show_log_in")


@bp.get("/reset-password")
@limiter.limit(password_routes.TOKEN_LIMIT)
def show_reset() -> Response:
    """Ask for a new password, if the link of the mail is still good."""
    token, errors = request.args.get("token", ""), forms.Errors()
    with forms.noting(errors, {LinkSpent: "token"}):
        one_time_services.check_token(purpose="reset_password", token=token)
    return forms.show("auth/reset_password.html", errors, token=token)


@bp.post("/reset-password")
@limiter.limit(password_routes.TOKEN_LIMIT)
def reset_password() -> Response:
    """Set the new password; every session ends."""
    form, errors = forms.parse(PasswordReset)
    if form is not None:
        with forms.noting(errors, {LinkSpent: "token"}):
            password_services.reset_password(token=form.token, new_password=form.password)
            flash("The new password is set. Log in with it.", "good")
            return redirects.to_page("auth_pages.show_log_in")
    return forms.show("auth/reset_password.html", errors, token=request.form.get("token", ""))


@bp.get("/verify-email")
def show_verification() -> Response:
    """Ask for the click that verifies an address: programs that look through mails open links, but send no forms."""
    return forms.show("auth/verify_email.html", {}, token=request.args.get("token", ""))


@bp.post("/verify-email")
@limiter.limit(password_routes.TOKEN_LIMIT)
@limiter.limit(password_routes.ASK_LIMIT_OF_ADDRESS, key_func=_typed_address, exempt_when=_asks_for_no_mail)
def verify_email() -> Response:
    """Verify an address, or have another mail sent to it."""
    form, errors = forms.parse(VerificationRequest)
    if form is not None:
        with forms.noting(errors, {LinkSpent: "token"}):
            if form.email:
                password_services.ask_for_verification(email=form.email)
            else:
                password_services.verify_email(token=form.token)
            flash(password_routes.MAILED if form.email else "Your e-mail address is verified.", "good")
            return redirects.to(redirects.HOME)
    return forms.show("auth/verify_email.html", errors, token=request.form.get("token", ""))
