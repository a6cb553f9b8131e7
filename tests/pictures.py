"""Pictures that tests send, made here."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

RED, BLUE = (200, 30, 30), (30, 30, 200)


def make_picture(
    kind: str = "PNG", *, size: tuple[int, int] = (300, 200), mode: str = "RGB", colour: Any = RED, **written: Any
) -> bytes:
    """Return a picture of one colour."""
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, kind, **written)
    return file.getvalue()


def make_lying_png(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes whose header tells of a great many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9999))
        + chunk(b"IEND", b"")
    )


def read_picture(data: bytes) -> Image.Image:
    """Decode a picture."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture
