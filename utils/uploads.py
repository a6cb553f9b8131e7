"""Files that come with a request. A view that takes one says how large it may be, and is given its bytes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, cast

from flask import Response, request

from utils.errors import InvalidFields, UploadTooLarge

P = ParamSpec("P")

FIELD = "picture"
FORM_AROUND = 64 * 1024  # what a form with a file may hold besides it


def takes_picture(
    most_bytes: int,
) -> Callable[[Callable[Concatenate[bytes, P], Response]], Callable[P, Response]]:
    """Give the view the picture of the request: its body, or the file `picture` of a form. Stands below the log-in.

    Raises UploadTooLarge (when the whole request is too large, 413 as well), and InvalidFields when there is none.
    """

    def decorate(view: Callable[Concatenate[bytes, P], Response]) -> Callable[P, Response]:
        @functools.wraps(view)
        def run(*args: P.args, **kwargs: P.kwargs) -> Response:
            return view(_read(most_bytes), *args, **kwargs)

        cast(Any, run).most_bytes = most_bytes + FORM_AROUND  # for the request, and for the OpenAPI document
        return run

    return decorate


def _read(most_bytes: int) -> bytes:
    if request.mimetype == "multipart/form-data":
        file = request.files.get(FIELD)
        data = file.read() if file else b""
    else:
        data = request.get_data()
    if not data:
        raise InvalidFields(fields={FIELD: "choose a picture: JPEG, PNG or WebP"})
    if len(data) > most_bytes:
        raise UploadTooLarge(limit=most_bytes)
    return data
