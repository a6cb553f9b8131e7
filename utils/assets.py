"""Files under static/: addresses that change with the content, so that a browser keeps what it has for a year."""

from __future__ import annotations

import functools
import hashlib
import mimetypes
import time
from pathlib import Path

from flask import Response, request, send_from_directory
from werkzeug.security import safe_join

import config
from utils import compression

FOLDER = config.ROOT / "static"
A_YEAR = "public, max-age=31536000, immutable"
AN_HOUR = "public, max-age=3600"


def address(filename: str) -> str:
    """Return where a file of static/ is found, as it is now."""
    if is_versioned(filename):
        return f"/static/{filename}"
    return _address(filename, int(time.monotonic()))


@functools.lru_cache(maxsize=1024)
def _address(filename: str, _second: int) -> str:
    """Return the address of a file that may change: looked at once a second, for every page names half a dozen."""
    return f"/static/{filename}?v={_fingerprint(FOLDER / filename)}"


def is_versioned(filename: str) -> bool:
    """Tell whether the name of a file says which version it is, as vendored ones do."""
    return filename.startswith("vendor/")


def send(filename: str) -> Response:
    """Answer with a file, compressed where that helps. Raises werkzeug's NotFound."""
    response = _send_text(filename) or send_from_directory(FOLDER, filename, max_age=None)
    response.headers["X-Content-Type-Options"] = "nosniff"
    if response.status_code in (200, 304):
        response.headers["Cache-Control"] = A_YEAR if _stays_as_it_is(filename) else AN_HOUR
        response.headers["Vary"] = "Accept-Encoding"
    return response


def _send_text(filename: str) -> Response | None:
    """Answer with a text file, as gzip if the browser takes it; None when it is none."""
    mimetype = mimetypes.guess_type(filename)[0] or ""
    found = safe_join(str(FOLDER), filename)
    path = Path(found or FOLDER)
    if not compression.is_worth_it(mimetype) or not path.is_file():
        return None
    tag = _fingerprint(path)
    if compression.is_taken():
        response = Response(_pack(path, path.stat().st_mtime_ns), mimetype=mimetype)
        response.headers["Content-Encoding"] = "gzip"
        response.set_etag(f"{tag}-gzip")
    else:
        response = Response(path.read_bytes(), mimetype=mimetype)
        response.set_etag(tag)
    return response.make_conditional(request)  # type: ignore[return-value]  # it returns itself


def _stays_as_it_is(filename: str) -> bool:
    if is_versioned(filename):
        return True
    return "v" in request.args and request.args["v"] == _fingerprint(FOLDER / filename)


def _fingerprint(path: Path) -> str:
    return _hash(path, path.stat().st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=6).hexdigest()


@functools.lru_cache(maxsize=1024)
def _pack(path: Path, _changed: int) -> bytes:
    return compression.pack(path.read_bytes(), level=9)
