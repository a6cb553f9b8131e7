"""The pages that belong to no feature: the API's document, the parts of all pages, and how they look."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request
from pydantic import BaseModel, StringConstraints

import config
from extensions import limiter
from main import breaches
from utils import clock, pages, session_tokens

bp = APIBlueprint("pages", __name__, enable_openapi=False)

API_VIEWER = "vendor/swagger-ui-dist-5.35.0"
LARGEST_REPORT = 16 * 1024
REPORT_LIMIT = "30/minute"
A_YEAR = 365 * 86_400


class Appearance(BaseModel):
    """The colours that a reader wants, and where he was when he chose them."""

    theme: Literal["light", "dark", "auto"]
    next: Annotated[str, StringConstraints(max_length=2000)] = "/"


@bp.get("/docs")
def docs() -> str:
    """Show the API, to read and to try."""
    return render_template("docs.html", viewer=API_VIEWER)


@bp.get("/design")
def design() -> str:
    """Show what pages are made of."""
    now = clock.now()
    moments = [now - timedelta(minutes=minutes) for minutes in (190, 40, 3)]
    return render_template("design.html", moments=moments, prices=[Decimal("84.50"), Decimal(1499), Decimal(12_600)])


@bp.post("/appearance")
@bp.input(Appearance, location="form", arg_name="form")
def choose_appearance(form: Appearance) -> Response:
    """Keep the colours that the reader wants, and go back to where he was."""
    response = redirect(pages.own_path(form.next), 303)
    if form.theme == "auto":
        response.delete_cookie(pages.THEME_COOKIE)
    else:
        secure = config.current().is_production
        response.set_cookie(
            pages.THEME_COOKIE, form.theme, max_age=A_YEAR, secure=secure, httponly=True, samesite="Lax"
        )
    return response  # type: ignore[return-value]  # werkzeug's class, which Flask's is one of


@bp.post("/csp-reports")
@limiter.limit(REPORT_LIMIT)
@session_tokens.open_to_others
def take_report() -> Response:
    """Log what a page of ours tried against its policy."""
    request.max_content_length = LARGEST_REPORT
    breaches.log_breach(request.get_data())
    return Response(status=204)
