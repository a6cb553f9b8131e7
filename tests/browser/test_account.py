"""The pages about oneself, in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import assert_accessible
from tests.browser.shop import OpenShop
from tests.factories import PASSWORD, make_address, make_notification, make_user
from tests.pictures import make_picture

LogIn = Callable[[Page, str, str], None]
PAGES = ["/account", "/account/addresses", "/account/addresses/new", "/account/notifications", "/account/delete"]


def test_every_page_about_oneself_is_accessible_and_fits_on_a_small_phone(
    shop: OpenShop, phone: Page, page: Page, log_in: LogIn
) -> None:
    user = make_user(phone_number="254712345678")
    make_address(user)
    make_address(user, label="A shop with a name as long as it may be", line1="Mombasa-Road-" * 12)
    for number in range(3):
        make_notification(user, title=f"Paid: your order K7TQ2M{number}", text="Asante! " * 20, order_id=number + 1)
    for opened in (phone, page):
        log_in(opened, user.username, PASSWORD)
        for path in PAGES:
            opened.goto(path)
            assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"], path
            assert_accessible(opened)


@pytest.mark.parametrize("device", ["page", "plain"])
def test_one_changes_picture_and_address_with_and_without_javascript(
    shop: OpenShop, device: str, request: pytest.FixtureRequest, log_in: LogIn, tmp_path: Path
) -> None:
    page: Page = request.getfixturevalue(device)
    user = make_user()
    log_in(page, user.username, PASSWORD)
    page.goto("/account")
    (tmp_path / "me.jpg").write_bytes(make_picture("JPEG", size=(600, 900)))
    page.get_by_label("A new one").set_input_files(tmp_path / "me.jpg")
    page.get_by_role("button", name="Use this picture").click()
    expect(page.get_by_alt_text("Your picture")).to_be_visible()
    page.get_by_role("navigation", name="Your account").get_by_role("link", name="Addresses").click()
    page.get_by_role("link", name="Add an address").click()
    page.get_by_label("Street, house or landmark").fill("Moi Avenue 12")
    page.get_by_label("Town").fill("Thika")
    page.get_by_label("County").select_option("Kiambu")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Moi Avenue 12")).to_be_visible()


def test_ones_data_is_downloaded_as_a_file(shop: OpenShop, page: Page, log_in: LogIn) -> None:
    user = make_user()
    log_in(page, user.username, PASSWORD)
    page.goto("/account")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download my data").click()
    written = downloading.value.path().read_text()
    assert f'"username":"{user.username}"' in written
    assert written.endswith("}\n")


def test_notices_are_counted_beside_ones_name_until_they_are_read(shop: OpenShop, page: Page, log_in: LogIn) -> None:
    user = make_user()
    for _ in range(2):
        make_notification(user)
    log_in(page, user.username, PASSWORD)
    page.goto("/account/notifications")
    expect(page.get_by_role("button", name="Unread notices: 2")).to_be_visible()
    page.get_by_role("button", name="Mark as read").first.click()
    expect(page.get_by_role("button", name="Unread notices: 1")).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Unread notices")).to_have_count(0)


def test_an_account_ends_with_its_password(shop: OpenShop, page: Page, log_in: LogIn) -> None:
    user = make_user()
    log_in(page, user.username, PASSWORD)
    page.goto("/account")
    page.get_by_role("link", name="Delete my account").click()
    page.get_by_label("Your password").fill("wrong")
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_text("Is not your password")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_text("Your account is deleted")).to_be_visible()
