"""Money is exact, whole cents, and never a float."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from pydantic import BaseModel, ValidationError

from utils import money


class Offer(BaseModel):
    price: money.Price


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("1499.00", "1499.00"),
        ("1499", "1499"),
        ("1499.5", "1499.50"),
        ("0.01", "0.01"),
        ('"1499.99"', "1499.99"),
        ("9999999.99", "9999999.99"),
        ("0.1", "0.10"),
        ("1e3", "1000"),
    ],
)
def test_a_number_or_a_string_is_read_exactly(sent: str, read: str) -> None:
    assert Offer.model_validate_json(f'{{"price": {sent}}}').price == Decimal(read)
    assert Offer.model_validate(json.loads(f'{{"price": {sent}}}')).price == Decimal(read)


@pytest.mark.parametrize(
    "sent",
    [
        "0",
        "-1",
        "0.001",
        "1.005",
        "10000000",
        "1e30",
        "true",
        "null",
        '"ten"',
        '"NaN"',
        '"Infinity"',
        "[]",
        '""',
        "NaN",
    ],
)
def test_what_is_no_price_is_refused(sent: str) -> None:
    with pytest.raises(ValidationError):
        Offer.model_validate(json.loads(f'{{"price": {sent}}}'))


def test_money_goes_out_as_a_string_with_two_decimals() -> None:
    assert Offer(price=Decimal("1499")).model_dump_json() == '{"price":"1499.00"}'
    assert money.text(Decimal("-0.5")) == "-0.50"


@pytest.mark.parametrize(
    ("amount", "whole"),
    [("100.49", "100"), ("100.50", "101"), ("0.01", "1"), ("0", "1"), ("99.99", "100"), ("2.5", "3"), ("1499", "1499")],
)
def test_a_total_becomes_whole_shillings_half_up_and_at_least_one(amount: str, whole: str) -> None:
    rounded = money.to_whole_shillings(Decimal(amount))
    assert rounded == Decimal(whole)
    assert rounded.as_tuple().exponent == -2
