"""The Daraja simulator's book: every shilling that came to the shop's account or left it, whoever was told.

Kept in memory by the stage, under its lock. What it says is the truth that a shop's own books are held against.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Entry:
    """Money that moved."""

    receipt: str
    kind: Literal["stk", "c2b", "reversal", "b2c"]
    amount: int  # whole shillings; what leaves the shop's account is negative
    account: str  # of money that came: what the payer was shown or typed
    party: str  # the payer's or the receiver's phone
    reference: str  # the CheckoutRequestID, or the OriginatorConversationID of what the shop sent out
    original: str  # the receipt that a reversal takes back
    moved_at: str


class Book(dict[str, Entry]):
    """The entries by receipt."""

    @property
    def balance(self) -> int:
        """What stands on the shop's account, in shillings."""
        return sum(entry.amount for entry in list(self.values()))

    def is_reversed(self, receipt: str) -> bool:
        return any(entry.original == receipt for entry in list(self.values()))
