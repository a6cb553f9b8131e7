"""Where Flask meets the rest: the trace of each request, problem+json, JSON answers, idempotent views."""

from __future__ import annotations

import functools
import gc
import json
import math
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, cast

from apiflask import APIFlask, HTTPError
from flask import Flask, Request, Response, g, render_template, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from itsdangerous import URLSafeTimedSerializer
from pydantic import BaseModel
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from extensions import limiter
from utils import assets, db, idempotency, json_body, log, metrics, pages, redirects, trace
from utils.errors import (
    InvalidFields,
    MalformedRequest,
    NotFound,
    ShopError,
)

logger = log.get_logger(__name__)

P = ParamSpec("P")
JSON = "application/json"
PROBLEM = "application/problem+json"
QUIET_ROUTES = {"/health", "/ready", "/metrics", "/static/<path:filename>"}
LONGEST_KEY = 255


class TooManyRequests(ShopError):
    status, code, detail = 429, "too_many_requests", "Too many requests. Wait as long as Retry-After says."


# --- the life of a request


def init_app(app: APIFlask, *, trusted_proxies: int) -> None:
    """Follow every request from its id to its log line, and render every error in one place.

    `trusted_proxies` is how many proxies of ours stand in front: only so many X-Forwarded entries are believed.
    """
    if trusted_proxies:
        hops = trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.session_interface = _Sessions()
    app.json = json_body.StrictJSON(app)
    app.request_class = json_body.JsonRequest
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_appcontext(_release)
    app.register_error_handler(ShopError, _answer_shop_error)
    app.register_error_handler(HTTPError, _answer_invalid_fields)
    app.register_error_handler(HTTPException, _answer_http_exception)
    app.register_error_handler(Exception, _answer_surprise)
    _look_for_garbage_rarely()


def _look_for_garbage_rarely() -> None:
    """Spare the requests Python's search for cycles: what was imported stays, and few of the objects that a request
    makes are in one. It took a tenth of a request, and now and then 40 ms."""
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


class Shop(APIFlask):
    """The application: no view of it is a coroutine, so the eight looks at each request whether one is are left out."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def send_static_file(self, filename: str) -> Response:
        return assets.send(filename)


class _Sessions(SecureCookieSessionInterface):
    """Flask's sessions, with the signer made once, and only where a cookie came: Flask makes one at every request."""

    _made: URLSafeTimedSerializer | None = None

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return super().open_session(app, request) if "HTTP_COOKIE" in request.environ else self.session_class()

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Do nothing where nobody looked at the session: Flask reads eight settings before it finds so."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        if self._made is None:
            self._made = super().get_signing_serializer(app)
        return self._made


def _begin() -> None:
    asked, told = _at_hand()
    told.started = time.perf_counter()
    trace.begin(asked.environ.get("HTTP_X_REQUEST_ID"), address=asked.remote_addr or "")


def _end(response: Response) -> Response:
    asked, told = _at_hand()
    seconds = time.perf_counter() - told.started
    route = asked.url_rule.rule if asked.url_rule else "(none)"
    response.headers["X-Request-ID"] = trace.request_id()
    if "is_limited" in told:
        _tell_limit(response)
    metrics.request_counter(asked.method, route, response.status_code).inc()
    metrics.request_timer(route).observe(seconds)
    tally = trace.tally()
    write = logger.debug if route in QUIET_ROUTES else logger.info
    write(
        "request",
        method=asked.method,
        route=route,
        path=route if "token" in (asked.view_args or {}) else asked.path,
        status=response.status_code,
        code=told.get("problem_code"),
        user_id=told.get("user_id"),
        duration_ms=round(seconds * 1000, 1),
        statements=tally.statements,
        database_ms=round(tally.seconds * 1000, 1),
    )
    return response


def _at_hand() -> tuple[Request, Any]:
    """Return the request at hand and what it carries: Flask's proxies look for them anew at each use."""
    return cast(Any, request)._get_current_object(), cast(Any, g)._get_current_object()


def _tell_limit(response: Response) -> None:
    """Tell the closest limit of this request: how many there are, how many are left, in how many seconds anew."""
    limit = limiter.current_limit
    if limit is None:
        return
    seconds = max(1, math.ceil(limit.reset_at - time.time()))
    response.headers["RateLimit-Limit"] = str(limit.limit.amount)
    response.headers["RateLimit-Remaining"] = str(limit.remaining)
    response.headers["RateLimit-Reset"] = str(seconds)
    if limit.breached:
        response.headers["Retry-After"] = str(seconds)


