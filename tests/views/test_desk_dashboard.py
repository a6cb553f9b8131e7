"""The desk's first page: it shows what the dashboard tells, and each reader only what he may see."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from admin import kept_services, rollup_services
from tests.factories import make_order, make_product, make_user, settle
from tests.surfing import Browser, enter


@pytest.fixture
def browse(client: FlaskClient) -> Callable[[str], Browser]:
    def as_role(role: str) -> Browser:
        enter(client, make_user(role=role))
        return Browser(client)

    return as_role


def test_the_dashboard_shows_sales_best_sellers_and_the_checks(browse: Callable[[str], Browser]) -> None:
    settle(
        make_order(make_user(), (make_product(name="Chai", price="116.00").variant, 2), method="mock").id, method="mock"
    )
    rollup_services.roll_up()
    kept_services.take_due_figures()
    browser = browse("manager")
    assert browser.open("/admin").status_code == 200
    assert browser.path == "/admin/dashboard"
    for shown in ("KSh\u00a0232.00", "Chai", "all hold", "Sales by day"):
        assert shown in browser.page.text


def test_support_comes_in_at_the_orders_and_sees_no_other_section(browse: Callable[[str], Browser]) -> None:
    browser = browse("support")
    assert browser.client.get("/admin").location == "/admin/orders"
    assert browser.client.get("/admin/dashboard").status_code == 403


def test_a_customer_has_no_desk(browse: Callable[[str], Browser]) -> None:
    browser = browse("customer")
    assert browser.client.get("/admin").status_code == 403


def test_the_page_sends_as_many_statements_as_its_twin(
    browse: Callable[[str], Browser], count_statements: Callable[..., int]
) -> None:
    browser = browse("manager")
    assert count_statements(lambda: browser.client.get("/admin/dashboard")) == 9  # and what is unread
