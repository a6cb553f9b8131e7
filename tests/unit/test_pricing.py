"""The arithmetic of an order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orders import pricing
from utils.errors import InvalidFields


@pytest.mark.parametrize(
    ("lines", "total", "rounding"),
    [
        (["100.00", "49.00"], "149.00", "0.00"),
        (["99.50"], "100.00", "0.50"),
        (["99.49"], "99.00", "-0.49"),
        (["0.10"], "1.00", "0.90"),
    ],
)
def test_the_total_is_whole_shillings_and_rounding_says_what_was_added(
    lines: list[str], total: str, rounding: str
) -> None:
    totals = pricing.price_order(Decimal(line) for line in lines)
    assert (totals.total, totals.rounding) == (Decimal(total), Decimal(rounding))
    assert totals.total == totals.subtotal + totals.shipping - totals.discount + totals.rounding


def test_shipping_is_added_and_a_discount_taken_off() -> None:
    totals = pricing.price_order([Decimal("1000.00")], shipping=Decimal("250.00"), discount=Decimal("100.00"))
    assert totals.total == Decimal("1150.00")


def test_the_vat_inside_a_price_is_sixteen_parts_of_a_hundred_and_sixteen() -> None:
    assert pricing.vat_inside(Decimal("116.00")) == Decimal("16.00")
    assert pricing.vat_inside(Decimal("1499.00")) == Decimal("206.76")


def test_a_total_beyond_what_the_books_hold_is_refused() -> None:
    with pytest.raises(InvalidFields, match=r"not valid"):
        pricing.price_order([Decimal("9999999.99")] * 200)
