"""What clients send and read about refunds."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints

from payments.refund_states import OUTSIDE
from payments.schemas import Id, MoneySort, Request, Status, Time, masked
from utils.money import Money, Price

Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Receipt = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{6,20}$", to_upper=True)]


def _whole(amount: Decimal) -> Decimal:
    if amount != amount.to_integral_value():
        raise ValueError("must be whole shillings: M-Pesa sends no cents")
    return amount


class RefundIn(Request):
    """Without an amount, all that can be given back of the payment."""

    amount: Annotated[Price, AfterValidator(_whole)] | None = None
    reason: Text


class RefundDecision(Request):
    """What a person found out about a refund in review: the money went back, or it did not and can be given again."""

    status: Literal["succeeded", "failed"]
    receipt: Receipt | None = None
    note: Text


class RefundQuery(Request):
    """How the list of refunds is filtered, sorted and paged; `-amount` has the highest first."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False
    sort: MoneySort = "newest"
    status: Status | None = None
    payment_id: Id | None = None
    order_id: Id | None = None
    receipt: Annotated[str, StringConstraints(min_length=1, max_length=20, to_upper=True)] | None = None


class Refund(BaseModel):
    id: int
    payment_id: int
    order_id: int | None
    method: Literal["reversal", "b2c", "mock", "cod"]
    status: Annotated[Status, BeforeValidator(lambda inside: OUTSIDE[inside])]
    amount: Money
    currency: str
    phone_number: Annotated[str | None, BeforeValidator(masked)]
    receipt: str | None
    result_code: str | None
    result_desc: str | None
    reason: str
    review_reason: str | None
    """What staff are to do; customers do not see it."""
    created_at: Time
    settled_at: Time | None


class RefundList(BaseModel):
    items: list[Refund]
    next_cursor: str | None
    total: int | None = None
    total_capped: bool | None = None
