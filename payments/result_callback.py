"""Read the body of an asynchronous Result, of a Reversal, B2C or Transaction Status, or of a timeout notice. Pure.

Parameters are found by key, never by place; they come as a list or, when there is one, as a single object; a key may
come again and may have no value; dates come as a number, as text of digits, or as `dd.mm.yyyy HH:MM:SS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from payments import callback_json
from payments.callback_json import RECEIPT
from payments.daraja_answers import EAST_AFRICA, OPAQUE, writable

AMOUNTS = ("Amount", "TransactionAmount")
RECEIPTS = ("ReceiptNo", "TransactionReceipt")
TIMES = ("TransCompletedTime", "TransactionCompletedDateTime", "FinalisedTime")
DATE_FORMATS = ("%Y%m%d%H%M%S", "%d.%m.%Y %H:%M:%S")


@dataclass(frozen=True, slots=True)
class Result:
    """What a Result says. What it does not say, or says unreadably, is None."""

    code: str
    description: str
    originator_conversation_id: str | None
    conversation_id: str | None
    transaction_id: str | None  # the receipt of what the call did; a placeholder when it did nothing
    receipt: str | None  # by the parameters
    amount: Decimal | None
    moved_at: datetime | None  # UTC
    status: str  # the word of Transaction Status, empty elsewhere


def parse(body: str) -> Result:
    """Read a Result. Raises Unreadable when there is none in the body."""
    result = callback_json.member(callback_json.load(body), "Result")
    parameters = _parameters(result.get("ResultParameters"))
    return Result(
        code=callback_json.code(result.get("ResultCode")),
        description=writable(result.get("ResultDesc")),
        originator_conversation_id=callback_json.matching(OPAQUE, result.get("OriginatorConversationID")),
        conversation_id=callback_json.matching(OPAQUE, result.get("ConversationID")),
        transaction_id=callback_json.matching(RECEIPT, result.get("TransactionID")),
        receipt=callback_json.matching(RECEIPT, _first(parameters, RECEIPTS)),
        amount=callback_json.amount(_first(parameters, AMOUNTS)),
        moved_at=_moment(_first(parameters, TIMES)),
        status=writable(parameters.get("TransactionStatus")),
    )


def _parameters(holder: Any) -> dict[str, Any]:
    listed = holder.get("ResultParameter") if isinstance(holder, dict) else None
    return callback_json.items([listed] if isinstance(listed, dict) else listed, name="Key")


def _first(parameters: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((parameters[name] for name in names if name in parameters), None)


def _moment(value: Any) -> datetime | None:
    """Return a time of the provider's clock in UTC."""
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    for form in DATE_FORMATS:
        try:
            return datetime.strptime(text, form) - EAST_AFRICA  # noqa: DTZ007 - East Africa's, taken to naive UTC
        except (ValueError, OverflowError):
            continue
    return None
