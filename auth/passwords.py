"""Passwords: which ones do, and how they are hashed and checked with bcrypt, a quarter of a second each.

Bcrypt lets other threads run meanwhile, but it fills a core and the thread of its request. So only `AT_ONCE` run at
the same moment, and no more than `IN_LINE` requests wait or run: the others are told to come again, and the rest of
the shop keeps its threads. Neither a transaction nor a connection is held meanwhile. Bcrypt reads 72 bytes and no
more, so a longer password is refused, not cut.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import bcrypt

import config
from utils import db
from utils.errors import TooManyAtOnce

P = ParamSpec("P")
R = TypeVar("R")

SHORTEST = 8
LONGEST_BYTES = 72
COMMON = Path(__file__).with_name("common_passwords.txt")
# Salt and digest of no password anybody knows: what an unknown user's password is checked against.
NOBODYS = "4Zp0wBq1HkNc7yXvT3mRLeGdYs9FhJ2aUoKi6VnPxCbWtEzQrSgMe"

AT_ONCE = max(1, (os.cpu_count() or 2) - 1)
IN_LINE = 8  # half of the web server's threads, see Procfile
_line = threading.BoundedSemaphore(IN_LINE)
_desk = threading.BoundedSemaphore(AT_ONCE)


def in_line(verb: Callable[P, R]) -> Callable[P, R]:
    """Make a verb that needs bcrypt stand in line before it does anything. It then raises TooManyAtOnce."""

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _line.acquire(blocking=False):
            raise TooManyAtOnce
        try:
            return verb(*args, **kwargs)
        finally:
            _line.release()

    return run


def check_new(password: str) -> str:
    """Return a password that does for an account. Raises ValueError with a sentence for its owner."""
    if len(password.encode()) > LONGEST_BYTES:
        raise ValueError(f"must have at most {LONGEST_BYTES} bytes; a letter with an accent takes two, an emoji four")
    if "\0" in password:
        raise ValueError("must not contain the character NUL")
    if password.casefold() in common_passwords():
        raise ValueError("is one of the first that anybody would try; choose another")
    return password


@functools.cache
def common_passwords() -> frozenset[str]:
    """Return the passwords that are refused whatever their case."""
    return frozenset(COMMON.read_text(encoding="utf-8").splitlines())


def hash_password(password: str) -> str:
    """Return the hash to keep."""
    _let_go_of_the_database()
    with _desk:
        return bcrypt.hashpw(password.encode(), bcrypt.gensalt(config.current().BCRYPT_COST)).decode()


def matches(password: str, password_hash: str | None) -> bool:
    """Tell whether this is the password; takes as long when there is no such user (`None`)."""
    _let_go_of_the_database()
    kept = password_hash or f"$2b${config.current().BCRYPT_COST:02}${NOBODYS}"
    offered = password.encode()
    with _desk:
        found = bcrypt.checkpw(offered[:LONGEST_BYTES], kept.encode())
    return found and password_hash is not None and len(offered) <= LONGEST_BYTES


def _let_go_of_the_database() -> None:
    db.assert_no_transaction()
    db.release()
