"""What clients send and read about payments."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints

from payments.states import OUTSIDE
from utils import clock, phones
from utils.money import Money
from utils.phones import Phone

Time = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]
Status = Literal["pending", "succeeded", "failed", "review"]
MoneySort = Literal["newest", "oldest", "amount", "-amount"]
Id = Annotated[int, Field(ge=1, lt=2**63)]


class Request(BaseModel):
    """A body of ours: a field that we do not know is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class StkPushIn(Request):
    order_id: Id
    phone_number: Phone


class PromptForm(BaseModel):
    """What the button of the pay page sends."""

    phone_number: Phone


class TransactionQuery(Request):
    """How the list of payments is filtered, sorted and paged; `-amount` has the highest first."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False
    sort: MoneySort = "newest"
    status: Status | None = None
    order_id: Id | None = None
    receipt: Annotated[str, StringConstraints(min_length=1, max_length=20, to_upper=True)] | None = None


def masked(number: Any) -> Any:
    """Hide the middle of a phone number."""
    return phones.mask(number) if isinstance(number, str) else number


class Payment(BaseModel):
    id: int
    order_id: int | None
    method: str
    status: Annotated[Status, BeforeValidator(lambda inside: OUTSIDE[inside])]
    amount: Money
    currency: str
    phone_number: Annotated[str | None, BeforeValidator(masked)]
    checkout_request_id: str | None
    receipt: str | None
    result_code: str | None
    result_desc: str | None
    created_at: Time
    settled_at: Time | None


class PaymentList(BaseModel):
    items: list[Payment]
    next_cursor: str | None
    total: int | None = None
    total_capped: bool | None = None


class ReviewItem(BaseModel):
    """Something that waits for a person: why, and what to do next."""

    kind: Literal["check", "payment", "refund", "contradiction", "order", "attempt", "event"]
    id: int | None
    order_id: int | None
    order_number: str | None = None
    amount: Money | None = None
    currency: str | None = None
    receipt: str | None = None
    since: Time | None = None
    why: str
    next: str


class Review(BaseModel):
    items: list[ReviewItem]


class CallbackAnswer(BaseModel):
    """What the provider reads: accepted, whatever we make of it afterwards."""

    ResultCode: int = 0
    ResultDesc: str = "Accepted"


class ValidationAnswer(BaseModel):
    """What the provider reads about money that has not moved yet: `0`, or the code that tells the payer why not."""

    ResultCode: str
    ResultDesc: str
