"""What the model of tests/flows/money_model.py is made of: orders, payments, refunds, and the news of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from utils.errors import (
    AlreadyPaid,
    OrderClosed,
    OrderInReview,
    PaymentInProgress,
    ShopError,
)

PAID = "0"


@dataclass(eq=False)
class Bought:
    """An order."""

    id: int
    number: str
    pieces: dict[int, int]  # by the place of the variant
    total: int
    method: str
    status: str
    expires_at: datetime | None
    payment_status: str = "unpaid"
    paid: int = 0
    refunded: int = 0
    from_over: int = 0  # the part of it that was more than the total
    cancelled_by: Literal["nobody", "time", "a person"] = "nobody"
    prompt: Payment | None = None  # the one that holds the order

    @property
    def is_paid(self) -> bool:
        return self.paid >= self.total

    @property
    def customer_has(self) -> int:
        """What the shop owes the customer beyond the sale."""
        return self.paid - (self.total if self.is_paid else 0) - self.from_over

    def refusal_of_push(self) -> type[ShopError] | None:
        if self.status != "pending":
            return AlreadyPaid if self.is_paid else OrderClosed
        refusals = {"unpaid": None, "pending": PaymentInProgress, "review": OrderInReview}
        return refusals.get(self.payment_status, AlreadyPaid)


@dataclass(eq=False)
class Payment:
    """An attempt with its prompt on a payer's phone, or money that was paid by hand."""

    bought: Bought
    amount: int
    receipt: str
    payment_id: int = 0
    checkout_id: str = ""
    is_named: bool = False  # the shop knows the CheckoutRequestID
    open_until: datetime | None = None
    outcomes: list[str] = field(default_factory=list)  # what the payer did, in order
    state: Literal["open", "failed", "settled", "review"] = "open"
    told_receipt: str | None = None
    told_amount: int | None = None  # what the shop holds of it
    claimed: int = 0  # of it, by refunds
    sent_back: int = 0

    @property
    def refundable(self) -> int:
        return (self.told_amount or 0) - self.claimed if self.state in ("settled", "review") else 0

    @property
    def is_paid(self) -> bool:
        return PAID in self.outcomes


@dataclass(frozen=True)
class Word:
    """What the shop hears of a payment; a query tells neither amount nor receipt."""

    via: Payment  # whose token, or whose question
    of: Payment
    code: str
    amount: int | None = None
    receipt: str | None = None
    names: bool = False  # it carries a CheckoutRequestID, as callbacks do


@dataclass(frozen=True)
class Confirmation:
    """What the shop hears of money at the paybill: of no order, when the payer typed nonsense."""

    bought: Bought | None
    amount: int
    receipt: str


@dataclass(eq=False)
class Refund:
    """Money that is to go back."""

    id: int
    payment: Payment
    amount: int
    method: Literal["reversal", "b2c"]
    state: Literal["open", "succeeded", "failed", "review"] = "open"
    is_taken: bool = False  # the provider has the call
    went_well: bool | None = None  # None while the provider is at it
    receipt: str | None = None


@dataclass(frozen=True)
class Result:
    """What the shop hears of a refund."""

    refund: Refund
    went_well: bool


@dataclass(eq=False)
class Received:
    """News in the inbox; what cannot be told yet waits there, later and later."""

    news: Word | Confirmation | Result
    at: datetime
    due_at: datetime
    attempts: int = 0
