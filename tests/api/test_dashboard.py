"""The dashboard and the reports: what they tell is what happened, and a cell is never a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from admin import kept_services, report_services, rollup_services
from tests.c2b import confirm
from tests.conftest import Clock
from tests.factories import User, make_order, make_product, make_user, settle
from tests.logins import Headers, log_in
from tests.refunds import refund, tell_outbox
from utils import sheets


@pytest.fixture
def manager(client: FlaskClient) -> Headers:
    return log_in(client, make_user(role="manager"))


@pytest.fixture
def buyer(app: APIFlask) -> User:
    return make_user(username="buyer")


@pytest.fixture
def dashboard(client: FlaskClient, manager: Headers) -> Callable[..., dict[str, Any]]:
    def read(**query: object) -> dict[str, Any]:
        rollup_services.roll_up()
        kept_services.take_due_figures()
        answer = client.get("/api/admin/dashboard", query_string=query, headers=manager)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    return read


@pytest.fixture
def sheet(client: FlaskClient, manager: Headers) -> Callable[..., list[dict[str, str]]]:
    def read(**query: object) -> list[dict[str, str]]:
        rollup_services.roll_up()
        answer = client.get("/api/admin/reports/sales.csv", query_string=query, headers=manager)
        assert (answer.status_code, answer.content_type) == (200, "text/csv; charset=utf-8")
        return list(csv.DictReader(io.StringIO(answer.text)))

    return read


def sell(buyer: User, *lines: Any) -> int:
    payment_id = settle(make_order(buyer, *lines, method="mock").id, method="mock")
    tell_outbox()
    return payment_id


# --- the dashboard


def test_a_day_without_sales_is_told_too(dashboard: Callable[..., Any]) -> None:
    told = dashboard(days=7)
    assert [day["orders"] for day in told["sales"]] == [0] * 7
    assert (told["sales"][0]["day"], told["sales"][-1]["day"]) == (told["since"], told["until"])
    assert told["payments_total"]["success_rate"] is None


def test_sales_are_told_by_day_with_their_vat_and_what_went_back(
    dashboard: Callable[..., Any], buyer: User, frozen_clock: Clock
) -> None:
    variant = make_product(price="116.00").variant
    frozen_clock.forward(days=-1)
    sell(buyer, (variant, 1))
    frozen_clock.forward(days=1)
    payment_id = sell(buyer, (variant, 2))
    refund(payment_id, 58)
    before, today = dashboard(days=2)["sales"]
    assert (before["orders"], before["items"], before["gross"], before["vat"]) == (1, 1, "116.00", "16.00")
    assert (today["orders"], today["items"], today["gross"]) == (1, 2, "232.00")
    assert (today["refunds"], today["refunded_vat"]) == ("58.00", "8.00")
    assert dashboard(days=2)["sales_total"]["gross"] == "348.00"


def test_best_sellers_are_those_of_the_days_asked_for(
    dashboard: Callable[..., Any], buyer: User, frozen_clock: Clock
) -> None:
    tea, rice = make_product(name="Tea", price="100.00", stock=50), make_product(name="Rice", stock=50)
    frozen_clock.forward(days=-10)
    sell(buyer, (rice.variant, 9))
    frozen_clock.forward(days=10)
    sell(buyer, (tea.variant, 3), (rice.variant, 1))
    assert [(one["name"], one["quantity"]) for one in dashboard(days=5)["best_sellers"]] == [("Tea", 3), ("Rice", 1)]
    assert [(one["name"], one["quantity"]) for one in dashboard(days=30)["best_sellers"]] == [("Rice", 10), ("Tea", 3)]


def test_what_is_low_or_waits_is_told(dashboard: Callable[..., Any], buyer: User) -> None:
    low, high = make_product(stock=2).variant, make_product(stock=50).variant
    make_order(buyer, (high, 1))
    assert confirm("RENT", receipt="RKLWAITS01") == "unallocated"
    told = dashboard()
    assert [one["variant_id"] for one in told["low_stock"]["items"]] == [low.id]
    assert told["low_stock"]["taken_at"].endswith("Z")
    assert {one["status"]: one["count"] for one in told["orders_by_status"]}["pending"] == 1
    assert (told["review"]["payments"], told["review"]["refunds"]) == (1, 0)


def test_the_checks_are_told_as_the_worker_found_them(
    client: FlaskClient, manager: Headers, dashboard: Callable[..., Any]
) -> None:
    unseen = client.get("/api/admin/dashboard", headers=manager).get_json()["checks"]
    assert unseen == {"taken_at": None, "count": 0, "broken": []}
    told = dashboard()["checks"]
    assert (told["broken"], told["count"] > 20, told["taken_at"] is None) == ([], True, False)


def test_the_dashboard_sends_as_many_statements_whatever_there_is(
    client: FlaskClient,
    manager: Headers,
    buyer: User,
    count_statements: Callable[..., int],
    dashboard: Callable[..., Any],
) -> None:
    sell(buyer, (make_product().variant, 1))
    dashboard()
    assert count_statements(lambda: client.get("/api/admin/dashboard?days=366", headers=manager)) == 8


@pytest.mark.parametrize("days", ["0", "367", "x"])
def test_a_span_that_is_none_is_refused(client: FlaskClient, manager: Headers, days: str) -> None:
    assert client.get("/api/admin/dashboard", query_string={"days": days}, headers=manager).status_code == 422


# --- the reports


def test_the_report_by_day_is_what_the_dashboard_shows(
    sheet: Callable[..., Any], dashboard: Callable[..., Any], buyer: User
) -> None:
    sell(buyer, (make_product(price="116.00").variant, 1))
    (row,) = sheet()
    told = dashboard(days=1)["sales"][0]
    assert (row["day"], row["orders"], row["gross"]) == (told["day"], "1", told["gross"])
    assert row["net"] == "100.00"


def test_the_report_by_order_pages_through_the_books_and_misses_none(
    sheet: Callable[..., Any], buyer: User, monkeypatch: pytest.MonkeyPatch, frozen_clock: Clock
) -> None:
    monkeypatch.setattr(report_services, "AT_A_TIME", 2)
    variant = make_product(stock=50).variant
    numbers = []
    for place in range(7):
        order = make_order(buyer, (variant, 1), method="mock")
        settle(order.id, method="mock")
        numbers.append(order.number)
        if place % 3:
            frozen_clock.forward(seconds=1)  # some in the same microsecond, some not
    assert [row["number"] for row in sheet(by="order")] == numbers


def test_a_report_holds_the_days_asked_for(sheet: Callable[..., Any], buyer: User, frozen_clock: Clock) -> None:
    variant = make_product(stock=50).variant
    days = []
    for _ in range(3):
        sell(buyer, (variant, 1))
        days.append(rollup_services.day_of(frozen_clock()).isoformat())
        frozen_clock.forward(days=1)
    assert [row["day"] for row in sheet(**{"from": days[1], "to": days[2]})] == days[1:]
    assert len(sheet(by="order", **{"from": days[1], "to": days[1]})) == 1
    assert [row["quantity"] for row in sheet(by="product", to=days[1])] == ["2"]


def test_a_name_that_is_a_formula_arrives_as_text(sheet: Callable[..., Any], buyer: User) -> None:
    evil = '=HYPERLINK("http://evil.example","x")'
    sell(buyer, (make_product(name=evil).variant, 1))
    assert sheet(by="product")[0]["name"] == f"'{evil}"


@pytest.mark.parametrize(
    "text", ["=1+1", "+254", "-1", "@x", "\tx", "\rx", "'=1", "''=1", "plain", "'quoted'", "", "a=1"]
)
def test_a_guarded_cell_is_no_formula_and_reads_back_as_it_was(text: str) -> None:
    guarded = str(sheets.guard(text))
    assert not guarded.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert sheets.unguard(guarded) == text


def test_a_long_file_is_sent_in_pieces() -> None:
    pieces = list(sheets.write([["x" * 1000]] * 200))
    assert len(pieces) > 2
    assert "".join(pieces) == ("x" * 1000 + "\r\n") * 200


@pytest.mark.parametrize(
    "query",
    [{"by": "year"}, {"from": "2026-02-30"}, {"from": "2026-03-02", "to": "2026-03-01"}, {"from": "0001-01-01"}],
)
def test_a_report_that_cannot_be_is_refused_before_it_begins(
    client: FlaskClient, manager: Headers, query: dict[str, str]
) -> None:
    assert client.get("/api/admin/reports/sales.csv", query_string=query, headers=manager).status_code == 422
