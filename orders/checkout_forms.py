"""What the checkout page sends: who, where to and how it is paid, read into what an order needs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, EmailStr, Field, StringConstraints

from utils import forms
from utils.counties import County
from utils.money import Price
from utils.phones import Phone

KEY = re.compile(r"[0-9a-f]{32}")


def _address_of_mail(value: str) -> str:
    return value.lower()


class Checkout(BaseModel):
    """What every buyer sends; `address_id` is one of the address book, else there is a Delivery beside it."""

    model_config = ConfigDict(str_strip_whitespace=True)

    email: Annotated[EmailStr, Field(max_length=254), AfterValidator(_address_of_mail)] | None = None
    phone_number: Phone
    address_id: int | None = Field(None, ge=1, lt=2**63)
    payment_method: Literal["mpesa", "cod"] = "mpesa"
    note: str = Field("", max_length=1000)
    expected_total: Price
    checkout_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    delivery: Delivery | None = None

    def order(self) -> dict[str, Any]:
        """Return the order that is asked for, as the API takes it."""
        asked = self.model_dump(include={"phone_number", "address_id", "payment_method", "note", "expected_total"})
        return asked | {"shipping_address": self.delivery.model_dump() if self.delivery else None}


class GuestCheckout(Checkout):
    """A guest's: somebody must be told of the order."""

    email: Annotated[EmailStr, Field(max_length=254), AfterValidator(_address_of_mail)]


class Delivery(BaseModel):
    """Where to, written out."""

    model_config = ConfigDict(str_strip_whitespace=True)

    recipient_name: str = Field(min_length=2, max_length=100)
    line1: str = Field(min_length=2, max_length=200)
    line2: str | None = Field(None, max_length=200)
    town: str = Field(min_length=2, max_length=200)
    county: County


def read(*, is_guest: bool) -> tuple[Checkout | None, forms.Errors]:
    """Read the form that was sent; return it, or None and all that is wrong with it."""
    form, errors = forms.parse(GuestCheckout if is_guest else Checkout)
    if request.form.get("address_id"):
        return form, errors
    delivery, wrong = forms.parse(Delivery)
    if form is None or delivery is None:
        return None, errors | wrong
    return form.model_copy(update={"delivery": delivery}), {}
