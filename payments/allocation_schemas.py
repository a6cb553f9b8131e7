"""What staff send and read about money without a home."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from payments.schemas import Id, Request, Time, masked
from utils.money import Money


class AllocationIn(Request):
    order_id: Id


class UnallocatedQuery(Request):
    """How the list is paged."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False


class Suggestion(BaseModel):
    """An order that the money may be meant for, and why; the likeliest stands first."""

    order_id: int
    number: str
    status: str
    due: Money
    currency: str
    created_at: Time
    reasons: list[str]


class UnallocatedMoney(BaseModel):
    """Money that is there and belongs to nobody yet: `order_id` is the order that it came for and does not fit."""

    id: int
    order_id: int | None
    method: str
    amount: Money
    currency: str
    receipt: str | None
    account: str | None
    phone_number: Annotated[str | None, BeforeValidator(masked)]
    reason: str | None
    created_at: Time
    suggestions: list[Suggestion]


class UnallocatedList(BaseModel):
    items: list[UnallocatedMoney]
    next_cursor: str | None
    total: int | None = None
    total_capped: bool | None = None
