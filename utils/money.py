"""Kenyan shillings: `Decimal` with two places inside, a string outside, never a float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

CURRENCY = "KES"
CENT = Decimal("0.01")
SHILLING = Decimal("1")
# DECIMAL(12,2) holds ten digits before the point; a price stays three below, so that a thousand of it still fit.
HIGHEST_PRICE = Decimal("9999999.99")


def to_whole_shillings(amount: Decimal) -> Decimal:
    """Round to whole shillings, half up, at least 1: M-Pesa moves no cents, and nothing below a shilling."""
    return max(amount.quantize(SHILLING, ROUND_HALF_UP), SHILLING).quantize(CENT)


def _exact(value: Any) -> Any:
    """Read a JSON number by its shortest decimal form: 0.1 is ten cents, not what binary floats make of it."""
    if isinstance(value, bool):
        raise ValueError("must be an amount of money, such as 1499.00")
    if isinstance(value, float):
        return repr(value)
    return value


def text(amount: Decimal) -> str:
    """Write an amount as clients read it: `1499.00`."""
    return f"{amount:.2f}"


Money = Annotated[
    Decimal,
    BeforeValidator(_exact),
    PlainSerializer(text, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+\.\d{2}$", "examples": ["1499.00"]}, mode="serialization"),
]
Price = Annotated[Money, Field(gt=0, le=HIGHEST_PRICE, max_digits=9, decimal_places=2)]
"""A price that a client may send: more than nothing, whole cents."""
