"""Read the body of an STK callback. Pure.

Items are found by name, never by place; a success may lack any of them, and a code may be a number or text.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from payments import callback_json
from payments.callback_json import RECEIPT, Unreadable
from payments.daraja_answers import OPAQUE, writable


@dataclass(frozen=True, slots=True)
class StkResult:
    """What a callback says. What it does not say, or says unreadably, is None."""

    code: str
    description: str
    merchant_request_id: str | None
    checkout_request_id: str | None
    amount: Decimal | None
    receipt: str | None


def parse(body: str) -> StkResult:
    """Read a callback. Raises Unreadable when it has no result of an STK push in it."""
    callback = callback_json.member(callback_json.member(callback_json.load(body), "Body"), "stkCallback")
    items = _items(callback.get("CallbackMetadata"))
    return StkResult(
        code=callback_json.code(callback.get("ResultCode")),
        description=writable(callback.get("ResultDesc")),
        merchant_request_id=callback_json.matching(OPAQUE, callback.get("MerchantRequestID")),
        checkout_request_id=callback_json.matching(OPAQUE, callback.get("CheckoutRequestID")),
        amount=callback_json.amount(items.get("Amount")),
        receipt=callback_json.matching(RECEIPT, items.get("MpesaReceiptNumber")),
    )


def find_result(body: str) -> StkResult | None:
    """Read a callback, None when it cannot be read."""
    try:
        return parse(body)
    except Unreadable:
        return None


def _items(metadata: Any) -> dict[str, Any]:
    return callback_json.items(metadata.get("Item") if isinstance(metadata, dict) else None, name="Name")
