"""What the shop tells a customer inside of it, and the customer's wishes about it, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import notification_services as notifications
from tests.conftest import Clock
from tests.factories import User, make_notification, make_user
from tests.logins import Headers, log_in
from tests.threads import at_once
from utils import clock, db

HERE = "/api/notifications"
WISHES = "/api/profile/notification-preferences"
EVERYTHING = {group: {"in_app": True, "by_mail": True} for group in ("orders", "payments", "delivery", "security")}


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku")


@pytest.fixture
def own(client: FlaskClient, wanjiku: User) -> Headers:
    return log_in(client, wanjiku)


# --- read


def test_what_one_was_told_is_listed_newest_first(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    make_notification(wanjiku, title="First", order_id=7)
    make_notification(wanjiku, title="Second", topic="account.locked", text="Nobody got in.")
    make_notification(make_user(), title="Somebody else's")
    answer = client.get(HERE, headers=own).get_json()
    assert (answer["unread_count"], answer["next_cursor"]) == (2, None)
    assert [item | {"id": 0, "created_at": ""} for item in answer["items"]] == [
        {
            "id": 0,
            "topic": "account.locked",
            "title": "Second",
            "text": "Nobody got in.",
            "order_id": None,
            "created_at": "",
            "read_at": None,
        },
        {
            "id": 0,
            "topic": "order.placed",
            "title": "First",
            "text": "We have it.",
            "order_id": 7,
            "created_at": "",
            "read_at": None,
        },
    ]


def test_pages_follow_each_other_by_key(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    told = [make_notification(wanjiku) for _ in range(5)]
    first = client.get(f"{HERE}?limit=2", headers=own).get_json()
    make_notification(wanjiku)  # what comes meanwhile moves nothing
    second = client.get(f"{HERE}?limit=2&cursor={first['next_cursor']}", headers=own).get_json()
    third = client.get(f"{HERE}?limit=2&cursor={second['next_cursor']}", headers=own).get_json()
    seen = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert (seen, third["next_cursor"]) == (told[::-1], None)


def test_what_was_read_is_left_out_of_the_unread(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    told = [make_notification(wanjiku) for _ in range(3)]
    answer = client.post(f"{HERE}/{told[1]}/read", headers=own)
    assert (answer.status_code, answer.get_json()["id"]) == (200, told[1])
    assert answer.get_json()["read_at"] is not None
    unread = client.get(f"{HERE}?unread=1", headers=own).get_json()
    assert ([item["id"] for item in unread["items"]], unread["unread_count"]) == ([told[2], told[0]], 2)
    counted = client.get(f"{HERE}?count=1&limit=1", headers=own).get_json()
    assert (counted["total"], counted["total_capped"], len(counted["items"])) == (3, False, 1)
    assert client.get(f"{HERE}?count=1&unread=1", headers=own).get_json()["total"] == 2
    assert len(client.get(f"{HERE}?unread=0", headers=own).get_json()["items"]) == 3


def test_to_read_a_second_time_changes_nothing(
    client: FlaskClient, own: Headers, wanjiku: User, frozen_clock: Clock
) -> None:
    here = f"{HERE}/{make_notification(wanjiku)}/read"
    first = client.post(here, headers=own).get_json()
    frozen_clock.forward(minutes=5)
    assert client.post(here, headers=own).get_json() == first


def test_somebody_elses_is_not_there_and_stays_unread(client: FlaskClient, own: Headers) -> None:
    other = make_user()
    answer = client.post(f"{HERE}/{make_notification(other)}/read", headers=own)
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert client.post(f"{HERE}/read-all", headers=own).status_code == 200
    assert notifications.count_unread(user_id=other.id) == 1


def test_all_of_it_is_read_at_once(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    first = make_notification(wanjiku)
    client.post(f"{HERE}/{first}/read", headers=own)
    make_notification(wanjiku)
    for _ in range(2):
        answer = client.post(f"{HERE}/read-all", headers=own)
        assert (answer.status_code, answer.get_json()) == (200, {"unread_count": 0})
    assert client.get(f"{HERE}?unread=1", headers=own).get_json()["items"] == []


def test_readers_at_once_read_each_thing_once(wanjiku: User) -> None:
    one = make_notification(wanjiku)
    make_notification(wanjiku)
    ended = at_once(
        *[lambda: notifications.mark_read(user_id=wanjiku.id, notification_id=one)["read_at"]] * 3,
        *[lambda: notifications.mark_all_read(user_id=wanjiku.id)] * 2,
    )
    assert len(set(ended[:3])) == 1
    assert sum(ended[3:]) in (1, 2)  # the first one was marked by itself, or with the rest
    assert notifications.count_unread(user_id=wanjiku.id) == 0


# --- wishes


def test_who_wishes_nothing_is_told_everything(client: FlaskClient, own: Headers) -> None:
    assert client.get(WISHES, headers=own).get_json() == EVERYTHING


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_wish_left_out_stays_as_it_is(client: FlaskClient, own: Headers, method: str) -> None:
    client.open(WISHES, method=method, json={"orders": {"by_mail": False}}, headers=own)
    answer = client.open(WISHES, method=method, json={"orders": {"in_app": False}, "delivery": {}}, headers=own)
    wished = {**EVERYTHING, "orders": {"in_app": False, "by_mail": False}}
    assert (answer.status_code, answer.get_json()) == (200, wished)
    assert client.get(WISHES, headers=own).get_json() == wished
    answer = client.open(WISHES, method=method, json=EVERYTHING, headers=own)
    assert answer.get_json() == EVERYTHING


@pytest.mark.parametrize(
    "wish", [{"orders": None}, {"orders": {"by_mail": None}}, {"orders": {"by_pigeon": True}}, {"gossip": {}}]
)
def test_a_wish_that_cannot_be_is_422(client: FlaskClient, own: Headers, wish: dict[str, Any]) -> None:
    assert client.put(WISHES, json=wish, headers=own).status_code == 422
    assert client.get(WISHES, headers=own).get_json() == EVERYTHING


def test_what_was_told_and_wished_goes_with_the_account(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    make_notification(wanjiku)
    client.put(WISHES, json={"orders": {"by_mail": False}}, headers=own)
    assert client.delete(f"/api/users/{wanjiku.id}", headers=own).status_code == 204
    assert db.reading().fetch_value("SELECT COUNT(*) FROM notifications") == 0
    assert db.reading().fetch_value("SELECT COUNT(*) FROM notification_preferences") == 0


# --- time and cost


def test_what_was_told_a_year_ago_is_forgotten(wanjiku: User, frozen_clock: Clock) -> None:
    make_notification(wanjiku)
    frozen_clock.forward(days=364)
    kept = make_notification(wanjiku)
    frozen_clock.forward(days=2)
    assert notifications.delete_old_notifications() == 1
    page = notifications.list_notifications(user_id=wanjiku.id, unread=False, limit=9, cursor=None)
    assert [row["id"] for row in page.items] == [kept]
    assert page.items[0]["created_at"] < clock.now()


def test_the_statements_of_each_request(
    client: FlaskClient, own: Headers, wanjiku: User, count_statements: Any
) -> None:
    told = make_notification(wanjiku)
    assert count_statements(lambda: client.get(HERE, headers=own)) == 3
    assert count_statements(lambda: client.post(f"{HERE}/{told}/read", headers=own)) == 3
    assert count_statements(lambda: client.post(f"{HERE}/read-all", headers=own)) == 3
    assert count_statements(lambda: client.get(WISHES, headers=own)) == 2
    assert count_statements(lambda: client.put(WISHES, json=EVERYTHING, headers=own)) == 7
