"""Third-party objects, made unbound and bound in app.py. Imports nothing of ours."""

from __future__ import annotations

from typing import Any

from flask import Flask, g
from flask_cors import CORS
from flask_jwt_extended import JWTManager
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address


class RouteLimiter(Limiter):
    """Limits stand on routes, which look for themselves. What Flask-Limiter does at every request is left out: before
    it a look for limits of the whole application, after it headers that utils.web writes. It cost a tenth of each."""

    def init_app(self, app: Flask) -> None:
        hooks: list[dict[Any, list[Any]]] = [
            app.before_request_funcs,
            app.after_request_funcs,
            app.teardown_request_funcs,
        ]
        before = [{name: list(functions) for name, functions in hook.items()} for hook in hooks]
        super().init_app(app)
        for hook, functions in zip(hooks, before, strict=True):
            hook.clear()
            hook.update(functions)

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        if not in_middleware:
            g.is_limited = True
            super()._check_request_limit(callable_name, in_middleware)


jwt = JWTManager()
cors = CORS()
# utils.web writes the headers: its own send Retry-After with every answer. When Redis is away, each process counts by
# itself until it is back: what guards one account stands in the database anyway.
limiter = RouteLimiter(get_remote_address, in_memory_fallback_enabled=True)
