"""Pages about oneself: who one is, one's picture, one's data, and the end of the account."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, flash

from auth import avatar_services, services, user_services
from auth.account_forms import ProfileForm
from auth.avatar_routes import LIMIT_OF_ACCOUNT, MOST_BYTES, account_key
from auth.decorators import current_user, login_required
from auth.schemas import PasswordProof
from extensions import limiter
from utils import forms, redirects, session_tokens, uploads
from utils.errors import (
    AccountLocked,
    BrokenPicture,
    EmailTaken,
    LastAdmin,
    OrdersOpen,
    PictureTooLarge,
    UnsupportedPicture,
    UploadTooLarge,
    UsernameTaken,
)

bp = APIBlueprint("account_pages", __name__, url_prefix="/account", enable_openapi=False)

NO_PICTURE = dict.fromkeys((BrokenPicture, PictureTooLarge, UnsupportedPicture, UploadTooLarge), uploads.FIELD)
NO_END = {AccountLocked: "password", LastAdmin: forms.WHOLE, OrdersOpen: forms.WHOLE}


def _show_profile(errors: forms.Errors) -> Response:
    account = services.get_user(user_id=current_user().id)
    return forms.show("account/profile.html", errors, account=account)


def _back() -> Response:
    return redirects.to_page("account_pages.show_profile")


@bp.get("")
@login_required
def show_profile() -> Response:
    """Show who one is here."""
    return _show_profile({})


@bp.post("/profile")
@login_required
def update_profile() -> Response:
    """Change what is written otherwise than it was."""
    form, errors = forms.parse(ProfileForm)
    if form is not None:
        account = services.get_user(user_id=current_user().id)
        changes = {name: value for name, value in form.model_dump().items() if value != account[name]}
        with forms.noting(errors, {UsernameTaken: "username", EmailTaken: "email"}):
            services.update_profile(user_id=account["id"], changes=changes)
            flash("Saved. Open the link that we mail to the new address." if "email" in changes else "Saved.", "good")
            return _back()
    return _show_profile(errors)


@bp.post("/avatar")
@login_required
@limiter.limit(LIMIT_OF_ACCOUNT, key_func=account_key)
@uploads.up_to(MOST_BYTES)
def set_avatar() -> Response:
    """Take a new picture."""
    errors = forms.Errors()
    with forms.noting(errors, NO_PICTURE):
        picture = uploads.read_picture(most_bytes=MOST_BYTES)
        avatar_services.set_avatar(user_id=current_user().id, picture=picture)
        flash("A fine picture.", "good")
        return _back()
    return _show_profile(errors)


@bp.post("/avatar/delete")
@login_required
def drop_avatar() -> Response:
    """Take the picture away."""
    avatar_services.drop_avatar(user_id=current_user().id)
    flash("The picture is gone.", "good")
    return _back()


@bp.get("/delete")
@login_required
def show_end() -> Response:
    """Say what the end of the account means, and ask for the password."""
    return forms.show("account/delete.html", {})


@bp.post("/delete")
@login_required
def end_account() -> Response:
    """Take the person out of the account, for good."""
    form, errors = forms.parse(PasswordProof)
    if form is not None:
        with forms.noting(errors, NO_END):
            user_services.end_own_account(actor=current_user(), password=form.password)
            session_tokens.forget()
            flash("Your account is deleted. Kwaheri!", "good")
            return redirects.to(redirects.HOME)
    return forms.show("account/delete.html", errors)
