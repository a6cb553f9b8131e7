"""Money that a customer pays by hand: what the provider tells of it, and the order that a human meant. Pure.

Names and the payer's number are in the body, and are not read: nothing here depends on who pays.
"""

from __future__ import annotations

import itertools
import math
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

from orders import checkout_services as checkout
from payments import callback_json
from payments.callback_json import Unreadable

LONGEST_ACCOUNT = 40  # twice what a payer can type

# What people put before the number.
PREFIXES = {"ORDER", "ORDERNO", "NO", "NUMBER"}
# What was typed for a character of the alphabet, because it looks like it; the alphabet has none of these itself.
LOOKS_LIKE = {
    "0": "DQ",
    "O": "DQ",
    "1": "7T",
    "I": "7T",
    "L": "7T",
    "2": "7",
    "Z": "7",
    "5": "6",
    "S": "6",
    "8": "B3",
    "U": "W",
    "V": "WY",
}
MOST_READINGS = 16  # of one account; one that could be read in more ways is read in none


@dataclass(frozen=True, slots=True)
class HandPayment:
    """What a validation or a confirmation says. What it does not say, or says unreadably, is None."""

    receipt: str | None
    amount: Decimal | None
    account: str


def parse(body: str) -> HandPayment:
    """Read a validation or a confirmation. Raises Unreadable for what is no JSON object."""
    fields = callback_json.load(body)
    if not isinstance(fields, dict):
        raise Unreadable("no object")
    account = fields.get("BillRefNumber")
    return HandPayment(
        receipt=callback_json.matching(callback_json.RECEIPT, fields.get("TransID")),
        amount=callback_json.amount(fields.get("TransAmount")),
        account=shown(account) if isinstance(account, str) else "",
    )


def shown(typed: str) -> str:
    """Return what was typed, as a person can read it and the database can hold it."""
    printable = "".join(character for character in typed if character.isprintable())
    return printable.strip()[:LONGEST_ACCOUNT]


def possible_numbers(account: str) -> list[str]:
    """Return the order numbers that a typed account may mean: one when it is written well, none when it is no number.

    Case, blanks, dashes and a word before the number do not count. A character that no number has was typed for one
    that looks like it; where several do, each is a possible number, and only one of them will be an order's.
    """
    typed = bare(account)
    if typed[: -checkout.NUMBER_LENGTH] in PREFIXES:
        typed = typed[-checkout.NUMBER_LENGTH :]
    choices = [character if character in checkout.NUMBER_ALPHABET else LOOKS_LIKE[character] for character in typed]
    if len(choices) != checkout.NUMBER_LENGTH or math.prod(map(len, choices)) > MOST_READINGS:
        return []
    return ["".join(reading) for reading in itertools.product(*choices)]


def bare(account: str) -> str:
    """Return the letters and digits of an account, in capitals."""
    return re.sub(r"[^0-9A-Z]", "", unicodedata.normalize("NFKC", account).upper())
