"""Who asks? The decorators of views, and the answer for the rest of the request.

One statement a request: it finds the session (or the API key), its user and what they may do, or refuses the token.

A program with an API key comes in where a permission is asked for of everybody, or of programs (`login_or_key`).
What belongs to a person - the profile, passwords, keys - it cannot touch, nor send the forms of pages, which could.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from flask import g, request

from auth import key_services, session_services, tokens
from auth.session_services import CurrentUser
from utils import session_tokens, trace, web
from utils.errors import Forbidden, NotLoggedIn, PersonRequired, TokenRevoked, TotpSetupRequired

P = ParamSpec("P")
R = TypeVar("R")

# How the OpenAPI document tells who is let in; "bearer", "session" and "apiKey" are named in app.py.
LOGGED_IN: list[dict[str, list[str]]] = [{"bearer": []}, {"session": []}]
ANYBODY: list[dict[str, list[str]]] = [{}, *LOGGED_IN]

KEY_HEADER = "X-API-Key"
KEY_AS_BEARER = "Bearer duka_"


def current_user() -> CurrentUser:
    """Return who asks. Raises NotLoggedIn when nobody is logged in."""
    user: CurrentUser | None = g.get("current_user")
    if user is None:
        raise NotLoggedIn
    return user


def login_required(view: Callable[P, R]) -> Callable[P, R]:
    """Let only those in who are logged in, in person."""

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _identify(optional=False)
        _require_person()
        return view(*args, **kwargs)

    return _documented(run, LOGGED_IN)


def login_or_key(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let those in who are logged in, who see what is theirs; of a program with an API key, ask the permission."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            _identify(optional=False)
            user = current_user()
            if user.api_key_id is not None and not user.may(permission):
                raise Forbidden(permission=permission)
            return view(*args, **kwargs)

        return _documented(run, [*LOGGED_IN, {"apiKey": [permission]}])

    return decorate


def optional_login(view: Callable[P, R]) -> Callable[P, R]:
    """Let everybody in, and know those who are logged in; a token that is offered must be good."""

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _identify(optional=True)
        _require_person()
        return view(*args, **kwargs)

    return _documented(run, ANYBODY)


def permission_required(permission: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let only those in whose role, and API key if they use one, has the permission: `products:write`."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(view)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            _identify(optional=False)
            user = current_user()
            if not user.may(permission):
                raise TotpSetupRequired if user.lacks_second_factor else Forbidden(permission=permission)
            return view(*args, **kwargs)

        return _documented(run, [{scheme: [permission]} for scheme in ("bearer", "session", "apiKey")])

    return decorate


def identify_reader() -> None:
    """Find out who looks at a page that everybody may see."""
    _identify(optional=True)


def _identify(*, optional: bool) -> None:
    g.current_user, g.user_id, g.is_personal = None, None, not optional
    user = _find_user(optional=optional)
    if user is not None and user.api_key_id is not None and _is_form():
        raise PersonRequired
    if user is not None:
        g.current_user, g.user_id = user, user.id
        trace.note(user_id=user.id, **({"api_key_id": user.api_key_id} if user.api_key_id else {}))


def _find_user(*, optional: bool) -> CurrentUser | None:
    key = _offered_key()
    if key is not None:
        return key_services.get_current_user(key=key)
    try:
        claims = tokens.read_claims(optional=optional)
        if not claims:
            return None
        return session_services.get_current_user(user_id=int(claims["sub"]), session_id=claims["sid"])
    except (TokenRevoked, *tokens.REFUSALS):
        if session_tokens.forget() and optional:
            return None  # a browser cannot do without its cookie, as a program can without its token
        raise


def _offered_key() -> str | None:
    """Return the API key that the request came with, as `X-API-Key: duka_…` or `Authorization: Bearer duka_…`."""
    authorization = request.headers.get("Authorization", "")
    if KEY_HEADER in request.headers:
        return request.headers[KEY_HEADER]
    return authorization.removeprefix("Bearer ") if authorization.startswith(KEY_AS_BEARER) else None


def _require_person() -> None:
    """Raise PersonRequired when it is a program that asks."""
    user: CurrentUser | None = g.current_user
    if user is not None and user.api_key_id is not None:
        raise PersonRequired


def _is_form() -> bool:
    return request.method not in session_tokens.SAFE and not web.wants_json()


def _documented(view: Callable[P, R], security: list[dict[str, list[str]]]) -> Callable[P, R]:
    """Note it where APIFlask's own decorators note what they know of a view."""
    cast(Any, view)._spec = {**getattr(view, "_spec", {}), "security": security}
    return view
