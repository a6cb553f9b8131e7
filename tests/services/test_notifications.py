"""Events become notifications and mails: once each, to whom they belong, as wished."""

from __future__ import annotations

import email
import email.policy
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from app import HANDLERS
from auth import device_services, letters, security_events
from auth import notification_services as notifications
from auth import preference_services as preferences
from auth import user_services as users
from orders import mail_services
from orders import services as orders
from orders.schemas import OrderChange
from tests.api.test_roles import actor_of
from tests.factories import PASSWORD, User, make_order, make_product, make_user, settle
from tests.threads import at_once
from utils import db, mail, outbox

FACTS = {
    "account.email_changed": {"old_email": "old@example.com"},
    "account.new_login": {"device": "Firefox", "address": "41.90.1.2"},
    "account.recovery_code_used": {"left": 7},
    "account.token_reused": {"device": "Firefox", "address": "41.90.1.2"},
}


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku")


def told(user: User) -> list[tuple[str, str]]:
    page = notifications.list_notifications(user_id=user.id, unread=False, limit=100, cursor=None)
    return [(row["topic"], row["title"]) for row in page.items][::-1]


def topics(user: User) -> list[str]:
    return [topic for topic, _ in told(user)]


def mails() -> list[Any]:
    folder = config.current().INSTANCE_DIR / "mail"
    written = (
        sorted(folder.glob("*.eml"), key=lambda path: int(path.stem.rpartition("-")[2])) if folder.exists() else []
    )
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in written]


@db.in_transaction
def happen(tx: db.Tx, topic: str, user: User) -> None:
    security_events.record_tx(tx, topic, user_id=user.id, by_owner=True, **FACTS.get(topic, {}))


def events() -> list[outbox.Event]:
    """Return all events, as a worker that has died before it marked one would hand them out again."""

    @db.in_transaction
    def begin_anew(tx: db.Tx) -> None:
        tx.execute("UPDATE outbox_events SET due_at = created_at, done_at = NULL")

    begin_anew()
    return outbox.lease_due(limit=100)


# --- what is told


def test_every_mail_of_an_order_has_its_notice_and_every_notice_its_group() -> None:
    assert mail_services.NOTICES.keys() == mail_services.LETTERS.keys() <= HANDLERS.keys()
    assert {group for group, _ in mail_services.NOTICES.values()} | {"security"} == set(preferences.GROUPS)


def test_every_notice_of_an_account_has_its_mail_and_its_handler() -> None:
    assert letters.NOTICES.keys() <= letters.LETTERS.keys()
    assert letters.NOTICES.keys() <= HANDLERS.keys()
    assert letters.NOTICES.keys() > letters.ALWAYS_MAILED


def test_the_life_of_an_order_is_told(wanjiku: User) -> None:
    staff = make_user(role="admin")
    order = make_order(wanjiku, (make_product().variant, 1), method="mock")
    settle(order.id, method="mock")
    for status in ("shipped", "delivered"):
        change = OrderChange(status=status, tracking_number="TRK-1")
        orders.change_order(order_id=order.id, change=change, actor_id=staff.id)
    outbox.deliver_due(HANDLERS)
    assert told(wanjiku) == [
        ("order.placed", f"Your order {order.number}"),
        ("order.paid", f"Paid: your order {order.number}"),
        ("order.shipped", f"On its way: your order {order.number}"),
        ("order.delivered", f"Delivered: your order {order.number}"),
    ]
    (first, *_) = notifications.list_notifications(user_id=wanjiku.id, unread=True, limit=9, cursor=None).items
    assert first["order_id"] == order.id
    assert [message["Subject"] for message in mails()] == [title for _, title in told(wanjiku)]
    assert told(staff) == []


@pytest.mark.parametrize("topic", sorted(letters.NOTICES))
def test_what_touches_an_account_is_told_and_mailed(wanjiku: User, topic: str) -> None:
    happen(topic, wanjiku)
    outbox.deliver_due(HANDLERS)
    (message,) = mails()
    assert told(wanjiku) == [(topic, message["Subject"])]
    assert "$" not in message.get_content() + told(wanjiku)[0][1]


def test_a_guest_is_told_by_mail_alone(wanjiku: User) -> None:
    order = make_order(wanjiku, (make_product().variant, 1))

    @db.in_transaction
    def forget_who(tx: db.Tx) -> None:
        tx.execute("UPDATE orders SET user_id = NULL WHERE id = %(id)s", {"id": order.id})

    forget_who()
    outbox.deliver_due(HANDLERS)
    assert (len(mails()), told(wanjiku)) == (1, [])


# --- once


def test_a_handler_that_runs_twice_tells_once(wanjiku: User) -> None:
    make_order(wanjiku, (make_product().variant, 1))
    happen("account.locked", wanjiku)
    for _ in range(3):
        events()
        outbox.deliver_due(HANDLERS)
        for event in events():
            for handler in HANDLERS[event.topic]:
                handler(event)
    assert topics(wanjiku) == ["order.placed", "account.locked"]
    assert len(mails()) == 2


def test_workers_at_the_same_event_tell_once(wanjiku: User) -> None:
    make_order(wanjiku, (make_product().variant, 1))
    (event,) = events()
    (handler,) = HANDLERS["order.placed"]
    assert at_once(*[lambda: handler(event)] * 4) == [None] * 4
    assert topics(wanjiku) == ["order.placed"]


