"""The OpenAPI document: what APIFlask knows of the views, completed with what holds for all of them.

Keeps the schemas (made anew by pydantic, requests as they are read and answers as they are written), the errors, the
headers and the words around them. `complete` is the application's spec processor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Literal

from flask import current_app
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from utils import uploads, web

Json = dict[str, Any]
Mode = Literal["validation", "serialization"]

REF = "#/components/schemas/{model}"

ABOUT = """
Money is a string with two decimals beside its `currency`; times are UTC and end in `Z`; ids are integers.
Lists are paged by `cursor`: send the `next_cursor` of one page to get the next.

Log in with `POST /api/auth/login`, then put the `access_token` under *Authorize*.
Programs send an API key (`POST /api/api-keys`) as `X-API-Key` instead. The shop's own pages are let in by their session
cookie; whatever they change takes their token, too, as `X-CSRF-Token` (else 403 `csrf_failed`).

Every error is `application/problem+json` with a stable `code`, and every answer carries an `X-Request-ID`
(yours, when you send one): tell it when you ask for help.
"""

TAGS = {
    "Accounts": "Registration, log-in and one's own profile",
    "Catalogue": "Products, variants, categories and stock",
    "Cart": "What a customer or a guest is about to buy",
    "Orders": "From the cart to the customer's door",
    "Payments": "M-Pesa prompts and what came of them",
    "Administration": "What staff look at to run the shop",
}

PROBLEMS = {
    400: "The request cannot be read.",
    401: "There is no valid access token.",
    403: "The account lacks the permission, or the request of a page its token.",
    404: "There is nothing at this address, or it belongs to somebody else.",
    409: "The state of things stands against it; `code` says which, `data` how.",
    413: "The body is too large.",
    415: "The body is not of a kind that is taken here.",
    422: "Some fields are not valid; `errors` names all of them.",
    429: "Too many requests: wait as long as `Retry-After` says.",
    502: "The provider refused.",
    503: "The database, or the provider, is away: try again.",
}

PROBLEM: Json = {
    "type": "object",
    "description": "A problem as RFC 9457 has it, with our `code`.",
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors", "data"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "examples": ["Conflict"]},
        "status": {"type": "integer", "examples": [409]},
        "detail": {"type": "string", "examples": ["There is not enough left of this."]},
        "code": {"type": "string", "pattern": "^[a-z_]+$", "examples": ["out_of_stock"]},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "data": {"type": "object", "additionalProperties": True},
    },
}

HEADERS: dict[str, Json] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key and body give the first answer again, for a day: nothing is done twice.",
        "schema": {"type": "string", "minLength": 1, "maxLength": web.LONGEST_KEY},
    },
    "CartToken": {
        "name": "X-Cart-Token",
        "in": "header",
        "description": "A guest's cart; the answer to the first POST brings it.",
        "schema": {"type": "string"},
    },
}


UPLOAD: Json = {
    "required": True,
    "content": {
        **{kind: {"schema": {}} for kind in ("image/jpeg", "image/png", "image/webp")},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [uploads.FIELD],
                "properties": {uploads.FIELD: {"type": "string", "contentMediaType": "application/octet-stream"}},
            }
        },
    },
}


def complete(spec: Json) -> Json:
    """Complete the document that APIFlask made; called once, when it is first asked for."""
    models = _Models()
    for path, method, view, operation in _operations(spec):
        known = getattr(view, "_spec", {})
        operation["operationId"] = re.sub(r"\W+", "_", method + path.removeprefix("/api").replace("}", ""))
        if body := models.reference(known.get("body"), "validation"):
            content = {kind: {"schema": body} for kind in operation["requestBody"]["content"]}
            operation["requestBody"] = {"required": True, "content": content}
        if hasattr(view, "most_bytes"):
            operation["requestBody"] = UPLOAD
        for status, answer in operation["responses"].items():
            found = models.reference((known.get("response") or {}).get("schema"), "serialization")
            if found and status.startswith("2"):
                answer["content"] = {web.JSON: {"schema": found}}
        operation["responses"] = {
            **{status: answer for status, answer in operation["responses"].items() if status < "4"},
            **{str(status): _problem_reference(status) for status in sorted(_problems_of(path, method, operation))},
        }
        operation["parameters"] += [{"$ref": f"#/components/parameters/{name}"} for name in _headers_of(path, view)]
    spec["info"] |= {"summary": "A shop that is paid by M-Pesa", "description": ABOUT.strip()}
    spec["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    spec["servers"] = [{"url": "/"}]
    spec["components"] |= {
        "schemas": {**models.schemas(), "Problem": PROBLEM},
        "responses": {HTTPStatus(status).phrase.replace(" ", ""): _problem(status) for status in PROBLEMS},
        "parameters": HEADERS,
    }
    return spec


def _operations(spec: Json) -> Iterator[tuple[str, str, Callable[..., Any], Json]]:
    for rule in current_app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for method, operation in spec["paths"].get(path, {}).items():
            if method.upper() in (rule.methods or ()):
                yield path, method, current_app.view_functions[rule.endpoint], operation


class _Models:
    """The models that are referred to, each as it is read or as it is written."""

    def __init__(self) -> None:
        self._used: dict[tuple[type[BaseModel], Mode], Json] = {}

    def reference(self, model: object, mode: Mode) -> Json | None:
        """Return a reference that is filled in by `schemas`; None for what is no model."""
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return None
        return self._used.setdefault((model, mode), {})

    def schemas(self) -> Mapping[str, Json]:
        references, rest = models_json_schema(list(self._used), ref_template=REF)
        for used, reference in self._used.items():
            reference |= references[used]
        schemas: Mapping[str, Json] = rest.get("$defs", {})
        return schemas


def _problems_of(path: str, method: str, operation: Json) -> set[int]:
    """Return the statuses that a view names itself, by `@bp.doc(responses=[502])`, and those that its shape tells."""
    who = operation.get("security", [])
    has_query = any(parameter.get("in") == "query" for parameter in operation["parameters"])
    has_body = "requestBody" in operation
    found = {
        400: has_body or has_query,
        401: bool(who),
        403: any(scopes for one in who for scopes in one.values()) or (bool(who) and method != "get"),
        404: "{" in path,
        409: method != "get" and (has_body or "{" in path),
        413: has_body,
        415: has_body,
        422: has_body or has_query,
        429: True,
        503: True,
    }
    named = {int(status) for status in operation["responses"] if status >= "4"}
    return {status for status, possible in found.items() if possible} | named


def _headers_of(path: str, view: Callable[..., Any]) -> Iterator[str]:
    if getattr(view, "is_idempotent", False):
        yield "IdempotencyKey"
    if path.startswith("/api/cart"):
        yield "CartToken"


def _problem_reference(status: int) -> Json:
    return {"$ref": f"#/components/responses/{HTTPStatus(status).phrase.replace(' ', '')}"}


def _problem(status: int) -> Json:
    return {
        "description": PROBLEMS[status],
        "content": {web.PROBLEM: {"schema": {"$ref": REF.format(model="Problem")}}},
    }
