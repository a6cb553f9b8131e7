"""Pictures that customers send: read with suspicion and written anew, so that no byte of the file itself is kept.

What a decoder meets here was made by somebody else, perhaps to break it. So nothing is decoded before its header has
said how large it is, by the three decoders that are needed only, two at a time.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence

from PIL import Image, ImageOps

from utils.errors import BrokenPicture, PictureTooLarge, UnsupportedPicture

SIGNATURE = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)
DECODERS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 40_000_000  # what a good phone takes; 160 MB while it is decoded
QUALITY = 82

Image.MAX_IMAGE_PIXELS = None  # Pillow would warn at its own limit; ours is looked at below, before anything is decoded
_decoding = threading.BoundedSemaphore(2)


def make_squares(data: bytes, sizes: Sequence[int]) -> dict[int, bytes]:
    """Return the middle of a picture as square WebPs, the right way up, one for each size in pixels.

    Raises UnsupportedPicture for what is no JPEG, PNG or WebP, PictureTooLarge for one of too many pixels, and
    BrokenPicture.
    """
    if not SIGNATURE.match(data):
        raise UnsupportedPicture
    with _decoding:
        whole = _decode(data, smallest_side=max(sizes))
        return {size: _as_webp(ImageOps.fit(whole, (size, size), Image.Resampling.LANCZOS)) for size in sizes}


def _decode(data: bytes, *, smallest_side: int) -> Image.Image:
    """Return the first frame, upright, with its colours and nothing else."""
    try:
        picture = Image.open(io.BytesIO(data), formats=DECODERS)
        too_large = picture.width * picture.height > MOST_PIXELS
        if not too_large:
            picture.draft("RGB", (smallest_side, smallest_side))  # a JPEG is decoded no larger than needed
            upright = ImageOps.exif_transpose(picture)
            return upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    except Exception as error:  # there is no list of what a decoder raises over bytes made to break it
        raise BrokenPicture from error
    raise PictureTooLarge(limit=MOST_PIXELS)


def _as_webp(picture: Image.Image) -> bytes:
    picture.info.clear()  # no place, no camera, no colour profile
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=QUALITY, method=4)
    return written.getvalue()
