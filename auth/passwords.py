"""Passwords: hashed and checked with bcrypt, outside of any transaction, for it takes a quarter of a second.

Bcrypt lets other threads run meanwhile. It reads 72 bytes and no more, so a longer password is refused, not cut.
"""

from __future__ import annotations

import bcrypt

import config

SHORTEST = 8
LONGEST_BYTES = 72
# Salt and digest of no password anybody knows: what an unknown user's password is checked against.
NOBODYS = "4Zp0wBq1HkNc7yXvT3mRLeGdYs9FhJ2aUoKi6VnPxCbWtEzQrSgMe"


def check_what_bcrypt_reads(password: str) -> str:
    """Return a password that bcrypt reads whole. Raises ValueError with a sentence for its owner."""
    if len(password.encode()) > LONGEST_BYTES:
        raise ValueError(f"must have at most {LONGEST_BYTES} bytes; a letter with an accent takes two, an emoji four")
    if "\0" in password:
        raise ValueError("must not contain the character NUL")
    return password


def hash_password(password: str) -> str:
    """Return the hash to keep."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(config.current().BCRYPT_COST)).decode()


def matches(password: str, password_hash: str | None) -> bool:
    """Tell whether this is the password; takes as long when there is no such user (`None`)."""
    kept = password_hash or f"$2b${config.current().BCRYPT_COST:02}${NOBODYS}"
    offered = password.encode()
    found = bcrypt.checkpw(offered[:LONGEST_BYTES], kept.encode())
    return found and password_hash is not None and len(offered) <= LONGEST_BYTES
