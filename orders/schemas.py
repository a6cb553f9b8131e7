"""What clients send and read about orders."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from utils import clock
from utils.money import Money, Price
from utils.phones import Phone

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Time = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]
NaiveUtc = Annotated[datetime, AfterValidator(clock.naive_utc)]
Status = Literal["pending", "processing", "shipped", "delivered", "cancelled", "returned"]
PaymentStatus = Literal["unpaid", "pending", "paid", "partially_refunded", "refunded", "review"]
MAX_QUANTITY = 999
MAX_LINES = 100


class Request(BaseModel):
    """A body of ours: a field that we do not know is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Address(Request):
    """Where to, as an order keeps it: a copy, whatever becomes of the address book."""

    recipient_name: Annotated[str, StringConstraints(max_length=100)] | None = None
    phone_number: Phone | None = None
    line1: Line
    line2: Line | None = None
    town: Line
    county: Line
    postal_code: Annotated[str, StringConstraints(max_length=20)] | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "KE"


_one_line: TypeAdapter[str] = TypeAdapter(
    Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
)


def _address(value: Any) -> Any:
    """Take an address that was written as one string as it is."""
    return Address.model_construct(line1=_one_line.validate_python(value)) if isinstance(value, str) else value


class OrderLineIn(Request):
    variant_id: int = Field(ge=1, lt=2**63)
    quantity: int = Field(ge=1, le=MAX_QUANTITY)


class OrderIn(Request):
    """An order out of the cart, or of `items` without one; sent to `shipping_address`, or to one of the book."""

    address_id: int | None = Field(None, ge=1, lt=2**63, description="one of the address book")
    shipping_address: Annotated[
        Address | None, BeforeValidator(_address, json_schema_input_type=Address | str | None)
    ] = Field(None, validate_default=True)
    phone_number: Phone | None = None
    payment_method: Literal["mpesa", "cod", "mock"] = "mpesa"
    expected_total: Price | None = None
    note: str = Field("", max_length=1000)
    items: list[OrderLineIn] | None = Field(None, min_length=1, max_length=MAX_LINES)

    @field_validator("shipping_address")
    @classmethod
    def _one_address(cls, value: Address | None, info: ValidationInfo) -> Address | None:
        if "address_id" in info.data and (value is None) == (info.data["address_id"] is None):
            raise ValueError("send either shipping_address or address_id")
        return value

    @model_validator(mode="after")
    def _each_variant_once(self) -> OrderIn:
        ids = [line.variant_id for line in self.items or []]
        if len(set(ids)) != len(ids):
            raise ValueError("items: name each variant once, with its whole quantity")
        return self


class OrderChange(Request):
    """What staff change on an order; a field left out stays as it is."""

    status: Literal["processing", "shipped", "delivered"] | None = None
    tracking_number: Annotated[str, StringConstraints(max_length=100)] | None = None
    note: Annotated[str, StringConstraints(max_length=300)] | None = None


class CancelIn(Request):
    reason: Annotated[str, StringConstraints(max_length=300)] = ""


class OrderQuery(Request):
    """How lists of orders are filtered and paged."""

    limit: int = Field(20, ge=1, le=100)
    cursor: str | None = None
    count: bool = False
    status: Status | None = None
    payment_status: PaymentStatus | None = None
    q: Annotated[str, StringConstraints(min_length=2, max_length=254)] | None = None
    sort: Literal["newest", "oldest"] = "newest"
    created_from: NaiveUtc | None = None
    created_to: NaiveUtc | None = None


Json = Annotated[dict[str, Any], BeforeValidator(lambda value: json.loads(value) if isinstance(value, str) else value)]


class OrderItem(BaseModel):
    product_id: int
    variant_id: int
    sku: str | None
    name: str
    options: Json
    quantity: int
    unit_price: Money
    line_total: Money


class Order(BaseModel):
    id: int
    number: str
    status: Status
    payment_status: PaymentStatus
    payment_method: str
    currency: str
    items: list[OrderItem]
    subtotal: Money
    discount: Money
    shipping: Money
    tax_included: Money
    rounding: Money
    total: Money
    paid: Money
    refunded: Money
    shipping_address: Json
    note: str
    tracking_number: str | None
    created_at: Time
    paid_at: Time | None
    expires_at: Time | None


class OrderList(BaseModel):
    items: list[Order]
    next_cursor: str | None
    total: int | None = None
    total_capped: bool | None = None


class OrderEvent(BaseModel):
    id: int
    name: str
    from_status: str | None
    to_status: str | None
    reason: str
    actor_id: int | None
    created_at: Time


class OrderEvents(BaseModel):
    items: list[OrderEvent]
    next_cursor: None = None
