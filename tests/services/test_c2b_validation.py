"""Asked before the money moves: is this payment by hand welcome? One read, and never a failure of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import config
from orders import services as orders
from orders.schemas import Order
from payments import c2b_services
from tests.c2b import confirm, verdict
from tests.factories import User, make_order, make_product, make_user
from utils.idempotency import Claim


@pytest.fixture
def buyer(app: Any) -> User:
    return make_user()


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


def test_a_payment_that_fits_is_welcome(order: Order) -> None:
    assert verdict(order.number) == "0"
    assert verdict(order.number.lower()) == "0"


@pytest.mark.parametrize("amount", ["1.00", "99.00", "101.00", "250000.00"])
def test_parts_and_more_than_is_due_are_welcome(order: Order, amount: str) -> None:
    assert verdict(order.number, amount) == "0"


@pytest.mark.parametrize("amount", ["0.00", "0.99", "250000.01", "250001.00"])
def test_an_amount_that_cannot_be_is_refused(order: Order, amount: str) -> None:
    assert verdict(order.number, amount) == "C2B00013"


@pytest.mark.parametrize("account", ["", "RENT", "ABDQ3467MN"])
def test_an_unknown_account_is_refused(order: Order, account: str) -> None:
    assert verdict(account) == "C2B00012"


def test_an_order_that_is_paid_or_cancelled_is_refused(order: Order, buyer: User) -> None:
    confirm(order.number)
    assert verdict(order.number) == "C2B00016"
    cancelled = make_order(buyer, (make_product().variant, 1))
    orders.cancel_order(order_id=cancelled.id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    assert verdict(cancelled.number) == "C2B00016"


@pytest.mark.parametrize("body", ["null", "[]", "{}", json.dumps({"BillRefNumber": 5})])
def test_a_body_that_cannot_be_read_is_an_unknown_account_or_accepted(app: Any, body: str) -> None:
    assert c2b_services.validate(body=body).ResultCode == ("C2B00012" if body.startswith("{") else "0")


def test_an_amount_that_cannot_be_read_is_accepted(order: Order) -> None:
    assert verdict(order.number, "a lot") == "0"


def test_a_validation_is_one_statement(order: Order, count_statements: Callable[..., int]) -> None:
    assert count_statements(lambda: verdict(order.number)) == 1
    assert count_statements(lambda: verdict("OOOO" + "A" * 6)) == 1
    assert count_statements(lambda: verdict("RENT")) == 0


def test_what_m_pesa_allows_is_a_setting(order: Order) -> None:
    with config.override(MPESA_MAX_AMOUNT=70):
        assert verdict(order.number) == "C2B00013"
