"""Files that tests send."""

from __future__ import annotations

import io
from typing import Any

from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart


def upload(content: bytes, **fields: str) -> dict[str, Any]:
    """Return a request with a file in the field `file`; from memory, where the client itself would leave one open."""
    file = FileStorage(io.BytesIO(content), filename="goods.csv", content_type="text/csv")
    boundary, body = encode_multipart({**fields, "file": file})
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}
