"""What an order costs: pure arithmetic in Decimal, nothing read and nothing written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from utils import money
from utils.errors import InvalidFields

# Kenya's standard rate, Value Added Tax Act 2013, section 5(2); shop prices include it.
VAT_RATE = Decimal("0.16")
HIGHEST_TOTAL = Decimal("999999999.00")  # well inside DECIMAL(12,2)
NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class Totals:
    """The amounts of an order, in shillings: total = subtotal + shipping - discount + rounding."""

    subtotal: Decimal
    discount: Decimal
    shipping: Decimal
    rounding: Decimal
    tax_included: Decimal
    total: Decimal


def price_order(line_totals: Iterable[Decimal], *, shipping: Decimal = NOTHING, discount: Decimal = NOTHING) -> Totals:
    """Add up the lines; the total is whole shillings, and what that adds or takes is `rounding`.

    Raises InvalidFields for a total beyond what the books hold.
    """
    subtotal = sum(line_totals, NOTHING)
    exact = subtotal + shipping - discount
    if exact > HIGHEST_TOTAL:
        raise InvalidFields(fields={"items": f"the order comes to more than {HIGHEST_TOTAL} shillings"})
    total = money.to_whole_shillings(exact)
    return Totals(subtotal, discount, shipping, total - exact, vat_inside(total), total)


def vat_inside(total: Decimal) -> Decimal:
    """Return the VAT that a price with VAT holds, to the cent."""
    return (total * VAT_RATE / (1 + VAT_RATE)).quantize(money.CENT, ROUND_HALF_UP)
