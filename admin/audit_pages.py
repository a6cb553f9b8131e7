"""The audit log on the desk: who did what, found by who, what, to what, when and in which request."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Response, render_template
from pydantic import StringConstraints

from admin import audit_services, desk
from admin.schemas import AuditQuery, Word
from auth.decorators import permission_required
from utils import downloads

bp = desk.blueprint("audit", __name__)

READS = permission_required("reports:read")
SHOWN = 50
SORTS = {"newest": "Newest first", "oldest": "Oldest first"}
NOBODY = 2**62  # an actor that there is not


class AuditPage(desk.Span):
    """How the log is filtered and sorted: `actor` is a user name, the rest as the log has it."""

    actor: Annotated[str, StringConstraints(max_length=60)] | None = None
    action: Word | None = None
    target: Word | None = None
    request_id: Word | None = None
    sort: Annotated[str | None, desk.one_of(SORTS)] = None

    def query(self) -> AuditQuery:
        """Return what the service looks for; a name that nobody has did nothing."""
        wanted: dict[str, Any] = self.model_dump(
            include={"action", "target", "request_id", "sort", "cursor"}, exclude_none=True
        )
        if self.actor is not None:
            found = audit_services.find_actor_id(username=self.actor)
            wanted["actor"] = NOBODY if found is None else found
        return AuditQuery(limit=SHOWN, **wanted, **self.moments())


@bp.get("/audit-log")
@READS
@bp.input(AuditPage, location="query", arg_name="page")
def list_entries(page: AuditPage) -> str:
    """Show what was done."""
    found = audit_services.list_entries(query=page.query())
    return render_template(
        "admin/audit.html", page=page, entries=found.items, next_cursor=found.next_cursor, sorts=SORTS
    )


@bp.get("/audit-log.csv")
@READS
@bp.input(AuditPage, location="query", arg_name="page")
def export_entries(page: AuditPage) -> Response:
    """Write what was looked for as CSV, all of it."""
    query = page.query()
    return downloads.csv_file("audit-log.csv", lambda: audit_services.write_entries(query=query))
