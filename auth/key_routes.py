"""API keys over HTTP, for their owners. A key cannot make keys: that takes somebody who is logged in."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth import key_services
from auth.admin_schemas import ApiKey, ApiKeyIn, ApiKeyList, NewApiKey
from auth.decorators import current_user, login_required
from utils import web

bp = APIBlueprint("api_keys", __name__, url_prefix="/api/api-keys", tag="Accounts")


@bp.get("")
@login_required
@bp.output(ApiKeyList)
def list_keys() -> Response:
    """List one's own keys; what is secret of them is not shown."""
    return web.answer(ApiKeyList(items=[ApiKey(**key) for key in key_services.list_keys(user_id=current_user().id)]))


@bp.post("")
@login_required
@bp.input(ApiKeyIn, location="json", arg_name="body")
@bp.output(NewApiKey, status_code=201)
@bp.doc(responses=[403])
def create_key(body: ApiKeyIn) -> Response:
    """Make a key that may do some of what one may oneself; `key` is shown this once."""
    return web.answer(NewApiKey(**key_services.create_key(owner=current_user(), **body.model_dump())), 201)


@bp.delete("/<int:key_id>")
@login_required
@bp.output({}, status_code=204)
def revoke_key(key_id: int) -> Response:
    """Revoke one of one's own keys; it is refused from now on."""
    key_services.revoke_key(owner_id=current_user().id, key_id=key_id)
    return Response(status=204)
