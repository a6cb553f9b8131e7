"""How the shop does, for programs: the dashboard and the reports."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from admin import dashboard_services, report_services
from admin.dashboard_schemas import Dashboard, DashboardQuery, ReportQuery
from auth.decorators import permission_required
from utils import downloads, web

bp = APIBlueprint("reports", __name__, url_prefix="/api/admin", tag="Administration")

READS_REPORTS = permission_required("reports:read")


@bp.get("/dashboard")
@READS_REPORTS
@bp.input(DashboardQuery, location="query", arg_name="query")
@bp.output(Dashboard)
def get_dashboard(query: DashboardQuery) -> Response:
    """Show how the shop does: sales, payments, best sellers, low stock, money to review, and the checks."""
    return web.answer(dashboard_services.get_dashboard(days=query.days))


@bp.get("/reports/sales.csv")
@READS_REPORTS
@bp.input(ReportQuery, location="query", arg_name="query")
@bp.output({}, content_type="text/csv")
def write_sales(query: ReportQuery) -> Response:
    """Write the sales as CSV: by day, by order or by product."""
    return downloads.csv_file(
        f"sales-by-{query.by}.csv",
        lambda: report_services.list_sales(by=query.by, since=query.since, until=query.until),
    )
