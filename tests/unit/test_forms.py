"""Forms of pages: what was typed becomes the model, what is wrong stands beside its field."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from flask import Flask
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from utils import forms
from utils.errors import EmailTaken, InvalidFields, LastAdmin, UsernameTaken


def _no_tabs(value: str) -> str:
    if "\t" in value:
        raise ValueError("must not hold a tab")
    return value


class Parcel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=3), AfterValidator(_no_tabs)]
    pieces: int = 1
    price: Decimal | None = None
    note: str = "-"
    tags: list[str] = Field(default_factory=list)
    gift: bool = False

    @model_validator(mode="after")
    def _light(self) -> Parcel:
        if self.pieces > 100:
            raise ValueError("too many for one parcel")
        return self


def parse(fields: dict[str, Any]) -> tuple[Parcel | None, dict[str, str]]:
    with Flask(__name__).test_request_context("/", method="POST", data=fields):
        return forms.parse(Parcel)


def test_what_was_typed_becomes_the_model() -> None:
    typed = {"name": "Unga", "pieces": "2", "price": "99.50", "tags": ["a", "", "b"], "gift": "on", "csrf_token": "x"}
    parcel, errors = parse(typed)
    assert errors == {}
    assert parcel == Parcel(name="Unga", pieces=2, price=Decimal("99.50"), tags=["a", "b"], gift=True)


def test_what_was_left_empty_is_missing_or_none_or_empty() -> None:
    parcel, _ = parse({"name": "Unga", "price": "", "note": ""})
    assert parcel is not None
    assert parcel.model_dump(exclude_unset=True) == {"name": "Unga", "price": None, "note": ""}
    assert parse({"name": ""})[1] == {"name": "Please fill this in."}


@pytest.mark.parametrize(
    ("typed", "errors"),
    [
        ({}, {"name": "Please fill this in."}),
        (
            {"name": "ab", "pieces": "two"},
            {"name": "Must have at least 3 characters.", "pieces": "Must be a whole number."},
        ),
        ({"name": "Un\tga"}, {"name": "Must not hold a tab"}),
        ({"name": "Unga", "pieces": "101"}, {"form": "Too many for one parcel"}),
        ({"name": "Unga", "colour": "red"}, {"colour": "Extra inputs are not permitted"}),
    ],
)
def test_what_is_wrong_is_said_at_its_field(typed: dict[str, str], errors: dict[str, str]) -> None:
    assert parse(typed) == (None, errors)


def test_what_a_service_refuses_is_noted_at_the_field_that_it_is_about() -> None:
    errors: forms.Errors = {}
    with Flask(__name__).test_request_context("/"):
        with forms.noting(errors, {UsernameTaken: "username", EmailTaken: "email"}):
            raise EmailTaken
        with forms.noting(errors):
            raise InvalidFields(fields={"code": "is not the code"})
    assert errors == {"email": EmailTaken.detail, "code": "Is not the code"}


def test_what_is_not_named_goes_its_way() -> None:
    with Flask(__name__).test_request_context("/"), pytest.raises(LastAdmin), forms.noting({}, {EmailTaken: "email"}):
        raise LastAdmin
