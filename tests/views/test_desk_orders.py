"""Orders on the desk: found, moved along one by one and together, and told what went wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from orders import reading_services
from orders.schemas import Order
from tests.factories import make_order, make_product, make_user, settle
from tests.refunds import tell_outbox
from tests.views.desk import Desk


@pytest.fixture
def desk(client: FlaskClient) -> Desk:
    return Desk(client)


@pytest.fixture
def paid(desk: Desk) -> Order:
    return buy("buyer")


def buy(username: str, *, pay: bool = True) -> Order:
    order = make_order(make_user(username=username), (make_product(name="Chai").variant, 2), method="mock")
    if pay:
        settle(order.id, method="mock")
        tell_outbox()
    return order


def status_of(order: Order) -> str:
    return reading_services.get_order(order_id=order.id, user_id=0, sees_all=True).status


# --- the list


def test_orders_are_found_by_the_beginning_of_what_is_typed(desk: Desk, paid: Order) -> None:
    other = buy("other")
    desk.open(f"/admin/orders?q={paid.number[:7]}")
    assert paid.number in desk.page.text
    assert other.number not in desk.page.text


def test_filters_that_were_left_empty_or_are_none_filter_nothing(desk: Desk, paid: Order) -> None:
    desk.open("/admin/orders?q=&status=&payment_status=nonsense&since=&until=&sort=sideways&utm=1")
    assert (desk.answer.status_code, paid.number in desk.page.text) == (200, True)


def test_a_list_goes_on_and_back_and_sorts_either_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin.order_pages.SHOWN", 2)
    numbers = [buy(f"buyer-{place}", pay=False).number for place in range(3)]
    first = desk.open("/admin/orders?sort=oldest").text
    assert [number for number in numbers if number in first] == numbers[:2]
    more = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = desk.open(more).text
    assert [number for number in numbers if number in second] == numbers[2:]
    assert "Back to the first" in second


def test_many_orders_move_along_together_and_each_tells_whether_it_did(desk: Desk, paid: Order) -> None:
    unpaid = buy("poor", pay=False)
    answer = desk.post("/admin/orders", "/admin/orders/status", order_ids=[paid.id, unpaid.id], status="shipped")
    assert answer.status_code == 200
    assert "1 of 2 are shipped now" in answer.text
    assert (status_of(paid), status_of(unpaid)) == ("shipped", "pending")
    assert f"{unpaid.number}</a>: " in answer.text


def test_to_choose_none_of_them_is_told(desk: Desk, paid: Order) -> None:
    answer = desk.post("/admin/orders", "/admin/orders/status", status="shipped")
    assert (answer.status_code, "Choose at least one order" in answer.text) == (422, True)


def test_the_export_holds_every_order_of_the_list(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin.order_services.AT_A_TIME", 2)
    numbers = {buy(f"buyer-{place}", pay=False).number for place in range(5)}
    buy("paid")
    answer = desk.client.get("/admin/orders.csv?status=pending")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert {row["number"] for row in csv.DictReader(io.StringIO(answer.text))} == numbers


def test_a_list_costs_the_same_however_long(desk: Desk, paid: Order, count_statements: Callable[..., int]) -> None:
    assert count_statements(lambda: desk.client.get("/admin/orders")) == 4  # one of them counts what is unread
    buy("another")
    assert count_statements(lambda: desk.client.get("/admin/orders?q=another@&status=processing")) == 4


# --- one order


def test_an_order_is_shipped_with_its_tracking_number(desk: Desk, paid: Order) -> None:
    desk.open(f"/admin/orders/{paid.id}")
    desk.send(f"/admin/orders/{paid.id}", status="shipped", tracking_number="G4S-77", note="by the night bus")
    assert "The order is shipped now." in desk.page.text
    for shown in ("G4S-77", "by the night bus", desk.user.username):
        assert shown in desk.answer.text
    assert status_of(paid) == "shipped"


def test_what_cannot_follow_is_told_and_nothing_typed_is_lost(desk: Desk, paid: Order) -> None:
    answer = desk.post(
        f"/admin/orders/{paid.id}", f"/admin/orders/{paid.id}", status="delivered", tracking_number="G4S-77"
    )
    assert answer.status_code == 422
    assert "G4S-77" in answer.text
    assert status_of(paid) == "processing"


def test_a_cancelled_order_says_so_and_offers_nothing_more(desk: Desk, paid: Order) -> None:
    desk.open(f"/admin/orders/{paid.id}")
    desk.send(f"/admin/orders/{paid.id}/cancel", reason="out of tea")
    assert "its goods are for sale again" in desk.page.text
    assert all("/cancel" not in form.action for form in desk.page.forms)
    tell_outbox()


def test_who_may_only_look_is_offered_nothing_to_do(client: FlaskClient) -> None:
    order, desk = buy("buyer"), Desk(client, "support")
    desk.open(f"/admin/orders/{order.id}")
    assert [form.action for form in desk.page.forms if form.action.startswith("/admin")] == []
    desk.open("/admin/orders")
    assert [form.action for form in desk.page.forms if form.action.startswith("/admin")] == []


def test_an_order_that_is_not_there_is_not_found(desk: Desk) -> None:
    assert desk.client.get("/admin/orders/999999999").status_code == 404


def test_the_page_of_an_order_sends_as_many_statements_whatever_it_holds(
    desk: Desk, paid: Order, count_statements: Callable[..., int]
) -> None:
    assert count_statements(lambda: desk.client.get(f"/admin/orders/{paid.id}")) == 8
