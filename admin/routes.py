"""The shop as a whole, for staff: the audit log."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from admin import audit_services
from admin.schemas import AuditLog, AuditQuery
from auth.decorators import permission_required
from utils import web

bp = APIBlueprint("admin", __name__, url_prefix="/api/admin", tag="Administration")


@bp.get("/audit-log")
@permission_required("reports:read")
@bp.input(AuditQuery, location="query", arg_name="query")
@bp.output(AuditLog)
def list_audit_log(query: AuditQuery) -> Response:
    """List what staff did and what touched the safety of accounts."""
    return web.answer(audit_services.list_entries(query=query))
