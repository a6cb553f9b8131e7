"""One's own sessions over HTTP: where one is logged in, and the end of each."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth import session_services
from auth.decorators import current_user, login_required
from auth.schemas import Session, SessionList, SessionQuery
from utils import web

bp = APIBlueprint("sessions", __name__, url_prefix="/api/auth/sessions", tag="Accounts")


@bp.get("")
@login_required
@bp.input(SessionQuery, location="query", arg_name="query")
@bp.output(SessionList)
def list_sessions(query: SessionQuery) -> Response:
    """List where one is logged in, newest first; `current` is the session that asks."""
    user = current_user()
    page = session_services.list_sessions(user_id=user.id, limit=query.limit, cursor=query.cursor)
    items = [Session(**row, current=row["id"] == user.session_id) for row in page.items]
    return web.answer(SessionList(items=items, next_cursor=page.next_cursor))


@bp.delete("/<int:session_id>")
@login_required
@bp.output({}, status_code=204)
def end_session(session_id: int) -> Response:
    """End one of one's own sessions; its tokens are refused from now on."""
    session_services.end_own_session(user_id=current_user().id, session_id=session_id)
    return Response(status=204)
