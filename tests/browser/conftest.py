"""Tests in a real browser: this machine's Chromium, driven by Playwright, in a shop of real processes.

    def test_guest_puts_a_basket_into_the_cart(shop: OpenShop, page: Page) -> None:
        page.goto("/products/kiondo-basket")
        page.get_by_role("button", name="Add to cart").click()
        expect(page.get_by_role("heading", name="Your cart")).to_be_visible()
        assert_accessible(page)

`shop`        the open shop (shop.py), one for the whole run: it is not emptied between tests, so make what you need
              with tests/factories (they write into this shop's database while `shop` is in use) and leave the demo
              accounts as they are. When the test is over, sql/checks.sql must find nothing.
`page`        a page at 1280 x 800; `phone` one at 360 x 740 with a finger; `plain` one without JavaScript
`open_page`   makes one with any options of Playwright's new_context; each has cookies of its own
`log_in`      log_in(page, username, password) by the shop's own form
`picture`     picture(page, "checkout") writes docs/checkout.png, only under bin/test --pictures

Whatever a page logs as an error, every exception, every request that fails, leaves this machine or is answered
with an error (a document may be 4xx), and every breach of the Content-Security-Policy fails the test.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
    sync_playwright,
)

import config
from tests.browser.chromium import WHAT_TO_DO, find_chromium
from tests.browser.shop import OpenShop, at_hand, open_shop
from utils import checks, db

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 30_000
ARGUMENTS = [
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing leaves this machine
]
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
    console.error(`CSP ${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
"""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def open_shop_of_this_run(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenShop]:
    with open_shop(server_url, tmp_path_factory.mktemp("shop"), name="browser") as shop:
        yield shop


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = find_chromium()
    assert program is not None, WHAT_TO_DO
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def shop(open_shop_of_this_run: OpenShop, session_app: APIFlask) -> Iterator[OpenShop]:
    with at_hand(open_shop_of_this_run.settings):
        yield open_shop_of_this_run
        assert checks.run(db.reading()) == []


class Watch:
    """What went wrong on the pages of a test."""

    def __init__(self, shop: OpenShop) -> None:
        self.shop = shop
        self.wrong: list[str] = []

    def follow(self, context: BrowserContext) -> None:
        context.add_init_script(TELL_VIOLATIONS)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.wrong.append(f"exception: {error.error}"))
        context.on("request", self._see_request)
        context.on("requestfailed", self._see_failure)
        context.on("response", self._see_response)

    def _hear(self, message: ConsoleMessage) -> None:
        # "Failed to load" repeats what _see_response judges.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.wrong.append(f"console: {message.text} ({message.location.get('url')})")

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((self.shop.url, "data:", "blob:", "about:")):
            self.wrong.append(f"left this machine: {request.url}")

    def _see_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page went on to another
            self.wrong.append(f"failed: {request.method} {request.url} {request.failure}")

    def _see_response(self, response: Response) -> None:
        allowed = 499 if response.request.resource_type == "document" else 399
        if response.status > allowed:
            self.wrong.append(f"answered {response.status}: {response.request.method} {response.url}")


@pytest.fixture
def open_page(shop: OpenShop, browser: Browser) -> Iterator[OpenPage]:
    """Open pages, and see at the end that nothing went wrong on them."""
    watch = Watch(shop)
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Page:
        context = browser.new_context(
            **{"base_url": shop.url, "viewport": DESK, "locale": "en-GB", "timezone_id": "Africa/Nairobi", **options}
        )
        context.set_default_timeout(PATIENCE_MS)
        context.set_default_navigation_timeout(PATIENCE_MS)
        watch.follow(context)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert watch.wrong == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture
def phone(open_page: OpenPage) -> Page:
    return open_page(viewport=PHONE, has_touch=True, is_mobile=True)


@pytest.fixture
def plain(open_page: OpenPage) -> Page:
    return open_page(java_script_enabled=False)


@pytest.fixture
def log_in() -> Callable[[Page, str, str], None]:
    def through_the_form(page: Page, username: str, password: str) -> None:
        page.goto("/login")
        page.locator("input[name=username]").fill(username)
        page.locator("input[name=password]").fill(password)
        page.locator("main").get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: not url.split("?")[0].endswith("/login"))

    return through_the_form


@pytest.fixture
def picture() -> Callable[..., None]:
    """Take the pictures of docs/, when they are asked for."""

    def take(page: Page, name: str, **options: Any) -> None:
        if os.environ.get("DUKA_PICTURES"):
            folder: Path = config.ROOT / "docs"
            folder.mkdir(exist_ok=True)
            page.screenshot(path=folder / f"{name}.png", animations="disabled", **options)

    return take
