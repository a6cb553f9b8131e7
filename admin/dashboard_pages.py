"""The desk's first page: how the shop does."""

from __future__ import annotations

from typing import Annotated

from flask import Response, render_template
from pydantic import Field

from admin import dashboard_services, desk
from admin.dashboard_schemas import LONGEST_SPAN
from auth.decorators import current_user, login_required, permission_required
from utils import redirects
from utils.errors import Forbidden, TotpSetupRequired

bp = desk.blueprint("dashboard", __name__)

SPANS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "A year"}


class DashboardPage(desk.Query):
    days: Annotated[int, Field(ge=1, le=LONGEST_SPAN)] = 30


@bp.get("")
@login_required
def begin() -> Response:
    """Lead to the first section that its reader may see."""
    sections = desk.sections_of_reader()
    if not sections:
        lacks_second_factor = current_user().lacks_second_factor
        raise TotpSetupRequired if lacks_second_factor else Forbidden(permission=desk.SECTIONS[0].permission)
    return redirects.to(sections[0].path)


@bp.get("/dashboard")
@permission_required("reports:read")
@bp.input(DashboardPage, location="query", arg_name="query")
def dashboard(query: DashboardPage) -> str:
    """Show how the shop does: figures, charts and their tables, and what there is to do."""
    told = dashboard_services.get_dashboard(days=query.days)
    return render_template("admin/dashboard.html", told=told, spans=SPANS, days=query.days)
