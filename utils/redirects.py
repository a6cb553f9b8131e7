"""Where a page sends the browser next: always with 303, which makes a GET of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from flask import Response, request, url_for

from utils import pages

HOME = "/"
LOG_IN_PAGE = "/login"


def to(path: str) -> Response:
    """Send the browser there, with a GET."""
    return Response(status=303, headers={"Location": path})


def to_page(endpoint: str, **values: Any) -> Response:
    """Send the browser to the page of a view; `next`, when it is the home page, goes without saying."""
    return to(url_for(endpoint, **{name: value for name, value in values.items() if value != HOME}))


def to_log_in() -> Response:
    """Send somebody to the log-in page who is to come back here afterwards.

    htmx would put that page where it wanted a piece of this one, so it is told to leave.
    """
    path = f"{LOG_IN_PAGE}?{urlencode({'next': pages.own_path(_this_page())})}"
    return Response(headers={"HX-Redirect": path}) if _asks_for_a_piece() else to(path)


def _asks_for_a_piece() -> bool:
    return "HX-Request" in request.headers


def _this_page() -> str:
    """Return the page that is looked at: of a form or a piece of a page, that on which it stands."""
    if request.method in ("GET", "HEAD") and not _asks_for_a_piece():
        return _with_query(quote(request.path), request.query_string.decode("latin-1"))
    came_from = urlsplit(request.headers.get("HX-Current-URL", request.referrer or ""))
    return _with_query(came_from.path, came_from.query) if came_from.netloc == request.host else HOME


def _with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
