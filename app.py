"""The application: settings, logging, extensions, blueprints, errors and commands, put together. Nothing else."""

from __future__ import annotations

import atexit
import signal
import threading
from contextlib import ExitStack

import click
from apiflask import APIFlask

import config
import extensions
from admin import catalogue_routes, report_routes
from admin import handlers as admin_handlers
from admin import pages as admin_pages
from admin import routes as admin_routes
from auth import (
    account_pages,
    address_pages,
    address_routes,
    avatar_routes,
    export_routes,
    key_routes,
    notification_pages,
    notification_routes,
    password_routes,
    security_pages,
    session_routes,
    tokens,
    totp_routes,
)
from auth import admin_routes as account_admin_routes
from auth import cli as auth_cli
from auth import handlers as auth_handlers
from auth import pages as auth_pages
from auth import routes as auth_routes
from auth.decorators import KEY_HEADER, identify_reader
from cart import counts as cart_counts
from cart import handlers as cart_handlers
from cart import pages as cart_pages
from cart import routes as cart_routes
from main import openapi
from main import pages as main_pages
from main import routes as main_routes
from orders import handlers as order_handlers
from orders import pages as order_pages
from orders import routes as order_routes
from payments import allocation_routes, callback_routes, checkout_pages, refund_routes, review_routes, simulator
from payments import cli as payment_cli
from payments import handlers as payment_handlers
from payments import pages as payment_pages
from payments import routes as payment_routes
from products import cli as product_cli
from products import handlers as product_handlers
from products import pages as product_pages
from products import routes as product_routes
from utils import cli as database_cli
from utils import db, idempotency, log, outbox, pages, private_server, session_tokens, web, worker

BLUEPRINTS = [
    main_routes.bp,
    main_pages.bp,
    auth_routes.bp,
    auth_pages.bp,
    security_pages.bp,
    session_routes.bp,
    account_admin_routes.bp,
    account_pages.bp,
    address_routes.bp,
    address_pages.bp,
    avatar_routes.bp,
    avatar_routes.files,
    export_routes.bp,
    notification_routes.bp,
    notification_pages.bp,
    password_routes.bp,
    totp_routes.bp,
    key_routes.bp,
    product_routes.bp,
    product_pages.bp,
    cart_routes.bp,
    cart_pages.bp,
    order_routes.bp,
    order_pages.bp,
    payment_routes.bp,
    payment_pages.bp,
    checkout_pages.bp,
    refund_routes.bp,
    callback_routes.bp,
    review_routes.bp,
    allocation_routes.bp,
    admin_routes.bp,
    report_routes.bp,
    catalogue_routes.bp,
    *admin_pages.BLUEPRINTS,
]

# What happens when something has happened: topic -> handlers, each feature's own table.
HANDLERS: dict[str, list[outbox.Handler]] = outbox.merge(
    auth_handlers.HANDLERS, order_handlers.HANDLERS, payment_handlers.HANDLERS
)

# What the worker does, each feature's own list.
JOBS = [
    worker.Job("outbox", 0.2, lambda: outbox.deliver_due(HANDLERS)),
    worker.Job("forget idempotency keys", 3600, idempotency.delete_expired_keys),
    worker.Job("forget told events", 3600, outbox.delete_told_events),
    *auth_handlers.JOBS,
    *product_handlers.JOBS,
    *cart_handlers.JOBS,
    *order_handlers.JOBS,
    *payment_handlers.JOBS,
    *admin_handlers.JOBS,
]

# What a script of another origin may read besides the body.
HEADERS_FOR_SCRIPTS = [
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Cart-Token",
    "X-Request-ID",
]

# A log-in waits no longer than so many seconds for a Redis that does not answer.
REDIS_WAITS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}

COMMANDS: list[click.Command] = [
    database_cli.db_group,
    database_cli.outbox_group,
    auth_cli.create_admin,
    product_cli.catalogue_group,
    payment_cli.payments_group,
    simulator.simulator_command,
]


def create_app(settings: config.Settings | None = None) -> APIFlask:
    """Make the application. Raises config.ConfigError for settings that a shop cannot start with."""
    settings = config.use(settings or _settings_of_this_process())
    log.configure(settings.LOG_LEVEL)
    db.open_pool(settings.DATABASE_URL, settings.DATABASE_POOL_SIZE)

    app = web.Shop(__name__, title="Duka", version="1", json_errors=False, docs_path=None)
    app.config.from_mapping(_flask_settings(settings))
    tokens.init_app(app)
    cart_handlers.connect()
    cart_counts.init_app(app)
    extensions.limiter.init_app(app)
    if settings.CORS_ORIGINS:
        origins = settings.CORS_ORIGINS.split(",")
        extensions.cors.init_app(app, origins=origins, resources=r"/api/*", expose_headers=HEADERS_FOR_SCRIPTS)
    web.init_app(app, trusted_proxies=settings.TRUSTED_PROXIES)
    session_tokens.init_app(app, renew=tokens.renew_pair, identify=identify_reader)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    pages.init_app(app)
    app.spec_processor(openapi.complete)  # type: ignore[arg-type]  # it is called with the dict form only
    for command in [*COMMANDS, work]:
        app.cli.add_command(command)
    return app


def _settings_of_this_process() -> config.Settings:
    """Read the settings; with no DATABASE_URL in development, join (or start) the shop's private server."""
    values = config.environment()
    if "DATABASE_URL" not in values and values.get("SHOP_ENV", "development") == "development":
        held = ExitStack()
        values["DATABASE_URL"] = held.enter_context(private_server.running(private_server.SHOP_HOME))
        atexit.register(held.close)
    return config.load(values)


def _flask_settings(settings: config.Settings) -> dict[str, object]:
    # With this prefix, browsers take the cookie over https only, and from no other host of the domain.
    session_cookie = "__Host-session" if settings.is_production else "session"
    return {
        "SECRET_KEY": settings.SECRET_KEY,
        "SECRET_KEY_FALLBACKS": settings.previous_secret_keys,
        "TESTING": settings.SHOP_ENV == "testing",
        "MAX_CONTENT_LENGTH": 1024 * 1024,
        "SESSION_COOKIE_NAME": session_cookie,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.is_production,
        "SESSION_REFRESH_EACH_REQUEST": False,
        "PERMANENT_SESSION_LIFETIME": settings.REFRESH_TOKEN_SECONDS,
        "JWT_SECRET_KEY": settings.JWT_SECRET_KEY,
        "JWT_ACCESS_TOKEN_EXPIRES": settings.ACCESS_TOKEN_SECONDS,
        "JWT_REFRESH_TOKEN_EXPIRES": settings.REFRESH_TOKEN_SECONDS,
        "JWT_ERROR_MESSAGE_KEY": "detail",
        "PROPAGATE_EXCEPTIONS": False,
        "RATELIMIT_ENABLED": settings.RATELIMIT_ENABLED,
        "RATELIMIT_STORAGE_URI": settings.REDIS_URL or "memory://",
        "RATELIMIT_STORAGE_OPTIONS": REDIS_WAITS if settings.REDIS_URL else {},
        "OPENAPI_VERSION": "3.1.0",
        "SECURITY_SCHEMES": {
            "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "session": {"type": "apiKey", "in": "cookie", "name": session_cookie},
            "apiKey": {"type": "apiKey", "in": "header", "name": KEY_HEADER},
        },
    }


@click.command("worker")
def work() -> None:
    """Tell what happened, settle payments, expire orders: everything that runs beside the web server."""
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    worker.run(JOBS, stop)
