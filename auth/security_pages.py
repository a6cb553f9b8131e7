"""What guards an account, for its owner: the password, the second factor, the devices that are logged in."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, current_app, flash

from auth import devices, password_routes, password_services, services, session_services, totp_routes, totp_services
from auth.decorators import current_user, login_required
from auth.schemas import PasswordChange, PasswordProof, TotpCode
from extensions import limiter
from utils import forms, redirects, session_tokens
from utils.errors import AccountLocked, NotFound, TotpEnabled, TotpNotBegun

bp = APIBlueprint("security_pages", __name__, url_prefix="/account/security", enable_openapi=False)

SHOWN = 50
PLACES = {
    "Profile": "/account",
    "Addresses": "/account/addresses",
    "Orders": "/orders",
    "Notifications": "/account/notifications",
    "Security": "/account/security",
}


@bp.app_template_global()
def account_places() -> dict[str, str]:
    """Return the pages about one's own account that this shop has, as the templates link them."""
    routes = current_app.url_map.bind("")
    return {text: path for text, path in PLACES.items() if routes.test(path, "GET")}


def _show_security(errors: forms.Errors) -> Response:
    user = current_user()
    page = session_services.list_sessions(user_id=user.id, limit=SHOWN)
    return forms.show(
        "account/security.html",
        errors,
        account=services.get_user(user_id=user.id),
        codes_left=totp_services.count_recovery_codes(user_id=user.id),
        sessions=[{**row, "name": devices.name_of(row["device"])} for row in page.items],
        has_more=page.next_cursor is not None,
        session_id=user.session_id,
    )


@bp.get("")
@login_required
def show_security() -> Response:
    """Show what guards the account."""
    return _show_security({})


@bp.post("/password")
@login_required
@limiter.limit(password_routes.TOKEN_LIMIT)
def change_password() -> Response:
    """Set another password; every other session ends."""
    form, errors = forms.parse(PasswordChange)
    if form is not None:
        user = current_user()
        with forms.noting(errors, {AccountLocked: "current_password"}):
            password_services.change_password(user_id=user.id, session_id=user.session_id, **form.model_dump())
            flash("The new password is set; all other devices are logged out.", "good")
            return _back()
    return _show_security(errors)


# --- devices


@bp.post("/sessions/<int:session_id>/end")
@login_required
def end_session(session_id: int) -> Response:
    """Log one device out; one that is out already is where its owner wants it."""
    with forms.noting({}, {NotFound: forms.WHOLE}):
        session_services.end_own_session(user_id=current_user().id, session_id=session_id)
        flash("That device is logged out.", "good")
    return _back()


@bp.post("/logout-all")
@login_required
def log_out_everywhere() -> Response:
    """Log every device out, this one as well."""
    session_services.log_out_everywhere(user_id=current_user().id)
    session_tokens.forget()
    flash("You are logged out everywhere.", "good")
    return redirects.to(redirects.HOME)


# --- the second factor


@bp.post("/totp")
@login_required
@limiter.limit(totp_routes.TOTP_LIMIT)
def begin_totp() -> Response:
    """Make a secret for the authenticator, and show it."""
    user = current_user()
    with forms.noting({}, {TotpEnabled: forms.WHOLE}):
        totp_services.begin_totp(user_id=user.id, email=user.email)
        return redirects.to_page("security_pages.show_totp")
    return _back()


@bp.get("/totp")
@login_required
def show_totp() -> Response:
    """Show the secret that waits to be confirmed, and ask for the first code."""
    return _show_totp({})


@bp.post("/totp/confirm")
@login_required
@limiter.limit(totp_routes.TOTP_LIMIT)
def confirm_totp() -> Response:
    """Switch the second factor on, and show the recovery codes this once."""
    form, errors = forms.parse(TotpCode)
    if form is not None:
        user = current_user()
        with forms.noting(errors, {TotpNotBegun: "code", TotpEnabled: "code"}):
            codes = totp_services.confirm_totp(user_id=user.id, session_id=user.session_id, code=form.code)
            return forms.show("account/recovery_codes.html", {}, codes=codes)
    return _show_totp(errors)


@bp.post("/totp/end")
@login_required
@limiter.limit(totp_routes.TOTP_LIMIT)
def end_totp() -> Response:
    """Take the second factor away."""
    form, errors = forms.parse(PasswordProof)
    if form is not None:
        with forms.noting(errors, {AccountLocked: "password"}):
            totp_services.end_totp(user_id=current_user().id, password=form.password)
            flash("Your second factor is off.", "good")
            return _back()
    return _show_security(errors)


def _show_totp(errors: forms.Errors) -> Response:
    user = current_user()
    begun = totp_services.find_begun(user_id=user.id, email=user.email)
    return forms.show("account/totp.html", errors, begun=begun) if begun else _back()


def _back() -> Response:
    return redirects.to_page("security_pages.show_security")
