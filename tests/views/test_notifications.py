"""The page of what the shop told one, the wishes about it, and the number beside one's name."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import notification_services as notifications
from auth import preference_services as preferences
from auth.account_forms import WISHES
from auth.preference_services import CHANNELS, GROUPS
from tests.factories import User, make_notification, make_user
from tests.html import Html
from tests.surfing import Browser, csrf_headers, enter
from utils import db
from utils.errors import DatabaseUnavailable

HERE = "/account/notifications"


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku")


@pytest.fixture
def browser(client: FlaskClient, wanjiku: User) -> Browser:
    enter(client, wanjiku)
    return Browser(client)


def badge(answer: Any) -> list[str]:
    """Return the numbers beside one's name."""
    return [
        line.partition("Unread notices: </span>")[2].partition("<")[0]
        for line in answer.text.splitlines()
        if "Unread notices" in line
    ]


def test_who_is_not_logged_in_is_led_to_the_log_in(client: FlaskClient) -> None:
    assert client.get(HERE).location == "/login?next=%2Faccount%2Fnotifications"


def test_an_empty_list_says_so(browser: Browser) -> None:
    assert "Nothing yet" in browser.open(HERE).text


def test_what_one_was_told_is_shown_newest_first(browser: Browser, wanjiku: User) -> None:
    make_notification(wanjiku, title="Your order AB3", order_id=7)
    make_notification(wanjiku, title="<b>Locked</b>", topic="account.locked")
    make_notification(make_user(), title="Somebody else's")
    text = browser.open(HERE).text
    assert text.index("&lt;b&gt;Locked") < text.index("Your order AB3")
    assert "Somebody else" not in text


def test_to_look_at_the_order_marks_it_as_read(browser: Browser, wanjiku: User) -> None:
    told = make_notification(wanjiku, order_id=7)
    browser.open(HERE)
    answer = browser.client.post(
        f"{HERE}/{told}/read", data={"next": "/orders/7"}, headers=csrf_headers(browser.client)
    )
    assert (answer.status_code, answer.location) == (303, "/orders/7")
    assert notifications.count_unread(user_id=wanjiku.id) == 0
    page = browser.open(HERE)
    assert "/orders/7" in Html(page.text).links()


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_to_mark_as_read_leads_nowhere_else(browser: Browser, wanjiku: User, elsewhere: str) -> None:
    told = make_notification(wanjiku)
    answer = browser.client.post(f"{HERE}/{told}/read", data={"next": elsewhere}, headers=csrf_headers(browser.client))
    assert answer.location == "/"


def test_one_is_marked_as_read_and_then_the_rest(browser: Browser, wanjiku: User) -> None:
    told = [make_notification(wanjiku) for _ in range(3)]
    browser.open(HERE)
    browser.send(f"{HERE}/{told[0]}/read")
    assert browser.path == HERE
    assert notifications.count_unread(user_id=wanjiku.id) == 2
    assert len(Html(browser.open(f"{HERE}?unread=1").text).tags("li", **{"class": "card stack tight told new"})) == 2
    browser.send(f"{HERE}/read-all")
    assert notifications.count_unread(user_id=wanjiku.id) == 0
    assert "Nothing unread" in browser.open(f"{HERE}?unread=1").text


def test_somebody_elses_is_not_there(browser: Browser) -> None:
    other = make_user()
    told = make_notification(other)
    answer = browser.client.post(f"{HERE}/{told}/read", headers=csrf_headers(browser.client))
    assert answer.status_code == 404
    assert notifications.count_unread(user_id=other.id) == 1


def test_a_long_list_goes_on_and_keeps_what_is_looked_for(browser: Browser, wanjiku: User) -> None:
    for number in range(25):
        make_notification(wanjiku, title=f"Notice {number}")
    page = Html(browser.open(f"{HERE}?unread=1").text)
    (following,) = [link["href"] for link in page.tags("a", rel="next")]
    assert "unread=1" in str(following)
    rest = browser.open(str(following)).text
    assert ("Notice 4" in rest, "Notice 5" in rest) == (True, False)


# --- wishes


def test_every_group_and_channel_has_its_box() -> None:
    assert [*WISHES] == [f"{group}.{channel}" for group in GROUPS for channel in CHANNELS]


def test_boxes_that_are_not_checked_are_a_no(browser: Browser, wanjiku: User) -> None:
    page = browser.open(HERE)
    boxes = Html(page.text).tags("input", name="wishes")
    assert [box["value"] for box in boxes if "checked" in box] == [*WISHES]
    browser.send(f"{HERE}/preferences", wishes=["orders.in_app", "security.by_mail"])
    wished = preferences.get_preferences(user_id=wanjiku.id)
    assert wished["orders"] == {"in_app": True, "by_mail": False}
    assert wished["security"] == {"in_app": False, "by_mail": True}
    assert wished["payments"] == wished["delivery"] == {"in_app": False, "by_mail": False}
    boxes = Html(browser.open(HERE).text).tags("input", name="wishes")
    assert [box["value"] for box in boxes if "checked" in box] == ["orders.in_app", "security.by_mail"]


def test_wishes_that_nobody_offers_change_nothing(browser: Browser, wanjiku: User) -> None:
    before = preferences.get_preferences(user_id=wanjiku.id)
    browser.open(HERE)
    answer = browser.send(f"{HERE}/preferences", wishes=["orders.by_pigeon"])
    assert answer.status_code == 200
    assert preferences.get_preferences(user_id=wanjiku.id) == before


# --- the number beside one's name


def test_what_is_unread_stands_beside_ones_name_on_every_page(browser: Browser, wanjiku: User) -> None:
    assert badge(browser.open("/")) == []
    for _ in range(3):
        make_notification(wanjiku)
    for path in ("/", "/account", "/account/addresses"):
        assert badge(browser.open(path)) == ["3"], path


def test_a_guest_costs_no_statement_for_it(client: FlaskClient, browser: Browser, count_statements: Any) -> None:
    client.get("/")  # what is kept of the catalogue is read at the first time
    known = count_statements(lambda: client.get("/"))
    client.delete_cookie("session")
    assert count_statements(lambda: client.get("/")) == known - 2  # who asks; what is unread


def test_the_page_of_an_error_needs_no_database(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(notifications, "count_unread", away)
    monkeypatch.setattr(notifications, "list_notifications", away)
    assert browser.client.get(HERE).status_code == 503


def test_the_statements_of_the_page(browser: Browser, wanjiku: User, count_statements: Any) -> None:
    for _ in range(30):
        make_notification(wanjiku)
    assert count_statements(lambda: browser.client.get(HERE)) == 4  # who asks; the list; the wishes; what is unread
    assert db.reading().fetch_value("SELECT COUNT(*) FROM notifications") == 30
