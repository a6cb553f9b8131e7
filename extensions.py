"""Third-party objects, made unbound and bound in app.py. Imports nothing of ours."""

from __future__ import annotations

from flask import g
from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address


class RouteLimiter(Limiter):
    """Limits stand on routes, which look for themselves; Flask-Limiter's look before every request, for limits that
    the whole application would have, is left out: it cost a tenth of each."""

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        if not in_middleware:
            g.is_limited = True
            super()._check_request_limit(callable_name, in_middleware)


jwt = JWTManager()
cors = CORS()
limiter = RouteLimiter(get_remote_address)  # utils.web writes the headers: its own send Retry-After with every answer
