"""Browser sessions: the tokens of a log-in, kept in the session cookie and put into each request that brings it.

The cookie is signed, and no script can read it. The access token goes into the request's Authorization header before
anybody looks there, so `auth.decorators` let browsers and programs in alike; it is renewed here when it nears its end.
A request with credentials of its own - a bearer token, an API key - is a program's, and its cookie counts for nothing.

Browsers send cookies to us from other people's pages too. So an unsafe request that is let in by its cookie, and every
form of a page, must prove that it is ours (`utils.csrf`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, cast

from flask import Flask, Response, after_this_request, g, request, session

from utils import clock, csrf, web

Pair = Mapping[str, Any]
View = TypeVar("View", bound=Callable[..., Any])

EARLY = timedelta(seconds=15)  # a request that begins with a good token also ends with one
SAFE = {"GET", "HEAD", "OPTIONS", "TRACE"}
ACCESS, REFRESH, RENEW_AT = "access_token", "refresh_token", "renew_at"


def init_app(app: Flask, *, renew: Callable[[str], Pair | None], identify: Callable[[], None]) -> None:
    """Take browsers' sessions up.

    `renew` spends a refresh token for a new pair, or returns None when it is good no more; `identify` finds out who
    looks at a page whose view did not want to know: its head names them all the same.
    """

    def take_up() -> None:
        environ = request.environ
        has_cookie, is_safe = "HTTP_COOKIE" in environ, environ["REQUEST_METHOD"] in SAFE
        if is_safe and not has_cookie:
            return  # most of what programs send costs no more than this
        if request.endpoint == "static" or _has_credentials_of_its_own(environ):
            return
        logged_in = has_cookie and ACCESS in session
        is_page = not web.wants_json()
        if not is_safe and (logged_in or is_page) and _is_for_us_alone(app):
            csrf.check(in_form=is_page)
        if logged_in:
            _come_in(renew)

    def know_reader() -> dict[str, Any]:
        if "current_user" not in g and g.get("came_by_session"):
            identify()
        return {"current_user": g.get("current_user")}

    app.before_request(take_up)
    app.context_processor(know_reader)
    app.jinja_env.globals["csrf_token"] = csrf.token


def keep(pair: Pair) -> None:
    """Keep the tokens of a log-in, in a session that has nothing of the one before: others may know its cookie."""
    session.clear()
    session.permanent = True
    session.update(written(pair))


def written(pair: Pair) -> dict[str, Any]:
    """Return what a session keeps of a pair."""
    renew_at = clock.now() + timedelta(seconds=pair["expires_in"]) - EARLY
    return {ACCESS: pair[ACCESS], REFRESH: pair[REFRESH], RENEW_AT: renew_at}


def forget() -> bool:
    """Empty the session of a request that came in by it, and tell whether it did."""
    if not g.get("came_by_session"):
        return False
    session.clear()
    return True


def open_to_others(view: View) -> View:
    """Mark a view that browsers send to by themselves, so that its requests carry no token of a page."""
    cast(Any, view).is_open_to_others = True
    return view


def _is_for_us_alone(app: Flask) -> bool:
    """Tell whether the request is for a view to which nobody but our own pages send."""
    view = app.view_functions.get(request.endpoint or "")
    return view is not None and not hasattr(view, "is_open_to_others")


def _has_credentials_of_its_own(environ: Mapping[str, Any]) -> bool:
    """Tell whether the request names them in a header; what a browser adds by itself (Basic) does not count."""
    return "HTTP_X_API_KEY" in environ or "Bearer" in environ.get("HTTP_AUTHORIZATION", "")


def _come_in(renew: Callable[[str], Pair | None]) -> None:
    if clock.now() >= session[RENEW_AT].replace(tzinfo=None):
        pair = renew(session[REFRESH])
        if pair is None:
            session.clear()
            return
        session.update(written(pair))
    g.came_by_session = True
    after_this_request(_keep_out_of_caches)
    request.environ["HTTP_AUTHORIZATION"] = f"Bearer {session[ACCESS]}"


def _keep_out_of_caches(response: Response) -> Response:
    """Have what only somebody logged in may see kept nowhere: after the log-out, Back must not show it again."""
    if g.get("is_personal"):
        response.headers["Cache-Control"] = "no-store"
    return response
