"""What the Result of a Reversal or B2C says about the money, as data.

The list of failures is explicit, as for prompts: a code that is not here proves nothing, so the refund stays open, is
asked after, and somebody is told.
"""

from __future__ import annotations

from enum import Enum


class Meaning(Enum):
    """What a result code says about money that was to go back."""

    MOVED = "moved"
    FAILED = "failed"
    ALREADY_REVERSED = "already reversed"
    NOT_REVERSIBLE = "not reversible"
    UNKNOWN = "unknown"


MEANINGS: dict[str, Meaning] = {
    "0": Meaning.MOVED,
    "R000001": Meaning.ALREADY_REVERSED,
    "R000002": Meaning.NOT_REVERSIBLE,  # the provider finds no such payment to reverse
    **dict.fromkeys(
        (
            "1",  # too little money on our account
            "2",  # below the lowest amount
            "3",  # above the highest amount
            "4",  # above the daily limit
            "8",  # above what the receiver's account may hold
            "21",  # the initiator may not do this
            "2001",  # the initiator's name or password is wrong
            "2006",  # the receiver's account is not active
            "2028",  # not permitted for our shortcode
            "2040",  # the receiver has no account
            "8006",  # the initiator's password is locked
            "SFC_IC0003",  # wrong type of transaction or party
        ),
        Meaning.FAILED,
    ),
}

# The words of Transaction Status. Any other means "not known yet".
STATUS_MEANINGS: dict[str, Meaning] = {
    "completed": Meaning.MOVED,
    **dict.fromkeys(("failed", "declined", "cancelled", "expired"), Meaning.FAILED),
}


def meaning_of(code: str) -> Meaning:
    """Return what a result code says, UNKNOWN for one that nobody has told us of."""
    return MEANINGS.get(code, Meaning.UNKNOWN)


def meaning_of_status(word: str) -> Meaning:
    """Return what Transaction Status says of a refund, UNKNOWN while that is nothing final."""
    return STATUS_MEANINGS.get(word.strip().lower(), Meaning.UNKNOWN)
