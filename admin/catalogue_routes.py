"""The catalogue as a file, for programs: out, and in again with a report by row."""

from __future__ import annotations

from dataclasses import asdict

from apiflask import APIBlueprint
from flask import Response, request

from admin.catalogue_schemas import ImportFile, ImportQuery, ImportReport
from auth.decorators import current_user, permission_required
from products import export_services, import_services
from utils import downloads, web

bp = APIBlueprint("catalogue_files", __name__, url_prefix="/api/admin/products", tag="Administration")

CAN_WRITE = permission_required("products:write")
LARGEST_FILE = 20 * 1024 * 1024


@bp.before_request
def take_large_files() -> None:
    """Let a whole catalogue in, where elsewhere a mebibyte is enough."""
    request.max_content_length = LARGEST_FILE


@bp.get("/export.csv")
@CAN_WRITE
@bp.output({}, content_type="text/csv")
def export_products() -> Response:
    """Write every product as CSV, from which an import makes the same shop again."""
    return downloads.csv_file("products.csv", export_services.list_rows)


@bp.post("/import")
@CAN_WRITE
@bp.input(ImportQuery, location="query", arg_name="query")
@bp.input(ImportFile, location="files", arg_name="upload")
@bp.output(ImportReport)
def import_products(query: ImportQuery, upload: ImportFile) -> Response:
    """Import products from CSV, and tell of every row that is not imported why; `dry_run=1` only tells."""
    summary = import_services.import_stream(
        upload.file.stream,
        format_name=query.format,
        actor_id=current_user().id,
        is_trial=query.dry_run,
    )
    report = {
        "dry_run": query.dry_run,
        "summary": {name: summary.products[name] for name in ("new", "changed", "unchanged", "refused")},
        "rows": summary.rows,
        "products": [asdict(outcome) for outcome in summary.outcomes],
        "problems": [asdict(problem) for problem in summary.problems],
    }
    return web.answer(ImportReport.model_validate(report))
