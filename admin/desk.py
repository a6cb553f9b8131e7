"""The merchant's desk as pages: its sections, each behind its permission, and what all its pages share."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import g, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from admin import rollup_services as rollups
from admin.dashboard_schemas import Day
from utils import csrf, forms, idempotency


@dataclass(frozen=True, slots=True)
class Section:
    """A place on the desk: what it is called, where it is, and who may go there: "" is whoever may anything."""

    title: str
    path: str
    permission: str

    def is_open_to(self, permissions: frozenset[str]) -> bool:
        """Tell whether somebody who may do this may go there."""
        return self.permission in permissions if self.permission else bool(permissions)


SECTIONS = [
    Section("Dashboard", "/admin/dashboard", "reports:read"),
    Section("Orders", "/admin/orders", "orders:read"),
    Section("Products", "/admin/products", "products:write"),
    Section("Payments", "/admin/payments", "payments:read"),
    Section("Money without a home", "/admin/unallocated", "payments:read"),
    Section("Refunds", "/admin/refunds", "payments:read"),
    Section("To review", "/admin/review", "payments:read"),
    Section("People", "/admin/people", "users:manage"),
    Section("Roles", "/admin/roles", "users:manage"),
    Section("Audit log", "/admin/audit-log", "reports:read"),
    Section("API keys", "/admin/api-keys", ""),
]


def blueprint(name: str, import_name: str) -> APIBlueprint:
    """Make the blueprint of one part of the desk."""
    bp = APIBlueprint(f"desk_{name}", import_name, url_prefix="/admin", enable_openapi=False)
    bp.context_processor(_shared)
    return bp


def sections_of_reader() -> list[Section]:
    """Return the sections that the reader of this page may go to."""
    user = g.get("current_user")
    return [section for section in SECTIONS if user is not None and section.is_open_to(user.permissions)]


def _shared() -> dict[str, Any]:
    return {
        "sections": sections_of_reader(),
        "address_with": address_with,
        "once": lambda: secrets.token_urlsafe(18),
    }


def claim_once() -> idempotency.Claim | None:
    """Claim the form that was sent by its field `once`; None when it was sent before, and its effect stands.

    Raises IdempotencyMismatch when it was sent before and said something else, IdempotencyInProgress while that runs.
    """
    typed = sorted((name, value) for name, value in request.form.items() if name != csrf.FIELD)
    found = idempotency.claim(
        scope=f"user:{g.user_id}",
        key=f"form:{request.form.get(forms.ONCE) or secrets.token_urlsafe(18)}",
        fingerprint=idempotency.fingerprint(request.path, json.dumps(typed)),
    )
    return found if isinstance(found, idempotency.Claim) else None


def address_with(at: str | None = None, **changes: object) -> str:
    """Return the address of this page, or of that `at` another path, with some of its parameters changed.

    None takes a parameter out.
    """
    kept: Mapping[str, object] = {**request.args.to_dict(), **changes}
    query = urlencode([(name, value) for name, value in kept.items() if value not in (None, "")])
    path = at or request.path
    return f"{path}?{query}" if query else path


class Query(BaseModel):
    """The parameters of a page: what was left empty was not asked for, and what we do not know is nobody's mistake."""

    model_config = ConfigDict(str_strip_whitespace=True)

    cursor: Annotated[str, Field(max_length=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, values: Any) -> Any:
        return {name: value for name, value in dict(values).items() if str(value).strip()}


class Span(Query):
    """From one day to another, both included, as a person means it: by the clocks of Nairobi."""

    since: Day | None = None
    until: Day | None = None

    def moments(self) -> dict[str, Any]:
        """Return the span as the lists of the API take it."""
        return {
            "created_from": rollups.bounds_of(self.since)[0] if self.since else None,
            "created_to": rollups.bounds_of(self.until)[1] if self.until else None,
        }


def one_of(values: Iterable[str]) -> Any:
    """Make a validator that takes anything but these values for nothing."""
    known = set(values)
    return BeforeValidator(lambda value: value if value in known else None)
