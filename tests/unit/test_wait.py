"""What somebody who pays is told, for each state of the order and its newest attempt."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orders.schemas import Order
from payments import wait
from payments.result_codes import MEANINGS, Meaning
from payments.schemas import Payment
from payments.simulator_stories import STORIES

NOW = datetime(2026, 11, 20, 9, 0)  # noqa: DTZ001 - inside, times are UTC without a zone


def order(**fields: Any) -> Order:
    money = dict.fromkeys(("subtotal", "total"), Decimal(100)) | dict.fromkeys(
        ("discount", "shipping", "tax_included", "rounding", "paid", "refunded"), Decimal(0)
    )
    shown = {
        "id": 1,
        "number": "A",
        "status": "pending",
        "payment_status": "unpaid",
        "payment_method": "mpesa",
        "currency": "KES",
        "items": [],
        "shipping_address": {},
        "note": "",
        "created_at": NOW,
        **dict.fromkeys(("tracking_number", "paid_at", "expires_at")),
    }
    return Order.model_validate({**shown, **money, **fields})


def payment(status: str = "sent", *, age: timedelta = timedelta(0), **fields: Any) -> Payment:
    nothing = dict.fromkeys(
        ("phone_number", "checkout_request_id", "receipt", "result_code", "result_desc", "settled_at")
    )
    shown = {"id": 1, "order_id": 1, "method": "mpesa_stk", "status": status, "amount": 100, "currency": "KES"}
    return Payment.model_validate({**shown, **nothing, "created_at": NOW - age, **fields})


def name_of(of_order: dict[str, Any], of_payment: Payment | None) -> str:
    return wait.describe(order(**of_order), of_payment, now=NOW).name


OLD = wait.LOOKED_AFTER


@pytest.mark.parametrize(
    ("of_order", "of_payment", "name"),
    [
        ({}, None, "start"),
        ({"payment_status": "pending"}, payment(checkout_request_id="ws_CO_1"), "prompted"),
        ({"payment_status": "pending"}, payment("created"), "asking"),
        ({"payment_status": "pending"}, payment("unknown"), "asking"),
        ({}, payment(checkout_request_id="ws_CO_1"), "silent"),
        ({}, payment(age=OLD), "given_up"),
        ({}, payment("failed", result_code="1032"), "failed"),
        ({"paid": 40}, payment("succeeded"), "part"),
        ({"status": "processing", "payment_status": "paid", "paid": 100}, payment("succeeded"), "paid"),
        ({"status": "shipped", "payment_status": "partially_refunded"}, payment("succeeded"), "paid"),
        ({"status": "cancelled", "payment_status": "refunded"}, payment("succeeded"), "refunded"),
        ({"payment_status": "review"}, payment("review"), "review"),
        ({"status": "cancelled", "payment_status": "review"}, payment("review"), "review"),
        ({"status": "cancelled"}, payment("failed", result_code="1032"), "closed"),
        ({"status": "processing", "payment_method": "cod"}, None, "cash"),
    ],
)
def test_the_state_is_that_of_the_order_and_its_newest_attempt(
    of_order: dict[str, Any], of_payment: Payment | None, name: str
) -> None:
    assert name_of(of_order, of_payment) == name


def test_every_code_that_means_a_failure_has_words_of_its_own() -> None:
    assert {code for code, meaning in MEANINGS.items() if meaning is Meaning.FAILED} == set(wait.FAILURES)


def test_a_push_that_was_not_taken_says_that_there_is_no_prompt() -> None:
    codes = [story.refusal.code or str(story.refusal.status) for story in STORIES.values() if story.refusal]
    assert codes
    for code in codes:
        assert wait.describe(order(), payment("failed", result_code=code), now=NOW).heading == "No prompt was sent"


def test_a_prompt_can_be_asked_for_whenever_none_is_open_and_money_is_due() -> None:
    assert {name for name, state in wait.STATES.items() if state.may_ask} == {
        "start",
        "silent",
        "given_up",
        "failed",
        "part",
    }


def test_a_page_without_a_script_loads_itself_anew_only_while_a_prompt_may_be_open() -> None:
    assert {name for name, state in wait.STATES.items() if state.reloads} == {"asking", "prompted"}


@pytest.mark.parametrize(("age", "looks"), [(timedelta(minutes=1), True), (OLD, False)])
def test_no_page_looks_for_ever_even_when_nobody_lets_go_of_the_prompt(age: timedelta, looks: bool) -> None:
    """The worker does; and it may be down."""
    prompted = payment(checkout_request_id="ws_CO_1", age=age)
    state = wait.describe(order(payment_status="pending"), prompted, now=NOW)
    assert (state.name, state.looks_again, state.reloads) == ("prompted", looks, looks)


@pytest.mark.parametrize(("age", "looks"), [(timedelta(minutes=1), True), (OLD, False)])
def test_after_a_failure_the_page_goes_on_looking_for_a_while_for_a_success_may_follow(
    age: timedelta, looks: bool
) -> None:
    failed = payment("failed", result_code="1037", age=age)
    assert wait.describe(order(), failed, now=NOW).looks_again is looks
