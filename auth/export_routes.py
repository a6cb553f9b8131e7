"""One's own data, all of it, as a file."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, stream_with_context

from auth import export_services
from auth.avatar_routes import account_key
from auth.decorators import current_user, login_required
from auth.export_schemas import Export, write_export
from extensions import limiter
from utils import clock, web

bp = APIBlueprint("export", __name__, url_prefix="/api/profile", tag="Accounts")

LIMIT_OF_ACCOUNT = "10/hour"


@bp.get("/export")
@login_required
@limiter.limit(LIMIT_OF_ACCOUNT, key_func=account_key)
@bp.output(Export)
def export_account() -> Response:
    """Take all of one's own data away, as a file of JSON."""
    written = write_export(export_services.export_account(user_id=current_user().id))
    name = f"duka-{current_user().username}-{clock.now():%Y-%m-%d}.json"
    return Response(
        stream_with_context(written),
        mimetype=web.JSON,
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
