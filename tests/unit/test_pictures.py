"""Pictures: what comes out is square, upright and says nothing of where it came from; what would hurt is refused."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from tests.pictures import BLUE, RED, make_lying_png, make_picture, read_picture
from utils import pictures
from utils.errors import BrokenPicture, PictureTooLarge, UnsupportedPicture

ORIENTATION = 0x0112
PLACE = 0x8825


def squared(data: bytes, size: int = 64) -> Image.Image:
    return read_picture(pictures.make_squares(data, [size])[size])


def is_like(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 25 for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("size", [(300, 200), (20, 30), (64, 64), (1, 1), (3000, 2)])
def test_each_kind_becomes_a_square_webp_of_each_size(kind: str, size: tuple[int, int]) -> None:
    made = pictures.make_squares(make_picture(kind, size=size), [96, 384])
    for side, data in made.items():
        picture = read_picture(data)
        assert (picture.format, picture.size) == ("WEBP", (side, side))
        assert is_like(picture.convert("RGB").getpixel((side // 2, side // 2)), RED)


@pytest.mark.parametrize(
    ("kind", "mode", "colour"),
    [
        ("PNG", "L", 128),
        ("PNG", "P", 0),
        ("PNG", "1", 1),
        ("PNG", "I;16", 900),
        ("PNG", "LA", (9, 9)),
        ("JPEG", "CMYK", 0),
    ],
)
def test_every_way_to_hold_colours_is_read(kind: str, mode: str, colour: object) -> None:
    assert squared(make_picture(kind, mode=mode, colour=colour)).size == (64, 64)


def test_what_is_transparent_stays_so() -> None:
    assert squared(make_picture(mode="RGBA", colour=(0, 0, 0, 0))).getpixel((5, 5))[3] == 0


def test_a_picture_is_turned_as_the_camera_says() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # taken with the phone held upright: its left is the top of what it wrote
    lying = Image.new("RGB", (400, 400), RED)
    lying.paste(BLUE, (0, 0, 200, 400))
    lying.save(file := io.BytesIO(), "JPEG", exif=exif)
    upright = squared(file.getvalue())
    assert is_like(upright.getpixel((32, 8)), BLUE)
    assert is_like(upright.getpixel((32, 56)), RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_is_told_of_place_or_camera(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Nosy Camera"
    exif.get_ifd(PLACE)[1] = "S"
    data = make_picture(kind, exif=exif, icc_profile=b"nosy profile", xmp=b"<nosy/>")
    assert b"osy" in data
    made = pictures.make_squares(data, [64])[64]
    assert b"osy" not in made
    assert [mark for mark in (b"EXIF", b"ICCP", b"XMP ") if mark in made] == []


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + b"\0" * 50, b"%PDF-1.7", b"{}"]
)
def test_what_is_no_picture_of_the_three_kinds_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedPicture):
        pictures.make_squares(data, [64])


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "ICO"])
def test_other_kinds_are_unsupported_whatever_they_are_called(kind: str) -> None:
    with pytest.raises(UnsupportedPicture):
        pictures.make_squares(make_picture(kind), [64])


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = make_lying_png(60_000, 60_000)
    tracemalloc.start()
    with pytest.raises(PictureTooLarge):
        pictures.make_squares(bomb, [64])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(bomb) < 1_000
    assert most < 1_000_000


def test_a_text_that_unpacks_without_end_is_refused() -> None:
    file = make_picture()
    text = zlib.compress(b"\0" * 5_000_000)
    chunk = b"zTXt" + b"k\0\0" + text
    packed = struct.pack(">I", len(chunk) - 4) + chunk
    packed += struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(BrokenPicture):
        pictures.make_squares(file[:33] + packed + file[33:], [64])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_broken_file_is_anything_but_broken(kind: str) -> None:
    good = make_picture(kind, size=(80, 60))
    chance = random.Random(7)
    refused = 0
    for _ in range(400):
        broken = bytearray(good[: chance.randrange(12, len(good))] if chance.random() < 0.5 else good)
        for _ in range(chance.randrange(1, 20)):
            broken[chance.randrange(12, len(broken)) if len(broken) > 12 else 11] = chance.randrange(256)
        try:
            pictures.make_squares(bytes(broken), [8])
        except (BrokenPicture, PictureTooLarge, UnsupportedPicture):
            refused += 1
    assert refused > 50
