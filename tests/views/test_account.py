"""The pages about oneself: profile, picture, data, addresses, and the end of the account."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import address_services, avatars, services
from tests.factories import ADDRESS, PASSWORD, User, make_address, make_order, make_product, make_user
from tests.html import Html
from tests.pictures import make_picture
from tests.surfing import Browser, csrf_headers, enter
from utils import db

WRITTEN = {**{name: ADDRESS[name] for name in ADDRESS if name != "label"}, "label": "Shop"}


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku", phone_number="254712345678")


@pytest.fixture
def browser(client: FlaskClient, wanjiku: User) -> Browser:
    enter(client, wanjiku)
    return Browser(client)


def wrongs(answer: Any) -> dict[str, str]:
    """Return what a page says is wrong, by the fields that it says it of."""
    return dict(re.findall(r'<p class="wrong" id="([\w.]+)-wrong">([^<]*)</p>', answer.text))


def field(answer: Any, name: str) -> str | None:
    (found,) = Html(answer.text).tags("input", id=name)
    return found["value"]


def saved(user: User) -> list[dict[str, Any]]:
    return address_services.list_addresses(user_id=user.id)


# --- who may


@pytest.mark.parametrize("path", ["/account", "/account/addresses", "/account/addresses/new", "/account/delete"])
def test_who_is_not_logged_in_is_led_to_the_log_in_and_back(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.location) == (303, f"/login?next={path.replace('/', '%2F')}")


@pytest.mark.parametrize(
    "path",
    [
        "/account/profile",
        "/account/avatar",
        "/account/avatar/delete",
        "/account/addresses",
        "/account/delete",
        "/account/notifications/preferences",
        "/account/notifications/read-all",
    ],
)
def test_no_form_is_taken_that_is_not_of_our_pages(browser: Browser, wanjiku: User, path: str) -> None:
    answer = browser.client.post(path, data={"username": "stolen", "password": PASSWORD, **WRITTEN})
    assert answer.status_code == 403
    assert services.get_user(user_id=wanjiku.id)["username"] == "wanjiku"
    assert saved(wanjiku) == []


def test_what_is_personal_is_kept_nowhere(browser: Browser) -> None:
    assert browser.open("/account").headers["Cache-Control"] == "no-store"


# --- who one is


def test_the_profile_is_shown_and_changed(browser: Browser, wanjiku: User) -> None:
    page = browser.open("/account")
    assert [field(page, name) for name in ("username", "email", "phone_number")] == [
        "wanjiku",
        wanjiku.email,
        "254712345678",
    ]
    answer = browser.send("/account/profile", username="wanjiku.k", phone_number="0110 000 111")
    assert "Saved." in answer.text
    assert (browser.path, field(answer, "username"), field(answer, "phone_number")) == (
        "/account",
        "wanjiku.k",
        "254110000111",
    )


def test_a_profile_with_mistakes_comes_back_with_all_that_was_typed(browser: Browser, wanjiku: User) -> None:
    make_user(username="kamau")
    browser.open("/account")
    answer = browser.send("/account/profile", username="x", email="nowhere", phone_number="12")
    assert answer.status_code == 422
    assert wrongs(answer).keys() == {"username", "email", "phone_number"}
    assert [field(answer, name) for name in ("username", "email", "phone_number")] == ["x", "nowhere", "12"]
    answer = browser.send("/account/profile", username="kamau", email="w@example.com", phone_number="")
    assert (answer.status_code, wrongs(answer)) == (422, {"username": "This user name is taken."})
    assert field(answer, "email") == "w@example.com"
    assert services.get_user(user_id=wanjiku.id)["email"] == wanjiku.email


def test_what_is_written_as_it_was_is_no_change(browser: Browser, wanjiku: User) -> None:
    browser.open("/account")
    assert browser.send("/account/profile").status_code == 200
    assert db.reading().fetch_value("SELECT COUNT(*) FROM audit_log") == 0
    assert db.reading().fetch_value("SELECT COUNT(*) FROM outbox_events") == 0


def test_a_phone_number_may_be_taken_away(browser: Browser, wanjiku: User) -> None:
    browser.open("/account")
    browser.send("/account/profile", phone_number="")
    assert services.get_user(user_id=wanjiku.id)["phone_number"] is None


# --- the picture and the data


def send_picture(browser: Browser, data: bytes) -> Any:
    browser.open("/account")
    return browser.send("/account/avatar", picture=(io.BytesIO(data), "me.jpg"))


def test_a_picture_is_taken_shown_and_taken_away(browser: Browser) -> None:
    answer = send_picture(browser, make_picture("JPEG", size=(900, 1400)))
    (shown,) = Html(answer.text).tags("img", alt="Your picture")
    assert (answer.status_code, str(shown["src"]).startswith(avatars.ADDRESS)) == (200, True)
    answer = browser.send("/account/avatar/delete")
    assert Html(answer.text).tags("img", alt="Your picture") == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "Choose a picture"),
        (b"hello", "JPEG, PNG or WebP"),
        (make_picture()[:50], "cannot be read"),
        (b"\0" * (5 * 1024 * 1024 + 1), "at most 5242880 bytes"),
    ],
    ids=["none", "text", "cut", "large"],
)
def test_a_picture_that_is_none_is_told_beside_its_field(
    browser: Browser, wanjiku: User, data: bytes, said: str
) -> None:
    browser.open("/account")
    token = csrf_headers(browser.client)
    body = b'--edge\r\nContent-Disposition: form-data; name="picture"; filename="me.png"\r\n\r\n' + data
    answer = browser.client.post(
        "/account/avatar",
        data=body + b"\r\n--edge--\r\n",
        content_type="multipart/form-data; boundary=edge",
        headers=token,
    )
    assert answer.status_code == 422
    assert said in wrongs(answer)["picture"]
    assert field(answer, "username") == "wanjiku"


def test_ones_data_is_one_click_away(browser: Browser) -> None:
    (link,) = [href for href in Html(browser.open("/account").text).links() if "export" in href]
    answer = browser.client.get(link)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.get_json()["profile"]["username"] == "wanjiku"


# --- addresses


def test_an_address_is_saved_changed_and_deleted(browser: Browser, wanjiku: User) -> None:
    assert "No addresses yet" in browser.open("/account/addresses").text
    browser.open("/account/addresses/new")
    answer = browser.send("/account/addresses", **WRITTEN)
    assert browser.path == "/account/addresses"
    assert "Moi Avenue 12" in answer.text
    (address,) = saved(wanjiku)
    here = f"/account/addresses/{address['id']}"
    page = browser.open(here)
    assert (field(page, "label"), field(page, "phone_number")) == ("Shop", "254712345678")
    assert {option["value"] for option in Html(page.text).tags("option") if "selected" in option} == {"Kiambu"}
    browser.send(here, county="Nakuru", town="Naivasha", line2="Stage 3")
    (changed,) = saved(wanjiku)
    assert changed == {**address, "county": "Nakuru", "town": "Naivasha", "line2": "Stage 3"}
    answer = browser.send(f"{here}/delete")
    assert (saved(wanjiku), "Deleted." in answer.text) == ([], True)


def test_an_address_with_mistakes_comes_back_with_all_that_was_typed(browser: Browser, wanjiku: User) -> None:
    browser.open("/account/addresses/new")
    typed = {"label": "Shamba", "phone_number": "12", "line1": "", "town": "Thika", "county": "", "is_default": "1"}
    answer = browser.send("/account/addresses", **typed)
    assert answer.status_code == 422
    assert wrongs(answer).keys() == {"phone_number", "line1", "county"}
    assert [field(answer, name) for name in ("label", "phone_number", "town")] == ["Shamba", "12", "Thika"]
    assert "checked" in Html(answer.text).tags("input", name="is_default")[0]
    make_address(wanjiku)
    here = f"/account/addresses/{saved(wanjiku)[0]['id']}"
    browser.open(here)
    answer = browser.send(here, line1="", town="Ruiru", county="Kiambu")
    assert (answer.status_code, wrongs(answer).keys(), field(answer, "town")) == (422, {"line1"}, "Ruiru")
    assert saved(wanjiku)[0]["town"] == "Thika"


def test_another_address_is_offered_first(browser: Browser, wanjiku: User) -> None:
    make_address(wanjiku)
    other = make_address(wanjiku, label="Shop")
    browser.open("/account/addresses")
    browser.send(f"/account/addresses/{other['id']}/default")
    assert [(row["label"], row["is_default"]) for row in saved(wanjiku)] == [("Shop", 1), ("Home", 0)]
    here = f"/account/addresses/{other['id']}"
    assert Html(browser.open(here).text).tags("input", name="is_default") == []
    browser.send(here, town="Ruiru", county="Kiambu")
    assert saved(wanjiku)[0]["town"] == "Ruiru"
    assert saved(wanjiku)[0]["is_default"] == 1


def test_a_full_book_says_so(browser: Browser, wanjiku: User) -> None:
    browser.open("/account/addresses/new")
    for _ in range(address_services.MOST_ADDRESSES):
        make_address(wanjiku)
    answer = browser.send("/account/addresses", **WRITTEN)
    assert (answer.status_code, "at most 20 addresses" in answer.text) == (422, True)
    assert field(answer, "label") == "Shop"
    assert "/account/addresses/new" not in Html(browser.open("/account/addresses").text).links()


@pytest.mark.parametrize("then", ["", "/default", "/delete"])
def test_somebody_elses_address_is_not_there(browser: Browser, then: str) -> None:
    other = make_user()
    here = f"/account/addresses/{make_address(other)['id']}"
    assert browser.open(here).status_code == 404
    answer = browser.client.post(here + then, data=WRITTEN, headers=csrf_headers(browser.client))
    assert answer.status_code == 404
    assert saved(other)[0]["label"] == "Home"


def test_what_was_typed_is_shown_as_text(browser: Browser, wanjiku: User) -> None:
    make_address(wanjiku, label="<b>Home</b>", line1='"><script>alert(1)</script>')
    for path in ("/account/addresses", f"/account/addresses/{saved(wanjiku)[0]['id']}"):
        text = browser.open(path).text
        assert "<b>Home" not in text
        assert "<script>alert" not in text


# --- the end


def test_an_account_is_deleted_with_its_password(browser: Browser, wanjiku: User) -> None:
    make_address(wanjiku)
    browser.open("/account/delete")
    answer = browser.send("/account/delete", password=PASSWORD)
    assert (browser.path, answer.status_code, "Kwaheri" in answer.text) == ("/", 200, True)
    assert browser.client.get("/account").status_code == 303
    assert services.get_user(user_id=wanjiku.id)["username"] == f"deleted:{wanjiku.id}"
    assert saved(wanjiku) == []


def test_nobody_deletes_an_account_without_its_password(browser: Browser, wanjiku: User) -> None:
    browser.open("/account/delete")
    for password in ("", "wrong"):
        answer = browser.send("/account/delete", password=password)
        assert (answer.status_code, wrongs(answer).keys()) == (422, {"password"})
    assert services.get_user(user_id=wanjiku.id)["username"] == "wanjiku"


def test_guesses_at_the_password_are_counted(browser: Browser, wanjiku: User) -> None:
    browser.open("/account/delete")
    for _ in range(5):
        browser.send("/account/delete", password="wrong")
    answer = browser.send("/account/delete", password=PASSWORD)
    assert "Too many wrong passwords" in wrongs(answer)["password"]
    assert services.get_user(user_id=wanjiku.id)["username"] == "wanjiku"


def test_who_waits_for_an_order_is_told_so(browser: Browser, wanjiku: User) -> None:
    make_order(wanjiku, (make_product().variant, 1))
    browser.open("/account/delete")
    for _ in range(7):  # the right password is no guess
        answer = browser.send("/account/delete", password=PASSWORD)
        assert (answer.status_code, "orders under way" in answer.text) == (422, True)
    assert services.get_user(user_id=wanjiku.id)["username"] == "wanjiku"


# --- the cost


def test_the_statements_of_each_page(browser: Browser, wanjiku: User, count_statements: Any) -> None:
    here = f"/account/addresses/{make_address(wanjiku)['id']}"
    costs = {
        "/account": 3,  # who asks; the account; what is unread
        "/account/addresses": 3,
        "/account/addresses/new": 2,
        here: 3,
        "/account/delete": 2,
    }
    assert {path: count_statements(lambda path=path: browser.client.get(path)) for path in costs} == costs
