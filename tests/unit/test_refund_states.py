"""The way a refund takes, and what is to be done about it next. No database."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from orders.states import payment_status_after_refund
from payments.refund_states import OPEN, OUTSIDE, TRANSITIONS, Step, choose_way, find_b2c_obstacle, next_step

PAYMENT = {"method": "mpesa_stk", "settled_amount": Decimal(100), "receipt": "SKL1", "phone_number": "254712345678"}
NOW = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - naive UTC, as the shop keeps it
SENDABLE = {"status": "created", "called_at": None, "created_at": NOW, "originator_conversation_id": None}


def way(amount: str, *, has_initiator: bool = True, **changes: Any) -> tuple[str, bool]:
    chosen = choose_way({**PAYMENT, **changes}, Decimal(amount), has_initiator=has_initiator)
    return chosen.method, chosen.obstacle is None


def test_nothing_undoes_a_success_and_outside_there_are_four_states() -> None:
    assert TRANSITIONS["succeeded"] == set()
    assert set(OUTSIDE.values()) == {"pending", "succeeded", "failed", "review"}
    assert {"created", "sent", "unknown"} == OPEN


@pytest.mark.parametrize(
    ("amount", "changes", "expected"),
    [
        ("100", {}, ("reversal", True)),
        ("99", {}, ("b2c", True)),
        ("100", {"receipt": None}, ("b2c", True)),
        ("100", {"method": "mpesa_c2b", "phone_number": None}, ("reversal", True)),
        ("99", {"method": "mpesa_c2b", "phone_number": None}, ("b2c", False)),
        ("10", {}, ("b2c", True)),
        ("9", {}, ("b2c", False)),
        ("9", {"settled_amount": Decimal(9)}, ("reversal", True)),
        ("250000", {"settled_amount": Decimal(300000)}, ("b2c", True)),
        ("250001", {"settled_amount": Decimal(300000)}, ("b2c", False)),
        ("10.50", {}, ("b2c", False)),
        ("100.50", {"settled_amount": Decimal("100.50")}, ("b2c", False)),
        ("50", {"method": "mock"}, ("mock", True)),
        ("50", {"method": "cod"}, ("cod", False)),
    ],
)
def test_the_way_follows_from_the_payment_and_the_amount(
    amount: str, changes: dict[str, Any], expected: tuple[str, bool]
) -> None:
    assert way(amount, **changes) == expected


def test_a_shop_without_an_initiator_tells_staff_to_use_the_portal() -> None:
    assert way("100", has_initiator=False) == ("reversal", False)
    assert way("50", has_initiator=False) == ("b2c", False)
    assert way("50", has_initiator=False, method="mock") == ("mock", True)


def test_each_obstacle_says_what_to_do() -> None:
    for amount, phone in (("5", "254712345678"), ("50", None), ("50.50", "254712345678")):
        assert "Then settle this refund by hand." in (find_b2c_obstacle(Decimal(amount), phone) or "")


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"method": "reversal"}, Step.CALL),
        ({"method": "b2c"}, Step.CALL),
        ({"method": "reversal", "called_at": NOW}, Step.WAIT),
        ({"method": "reversal", "status": "unknown"}, Step.WAIT),
        ({"method": "reversal", "status": "unknown", "originator_conversation_id": "a"}, Step.ASK),
        ({"method": "reversal", "status": "sent", "originator_conversation_id": "a"}, Step.ASK),
        ({"method": "b2c", "called_at": NOW, "originator_conversation_id": "a"}, Step.CALL),
        ({"method": "b2c", "status": "unknown", "originator_conversation_id": "a"}, Step.CALL),
        ({"method": "b2c", "status": "sent", "originator_conversation_id": "a"}, Step.ASK),
    ],
)
def test_a_reversal_that_may_have_been_made_is_never_made_again_and_b2c_is(changes: dict[str, Any], step: Step) -> None:
    refund = {**SENDABLE, **changes}
    assert next_step(refund, NOW) is step
    assert next_step(refund, NOW + timedelta(hours=25)) is Step.GIVE_UP


@pytest.mark.parametrize(
    ("status", "paid", "refunded", "odd", "prompt", "truth"),
    [
        ("cancelled", 100, 40, False, False, "review"),
        ("cancelled", 100, 100, False, False, "refunded"),
        ("cancelled", 60, 60, False, False, "refunded"),
        ("cancelled", 0, 0, False, False, "unpaid"),
        ("cancelled", 0, 0, True, False, "review"),
        ("processing", 100, 40, False, False, "partially_refunded"),
        ("delivered", 100, 100, False, False, "refunded"),
        ("processing", 150, 50, False, False, "paid"),
        ("processing", 150, 51, False, False, "partially_refunded"),
        ("processing", 100, 0, True, False, "paid"),
        ("pending", 0, 0, True, False, "review"),
        ("pending", 0, 0, False, False, "unpaid"),
        ("pending", 60, 0, False, True, "pending"),
    ],
)
def test_an_orders_payment_status_says_what_is_true(
    status: str, paid: int, refunded: int, odd: bool, prompt: bool, truth: str
) -> None:
    order = {"status": status, "total": 100, "paid": paid, "refunded": refunded}
    assert payment_status_after_refund(order, has_odd_money=odd, has_prompt=prompt) == truth
