"""What address books look like on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints

from utils import clock
from utils.counties import County
from utils.phones import Phone

Moment = Annotated[datetime, PlainSerializer(clock.iso, return_type=str)]


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line, without control characters")
    return value


def _empty_is_none(value: str) -> str | None:
    return value or None


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), AfterValidator(_one_line)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=40), AfterValidator(_one_line)]
SecondLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200),
    AfterValidator(_one_line),
    AfterValidator(_empty_is_none),
]
PostalCode = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=20),
    AfterValidator(_one_line),
    AfterValidator(_empty_is_none),
]


class AddressIn(BaseModel):
    """An address for the book; the first one is the default."""

    model_config = ConfigDict(extra="forbid")

    label: Label = Field("", examples=["Home"])
    recipient_name: Name = Field("", examples=["Wanjiku Kamau"])
    phone_number: Phone | None = None
    line1: Line = Field(examples=["Moi Avenue 12"])
    line2: SecondLine | None = None
    town: Line = Field(examples=["Thika"])
    county: County = Field(examples=["Kiambu"], description="one of the 47, in any usual spelling")
    postal_code: PostalCode | None = Field(None, examples=["01000"])
    country: Literal["KE"] = "KE"
    is_default: bool = False


class AddressChange(BaseModel):
    """What to change of an address; a field left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    label: Label = Field(default_factory=str)
    recipient_name: Name = Field(default_factory=str)
    phone_number: Phone | None = None
    line1: Line = Field(default_factory=str)
    line2: SecondLine | None = None
    town: Line = Field(default_factory=str)
    county: County = Field(default_factory=str)
    postal_code: PostalCode | None = None
    country: Literal["KE"] = "KE"
    is_default: bool = False

    def changes(self) -> dict[str, Any]:
        """Return what was sent."""
        return self.model_dump(exclude_unset=True)


class SavedAddress(BaseModel):
    """An address of the book."""

    id: int
    label: str
    recipient_name: str
    phone_number: str | None
    line1: str
    line2: str | None
    town: str
    county: str
    postal_code: str | None
    country: str
    is_default: bool
    created_at: Moment


class AddressList(BaseModel):
    items: list[SavedAddress]
    next_cursor: None = None