def test_a_mail_that_does_not_go_out_tells_no_second_time_in_the_shop(
    wanjiku: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_order(wanjiku, (make_product().variant, 1))
    with monkeypatch.context() as patched:
        patched.setattr(mail, "_as_file", lambda *_: (_ for _ in ()).throw(OSError("full")))
        outbox.deliver_due(HANDLERS)
    assert (topics(wanjiku), mails()) == (["order.placed"], [])
    events()
    for event in events():
        HANDLERS[event.topic][0](event)
    assert (topics(wanjiku), len(mails())) == (["order.placed"], 1)


def test_nothing_is_told_to_an_account_that_ends_at_the_same_moment(app: APIFlask) -> None:
    what = {"group": "orders", "topic": "order.placed", "title": "-", "text": "-"}
    for number in range(5):
        user = make_user()
        at_once(
            lambda user=user: users.anonymise_user(actor=actor_of(user), user_id=user.id),
            lambda user=user, number=number: notifications.notify(event_id=number + 1, user_id=user.id, **what),
        )
        assert told(user) == []
        assert not preferences.wants_mail(user_id=user.id, group="orders")


# --- wishes


def test_who_wants_no_mails_of_orders_gets_none_and_is_told_in_the_shop(wanjiku: User) -> None:
    preferences.set_preferences(user_id=wanjiku.id, changes={"orders": {"by_mail": False}})
    order = make_order(wanjiku, (make_product().variant, 1), method="mock")
    settle(order.id, method="mock")
    outbox.deliver_due(HANDLERS)
    assert topics(wanjiku) == ["order.placed", "order.paid"]
    assert [message["Subject"] for message in mails()] == [f"Paid: your order {order.number}"]


def test_who_wants_nothing_in_the_shop_still_gets_the_mails(wanjiku: User) -> None:
    preferences.set_preferences(
        user_id=wanjiku.id, changes={"orders": {"in_app": False}, "security": {"in_app": False}}
    )
    make_order(wanjiku, (make_product().variant, 1))
    happen("account.locked", wanjiku)
    outbox.deliver_due(HANDLERS)
    assert (topics(wanjiku), len(mails())) == ([], 2)


@pytest.mark.parametrize("topic", sorted(letters.NOTICES))
def test_the_important_mails_of_security_cannot_be_switched_off(wanjiku: User, topic: str) -> None:
    preferences.set_preferences(user_id=wanjiku.id, changes={"security": {"by_mail": False}})
    happen(topic, wanjiku)
    outbox.deliver_due(HANDLERS)
    assert len(mails()) == (topic in letters.ALWAYS_MAILED)
    assert topics(wanjiku) == [topic]


def test_mails_that_can_be_switched_off_say_where(wanjiku: User) -> None:
    make_order(wanjiku, (make_product().variant, 1))
    for topic in sorted(letters.NOTICES):
        happen(topic, wanjiku)
    outbox.deliver_due(HANDLERS)
    (of_order, *of_account) = mails()
    assert "/account/notifications" in of_order.get_content()
    say = ["/account/notifications" in message.get_content() for message in of_account]
    assert say == [topic not in letters.ALWAYS_MAILED for topic in sorted(letters.NOTICES)]


def test_what_was_asked_for_is_mailed_whatever_was_wished(client: FlaskClient, wanjiku: User) -> None:
    preferences.set_preferences(user_id=wanjiku.id, changes={"security": {"by_mail": False}})
    client.post("/api/auth/forgot-password", json={"email": wanjiku.email})
    outbox.deliver_due(HANDLERS)
    assert [message["Subject"] for message in mails()] == ["A new password for your account"]
    assert told(wanjiku) == []


# --- new devices


def enter(client: FlaskClient, user: User, *, device: str = "Firefox", address: str = "41.90.1.2") -> None:
    answer = client.post(
        "/api/auth/login",
        json={"username": user.username, "password": PASSWORD},
        headers={"User-Agent": device},
        environ_base={"REMOTE_ADDR": address},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("then", "is_new"),
    [
        ({}, False),
        ({"address": "41.90.250.7"}, False),
        ({"address": "41.91.1.2"}, True),
        ({"device": "Chrome"}, True),
        ({"address": "2c0f:fe38:1::1"}, True),
    ],
    ids=["the same", "another mast", "another network", "another device", "another kind of address"],
)
def test_a_log_in_from_a_device_or_network_not_seen_before_is_told(
    client: FlaskClient, wanjiku: User, then: dict[str, str], is_new: bool
) -> None:
    enter(client, wanjiku)
    enter(client, make_user(), device="Chrome", address="41.91.1.2")  # somebody else's makes nothing known
    enter(client, wanjiku, **then)
    enter(client, wanjiku, **then)
    outbox.deliver_due(HANDLERS)
    assert topics(wanjiku) == ["account.new_login"] * is_new
    assert len(mails()) == is_new
    if is_new:
        (notice,) = notifications.list_notifications(user_id=wanjiku.id, unread=True, limit=9, cursor=None).items
        assert then.get("device", "Firefox") in notice["text"]
        assert then.get("address", "41.90.1.2") in notice["text"]


def test_a_wrong_password_makes_no_device_known(client: FlaskClient, wanjiku: User) -> None:
    enter(client, wanjiku)
    wrong = {"username": wanjiku.username, "password": "wrong"}
    client.post("/api/auth/login", json=wrong, headers={"User-Agent": "Chrome"})
    enter(client, wanjiku, device="Chrome")
    outbox.deliver_due(HANDLERS)
    assert topics(wanjiku) == ["account.new_login"]


def test_networks_are_told_apart_by_their_first_half() -> None:
    network_of = device_services.network_of
    assert network_of("41.90.1.2") == network_of("41.90.250.7") != network_of("41.91.1.2")
    assert network_of("2c0f:fe38:1::1") == network_of("2c0f:fe38:ffff::9") != network_of("2c0f:fe39::1")
    assert network_of("::1") != network_of("127.0.0.1")
    assert (network_of(""), network_of("nowhere")) == ("", "nowhere")
