"""Suggestions for money without a home. No database."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from payments import allocation
from payments.allocation import Money, OpenOrder, count_edits, suggest

NOON = datetime.fromisoformat("2026-03-01 12:00:00")
NUMBER = "ABDQ3467MN"


def order(order_id: int = 1, number: str = NUMBER, due: str = "100.00", minutes_before: float = 10) -> OpenOrder:
    return OpenOrder(order_id, number, Decimal(due), NOON - timedelta(minutes=minutes_before))


def money(account: str = "RENT", amount: str = "100.00", named: int | None = None) -> Money:
    return Money(Decimal(amount), account, NOON, named)


def reasons(came: Money, *orders: OpenOrder) -> list[tuple[int, tuple[str, ...]]]:
    return [(found.order.order_id, found.reasons) for found in suggest(came, orders)]


def test_the_same_amount_is_a_reason() -> None:
    assert reasons(money(), order()) == [(1, ("exactly 100.00 is due", "it was placed 10 min before"))]


def test_time_alone_is_none() -> None:
    assert reasons(money(amount="99.00"), order(minutes_before=0)) == []


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("ABOQ 3467 MN", "the account may be read as its number"),
        ("ABDQ3467", "the account is a part of its number"),
        ("467mn", "the account is a part of its number"),
        (f"shop {NUMBER} shoes", "its number is in the account"),
        ("ABDQ3467MW", "the account differs from its number by 1 character"),
        ("ABDQ346MN", "the account differs from its number by 1 character"),
        ("BADQ3467MN", "the account differs from its number by 1 character"),
        ("BADQ3467NM", "the account differs from its number by 2 characters"),
        ("ABDQ34677MNX", "the account differs from its number by 2 characters"),
    ],
)
def test_a_similar_account_is_a_reason(typed: str, reason: str) -> None:
    ((_, found),) = reasons(money(typed, amount="1.00"), order(minutes_before=60 * 24 * 9))
    assert found == (reason,)


@pytest.mark.parametrize("typed", ["", "ABD", "7MN", "RENT NOVEMBER", "ABDX3X67XN", "0712345678", "\0😀"])
def test_what_is_not_similar_is_no_reason(typed: str) -> None:
    assert reasons(money(typed, amount="1.00"), order()) == []


def test_the_order_that_money_came_for_stands_first() -> None:
    orders = (order(1, minutes_before=0), order(2, "XXXXXXXXXX", due="500.00", minutes_before=60 * 24 * 9))
    assert [found for found, _ in reasons(money(NUMBER, named=2), *orders)] == [2, 1]


def test_a_similar_account_weighs_more_than_the_amount_and_both_more_than_one() -> None:
    alike, exact, both = order(1, due="5.00"), order(2, "XXXXXXXXXX"), order(3, "ABDQ3467MW")
    assert [one for one, _ in reasons(money("ABDQ3467MX"), exact, alike, both)] == [3, 1, 2]


def test_of_equal_orders_the_nearest_in_time_stands_first() -> None:
    near, far, after = order(1, "A" * 10, minutes_before=5), order(2, "B" * 10, minutes_before=20), order(3, "C" * 10)
    found = suggest(money(), [far, after, near])
    assert [one.order.order_id for one in found] == [1, 3, 2]


def test_an_order_placed_after_the_money_is_told_so() -> None:
    ((_, found),) = reasons(money(), order(minutes_before=-200))
    assert found == ("exactly 100.00 is due", "it was placed 3 h after")


def test_no_more_are_suggested_than_a_person_looks_at() -> None:
    assert len(suggest(money(), [order(number) for number in range(50)])) == allocation.MOST_SUGGESTIONS


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("", "", 0),
        ("", "AB", 2),
        ("AB", "", 2),
        ("ABC", "", None),
        ("ABC", "ABC", 0),
        ("ABC", "ACB", 1),
        ("ABC", "BCA", 2),
        ("ABC", "AXC", 1),
        ("ABC", "XYZ", None),
        ("ABCD", "BADC", 2),
        ("XABCDEFG", "ABCDEFGX", 2),
    ],
)
def test_edits_are_counted_up_to_a_limit(one: str, other: str, edits: int | None) -> None:
    assert count_edits(one, other, at_most=2) == edits
    assert count_edits(other, one, at_most=2) == edits
