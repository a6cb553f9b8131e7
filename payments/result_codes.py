"""The provider's result codes, as data: what each says about the money.

The same codes come by callback (a number) and by query (text). The list of failures is explicit: a code that is not
here proves nothing, so the attempt stays open and somebody is told. Prose is never matched: it differs from call to
call.
"""

from __future__ import annotations

from enum import Enum


class Meaning(Enum):
    """What a result code says about the money."""

    PAID = "paid"
    FAILED = "failed"
    OPEN = "open"
    UNKNOWN = "unknown"


MEANINGS: dict[str, Meaning] = {
    "0": Meaning.PAID,
    "4999": Meaning.OPEN,  # the query's word for a prompt that is still on the phone
    **dict.fromkeys(
        (
            "1",  # too little money
            "2",  # below the lowest amount
            "3",  # above the highest amount
            "4",  # above the payer's daily limit
            "8",  # above our own balance's limit
            "17",  # the same amount from the same payer within two minutes
            "26",  # the provider's system was busy
            "1001",  # the payer has another transaction open
            "1019",  # expired
            "1025",  # the prompt could not be sent
            "1032",  # cancelled by the payer
            "1036",  # SMSC timeout
            "1037",  # the phone was not reached
            "2001",  # wrong PIN
            "2028",  # wrong type of transaction or party
            "8006",  # PIN locked
            "9999",  # the prompt could not be sent
            "SFC_IC0003",  # wrong type of transaction or party
        ),
        Meaning.FAILED,
    ),
}


def meaning_of(code: str) -> Meaning:
    """Return what a result code says, UNKNOWN for one that nobody has told us of."""
    return MEANINGS.get(code, Meaning.UNKNOWN)
