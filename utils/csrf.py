"""The proof that a form or a script is one of our own pages': a token that only they could read.

Keeps a secret in the session cookie, new for each log-in. Pages carry it masked, each time otherwise, so that a
compressed answer does not give it away letter by letter (BREACH). utils.session_tokens says which requests need one.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from flask import request, session

from utils.errors import CsrfFailed

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
KEY = "csrf_secret"
SIZE = 32


def token() -> str:
    """Return the token for a form, or for the header X-CSRF-Token; pages call it `csrf_token()`."""
    if KEY not in session:
        session[KEY] = secrets.token_bytes(SIZE)
    return masked(session[KEY])


def check(*, in_form: bool) -> None:
    """Look whether the request brought its session's token. Raises CsrfFailed.

    With `in_form` the field csrf_token does as well as the header; reading it reads the whole body.
    """
    secret = session.get(KEY)
    if not isinstance(secret, bytes):  # without one no token is right, and a large body need not be read
        raise CsrfFailed
    sent = request.headers.get(HEADER) or (request.form.get(FIELD, "") if in_form else "")
    if not secrets.compare_digest(_unmasked(sent), secret):
        raise CsrfFailed


def masked(secret: bytes) -> str:
    """Return the secret as a page may carry it, each time otherwise."""
    pad = secrets.token_bytes(SIZE)
    return base64.urlsafe_b64encode(pad + _xor(pad, secret)).decode()


def _unmasked(sent: str) -> bytes:
    try:
        masked = base64.b64decode(sent, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return _xor(masked[:SIZE], masked[SIZE:])


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(left, right, strict=False))
