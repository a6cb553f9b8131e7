"""The keys to guests' orders: whoever placed one without an account shows it, in a cookie or by the link of a mail.

A key names orders and is signed with SECRET_KEY; nothing is stored. Only guests' orders are ever named in one.
"""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeSerializer

import config

SALT = "guests' orders"


def make_key(order_ids: list[int]) -> str:
    """Make the key to these orders."""
    return _signer().dumps(order_ids)


def read_key(key: str) -> list[int]:
    """Return the orders that a key opens, none for one that is not ours."""
    try:
        order_ids: list[int] = _signer().loads(key)
    except BadSignature:
        return []
    return order_ids


def _signer() -> URLSafeSerializer:
    settings = config.current()
    return URLSafeSerializer([*settings.previous_secret_keys, settings.SECRET_KEY], salt=SALT)
