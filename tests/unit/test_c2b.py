"""Reading what a human typed as the account, and the provider's words about it. No database."""

from __future__ import annotations

import json
import string
from decimal import Decimal

import pytest

from orders.checkout_services import NUMBER_ALPHABET, NUMBER_LENGTH, draw_number
from payments import c2b
from payments.callback_json import Unreadable

SAMPLE = """{"TransactionType":"Pay Bill","TransID":"RKL51ZDR4F","TransTime":"20231121121325","TransAmount":"5.00",
"BusinessShortCode":"600966","BillRefNumber":"Sample Transaction","InvoiceNumber":"","OrgAccountBalance":"25.00",
"ThirdPartyTransID":"","MSISDN":"2547 ***** 126","FirstName":"NICHOLAS","MiddleName":"","LastName":""}"""
NUMBER = "ABDQ3467MN"


def test_the_providers_sample_is_read() -> None:
    assert c2b.parse(SAMPLE) == c2b.HandPayment("RKL51ZDR4F", Decimal("5.00"), "Sample Transaction")


def test_who_paid_is_not_read() -> None:
    told = repr(c2b.parse(SAMPLE))
    assert "NICHOLAS" not in told
    assert "126" not in told


@pytest.mark.parametrize("body", ["", "[]", "null", '"text"', "{"])
def test_what_is_no_object_is_unreadable(body: str) -> None:
    with pytest.raises(Unreadable):
        c2b.parse(body)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("TransID", None),
        ("TransID", "short"),
        ("TransID", 7),
        ("TransAmount", "five"),
        ("TransAmount", "-5"),
        ("TransAmount", True),
        ("TransAmount", "1e99"),
    ],
)
def test_an_odd_field_is_none_and_the_others_are_read(field: str, value: object) -> None:
    found = c2b.parse(json.dumps({**json.loads(SAMPLE), field: value}))
    assert (found.receipt is None, found.amount is None) == (field == "TransID", field == "TransAmount")


@pytest.mark.parametrize(("account", "kept"), [(None, ""), (7, ""), ("a\0b\n\ud800c", "abc"), ("x" * 500, "x" * 40)])
def test_an_account_is_kept_as_the_database_can_hold_it(account: object, kept: str) -> None:
    assert c2b.parse(json.dumps({**json.loads(SAMPLE), "BillRefNumber": account})).account == kept


# --- the order that was meant


@pytest.mark.parametrize(
    "typed",
    [
        NUMBER,
        NUMBER.lower(),
        "AbDq3467mN",
        f"  {NUMBER} ",
        "ABDQ 3467 MN",
        "ABDQ-3467-MN",
        "ABDQ\N{EN DASH}3467.MN",
        f"#{NUMBER}",
        f"Order {NUMBER}",
        f"order no. {NUMBER}",
        "\N{FULLWIDTH LATIN CAPITAL LETTER A}BDQ3467MN",
    ],
)
def test_how_a_number_is_written_does_not_matter(typed: str) -> None:
    assert c2b.possible_numbers(typed) == [NUMBER]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("AB0Q3467MN", {"ABDQ3467MN", "ABQQ3467MN"}),
        ("ABOQ3467MN", {"ABDQ3467MN", "ABQQ3467MN"}),
        ("ABDQ346IMN", {"ABDQ3467MN", "ABDQ346TMN"}),
        ("ABDQ3461MN", {"ABDQ3467MN", "ABDQ346TMN"}),
        ("ABDQ346lMN", {"ABDQ3467MN", "ABDQ346TMN"}),
        ("ABDQ346ZMN", {"ABDQ3467MN"}),
        ("ABDQ3457MN", {"ABDQ3467MN"}),
        ("A8DQ3467MN", {"ABDQ3467MN", "A3DQ3467MN"}),
    ],
)
def test_a_look_alike_is_read_as_what_it_looks_like(typed: str, meant: set[str]) -> None:
    assert set(c2b.possible_numbers(typed)) == meant


def test_every_letter_and_digit_is_in_the_alphabet_or_looks_like_something_in_it() -> None:
    everything = set(string.ascii_uppercase + string.digits)
    assert everything - set(NUMBER_ALPHABET) == set(c2b.LOOKS_LIKE)
    assert all(set(alike) <= set(NUMBER_ALPHABET) for alike in c2b.LOOKS_LIKE.values())


def test_a_drawn_number_means_itself_alone() -> None:
    for _ in range(200):
        number = draw_number()
        assert c2b.possible_numbers(number) == [number]


@pytest.mark.parametrize("typed", ["", "-", "RENT", NUMBER[:-1], NUMBER + "A", "X" + NUMBER, "OOOOO00000", "😀" * 10])
def test_what_is_no_number_or_could_be_too_many_means_none(typed: str) -> None:
    assert c2b.possible_numbers(typed) == []


def test_an_account_is_never_read_in_more_ways_than_one_statement_should_ask_for() -> None:
    assert len(c2b.possible_numbers("OOOO" + "A" * (NUMBER_LENGTH - 4))) == c2b.MOST_READINGS
    assert c2b.possible_numbers("OOOOO" + "A" * (NUMBER_LENGTH - 5)) == []
