"""The ledger's plans: from what happened to what is posted. Pure; nothing read, nothing written.

An entry above zero is a debit, below zero a credit; the entries of a journal sum to zero. Money that we hold is a
debit of a clearing account, whatever we owe for it a credit. A plan leaves out accounts in which nothing moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from utils import money

# Every account and what its balance says; the CHECK of ledger_entries repeats the names.
ACCOUNTS = {
    "mpesa_clearing": "what M-Pesa holds for us",
    "cash_on_delivery": "what was taken at the door",
    "mock_clearing": "money that does not exist: development and tests",
    "receivable": "what customers have paid without a sale yet, or beyond it",
    "unallocated": "money that is there and belongs to no order yet",
    "sales": "what was sold, without VAT and rounding",
    "vat": "what is owed to the tax authority",
    "rounding": "what whole shillings added to the sales, or took",
    "refunds": "sales that were given back, without VAT",
}

# Where money of each payment method lies, and from where each refund method takes it.
CLEARING = {
    "mpesa_stk": "mpesa_clearing",
    "mpesa_c2b": "mpesa_clearing",
    "reversal": "mpesa_clearing",
    "b2c": "mpesa_clearing",
    "cod": "cash_on_delivery",
    "mock": "mock_clearing",
}

Entries = dict[str, Decimal]


class Unbalanced(ValueError):
    """Entries that no journal may have: the message tells why."""


def require_sound(entries: Mapping[str, Decimal]) -> None:
    """Raise Unbalanced for entries that do not sum to zero, move nothing, or name an account that is none."""
    if strange := entries.keys() - ACCOUNTS.keys():
        raise Unbalanced(f"no such account: {', '.join(sorted(strange))}")
    if not entries or not all(entries.values()):
        raise Unbalanced(f"an entry moves money, and these do not all: {dict(entries)}")
    if difference := sum(entries.values()):
        raise Unbalanced(f"debits and credits differ by {difference}: {dict(entries)}")


def receive(method: str, amount: Decimal) -> Entries:
    """Plan money that came for an order: what we hold, and what its customer has with us."""
    return {CLEARING[method]: amount, "receivable": -amount}


def receive_unallocated(method: str, amount: Decimal) -> Entries:
    """Plan money that came and fits nothing."""
    return {CLEARING[method]: amount, "unallocated": -amount}


def allocate(amount: Decimal) -> Entries:
    """Plan money without a home that is put to an order."""
    return {"unallocated": amount, "receivable": -amount}


def sell(*, total: Decimal, tax_included: Decimal, rounding: Decimal) -> Entries:
    """Plan the sale of an order that is paid in full: its total leaves what the customer has with us."""
    net = total - tax_included - rounding
    return _moving({"receivable": total, "sales": -net, "vat": -tax_included, "rounding": -rounding})


def refund(
    method: str, amount: Decimal, *, over: Decimal, total: Decimal, tax_included: Decimal, given_back: Decimal
) -> Entries:
    """Plan a refund to an order's customer: first what they have over, then the sale itself.

    `given_back` is what earlier refunds took from the sale. The VAT of a sale goes back in the sale's own share,
    counted from its start, so that a sale given back in any number of parts gives back exactly its VAT.
    """
    from_over = min(over, amount)
    from_sale = amount - from_over
    vat = _share(tax_included, given_back + from_sale, total) - _share(tax_included, given_back, total)
    return _moving({"receivable": from_over, "refunds": from_sale - vat, "vat": vat, CLEARING[method]: -amount})


def refund_unallocated(method: str, amount: Decimal) -> Entries:
    """Plan a refund of money that never found an order."""
    return {"unallocated": amount, CLEARING[method]: -amount}


def _share(tax: Decimal, part: Decimal, total: Decimal) -> Decimal:
    return (tax * part / total).quantize(money.CENT, ROUND_HALF_UP)


def _moving(entries: Entries) -> Entries:
    return {account: amount for account, amount in entries.items() if amount}
