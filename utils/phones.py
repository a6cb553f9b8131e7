"""Kenyan mobile numbers in the one form that M-Pesa takes: `2547########` or `2541########`.

No lists of operators' prefixes: numbers move between operators, and lists age.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

SHAPE = re.compile(r"(?:\+?254|0)?([17]\d{8})\Z")


def normalise(number: str) -> str:
    """Return the number as `254…`. Raises ValueError with a sentence for the customer."""
    match = SHAPE.match(re.sub(r"[\s()\-.]", "", number))
    if match is None or not number.isascii():
        raise ValueError("must be a Kenyan mobile number, such as 0712 345 678 or +254 112 345 678")
    return "254" + match.group(1)


def mask(number: str) -> str:
    """Return the number with its middle hidden, for answers and logs: `25471*****78`."""
    return f"{number[:5]}*****{number[-2:]}"


Phone = Annotated[str, AfterValidator(normalise)]
