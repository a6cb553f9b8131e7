"""The form of a product, with its grid of variants: read into what the API takes, and written out of what stands.

The grid's fields are named as errors name them: `variants.0.price`, `variants.0.options.Size`. No database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from products import schemas
from utils import forms

PLAIN = ("name", "description", "vendor", "category", "compare_at_price", "image_url")
MAY_BE_NONE = {"category", "compare_at_price", "image_url"}
CELL = re.compile(r"variants\.(\d{1,3})\.(id|sku|price|stock|drop|options\.(.{1,60}))", re.S)
SPARE_ROWS = 1

Row = dict[str, Any]


def option_names(form: Mapping[str, str]) -> list[str]:
    """Return the names by which variants differ, as they were typed: `Size, Colour`."""
    return list(dict.fromkeys(name.strip() for name in form.get("options", "").split(",") if name.strip()))


def rows_of(form: Mapping[str, str]) -> list[Row]:
    """Return the rows of the grid as they were typed, in their order."""
    rows: dict[int, Row] = {}
    for name, value in form.items():
        if cell := CELL.fullmatch(name):
            row = rows.setdefault(int(cell[1]), {"options": {}})
            if cell[3] is not None:
                row["options"][cell[3]] = value.strip()
            else:
                row[cell[2]] = value.strip()
    return [rows[place] for place in sorted(rows)]


def grid_of(product: Mapping[str, Any]) -> list[Row]:
    """Write what stands as rows of the grid, with an empty one for a new variant."""
    standing = [
        {"id": variant["id"], "sku": variant["sku"] or "", "price": f"{variant['price']:.2f}", **_rest(variant)}
        for variant in product["variants"]
    ]
    return [*standing, *({"options": {}} for _ in range(SPARE_ROWS))]


def _rest(variant: Mapping[str, Any]) -> Row:
    return {"options": dict(variant["options"]), "stands": variant["stock"]}


def read(form: Mapping[str, str], *, model: type[schemas.ProductFields]) -> tuple[dict[str, Any] | None, forms.Errors]:
    """Return what the services take, or None and what is wrong by the names of the fields.

    A row without an id in which nothing was typed is none; a row that is to be dropped is left out.
    """
    given: dict[str, Any] = {name: form.get(name, "").strip() for name in PLAIN}
    for name in MAY_BE_NONE:
        given[name] = given[name] or None
    names = option_names(form)
    given["options"] = names
    kept, places = [], []
    for place, row in enumerate(rows_of(form)):
        if not row.get("drop") and (row.get("id") or _is_filled(row)):
            kept.append(_variant(row, names))
            places.append(place)
    given["variants"] = kept
    try:
        checked = model.model_validate(given)
    except ValidationError as error:
        return None, {_place(problem["loc"], places): _said(problem) for problem in error.errors()}
    return checked.given(), {}


def placed(errors: Mapping[str, str], form: Mapping[str, str]) -> forms.Errors:
    """Return the errors of a service, which counts the rows that were sent, by the rows of the form."""
    places = [
        place for place, row in enumerate(rows_of(form)) if not row.get("drop") and (row.get("id") or _is_filled(row))
    ]
    return {_place(name.split("."), places): message for name, message in errors.items()}


def _is_filled(row: Row) -> bool:
    return any(row.get(name) for name in ("sku", "price", "stock")) or any(row["options"].values())


def _variant(row: Row, names: list[str]) -> Row:
    variant: Row = {
        "sku": row.get("sku") or None,
        "options": {name: row["options"].get(name, "") for name in names},
    }
    if row.get("price"):
        variant["price"] = row["price"]
    if row.get("id"):
        variant["id"] = _whole(row["id"])
    elif row.get("stock"):
        variant["stock"] = _whole(row["stock"])
    return variant


def _whole(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else text


def _place(location: Any, places: list[int]) -> str:
    """Name a field as the form does: the services count only the rows that were sent."""
    parts = [str(part) for part in location]
    if len(parts) > 1 and parts[0] == "variants" and parts[1].isdecimal() and int(parts[1]) < len(places):
        parts[1] = str(places[int(parts[1])])
    return ".".join(parts) or forms.WHOLE


def _said(problem: Mapping[str, Any]) -> str:
    message: str = problem["msg"].removeprefix("Value error, ")
    return f"{message[:1].upper()}{message[1:]}."
