"""How many pieces are in the cart, as the head of every page tells it: kept in a cookie, so that it costs no statement.

Whoever looks at the cart or changes it on a page brings the cookie up to date.
"""

from __future__ import annotations

from flask import Flask, Response, g, request

import config

COOKIE = "cart_count"
KEPT_SECONDS = 30 * 86_400


def init_app(app: Flask) -> None:
    """Give templates `cart_count()`."""
    app.jinja_env.globals["cart_count"] = cart_count


def cart_count() -> int:
    """Return how many pieces the cart of whoever asks had when he last saw it."""
    owner, _, count = request.cookies.get(COOKIE, "").partition(".")
    is_own = owner == _owner() and count.isascii() and count.isdigit() and len(count) < 7
    return int(count) if is_own else 0


def tell_count(response: Response, count: int, *, user_id: int | None = None) -> Response:
    """Have the browser keep how many pieces the cart of whoever asks, or has just logged in, has now."""
    secure = config.current().is_production
    value = f"{user_id or _owner()}.{count}"
    response.set_cookie(COOKIE, value, max_age=KEPT_SECONDS, secure=secure, httponly=True, samesite="Lax")
    return response


def _owner() -> str:
    return str(g.get("user_id") or 0)
