"""What the dashboard tells, and how the reports are asked for."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from admin.schemas import Moment
from utils.money import Money

LONGEST_SPAN = 366
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
Day = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]


class DashboardQuery(BaseModel):
    """How far back to look, today included."""

    model_config = ConfigDict(extra="forbid")

    days: Annotated[int, Field(ge=1, le=LONGEST_SPAN)] = 30


class SalesTotal(BaseModel):
    """Orders that were paid in full; `gross` is their totals, `vat` inside it; `refunds` is what of them went back."""

    orders: int
    items: int
    gross: Money
    vat: Money
    refunds: Money
    refunded_vat: Money


class SalesDay(SalesTotal):
    """A day of Nairobi: of the sale, not of the order."""

    day: date


class PaymentsTotal(BaseModel):
    """M-Pesa prompts: the rate is of those that ended, the seconds are a mean of those that were paid."""

    prompts: int
    succeeded: int
    failed: int
    success_rate: float | None
    seconds_to_pay: float | None


class PaymentsDay(PaymentsTotal):
    """The prompts that were sent on a day, however late they ended."""

    day: date


class StatusCount(BaseModel):
    status: str
    count: int
    capped: bool


class BestSeller(BaseModel):
    product_id: int
    slug: str
    name: str
    quantity: int
    gross: Money


class LowVariant(BaseModel):
    variant_id: int
    product_id: int
    slug: str
    name: str
    sku: str | None
    options: dict[str, str]
    stock: int


class LowStock(BaseModel):
    """Variants of which at most so many are left, the emptiest first; as of `taken_at`."""

    taken_at: Moment | None
    at_most: int
    items: list[LowVariant]


class ReviewCount(BaseModel):
    """What waits for a person; `amount` is the money in `payments`."""

    payments: int
    amount: Money
    refunds: int
    orders: int


class BrokenCheck(BaseModel):
    name: str
    claim: str
    rows: list[dict[str, Any]]


class CheckResults(BaseModel):
    """The invariants of the shop when the worker last tried them: how many, and those that did not hold."""

    taken_at: Moment | None
    count: int
    broken: list[BrokenCheck]


class Dashboard(BaseModel):
    """How the shop does; days are rolled up by the worker, last at `rolled_up_at`."""

    currency: str
    since: date
    until: date
    rolled_up_at: Moment | None
    sales: list[SalesDay]
    sales_total: SalesTotal
    payments: list[PaymentsDay]
    payments_total: PaymentsTotal
    orders_by_status: list[StatusCount]
    best_sellers: list[BestSeller]
    low_stock: LowStock
    review: ReviewCount
    checks: CheckResults


class ReportQuery(BaseModel):
    """Which sales, and whether by day, by order or by product; both days are included."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Annotated[Day | None, Field(alias="from")] = None
    until: Annotated[Day | None, Field(alias="to")] = None
    by: Literal["day", "order", "product"] = "day"

    @model_validator(mode="after")
    def _in_order(self) -> ReportQuery:
        if self.since and self.until and self.since > self.until:
            raise ValueError("from is after to")
        return self
