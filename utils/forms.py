"""Forms of pages: read into the models that the API reads, and shown again with what is wrong beside each field."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Response, g, render_template, request
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from utils import csrf
from utils.errors import InvalidFields, ShopError

M = TypeVar("M", bound=BaseModel)
Errors = dict[str, str]

WHOLE = "form"  # what is wrong with no field in particular
ONCE = "once"  # the name of a field by which a form is known when it is sent twice; the view reads it
# pydantic's sentences speak to programmers; these are the ones that customers meet.
SENTENCES = {
    "missing": "Please fill this in.",
    "string_too_short": "Must have at least {min_length} characters.",
    "string_too_long": "Must have at most {max_length} characters.",
    "string_pattern_mismatch": "Must have the form that is asked for.",
    "int_parsing": "Must be a whole number.",
    "decimal_parsing": "Must be a number.",
    "greater_than_equal": "Must be {ge} or more.",
    "less_than_equal": "Must be {le} or less.",
}


def parse(model: type[M]) -> tuple[M | None, Errors]:
    """Read the form that was sent; return the model, or None and what is wrong by the names of the fields.

    A field that was left empty counts as not sent when it must be filled in, as None where the model takes None.
    """
    try:
        return model.model_validate(_values(model.model_fields)), {}
    except ValidationError as error:
        return None, {_field(problem): _sentence(problem) for problem in error.errors()}


@contextmanager
def noting(errors: Errors, named: Mapping[type[ShopError], str] | None = None) -> Iterator[None]:
    """Note what a service refuses, beside the field that each named error is about; the others go their way.

    InvalidFields names its fields itself. What stands after the block runs when something was noted.
    """
    try:
        yield
    except InvalidFields as error:
        g.problem_code = error.code
        errors.update({field: _capitalised(message) for field, message in error.fields.items()})
    except tuple(named or ()) as error:
        g.problem_code = error.code
        errors[next(field for kind, field in (named or {}).items() if isinstance(error, kind))] = error.detail


def show(template: str, errors: Errors, **context: Any) -> Response:
    """Show a page with a form: with 422 and what was typed when something is wrong with it, else fresh."""
    page = render_template(template, errors=errors, values=request.form if errors else {}, **context)
    return Response(page, 422 if errors else 200)


def _values(fields: Mapping[str, FieldInfo]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, sent in request.form.lists():
        field = fields.get(name)
        if field is not None and typing.get_origin(field.annotation) is list:
            values[name] = [value for value in sent if value]
        elif sent[0] or field is None:
            values[name] = sent[0]
        elif type(None) in typing.get_args(field.annotation):
            values[name] = None
        elif not field.is_required():
            values[name] = ""
    values.pop(csrf.FIELD, None)
    values.pop(ONCE, None)
    return values


def _field(problem: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in problem["loc"]) or WHOLE


def _sentence(problem: Mapping[str, Any]) -> str:
    if problem["type"] in SENTENCES:
        return SENTENCES[problem["type"]].format(**problem.get("ctx", {}))
    return _capitalised(problem["msg"].removeprefix("Value error, "))


def _capitalised(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}"
