"""The door for the provider's callbacks: who may knock, with which secret, and how much they may bring.

The provider signs nothing, so each callback shows where it comes from, a token of ours and JSON of a bearable size,
in this order: what costs least is looked at first. Whoever is refused is counted, learns as little as can be (404
whether the address or the token was wrong) and leaves nothing behind; his body is not even read. Only refusals are
limited: a genuine callback comes once, and to answer it with 429 would lose it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NoReturn

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

import config
from extensions import limiter
from payments import callback_json, callback_tokens
from utils import metrics
from utils.errors import MalformedRequest, NotFound

LARGEST_BODY = 64 * 1024
REFUSALS_LIMIT = "60/minute"  # of one address; then it is 429
# From where Safaricom calls, by its own word: `official` in MPESA_ALLOWED_IPS.
OFFICIAL = (
    *("196.201.214.200", "196.201.214.206", "196.201.214.207", "196.201.214.208"),
    *("196.201.213.114", "196.201.213.44"),
    *("196.201.212.127", "196.201.212.138", "196.201.212.129", "196.201.212.136", "196.201.212.74", "196.201.212.69"),
)
EVERYWHERE = ("0.0.0.0/0", "::/0")
KEYWORDS = {"official": OFFICIAL, "any": EVERYWHERE}


def require_allowed_address(kind: str) -> None:
    """Let those in who call from an allowed address. Raises NotFound, or RateLimitExceeded for the stubborn."""
    if not _is_allowed(request.remote_addr or "::", config.current().callback_addresses):
        _refuse(kind, "address")


def require_known_token(kind: str, token: str) -> int:
    """Return the number that a token of ours names. Raises NotFound, or RateLimitExceeded for the stubborn."""
    number = callback_tokens.read_token(token, kind=kind)
    if number is None:
        _refuse(kind, "token")
    return number


def require_known_refund_token(kind: str, token: str) -> tuple[int, str]:
    """Return the refund that a token of ours names, and of which call. Raises as require_known_token does."""
    found = callback_tokens.read_refund_token(token, door=kind)
    if found is None:
        _refuse(kind, "token")
    return found


def read_body(kind: str) -> str:
    """Return a callback as it came. Raises RequestEntityTooLarge and MalformedRequest, each counted."""
    request.max_content_length = LARGEST_BODY + 1  # a body of no told length is cut there, not refused
    if (request.content_length or 0) > LARGEST_BODY or len(data := request.get_data()) > LARGEST_BODY:
        metrics.CALLBACKS_REFUSED.labels(kind, "size").inc()
        raise RequestEntityTooLarge
    body = data.decode("utf-8-sig", "replace")  # a stray byte in its prose must not cost the money
    if not callback_json.is_json(body):
        metrics.CALLBACKS_REFUSED.labels(kind, "not JSON").inc()
        raise MalformedRequest("The body is not JSON.")
    return body


def _refuse(kind: str, reason: str) -> NoReturn:
    metrics.CALLBACKS_REFUSED.labels(kind, reason).inc()
    _limit_refusals()
    raise NotFound("There is nothing at this address.")


@limiter.limit(REFUSALS_LIMIT)
def _limit_refusals() -> None:
    """Raise RateLimitExceeded for an address that was refused too often."""


@functools.lru_cache(maxsize=256)
def _is_allowed(address: str, setting: str) -> bool:
    caller = ip_address(address)
    if isinstance(caller, IPv6Address):
        caller = caller.ipv4_mapped or caller
    return any(caller in network for network in _networks(setting))


@functools.lru_cache(maxsize=16)
def _networks(setting: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(entry) for entry in _entries(setting))


def _entries(setting: str) -> Iterator[str]:
    for entry in setting.split(","):
        yield from KEYWORDS.get(entry, (entry,))
