"""gzip, for those on a slow line: pages and the files they load. Answers of the API go out as they are."""

from __future__ import annotations

import gzip
import io
import secrets

from flask import Response, request

SMALLEST = 600  # bytes; below, a packet is a packet
PAGE_LEVEL = 4
LONGEST_NAME = 64
TEXTS = {"application/javascript", "application/json", "image/svg+xml"}


def is_worth_it(mimetype: str) -> bool:
    """Tell whether content of this kind becomes smaller."""
    return mimetype.startswith("text/") or mimetype in TEXTS


def is_taken() -> bool:
    """Tell whether the browser at hand reads gzip."""
    return "gzip" in request.headers.get("Accept-Encoding", "")


def pack(content: bytes, *, level: int, name: str = "") -> bytes:
    """Return the content as a gzip file."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename=name, mode="wb", compresslevel=level, fileobj=packed, mtime=0) as file:
        file.write(content)
    return packed.getvalue()


def pack_page(response: Response) -> Response:
    """Compress a page.

    Its size must not tell what is secret in it: what a stranger makes the page repeat is shorter when it is part of
    the secret. The file name in the header, of a length drawn each time, hides that.
    """
    if not is_taken() or response.mimetype != "text/html" or response.is_streamed:
        return response
    content = response.get_data()
    if len(content) >= SMALLEST:
        name = secrets.token_hex(LONGEST_NAME // 2)[: 1 + secrets.randbelow(LONGEST_NAME)]
        response.set_data(pack(content, level=PAGE_LEVEL, name=name))
        response.headers["Content-Encoding"] = "gzip"
    return response
