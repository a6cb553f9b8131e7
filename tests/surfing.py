"""A browser without JavaScript: it keeps cookies, reads a page's forms, fills in what it is told and sends them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

from flask.testing import FlaskClient

from tests.factories import User
from utils import csrf, session_tokens


@dataclass
class Form:
    """Where a form goes, what it holds before anybody types, its fields by their labels and what its buttons say."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    buttons: list[str] = field(default_factory=list)

    def name_of(self, label: str) -> str | None:
        """Return the name of the field with this label."""
        found = [target for target, text in self.labels.items() if text.removesuffix("(optional)").strip() == label]
        return self.names[found[0]] if found else None


class Page(HTMLParser):
    """The forms of a page that are posted, in their order, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.text = ""
        self._form: Form | None = None
        self._label: str | None = None
        self._is_button = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("method", "get").lower() == "post":
            self._form = Form(values.get("action", ""))
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "input" and "name" in values:
            is_off = values.get("type") in ("checkbox", "radio") and "checked" not in values
            self._form.fields |= {} if is_off else {values["name"]: values.get("value", "")}
            self._form.names[values.get("id", "")] = values["name"]
        elif tag == "label" and "for" in values:
            self._label = values["for"]
            self._form.labels[self._label] = ""
        elif tag == "button":
            self._is_button = True
            self._form.buttons.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "label":
            self._label = None
        elif tag == "button":
            self._is_button = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._form and self._label:
            self._form.labels[self._label] += data
        if self._form and self._is_button:
            self._form.buttons[-1] += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    def form_to(self, path: str) -> Form:
        """Return the form that is sent there."""
        found = [form for form in self.forms if urlsplit(form.action).path == path]
        assert found, f"no form to {path}: {[form.action for form in self.forms]}"
        return found[0]


class Browser:
    """Looks at one page after the other.

    `send` fills in the form of the page that is open by the names of its fields; `type` and `press` do it as people do,
    by labels and by what stands on the button.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.path = "/"
        self.page = Page("")
        self.answer: Any = None

    def open(self, path: str) -> Any:
        """Look at a page, and follow where it leads."""
        return self._look(path, lambda: self.client.get(path))

    def send(self, action: str, **typed: str) -> Any:
        """Send the form of this page that goes to `action`, and follow where that leads."""
        return self._send(self.page.form_to(action), typed)

    def type(self, label: str, text: str) -> None:
        """Type into the field with this label."""
        found = [(form, name) for form in self.page.forms if (name := form.name_of(label))]
        assert found, f"no field {label!r} on {self.path}: {[form.labels for form in self.page.forms]}"
        form, name = found[0]
        form.fields[name] = text

    def press(self, button: str) -> Any:
        """Press a button, and follow where that leads; one that stands in a form with fields counts more."""
        found = [form for form in self.page.forms if button in (" ".join(text.split()) for text in form.buttons)]
        assert found, f"no button {button!r} on {self.path}: {[form.buttons for form in self.page.forms]}"
        return self._send(max(found, key=lambda form: len(form.labels)), {})

    def _send(self, form: Form, typed: dict[str, str]) -> Any:
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
