"""The readme's walk with a browser, line by line, over HTTP in a shop of real processes, with the mails it wrote."""

from __future__ import annotations

import email
import email.policy
import re
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pyotp
import requests

from tests.conftest import empty
from tests.flows.test_readme import read_walk
from tests.flows.test_serve import Shop, read_until_open
from tests.surfing import Browser

HEADING = "A WALK WITH A BROWSER"
PATIENCE_SECONDS = 30
STEP_SECONDS = 30


class Wire:
    """The client of a browser: real HTTP, cookies kept, redirects left to the browser."""

    def __init__(self, shop: str) -> None:
        self.shop = shop
        self.session = requests.Session()

    def get(self, path: str) -> Any:
        return self._seen(self.session.get(self.shop + path, allow_redirects=False, timeout=10))

    def post(self, path: str, *, data: dict[str, str]) -> Any:
        return self._seen(self.session.post(self.shop + path, data=data, allow_redirects=False, timeout=10))

    def _seen(self, answer: requests.Response) -> Any:
        return SimpleNamespace(
            status_code=answer.status_code, text=answer.text, location=answer.headers.get("Location")
        )


@dataclass
class Walker:
    """Does what a line says, and is not content with less."""

    browser: Browser
    mails: Path
    secret: str = ""
    last_step: int = 0
    recovery_code: str = ""

    def open(self, path: str) -> None:
        assert self.browser.open(path).status_code == 200, path

    def type(self, label: str, text: str) -> None:
        self.browser.type(
            label, {"CODE": self.next_code, "RECOVERY": lambda: self.recovery_code}.get(text, lambda: text)()
        )

    def press(self, button: str) -> None:
        answer = self.browser.press(button)
        assert answer.status_code == 200, f"{button}: {answer.status_code} {self.browser.page.words}"
        self.remember(answer.text)

    def see(self, words: str) -> None:
        assert words in self.browser.page.words

    def mail(self, subject: str) -> None:
        link = urlsplit(self.wait_for_link(subject))
        self.open(f"{link.path}?{link.query}")

    def remember(self, html: str) -> None:
        """Keep what a person would: the secret in the authenticator, a recovery code on paper."""
        for secret in re.findall(r'<code id="secret">(\w+)</code>', html):
            self.secret = secret
        for code in re.findall(r"<li><code>([\w-]+)</code></li>", html)[:1]:
            self.recovery_code = code

    def next_code(self) -> str:
        """Return a code that was not used yet; the shop takes that of the next half minute as well."""
        self.last_step = max(int(time.time()) // STEP_SECONDS, self.last_step + 1)
        return pyotp.TOTP(self.secret).at(self.last_step * STEP_SECONDS)

    def wait_for_link(self, subject: str) -> str:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            for path in self.mails.glob("*.eml"):
                message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                if message["Subject"] == subject:
                    raw = path.read_text()  # as a reader of the file sees it
                    return re.findall(r"https?://\S+\?token=\S+", raw)[0]
            time.sleep(0.1)  # the worker writes it
        raise AssertionError(f"no mail {subject!r}")


def test_the_walk_of_the_readme_works_as_printed(database_url: str, tmp_path: Path) -> None:
    empty(database_url)
    steps = [re.split(r"\s{2,}", line.strip()) for line in read_walk(HEADING).splitlines() if line.strip()]
    shop = Shop(database_url, tmp_path)
    with shop.open() as process:
        read_until_open(process)
        walker = Walker(Browser(Wire(f"http://127.0.0.1:{shop.port}")), tmp_path / "mail")
        for verb, *words in steps:
            getattr(walker, verb)(*words)
    assert {verb for verb, *_ in steps} == {"open", "type", "press", "see", "mail"}
    assert len(steps) > 40
