"""What the other browser tests lean on: a page on which something is wrong is told to be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from tests.browser.axe import assert_accessible
from tests.browser.conftest import Watch
from tests.browser.shop import OpenShop

CSP = "default-src 'self'; script-src 'nonce-n'"
WRONG = {
    "console: told": '<script nonce="n">console.error("told")</script>',
    "exception: thrown": '<script nonce="n">throw new Error("thrown")</script>',
    "console: CSP script-src-elem: inline": "<script>1</script>",
    "answered 404: GET": '<img src="/static/missing.png" alt="">',
    "left this machine: http://example.com/": '<img src="http://example.com/a.png" alt="">',
}


@pytest.fixture
def context(shop: OpenShop, browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=shop.url)
    yield context
    context.close()


def show(context: BrowserContext, body: str) -> Page:
    def answer(route: Route) -> Any:
        route.fulfill(body=f'<html lang="en"><title>T</title>{body}', headers={"Content-Security-Policy": CSP})

    page = context.new_page()
    page.route("**/shown", answer)
    page.goto("/shown", wait_until="networkidle")
    return page


@pytest.mark.parametrize("told", WRONG)
def test_what_is_wrong_on_a_page_is_seen(shop: OpenShop, context: BrowserContext, told: str) -> None:
    watch = Watch(shop)
    watch.follow(context)
    show(context, WRONG[told])
    assert [wrong for wrong in watch.wrong if wrong.startswith(told)]


def test_nothing_is_wrong_on_a_good_page(shop: OpenShop, context: BrowserContext) -> None:
    watch = Watch(shop)
    watch.follow(context)
    assert_accessible(show(context, "<main><h1>Hello</h1></main>"))
    assert watch.wrong == []


def test_field_without_a_label_is_not_accessible(context: BrowserContext) -> None:
    page = show(context, '<main><h1>Hello</h1><input name="q"></main>')
    with pytest.raises(AssertionError, match="Form elements must have labels"):
        assert_accessible(page)
