"""What every page has besides its content: the rules for the browser, and what its templates may use.

A page is what a blueprint of a `pages.py` (or `…_pages.py`) answers, and an error outside /api. JSON has none of this.
"""

from __future__ import annotations

import re
import secrets
from datetime import datetime
from decimal import Decimal

from flask import Flask, Response, g, request

from utils import assets, clock, compression

THEMES = ("light", "dark")
THEME_COOKIE = "theme"

OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")

# What a page may load and send, and from where. Without a word for it, nothing.
POLICY = {
    "default-src": "'none'",
    "script-src": "'nonce-{nonce}'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data: https:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "report-uri": "/csp-reports",
}
POLICY_TEXT = "; ".join(f"{name} {rule}" for name, rule in POLICY.items())
POLICY_HEADER = "Content-Security-Policy"
HEADERS = [
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Referrer-Policy", "same-origin"),
    ("Vary", "Accept-Encoding"),
    ("X-Content-Type-Options", "nosniff"),
]
NOT_SHARED = "private, no-cache"  # a page may name its reader: in no shared cache, and asked for anew each time
STRICT_TRANSPORT = "max-age=31536000"


def init_app(app: Flask) -> None:
    """Give the templates their filters and globals, and the pages of all blueprints so far their headers."""
    app.jinja_env.filters |= {"money": money, "when": when, "when_date": when_date}
    app.jinja_env.globals |= {"asset": assets.address, "csp_nonce": csp_nonce, "theme": theme}
    for name, blueprint in app.blueprints.items():
        if blueprint.import_name.endswith("pages"):
            app.after_request_funcs.setdefault(name, []).append(protect)


def protect(response: Response) -> Response:
    """Tell the browser what this page may do, and send it small; an error's page has been told already."""
    headers = response.headers
    if POLICY_HEADER not in headers:
        headers.extend(HEADERS)
        headers[POLICY_HEADER] = POLICY_TEXT.format(nonce=csp_nonce())
        headers.setdefault("Cache-Control", NOT_SHARED)
        if request.is_secure:
            headers["Strict-Transport-Security"] = STRICT_TRANSPORT
        compression.pack_page(response)
    return response


def keep_nowhere(response: Response) -> Response:
    """Have a page that tells what somebody ordered, and whereto, kept nowhere: after the log-out, Back must not show it
    to whoever has the device next. Stands on the blueprints of such pages, which are for guests as well."""
    response.headers["Cache-Control"] = "no-store"
    return response


def csp_nonce() -> str:
    """Return the word that a script of this answer must carry to be run."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    nonce: str = g.csp_nonce
    return nonce


def theme() -> str | None:
    """Return the colours that the reader chose; None leaves it to the device."""
    chosen = request.cookies.get(THEME_COOKIE)
    return chosen if chosen in THEMES else None


def own_path(address: str) -> str:
    """Return an address that was sent to us if it leads to a page of ours, else the way home.

    Browsers take `//host` and `/\\host` for other hosts, and leave out tabs and line ends before they look.
    """
    return address if OWN_PATH.fullmatch(address) else "/"


# --- filters


def money(amount: Decimal) -> str:
    """Write an amount as people in Kenya do: `KSh 1,499.00`, never broken over two lines."""
    return f"KSh\N{NO-BREAK SPACE}{amount:,.2f}"


def when(moment: datetime) -> str:
    """Write a moment by the clocks of East Africa: `20 Nov 2026, 14:05`."""
    return f"{clock.in_east_africa(moment):%-d %b %Y, %H:%M}"


def when_date(moment: datetime) -> str:
    """Write the day of a moment by the clocks of East Africa: `20 Nov 2026`."""
    return f"{clock.in_east_africa(moment):%-d %b %Y}"
