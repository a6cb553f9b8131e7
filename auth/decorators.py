"""Who asks? The decorators of views, and the answer for the rest of the request.

One statement a request: it finds the session, its user and the user's permissions, or refuses the token.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from flask import g
from structlog.contextvars import bind_contextvars

from auth import session_services, tokens
from auth.session_services import CurrentUser
from utils.errors import Forbidden, NotLoggedIn

P = ParamSpec("P")
R = TypeVar("R")

# How the OpenAPI document tells who is let in; "bearer" is named in app.py.
LOGGED_IN: list[dict[str, list[str]]] = [{"bearer": []}]
ANYBODY: list[dict[str, list[str]]] = [{}, *LOGGED_IN]


def current_user() -> CurrentUser:
    """Return who asks. Raises NotLoggedIn when nobody is logged in."""
    user: CurrentUser | None = g.get("current_user")
    if user is None:
        raise NotLoggedIn
    return user


def login_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let only those in who are logged in."""

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _identify(optional=False)
        return view(*args, **kwargs)

    return _documented(run, LOGGED_IN)


def optional_login(view: Callable[P, R]) -> Callable[P, R]:
    """Let everybody in, and know those who are logged in; a token that is offered must be good."""

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _identify(optional=True)
        return view(*args, **kwargs)

    return _documented(run, ANYBODY)


def permission_required(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only those in whose role has the permission: `products:write`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            _identify(optional=False)
            if not current_user().may(permission):
                raise Forbidden(permission=permission)
            return view(*args, **kwargs)

        return _documented(run, [{"bearer": [permission]}])

    return decorate


def _identify(*, optional: bool) -> None:
    claims = tokens.read_claims(optional=optional)
    g.current_user, g.user_id = None, None
    if claims:
        user = session_services.get_current_user(user_id=int(claims["sub"]), session_id=claims["sid"])
        g.current_user, g.user_id = user, user.id
        bind_contextvars(user_id=user.id)


def _documented(view: Callable[P, R], security: list[dict[str, list[str]]]) -> Callable[P, R]:
    """Note it where APIFlask's own decorators note what they know of a view."""
    cast(Any, view)._spec = {**getattr(view, "_spec", {}), "security": security}
    return view
