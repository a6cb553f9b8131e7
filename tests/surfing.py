"""A browser without JavaScript: it keeps cookies, reads a page's form and sends it with what the form holds."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from flask.testing import FlaskClient

from tests.factories import User
from utils import csrf, session_tokens


class Form:
    """Where a form goes, and what it holds before anybody types."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}


class Page(HTMLParser):
    """The forms of a page, in their order, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self._form: Form | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("method", "get").lower() == "post":
            self._form = Form(values.get("action", ""))
            self.forms.append(self._form)
        elif tag == "input" and self._form and "name" in values:
            is_off = values.get("type") in ("checkbox", "radio") and "checked" not in values
            self._form.fields |= {} if is_off else {values["name"]: values.get("value", "")}

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        self.text += data

    def form_to(self, path: str) -> Form:
        """Return the form that is sent there."""
        found = [form for form in self.forms if urlsplit(form.action).path == path]
        assert found, f"no form to {path}: {[form.action for form in self.forms]}"
        return found[0]


class Browser:
    """Looks at one page after the other; `send` fills in a form of the page that is open."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.path = "/"
        self.page = Page("")
        self.answer: Any = None

    def open(self, path: str, **options: Any) -> Any:
        """Look at a page, and follow where it leads."""
        return self._look(path, lambda: self.client.get(path, **options))

    def send(self, action: str, **typed: str) -> Any:
        """Send the form of this page that goes to `action`, and follow where that leads."""
        form = self.page.form_to(action)
        path = urljoin(self.path, form.action)
        return self._look(path, lambda: self.client.post(path, data={**form.fields, **typed}))

    def _look(self, path: str, request: Callable[[], Any]) -> Any:
        self.answer = request()
        self.path = path
        while self.answer.status_code in (302, 303):
            self.path = urljoin(self.path, self.answer.location)
            self.answer = self.client.get(self.path)
        self.page = Page(self.answer.text)
        return self.answer


def enter(client: FlaskClient, user: User) -> dict[str, Any]:
    """Put a log-in of the user into the client's session, as the log-in page does; return its pair of tokens."""
    client.delete_cookie("session")
    answer = client.post("/api/auth/login", json={"username": user.username, "password": user.password})
    pair: dict[str, Any] = answer.get_json()
    with client.session_transaction() as kept:
        kept.clear()
        kept.update(session_tokens.written(pair))
    return pair


def csrf_headers(client: FlaskClient) -> dict[str, str]:
    """Return what a script of a page of this session sends with unsafe requests."""
    with client.session_transaction() as kept:
        secret = kept.setdefault(csrf.KEY, secrets.token_bytes(csrf.SIZE))
    return {csrf.HEADER: csrf.masked(secret)}
