"""How a JSON body is read: strictly, and by what it is rather than by what its Content-Type says."""

from __future__ import annotations

import json
from typing import Any

from flask import Request, current_app
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import UnsupportedMediaType

from utils.errors import InvalidFields, MalformedRequest


class StrictJSON(DefaultJSONProvider):
    """Flask's JSON, to which NaN, Infinity and a thousand brackets in each other are malformed like any other noise."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Read JSON. Raises ValueError."""
        try:
            return super().loads(s, parse_constant=_refuse_constant, **kwargs)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


class JsonRequest(Request):
    """A request whose body is an object of whole characters; a POST may leave it out, as all may be optional."""

    @property
    def max_content_length(self) -> int | None:
        """Return how large the body may be: as a view has set, or says that takes a file, else the shop's setting."""
        if self._max_content_length is not None:
            return self._max_content_length
        view = current_app.view_functions.get(self.endpoint or "")
        most: int | None = getattr(view, "most_bytes", None)
        return most or super().max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the body. Raises MalformedRequest, InvalidFields, and 415 for what was never meant to be JSON."""
        if self.method == "POST" and not self.get_data():
            return {}
        body = super().get_json(force=force, silent=silent, cache=cache)
        if body is None:  # APIFlask would take it for {}
            raise InvalidFields(fields={"json": "must be an object"})
        if isinstance(body, dict) and b"\\u" in self.get_data():
            _refuse_halves(body)
        return body

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Refuse what is not JSON: with 400 when it was meant to be, else with 415."""
        if self.mimetype and not self.is_json:
            raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
        raise MalformedRequest("The body is not JSON.") from e


def _refuse_halves(body: dict[str, Any]) -> None:
    """Refuse surrogates that JSON escapes alone: no database, hash or mail can write half a character."""
    halves = {
        name.encode("ascii", "backslashreplace").decode(): "holds half a character"
        for name, value in body.items()
        if not _can_be_written({name: value})
    }
    if halves:
        raise InvalidFields(fields=halves)


def _can_be_written(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
