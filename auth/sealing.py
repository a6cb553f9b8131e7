"""Secrets at rest: sealed with a key made of SECRET_KEY, and opened with those made of PREVIOUS_SECRET_KEYS as well."""

from __future__ import annotations

import base64
import functools

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import config


def seal(text: str) -> str:
    """Return the text as it may be kept."""
    return _box().encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Return what was sealed. Raises cryptography.fernet.InvalidToken when the key that sealed it is gone."""
    return _box().decrypt(sealed.encode()).decode()


def _box() -> MultiFernet:
    settings = config.current()
    return MultiFernet([_fernet(secret) for secret in (settings.SECRET_KEY, *settings.previous_secret_keys)])


@functools.lru_cache(maxsize=8)
def _fernet(secret: str) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"duka: secrets at rest").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
