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
    """Send somebody to the log-in page who is to come back here afterwards."""
    return to(f"{LOG_IN_PAGE}?{urlencode({'next': pages.own_path(_this_page())})}")


def _this_page() -> str:
    """Return the page that is looked at: of a form that was sent, the page on which it stood."""
    if request.method in ("GET", "HEAD"):
        return _with_query(quote(request.path), request.query_string.decode("latin-1"))
    came_from = urlsplit(request.referrer or "")
    return _with_query(came_from.path, came_from.query) if came_from.netloc == request.host else HOME


def _with_query(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
