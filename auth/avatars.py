"""The files of customers' pictures, under the instance's folder. Their addresses are public, and nobody guesses one.

A name is never used twice, so what lies under it never changes, and a file can go as soon as no account names it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import config

SMALL, LARGE = 96, 384  # pixels; twice of what is shown, for sharp screens
SIZES = {"small": SMALL, "large": LARGE}
FILE = re.compile(rf"[0-9a-f]{{64}}-({SMALL}|{LARGE})\.webp")
ADDRESS = "/pictures/avatars"


def folder() -> Path:
    """Return where the files lie."""
    return config.current().INSTANCE_DIR / "pictures" / "avatars"


def store(squares: Mapping[int, bytes]) -> str:
    """Write the files of a picture, each whole or not at all, and return its name."""
    name = hashlib.sha256(secrets.token_bytes(16) + squares[LARGE]).hexdigest()
    folder().mkdir(parents=True, exist_ok=True)
    for size, data in squares.items():
        draft = folder() / f".{name}-{size}"
        draft.write_bytes(data)
        draft.rename(folder() / f"{name}-{size}.webp")
    return name


def remove(name: str) -> None:
    """Delete the files of a picture; to do it again changes nothing."""
    for size in SIZES.values():
        (folder() / f"{name}-{size}.webp").unlink(missing_ok=True)


def addresses_of(name: str | None) -> dict[str, str] | None:
    """Return where the picture of this name is seen, in both sizes; None for none."""
    return {kind: f"{ADDRESS}/{name}-{size}.webp" for kind, size in SIZES.items()} if name else None
