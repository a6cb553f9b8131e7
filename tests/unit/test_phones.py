"""Every way in which Kenyans write their numbers becomes the one that M-Pesa takes."""

from __future__ import annotations

import pytest

from utils import phones


@pytest.mark.parametrize(
    "written",
    [
        "0712345678",
        "712345678",
        "254712345678",
        "+254712345678",
        "+254 712 345 678",
        "0712-345-678",
        "(0712) 345.678",
        " 0712345678 ",
    ],
)
def test_every_way_to_write_a_number_becomes_one(written: str) -> None:
    assert phones.normalise(written) == "254712345678"


def test_the_newer_numbers_are_known() -> None:
    assert phones.normalise("0112 345 678") == "254112345678"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "0812345678",
        "071234567",
        "07123456789",
        "+255712345678",
        "00254712345678",
        "254 0712345678",
        "call me",
        "0712345678\n0",
        "٠٧١٢٣٤٥٦٧٨",
        "+254712345678 ext 3",
    ],
)
def test_what_is_no_kenyan_mobile_number_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="must be a Kenyan mobile number, such as"):
        phones.normalise(written)


def test_a_mask_shows_no_more_than_the_ends() -> None:
    assert phones.mask("254712345678") == "25471*****78"
