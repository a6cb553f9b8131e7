"""What the bodies of all callbacks have in common: JSON in which numbers are exact, and nothing can be relied upon.

Pure. A value that is missing, or is not what it should be, is None; only what makes a body useless is an error.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from payments.daraja_answers import CODE
from utils import money

RECEIPT = re.compile(r"[A-Z0-9]{6,20}\Z")
HIGHEST_AMOUNT = Decimal("9999999999.99")  # what DECIMAL(12,2) holds
EXACT = json.JSONDecoder(parse_float=Decimal)  # made once: json.loads makes one at each call


class Unreadable(Exception):
    """A body that is not what its address is for; the text says what is wrong, without quoting it."""


def is_json(body: str) -> bool:
    """Tell whether a body is JSON at all."""
    try:
        load(body)
    except Unreadable:
        return False
    return True


def load(body: str) -> Any:
    """Read JSON, its fractions as Decimal. Raises Unreadable."""
    try:
        return EXACT.decode(body)
    except (ValueError, RecursionError):
        raise Unreadable("not JSON") from None


def member(holder: Any, name: str) -> dict[str, Any]:
    """Return the object under a name. Raises Unreadable when there is none."""
    found = holder.get(name) if isinstance(holder, dict) else None
    if not isinstance(found, dict):
        raise Unreadable(f"no object {name}")
    return found


def items(listed: Any, *, name: str) -> dict[str, Any]:
    """Return the values of a list of `{name: …, "Value": …}` by name; the first one that has a value counts."""
    found: dict[str, Any] = {}
    for item in listed if isinstance(listed, list) else []:
        if isinstance(item, dict) and isinstance(item.get(name), str) and item.get("Value") is not None:
            found.setdefault(item[name], item["Value"])
    return found


def code(value: Any) -> str:
    """Return a ResultCode as text, be it a number or text. Raises Unreadable."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not CODE.match(text):
        raise Unreadable("no ResultCode")
    return text


def matching(shape: re.Pattern[str], value: Any) -> str | None:
    """Return a text that has this shape, else None."""
    return value.strip() if isinstance(value, str) and shape.match(value.strip()) else None


def amount(value: Any) -> Decimal | None:
    """Return an amount of money, None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        found = Decimal(value)
        return found.quantize(money.CENT) if found.is_finite() and 0 <= found <= HIGHEST_AMOUNT else None
    except InvalidOperation:
        return None
