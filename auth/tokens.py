"""Tokens: what this package's services decide, written down as JWT, and read again.

An access token names the user (`sub`) and the session (`sid`). A refresh token also carries, as its `jti`, the secret
that may be spent once. Whether the session still stands is for the database to say, not for the token.

Each token names the key that signed it (`kid`, told by the key itself). Tokens are signed with JWT_SECRET_KEY and read
with that and with JWT_PREVIOUS_SECRET_KEYS, so a new key logs nobody out.
"""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Flask
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token, get_jwt, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

import config
from auth import session_services
from extensions import jwt
from utils import web
from utils.errors import InvalidToken, NotLoggedIn, TokenExpired, TokenReused, TokenRevoked

REFUSALS = (InvalidToken, JWTExtendedException, PyJWTError)  # what reading a token that is no good raises


def init_app(app: Flask) -> None:
    """Bind Flask-JWT-Extended, which then refuses a token in the shop's own words."""
    jwt.unauthorized_loader(lambda _why: web.problem(NotLoggedIn()))
    jwt.invalid_token_loader(lambda _why: web.problem(InvalidToken()))
    jwt.expired_token_loader(lambda _header, _claims: web.problem(TokenExpired()))
    jwt.revoked_token_loader(lambda _header, _claims: web.problem(TokenRevoked()))
    jwt.encode_key_loader(lambda _identity: config.current().JWT_SECRET_KEY)
    jwt.decode_key_loader(_key_of)
    jwt.additional_headers_loader(lambda _identity: {"kid": key_id(config.current().JWT_SECRET_KEY)})
    jwt.init_app(app)


def key_id(secret: str) -> str:
    """Return the name of a signing key, which tells nothing of it."""
    return hashlib.sha256(b"kid:" + secret.encode()).hexdigest()[:12]


def _key_of(header: dict[str, Any], _claims: dict[str, Any]) -> str:
    """Return the key that a token says it was signed with. Raises InvalidToken for one that is not ours (any more)."""
    settings = config.current()
    keys = {key_id(secret): secret for secret in (settings.JWT_SECRET_KEY, *settings.jwt_previous_secret_keys)}
    if header.get("kid") not in keys:
        raise InvalidToken
    return keys[header["kid"]]


def make_pair(*, user_id: int, session_id: int, refresh_secret: str) -> dict[str, Any]:
    """Return both tokens of a session as clients get them."""
    claims = {"sid": session_id}
    return {
        "access_token": create_access_token(str(user_id), additional_claims=claims),
        "refresh_token": create_refresh_token(str(user_id), additional_claims={**claims, "jti": refresh_secret}),
        "token_type": "Bearer",
        "expires_in": config.current().ACCESS_TOKEN_SECONDS,
    }


def read_claims(*, refresh: bool = False, optional: bool = False) -> dict[str, Any]:
    """Return what the request's token says; nothing when `optional` and there is none.

    Raises InvalidToken, and Flask-JWT-Extended's own errors, which `init_app` words.
    """
    try:
        verify_jwt_in_request(refresh=refresh, optional=optional)
    except (IndexError, RecursionError, ValueError) as error:  # what hostile headers make of the parsers
        raise InvalidToken from error
    return get_jwt()


def renew_pair(refresh_token: str) -> dict[str, Any] | None:
    """Spend the refresh token of a browser's session for a new pair; None when it, or the session, is good no more."""
    try:
        claims = decode_token(refresh_token)
        secret = session_services.refresh_session(
            session_id=claims["sid"], refresh_secret=claims["jti"], grace=session_services.BROWSER_GRACE
        )
    except (TokenReused, TokenRevoked, *REFUSALS):
        return None
    return make_pair(user_id=int(claims["sub"]), session_id=claims["sid"], refresh_secret=secret)
