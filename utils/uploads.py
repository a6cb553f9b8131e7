"""Files that come with a request. A view that takes one says how large it may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import request

from utils.errors import InvalidFields, UploadTooLarge

View = TypeVar("View", bound=Callable[..., Any])

FIELD = "picture"
FORM_AROUND = 64 * 1024  # what a form with a file may hold besides it


def up_to(most_bytes: int) -> Callable[[View], View]:
    """Mark a view whose requests bring a file of so many bytes, for the request and for the OpenAPI document."""

    def mark(view: View) -> View:
        cast(Any, view).most_bytes = most_bytes + FORM_AROUND
        return view

    return mark


def read_picture(*, most_bytes: int) -> bytes:
    """Return the picture of the request: its body, or the file `picture` of a form.

    Raises UploadTooLarge (when the whole request is too large, 413 as well), and InvalidFields when there is none.
    """
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
