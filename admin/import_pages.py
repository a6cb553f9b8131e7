"""A catalogue file on the desk: first what it would do, row by row, then the same in earnest."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Mapping
from typing import Any

from flask import Response, flash, request

from admin import desk
from auth.decorators import current_user, permission_required
from products import export_services, import_services
from utils import downloads, forms, redirects
from utils.errors import UnreadableFile

bp = desk.blueprint("imports", __name__)

CAN_WRITE = permission_required("products:write")
LARGEST_FILE = 20 * 1024 * 1024
OUTCOMES = ("new", "changed", "unchanged", "refused")
ROWS_SHOWN = 500


@bp.url_value_preprocessor
def take_large_files(_endpoint: str | None, _values: Mapping[str, Any] | None) -> None:
    """Let a whole catalogue in, before anybody reads the form: as a file, and in the field in which it comes back."""
    request.max_content_length = request.max_form_memory_size = LARGEST_FILE


@bp.get("/products/export.csv")
@CAN_WRITE
def export_products() -> Response:
    """Write every product as CSV, from which an import makes the same shop again."""
    return downloads.csv_file("products.csv", export_services.list_rows)


@bp.get("/products/import")
@CAN_WRITE
def begin() -> Response:
    """Ask for a file."""
    return _show({})


@bp.post("/products/import/preview")
@CAN_WRITE
def preview() -> Response:
    """Tell what an import of the file would do, and change nothing."""
    upload = request.files.get("file")
    content = upload.read() if upload else b""
    errors: forms.Errors = {} if content else {"file": "Choose a CSV file."}
    if content:
        with forms.noting(errors, {UnreadableFile: "file"}):
            summary = import_services.import_stream(io.BytesIO(content), is_trial=True)
            return _show({}, summary=summary, packed=_pack(content), filename=upload.filename if upload else "")
    return _show(errors)


@bp.post("/products/import")
@CAN_WRITE
def import_products() -> Response:
    """Import the file that was previewed."""
    content = _unpack(request.form.get("packed", ""))
    errors: forms.Errors = {} if content else {"file": "Choose the file once more."}
    if content:
        with forms.noting(errors, {UnreadableFile: "file"}):
            summary = import_services.import_stream(io.BytesIO(content), actor_id=current_user().id)
            if not summary.problems:
                flash(str(summary), "good")
                return redirects.to("/admin/products")
            return _show({}, summary=summary, packed=None, filename="")
    return _show(errors)


def _show(errors: forms.Errors, **done: Any) -> Response:
    return forms.show("admin/import.html", errors, outcomes=OUTCOMES, rows_shown=ROWS_SHOWN, **done)


def _pack(content: bytes) -> str:
    """Write a file into a field of the page, byte for byte: a browser would change its line ends."""
    return base64.b64encode(zlib.compress(content)).decode()


def _unpack(text: str) -> bytes:
    """Return the file, nothing for what is none, or would be larger than any that we take."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(base64.b64decode(text, validate=True), LARGEST_FILE)
    except (binascii.Error, zlib.error, ValueError):
        return b""
    return b"" if unpacker.unconsumed_tail else content
