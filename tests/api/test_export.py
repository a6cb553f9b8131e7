"""One's own data as a file: all of it, nobody else's, and no secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from app import HANDLERS
from auth import export_services
from auth.export_schemas import ONE, Export
from tests.daraja import Daraja
from tests.factories import (
    PASSWORD_HASH,
    User,
    make_address,
    make_notification,
    make_order,
    make_product,
    make_user,
    settle,
)
from tests.logins import Headers, log_in
from utils import db, outbox

HERE = "/api/profile/export"


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku", phone_number="254712345678", role="manager")


@pytest.fixture
def own(client: FlaskClient, wanjiku: User) -> Headers:
    return log_in(client, wanjiku)


def fill(client: FlaskClient, user: User, headers: Headers) -> None:
    """Have somebody use all of the shop."""
    product = make_product(name="Kiondo of " + user.username)
    make_address(user, line1=f"House of {user.username}")
    client.put("/api/profile/notification-preferences", json={"orders": {"by_mail": False}}, headers=headers)
    client.post("/api/cart", json={"variant_id": product.variant.id}, headers=headers)
    client.post("/api/api-keys", json={"name": f"Till of {user.username}", "scopes": ["orders:read"]}, headers=headers)
    make_order(user, (product.variant, 2), method="mock", phone_number="0712345678", note=f"Ask for {user.username}")
    outbox.deliver_due(HANDLERS)


def export(client: FlaskClient, headers: Headers) -> dict[str, Any]:
    answer = client.get(HERE, headers=headers)
    assert answer.status_code == 200
    read: dict[str, Any] = answer.get_json()
    return read


def test_all_of_ones_own_data_is_in_it(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    fill(client, wanjiku, own)
    found = export(client, own)
    Export.model_validate(found)
    assert found["profile"] == client.get("/api/profile", headers=own).get_json()
    assert found["addresses"] == client.get("/api/addresses", headers=own).get_json()["items"]
    assert found["notification_preferences"]["orders"] == {"in_app": True, "by_mail": False}
    assert [item["name"] for item in found["cart"]] == ["Kiondo of wanjiku"]
    assert [key["name"] for key in found["api_keys"]] == ["Till of wanjiku"]
    assert {notice["topic"] for notice in found["notifications"]} == {"order.placed", "account.api_key_created"}
    assert [session["revoked_at"] for session in found["sessions"]] == [None]
    (order,) = found["orders"]
    assert (order["total"], order["phone_number"], order["note"]) == ("200.00", "254712345678", "Ask for wanjiku")
    assert [(item["name"], item["quantity"]) for item in order["items"]] == [("Kiondo of wanjiku", 2)]
    assert [event["name"] for event in order["events"]] == ["order.placed"]


def test_payments_and_refunds_stand_with_their_order(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    order = make_order(wanjiku, (make_product().variant, 1), method="mock")
    settle(order.id, method="mock")
    client.post(f"/api/orders/{order.id}/cancel", json={}, headers=own)
    outbox.deliver_due(HANDLERS)
    (found,) = export(client, own)["orders"]
    assert [(paid["status"], paid["settled_amount"]) for paid in found["payments"]] == [("succeeded", "100.00")]
    assert [refund["amount"] for refund in found["refunds"]] == ["100.00"]


def test_nothing_of_anybody_else_is_in_it(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    other = make_user(username="kamau", role="manager")
    fill(client, other, log_in(client, other))
    fill(client, wanjiku, own)
    text = client.get(HERE, headers=own).text
    assert "wanjiku" in text
    assert "kamau" not in text


def test_the_number_of_whoever_paid_is_told_as_the_api_tells_it(
    client: FlaskClient, own: Headers, wanjiku: User, daraja: Daraja
) -> None:
    order = make_order(wanjiku, (make_product().variant, 1))
    friends = "254798765432"
    asked = client.post("/api/payments/stkpush", json={"order_id": order.id, "phone_number": friends}, headers=own)
    assert asked.status_code == 202
    (found,) = export(client, own)["orders"]
    (shown,) = client.get("/api/transactions", headers=own).get_json()["items"]
    assert [paid["phone_number"] for paid in found["payments"]] == [shown["phone_number"]]
    assert friends not in client.get(HERE, headers=own).text


def test_no_secret_and_no_hash_of_one_is_in_it(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    fill(client, wanjiku, own)
    client.post("/api/auth/totp", headers=own)
    text = client.get(HERE, headers=own).text
    assert PASSWORD_HASH not in text
    kept = db.reading().fetch_all(
        """
        SELECT secret_hash AS kept FROM api_keys
         UNION ALL SELECT token_hash FROM refresh_tokens
         UNION ALL SELECT secret FROM user_totp
        """
    )
    assert len(kept) == 3
    assert [row for row in kept if row["kept"] in text] == []
    assert {name for name in ("hash", "secret", "token") if name in text.casefold()} == set()


def test_the_security_log_says_what_was_done_by_oneself_and_whence_but_not_whence_others_did(
    client: FlaskClient, own: Headers, wanjiku: User
) -> None:
    client.put("/api/profile", json={"email": "w@example.com"}, headers=own)
    boss = log_in(client, make_user(role="admin"))
    client.put(
        f"/api/users/{wanjiku.id}", json={"role": "support"}, headers=boss, environ_base={"REMOTE_ADDR": "10.9.8.7"}
    )
    log = export(client, own)["security_log"]
    assert [(entry["action"], entry["by_you"], entry["address"]) for entry in log] == [
        ("account.email_changed", True, "127.0.0.1"),
        ("user.changed", False, None),
    ]


def test_it_comes_as_a_file_that_nobody_keeps_on_the_way(client: FlaskClient, own: Headers) -> None:
    answer = client.get(HERE, headers=own)
    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="duka-wanjiku-')
    assert answer.headers["Cache-Control"] == "no-store"
    json.loads(answer.text)


def test_every_section_has_its_model() -> None:
    assert [*Export.model_fields] == ["exported_at", *ONE]


# --- the cost


def test_an_export_costs_the_same_whatever_is_in_it(
    client: FlaskClient, own: Headers, wanjiku: User, count_statements: Any
) -> None:
    assert count_statements(lambda: client.get(HERE, headers=own).data) == 10
    for _ in range(3):
        fill(client, wanjiku, own)
    assert count_statements(lambda: client.get(HERE, headers=own).data) == 14  # lines, events, payments, refunds


def test_what_is_long_is_read_a_batch_at_a_time_and_whole(
    client: FlaskClient, own: Headers, wanjiku: User, monkeypatch: pytest.MonkeyPatch, count_statements: Any
) -> None:
    monkeypatch.setattr(export_services, "BATCH", 2)
    product = make_product()
    orders = [make_order(wanjiku, (product.variant, 1)).id for _ in range(5)]
    told = [make_notification(wanjiku) for _ in range(4)]
    found = export(client, own)
    assert [order["id"] for order in found["orders"]] == orders
    assert [notice["id"] for notice in found["notifications"]] == told
    assert all(len(order["items"]) == len(order["events"]) == 1 for order in found["orders"])
    assert count_statements(lambda: client.get(HERE, headers=own).data) == 8 + 3 * 5 + 3
