"""Read the body of an STK callback. Pure.

Items are found by name, never by place; a success may lack any of them, and a code may be a number or text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from payments.daraja_answers import CODE, OPAQUE, writable
from utils import money

RECEIPT = re.compile(r"[A-Z0-9]{6,20}\Z")
HIGHEST_AMOUNT = Decimal("9999999999.99")  # what DECIMAL(12,2) holds


class Unreadable(Exception):
    """A body that is no STK callback; the text says what is wrong, without quoting it."""


@dataclass(frozen=True, slots=True)
class StkResult:
    """What a callback says. What it does not say, or says unreadably, is None."""

    code: str
    description: str
    merchant_request_id: str | None
    checkout_request_id: str | None
    amount: Decimal | None
    receipt: str | None


def is_json(body: str) -> bool:
    """Tell whether a body is JSON at all."""
    try:
        _load(body)
    except Unreadable:
        return False
    return True


def parse(body: str) -> StkResult:
    """Read a callback. Raises Unreadable when it has no result of an STK push in it."""
    callback = _member(_member(_load(body), "Body"), "stkCallback")
    items = _items(callback.get("CallbackMetadata"))
    return StkResult(
        code=_code(callback.get("ResultCode")),
        description=writable(callback.get("ResultDesc")),
        merchant_request_id=_matching(OPAQUE, callback.get("MerchantRequestID")),
        checkout_request_id=_matching(OPAQUE, callback.get("CheckoutRequestID")),
        amount=_amount(items.get("Amount")),
        receipt=_matching(RECEIPT, items.get("MpesaReceiptNumber")),
    )


def find_result(body: str) -> StkResult | None:
    """Read a callback, None when it cannot be read."""
    try:
        return parse(body)
    except Unreadable:
        return None


def _load(body: str) -> Any:
    try:
        return json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None


def _member(holder: Any, name: str) -> dict[str, Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, dict):
        raise Unreadable(f"no object {name}")
    return found


def _items(metadata: Any) -> dict[str, Any]:
    """Return the items by name; the first one that has a value counts."""
    listed = metadata.get("Item") if isinstance(metadata, dict) else None
    items: dict[str, Any] = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and isinstance(item.get("Name"), str) and item.get("Value") is not None:
            items.setdefault(item["Name"], item["Value"])
    return items


def _code(value: Any) -> str:
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not CODE.match(text):
        raise Unreadable("no ResultCode")
    return text


def _matching(shape: re.Pattern[str], value: Any) -> str | None:
    return value.strip() if isinstance(value, str) and shape.match(value.strip()) else None


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        amount = Decimal(value)
        return amount.quantize(money.CENT) if amount.is_finite() and 0 <= amount <= HIGHEST_AMOUNT else None
    except InvalidOperation:
        return None