def _release(_error: BaseException | None) -> None:
    db.release()


# --- answers


def answer(
    body: BaseModel | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON: a model writes itself, which is quicker than to make it plain data first."""
    text = body.model_dump_json(by_alias=True) if isinstance(body, BaseModel) else json.dumps(body)
    return Response(text, status, headers=dict(headers or {}), mimetype=JSON)


def wants_json() -> bool:
    """Tell by the path alone whether the client is a program."""
    return request.path.startswith("/api")


def problem(error: ShopError) -> Response:
    """Render a domain error: problem+json under /api; elsewhere a page, or the way to the log-in that is missing."""
    g.problem_code = error.code
    if wants_json():
        response = Response(json.dumps(problem_body(error), default=str), error.status, mimetype=PROBLEM)
    elif error.status == 401:
        response = redirects.to_log_in()
    else:
        if error.status >= 500:
            g.setdefault("current_user", None)  # who reads it is not looked up in a database that may be away
        text = render_template("error.html", error=error, request_id=trace.request_id())
        response = pages.protect(Response(text, error.status))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def problem_body(error: ShopError) -> dict[str, Any]:
    """Return the members of problem+json (RFC 9457) for a domain error."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": trace.request_id(),
        "errors": [{"field": field, "message": message} for field, message in error.fields.items()],
        "data": error.data,
    }


# --- errors


def _answer_shop_error(error: ShopError) -> Response:
    if error.status >= 500:
        logger.error("request failed", code=error.code, detail=error.detail)
    return problem(error)


def _answer_invalid_fields(error: HTTPError) -> Response:
    """Render what pydantic found in the request, all of it at once."""
    if error.status_code != 422:
        return problem(_from_status(error.status_code, error.message or ""))
    fields = {
        name if name != "_schema" else location: "; ".join(text.removeprefix("Value error, ") for text in messages)
        for location, found in error.detail.items()
        for name, messages in found.items()
    }
    return problem(InvalidFields(fields=fields))


def _answer_http_exception(error: HTTPException) -> Response:
    shop_error = _from_status(error.code or 500, error.description or error.name)
    response = problem(shop_error)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _answer_surprise(error: Exception) -> Response:
    """Answer what nobody foresaw, with the story in the log and none of it in the answer."""
    logger.exception("request failed unexpectedly")
    return problem(ShopError())


def _from_status(status: int, description: str) -> ShopError:
    known: dict[int, ShopError] = {
        400: MalformedRequest(description),
        404: NotFound("There is nothing at this address."),
        429: TooManyRequests(),
    }
    if status in known:
        return known[status]
    error = ShopError(description)
    error.status = status
    error.code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    return error


# --- idempotent views


def idempotent(view: Callable[Concatenate[idempotency.Claim, P], Response]) -> Callable[P, Response]:
    """Give the view the claim of the request's Idempotency-Key; the same request again gets the first answer again.

    The view hands the claim to its business verb, which keeps the answer in the transaction of its effect. Stands
    below the log-in and the reading of the body, so that neither a 401 nor a 422 is kept.
    """

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> Response:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(idempotency.Claim(), *args, **kwargs)
        if not 1 <= len(key) <= LONGEST_KEY:
            raise InvalidFields(fields={"Idempotency-Key": f"must have 1 to {LONGEST_KEY} characters"})
        found = idempotency.claim(
            scope=f"user:{g.user_id}",
            key=key,
            fingerprint=idempotency.fingerprint(request.method, request.path, request.get_data()),
        )
        if isinstance(found, idempotency.Answer):
            replayed = {"Idempotent-Replayed": "true"}
            return Response(found.body, found.status_code, headers=replayed, content_type=found.content_type)
        return _run_claimed(found, lambda: view(found, *args, **kwargs))

    cast(Any, run).is_idempotent = True  # for the OpenAPI document
    return run


def _run_claimed(claim: idempotency.Claim, view: Callable[[], Response]) -> Response:
    try:
        response = view()
        if not claim.kept:
            raise AssertionError("an idempotent view must have its verb keep the answer")
        return response
    except ShopError as error:
        if error.status >= 500 or error.status == 429:
            idempotency.let_go(claim=claim)
        else:  # the verb's transaction is undone, and with it what it kept
            body = json.dumps(problem_body(error), default=str)
            idempotency.keep_refusal(claim=claim, status_code=error.status, body=body, content_type=PROBLEM)
        raise
    except Exception:
        idempotency.let_go(claim=claim)
        raise
