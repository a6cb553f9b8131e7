"""How a guest's token travels: a program's in the header X-Cart-Token, both ways, a browser's in a cookie.

Pages look at the cookie only, the API at the header only: what a browser sends by itself opens no door of the API.
"""

from __future__ import annotations

from flask import Response, request

import config
from utils import web

HEADER = "X-Cart-Token"
COOKIE = "cart"
KEPT_SECONDS = 30 * 86_400  # as long as a cart that nobody touches


def offered_token() -> str | None:
    """Return the token that the request carries."""
    return request.headers.get(HEADER) if web.wants_json() else request.cookies.get(COOKIE)


def hand_token(response: Response, token: str | None) -> Response:
    """Give the browser the token of its new cart, when there is one."""
    if token is not None:
        secure = config.current().is_production
        response.set_cookie(COOKIE, token, max_age=KEPT_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response
