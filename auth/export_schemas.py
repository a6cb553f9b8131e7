"""What an export of one's own data holds. It is written piece by piece, each piece by its model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, PlainSerializer, TypeAdapter

from auth.address_schemas import SavedAddress
from auth.notification_schemas import Notification, Preferences
from auth.schemas import User
from utils import clock, phones
from utils.money import Money

Moment = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]


def _read_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


JsonObject = Annotated[dict[str, Any], BeforeValidator(_read_json)]
JsonList = Annotated[list[str], BeforeValidator(_read_json)]
# Whoever paid: it may be a friend, and what staff allocated by hand a stranger. One's own number stands elsewhere.
PayersPhone = Annotated[str | None, PlainSerializer(lambda number: number and phones.mask(number))]


class ExportedCartItem(BaseModel):
    variant_id: int
    name: str
    quantity: int
    created_at: Moment


class ExportedItem(BaseModel):
    sku: str | None
    name: str
    options: JsonObject
    quantity: int
    unit_price: Money
    line_total: Money


class ExportedEvent(BaseModel):
    name: str
    from_status: str | None
    to_status: str | None
    reason: str
    created_at: Moment


class ExportedPayment(BaseModel):
    method: str
    status: str
    amount: Money
    settled_amount: Money | None
    currency: str
    phone_number: PayersPhone
    receipt: str | None
    result_desc: str | None
    created_at: Moment
    settled_at: Moment | None


class ExportedRefund(BaseModel):
    method: str
    status: str
    amount: Money
    currency: str
    phone_number: PayersPhone
    receipt: str | None
    reason: str
    created_at: Moment
    settled_at: Moment | None


class ExportedOrder(BaseModel):
    id: int
    number: str
    status: str
    payment_status: str
    payment_method: str
    email: str
    phone_number: str | None
    currency: str
    subtotal: Money
    discount: Money
    shipping: Money
    tax_included: Money
    rounding: Money
    total: Money
    paid: Money
    refunded: Money
    shipping_address: JsonObject
    note: str
    tracking_number: str | None
    created_at: Moment
    paid_at: Moment | None
    items: list[ExportedItem]
    events: list[ExportedEvent]
    payments: list[ExportedPayment]
    refunds: list[ExportedRefund]


class ExportedSession(BaseModel):
    id: int
    device: str
    address: str
    created_at: Moment
    last_used_at: Moment
    revoked_at: Moment | None
    revoked_reason: str | None


class ExportedKey(BaseModel):
    id: int
    name: str
    scopes: JsonList
    created_at: Moment
    expires_at: Moment | None
    last_used_at: Moment | None
    revoked_at: Moment | None


class SecurityEvent(BaseModel):
    action: str
    by_you: bool
    address: str | None
    created_at: Moment


class Export(BaseModel):
    """All that the shop holds of one person."""

    exported_at: Moment
    profile: User
    addresses: list[SavedAddress]
    notification_preferences: Preferences
    cart: list[ExportedCartItem]
    orders: list[ExportedOrder]
    notifications: list[Notification]
    sessions: list[ExportedSession]
    api_keys: list[ExportedKey]
    security_log: list[SecurityEvent]


ONE: dict[str, TypeAdapter[Any]] = {
    "profile": TypeAdapter(User),
    "addresses": TypeAdapter(SavedAddress),
    "notification_preferences": TypeAdapter(Preferences),
    "cart": TypeAdapter(ExportedCartItem),
    "orders": TypeAdapter(ExportedOrder),
    "notifications": TypeAdapter(Notification),
    "sessions": TypeAdapter(ExportedSession),
    "api_keys": TypeAdapter(ExportedKey),
    "security_log": TypeAdapter(SecurityEvent),
}
"""How one thing of each section is written."""


def write_export(sections: Iterator[tuple[str, Any]]) -> Iterator[str]:
    """Yield the text of an export, section by section and row by row, as JSON that is read back as an `Export`."""
    yield f'{{"exported_at": "{clock.iso(clock.now())}"'
    for name, held in sections:
        yield f',\n"{name}": '
        if isinstance(held, Iterator):
            yield "["
            yield from (_written(name, row, before="\n" if first else ",\n") for first, row in _marked(held))
            yield "]"
        else:
            yield _written(name, held)
    yield "}\n"


def _written(name: str, value: Any, before: str = "") -> str:
    adapter = ONE[name]
    return before + adapter.dump_json(adapter.validate_python(value)).decode()


def _marked(rows: Iterator[Any]) -> Iterator[tuple[bool, Any]]:
    """Yield the rows, the first one marked."""
    return ((place == 0, row) for place, row in enumerate(rows))
