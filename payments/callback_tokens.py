"""The secret in a callback's address: which payment it is about, and that we said so.

The provider signs nothing and echoes nothing of ours, so this token is how a callback is known even when the push
itself was never answered. It is told true from false without the database. Hexadecimal, because the provider refuses
addresses that hold certain words (query, cmd, exe …), and these sixteen characters cannot spell any of them.
"""

from __future__ import annotations

import hashlib
import hmac
import re

import config

SHAPE = re.compile(r"([0-9a-f]{16})([0-9a-f]{64})\Z")


def make_token(*, kind: str, payment_id: int) -> str:
    """Return the token of a payment for one kind of callback: `stk`."""
    number = f"{payment_id:016x}"
    return number + _sign(kind, number)


def read_token(token: str, *, kind: str) -> int | None:
    """Return the id of the payment that a token names, None when the token is not ours."""
    match = SHAPE.match(token)
    if match is None:
        return None
    number, signature = match.groups()
    if not hmac.compare_digest(signature, _sign(kind, number)):
        return None
    return int(number, 16)


def callback_url(*, kind: str, payment_id: int) -> str:
    """Return the address at which the provider tells us about a payment."""
    token = make_token(kind=kind, payment_id=payment_id)
    return f"{config.current().MPESA_CALLBACK_BASE_URL}/api/payments/callbacks/{kind}/{token}"


def c2b_url(*, door: str) -> str:
    """Return the address at which the provider asks about money paid by hand (`validation`), or tells of it
    (`confirmation`). It is about no payment yet, so its token names the shortcode that is paid."""
    settings = config.current()
    number = f"{int(settings.MPESA_SHORTCODE):016x}"
    return f"{settings.MPESA_CALLBACK_BASE_URL}/api/payments/callbacks/c2b/{number}{_sign('c2b', number)}/{door}"


# The calls about a refund. Each has tokens of its own: a Result that comes before the call's answer tells by its
# address alone which call it is of.
REFUND_CALLS = ("reversal", "b2c", "reversal_status", "b2c_status")


def refund_url(*, door: str, call: str, refund_id: int) -> str:
    """Return the address at which the provider tells how a call about a refund ended: door `result` or `timeout`."""
    number = f"{refund_id:016x}"
    token = number + _sign(f"{door}.{call}", number)
    return f"{config.current().MPESA_CALLBACK_BASE_URL}/api/payments/callbacks/{door}/{token}"


def read_refund_token(token: str, *, door: str) -> tuple[int, str] | None:
    """Return the id of the refund that a token names, and of which call; None when the token is not ours."""
    for call in REFUND_CALLS:
        refund_id = read_token(token, kind=f"{door}.{call}")
        if refund_id is not None:
            return refund_id, call
    return None


def _sign(kind: str, number: str) -> str:
    secret = config.current().MPESA_CALLBACK_SECRET.encode()
    return hmac.new(secret, f"{kind}:{number}".encode(), hashlib.sha256).hexdigest()
