"""The ledger's plans: every journal balances, and says what it should. No database."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

import config
from orders import pricing
from payments import ledger

HUNDRED = Decimal("100.00")


def amounts(**entries: str) -> dict[str, Decimal]:
    return {account: Decimal(amount) for account, amount in entries.items()}


def refund(amount: str, **before: str) -> ledger.Entries:
    """Refund some of an order over 116.00 by reversal."""
    facts = {"over": "0", "total": "116.00", "tax_included": "16.00", "given_back": "0"} | before
    return ledger.refund("reversal", Decimal(amount), **{name: Decimal(value) for name, value in facts.items()})


@pytest.mark.parametrize(
    ("method", "account"),
    [
        ("mpesa_stk", "mpesa_clearing"),
        ("mpesa_c2b", "mpesa_clearing"),
        ("cod", "cash_on_delivery"),
        ("mock", "mock_clearing"),
    ],
)
def test_money_that_comes_lies_in_the_account_of_its_method(method: str, account: str) -> None:
    assert ledger.receive(method, HUNDRED) == {account: HUNDRED, "receivable": -HUNDRED}
    assert ledger.receive_unallocated(method, HUNDRED) == {account: HUNDRED, "unallocated": -HUNDRED}


def test_money_that_is_allocated_moves_from_nobody_to_its_customer() -> None:
    assert ledger.allocate(HUNDRED) == {"unallocated": HUNDRED, "receivable": -HUNDRED}


def test_a_sale_is_told_without_its_vat_and_its_rounding() -> None:
    sold = ledger.sell(total=Decimal("100.00"), tax_included=Decimal("13.79"), rounding=Decimal("0.50"))
    assert sold == amounts(receivable="100.00", sales="-85.71", vat="-13.79", rounding="-0.50")


def test_a_total_that_was_rounded_down_costs_the_rounding_account() -> None:
    sold = ledger.sell(total=Decimal("99.00"), tax_included=Decimal("13.66"), rounding=Decimal("-0.49"))
    assert sold == amounts(receivable="99.00", sales="-85.83", vat="-13.66", rounding="0.49")


def test_an_account_in_which_nothing_moves_is_left_out() -> None:
    assert "rounding" not in ledger.sell(total=HUNDRED, tax_included=Decimal("13.79"), rounding=Decimal(0))


def test_a_thousand_random_orders_are_sold_to_the_cent() -> None:
    chance = random.Random(20261120)
    for _ in range(1000):
        lines = [Decimal(chance.randint(1, 10**7)) / 100 for _ in range(chance.randint(1, 5))]
        totals = pricing.price_order(lines, shipping=Decimal(chance.choice([0, 250])))
        sold = ledger.sell(total=totals.total, tax_included=totals.tax_included, rounding=totals.rounding)
        ledger.require_sound(sold)
        assert sold["receivable"] == totals.total
        assert sold["vat"] == -pricing.vat_inside(totals.total)
        assert sold.get("rounding", Decimal(0)) == -totals.rounding


def test_a_refund_takes_back_the_sale_and_its_vat() -> None:
    assert refund("116.00") == amounts(refunds="100.00", vat="16.00", mpesa_clearing="-116.00")


def test_a_refund_takes_first_what_the_customer_has_over() -> None:
    assert refund("20.00", over="20.00") == amounts(receivable="20.00", mpesa_clearing="-20.00")
    assert refund("78.00", over="20.00") == amounts(
        receivable="20.00", refunds="50.00", vat="8.00", mpesa_clearing="-78.00"
    )


def test_a_sale_given_back_in_any_parts_gives_back_exactly_its_vat() -> None:
    chance = random.Random(7)
    for _ in range(200):
        total = Decimal(chance.randint(3, 5000))
        tax, given_back, vat = pricing.vat_inside(total), Decimal(0), Decimal(0)
        while given_back < total:
            part = min(total - given_back, Decimal(chance.randint(1, 700)))
            entries = ledger.refund("b2c", part, over=Decimal(0), total=total, tax_included=tax, given_back=given_back)
            ledger.require_sound(entries)
            assert entries.get("vat", Decimal(0)) >= 0
            vat += entries.get("vat", Decimal(0))
            given_back += part
        assert vat == tax


def test_unallocated_money_goes_back_without_touching_a_sale() -> None:
    assert ledger.refund_unallocated("b2c", HUNDRED) == {"unallocated": HUNDRED, "mpesa_clearing": -HUNDRED}


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"sales": "-1", "receivable": "2"}, "differ by 1"),
        ({"sales": "0", "receivable": "0"}, "moves money"),
        ({}, "moves money"),
        ({"petty_cash": "1", "sales": "-1"}, "no such account: petty_cash"),
    ],
)
def test_entries_that_no_journal_may_have_are_refused(entries: dict[str, Any], reason: str) -> None:
    with pytest.raises(ledger.Unbalanced, match=reason):
        ledger.require_sound(amounts(**entries))


def test_the_schema_knows_the_same_accounts() -> None:
    (file,) = (config.ROOT / "sql" / "migrations").glob("*_create_ledger_entries.sql")
    check = file.read_text().partition("CHECK (account IN (")[2].partition("))")[0]
    assert {name.strip(" '\n") for name in check.split(",")} == ledger.ACCOUNTS.keys()
    assert set(ledger.CLEARING.values()) <= ledger.ACCOUNTS.keys()
