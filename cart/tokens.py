"""How a guest's token travels: in the header X-Cart-Token, both ways."""

from __future__ import annotations

from flask import request

HEADER = "X-Cart-Token"


def offered_token() -> str | None:
    """Return the token that the request carries."""
    return request.headers.get(HEADER)
