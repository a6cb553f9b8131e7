"""One's own picture over HTTP, and the public addresses of pictures."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, send_from_directory

from auth import avatar_services, avatars, services
from auth.decorators import current_user, login_required
from auth.schemas import User
from extensions import limiter
from utils import uploads, web
from utils.errors import NotFound

bp = APIBlueprint("avatars", __name__, url_prefix="/api/profile/avatar", tag="Accounts")
files = APIBlueprint("avatar_files", __name__, url_prefix=avatars.ADDRESS, enable_openapi=False)

MOST_BYTES = 5 * 1024 * 1024
LIMIT_OF_ACCOUNT = "30/hour"
A_YEAR = 31_536_000


def account_key() -> str:
    """Name the account that a limit counts for."""
    return f"user:{current_user().id}"


@bp.put("")
@login_required
@limiter.limit(LIMIT_OF_ACCOUNT, key_func=account_key)
@uploads.up_to(MOST_BYTES)
@bp.output(User)
def set_avatar() -> Response:
    """Set one's own picture: a JPEG, PNG or WebP, as the body or as `picture` of a form."""
    picture = uploads.read_picture(most_bytes=MOST_BYTES)
    avatar_services.set_avatar(user_id=current_user().id, picture=picture)
    return web.answer(User(**services.get_user(user_id=current_user().id)))


@bp.delete("")
@login_required
@bp.output({}, status_code=204)
def drop_avatar() -> Response:
    """Take one's own picture away."""
    avatar_services.drop_avatar(user_id=current_user().id)
    return Response(status=204)


@files.get("/<name>")
def show_avatar(name: str) -> Response:
    """Show a picture; what lies under a name never changes."""
    if not avatars.FILE.fullmatch(name):
        raise NotFound(what="picture")
    response = send_from_directory(avatars.folder(), name, mimetype="image/webp", max_age=A_YEAR)
    response.cache_control.public = True
    response.cache_control.immutable = True
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
