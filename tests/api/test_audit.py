"""The audit log: what staff do is told, with what was and what became of it, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from tests.conftest import Clock
from tests.factories import User, make_order, make_product, make_user
from tests.logins import Headers, log_in
from utils import audit, db, trace


@pytest.fixture
def admin(app: APIFlask) -> User:
    return make_user(role="admin", username="boss")


@pytest.fixture
def staff(client: FlaskClient, admin: User) -> Headers:
    return log_in(client, admin)


@pytest.fixture
def entries(client: FlaskClient, staff: Headers) -> Callable[..., list[dict[str, Any]]]:
    def read(**query: object) -> list[dict[str, Any]]:
        answer = client.get("/api/admin/audit-log", query_string=query, headers=staff)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.get_json()["items"]
        return found

    return read


@db.in_transaction
def record(tx: db.Tx, **entry: Any) -> None:
    audit.record_tx(tx, **{"action": "thing.done", "actor_id": None, "target": "thing:1", **entry})


def deed(entry: dict[str, Any]) -> tuple[object, ...]:
    return entry["action"], entry["target"], entry["before"], entry["after"]


# --- what is told


def test_an_entry_tells_who_did_what_from_where_in_which_request(
    client: FlaskClient, admin: User, staff: Headers, entries: Callable[..., Any]
) -> None:
    variant = make_product(stock=5).variant
    client.put(
        f"/api/variants/{variant.id}/stock",
        json={"stock": 7, "reason": "counted"},
        headers={**staff, "X-Request-ID": "counting-day"},
        environ_overrides={"REMOTE_ADDR": "198.51.100.7"},
    )
    (entry,) = entries()
    assert entry.pop("created_at").endswith("Z")
    assert entry.pop("id")
    assert entry == {
        "action": "stock.set",
        "target": f"variant:{variant.id}",
        "actor_id": admin.id,
        "actor": "boss",
        "before": {"stock": 5},
        "after": {"stock": 7, "reason": "counted"},
        "address": "198.51.100.7",
        "request_id": "counting-day",
    }


def test_changes_of_products_tell_what_differs(
    client: FlaskClient, staff: Headers, entries: Callable[..., Any]
) -> None:
    made = client.post("/api/products", json={"name": "Tea", "price": "120.50"}, headers=staff).get_json()
    here = f"/api/products/{made['id']}"
    client.put(here, json={"name": "Green tea"}, headers=staff)
    client.put(here, json={"name": "Green tea"}, headers=staff)  # changes nothing
    client.delete(here, headers=staff)
    deleted, changed, created = entries(target=f"product:{made['id']}")
    assert deed(changed)[0::2] == ("product.changed", {"name": "Tea"})
    assert changed["after"] == {"name": "Green tea"}
    assert (created["action"], created["before"], created["after"]["variants"][0]["price"]) == (
        "product.created",
        None,
        "120.50",
    )
    assert (deleted["action"], deleted["before"]["name"], deleted["after"]) == ("product.deleted", "Green tea", None)


def test_changes_of_categories_are_told(client: FlaskClient, staff: Headers, entries: Callable[..., Any]) -> None:
    client.post("/api/categories", json={"name": "Tea"}, headers=staff)
    client.put("/api/categories/tea", json={"name": "Teas"}, headers=staff)
    client.delete("/api/categories/tea", headers=staff)
    told = [deed(entry) for entry in reversed(entries(target="category:tea"))]
    assert told == [
        ("category.created", "category:tea", None, {"name": "Tea", "slug": "tea", "parent_id": None}),
        ("category.changed", "category:tea", {"name": "Tea"}, {"name": "Teas"}),
        ("category.deleted", "category:tea", {"name": "Teas", "slug": "tea", "parent_id": None}, None),
    ]


def test_what_staff_do_to_orders_is_told_and_what_customers_do_is_not(
    client: FlaskClient, staff: Headers, entries: Callable[..., Any]
) -> None:
    buyer = make_user()
    product = make_product()
    moved, cancelled, own = (make_order(buyer, (product.variant, 1), method="cod") for _ in range(3))
    client.put(f"/api/orders/{moved.id}", json={"status": "shipped", "tracking_number": "G4S"}, headers=staff)
    client.post(f"/api/orders/{cancelled.id}/cancel", json={"reason": "no rider"}, headers=staff)
    client.post(f"/api/orders/{own.id}/cancel", json={}, headers=log_in(client, buyer))
    told = [deed(entry) for entry in reversed(entries())]
    assert told == [
        (
            "order.changed",
            f"order:{moved.id}",
            {"status": "processing", "tracking_number": None},
            {"status": "shipped", "tracking_number": "G4S"},
        ),
        (
            "order.cancelled",
            f"order:{cancelled.id}",
            {"status": "processing"},
            {"status": "cancelled", "reason": "no rider"},
        ),
    ]


def test_a_deed_that_is_refused_is_not_told(client: FlaskClient, staff: Headers, entries: Callable[..., Any]) -> None:
    order = make_order(make_user(), (make_product().variant, 1), method="cod")
    refused = client.put(f"/api/orders/{order.id}", json={"status": "delivered"}, headers=staff)
    assert (refused.status_code, entries()) == (409, [])


def test_secrets_are_left_out_however_deep_they_lie(app: APIFlask, entries: Callable[..., Any]) -> None:
    record(
        before={"password_hash": "$2b$", "user": {"refresh_token": "x", "name": "wanjiku"}},
        after={"keys": [{"secret": "x", "id": 1}], "price": Decimal("1.50"), "scopes": {"b", "a"}, "at": None},
    )
    (entry,) = entries()
    assert entry["before"] == {"user": {"name": "wanjiku"}}
    assert entry["after"] == {"keys": [{"id": 1}], "price": "1.50", "scopes": ["a", "b"], "at": None}


def test_what_the_shop_does_by_itself_has_neither_actor_nor_address(app: APIFlask, entries: Callable[..., Any]) -> None:
    with trace.span("nightly"):
        record()
    (entry,) = entries()
    assert [entry[name] for name in ("actor_id", "actor", "address", "request_id")] == [None, None, "", "nightly"]


# --- how it is read


def test_the_log_is_filtered_by_actor_action_target_request_and_dates(
    admin: User, frozen_clock: Clock, entries: Callable[..., Any]
) -> None:
    record(actor_id=admin.id)
    record(action="thing.undone")
    record(target="thing:2")
    with trace.span("other"):
        record()
    later = frozen_clock.forward(days=1)
    record()
    assert len(entries()) == 5
    assert [entry["actor"] for entry in entries(actor=admin.id)] == ["boss"]
    assert [entry["action"] for entry in entries(action="thing.undone")] == ["thing.undone"]
    assert [entry["target"] for entry in entries(target="thing:2")] == ["thing:2"]
    assert [entry["request_id"] for entry in entries(request_id="other")] == ["other"]
    assert len(entries(created_from=later.isoformat())) == 1
    assert len(entries(created_to=later.isoformat())) == 4
    assert len(entries(created_from=(later - timedelta(days=1)).isoformat(), created_to=later.isoformat())) == 4
    assert entries(actor=10**12) == []


def test_the_log_is_paged_newest_first_and_counted(client: FlaskClient, staff: Headers) -> None:
    for number in range(5):
        record(target=f"thing:{number}")
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": 2, "count": 1} | ({"cursor": cursor} if cursor else {})
        page = client.get("/api/admin/audit-log", query_string=query, headers=staff).get_json()
        seen += [entry["target"] for entry in page["items"]]
        assert (page["total"], page["total_capped"]) == (5, False)
        cursor = page["next_cursor"]
    assert seen == ["thing:4", "thing:3", "thing:2", "thing:1", "thing:0"]


def test_a_page_of_the_log_costs_one_statement_besides_who_asks(
    client: FlaskClient, staff: Headers, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    record()
    assert count_statements(lambda: client.get("/api/admin/audit-log", headers=staff)) == 2


@pytest.mark.parametrize(("role", "status"), [("customer", 403), ("support", 403), ("manager", 200), ("admin", 200)])
def test_the_log_is_read_by_those_who_read_reports(client: FlaskClient, role: str, status: int) -> None:
    assert client.get("/api/admin/audit-log", headers=log_in(client, make_user(role=role))).status_code == status


def test_the_log_cannot_be_changed_from_outside(client: FlaskClient, staff: Headers) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.open("/api/admin/audit-log", method=method, headers=staff).status_code == 405
