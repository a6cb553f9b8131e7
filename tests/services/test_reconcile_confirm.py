"""MPESA_CONFIRM_BY_QUERY while the provider's query is away: nothing is believed, and nothing genuine is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

import config
from orders import expiry_services
from orders.schemas import Order
from payments import attempt_services, callback_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.conftest import Clock
from tests.daraja import Daraja, success_body
from tests.factories import User, make_order, make_product, make_user
from utils.errors import PaymentInProgress
from utils.idempotency import Claim

WAITING = ("sent", "pending", "pending")
PAID = ("succeeded", "processing", "paid")


@pytest.fixture(autouse=True)
def confirmed_by_query(daraja: Daraja) -> Iterator[None]:
    with config.override(MPESA_CONFIRM_BY_QUERY=True):
        yield


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


@pytest.fixture
def payment(buyer: User, order: Order) -> Payment:
    return push(buyer, order)


@pytest.fixture
def told(payment: Payment) -> Payment:
    """A payment whose genuine callback is in the inbox."""
    body = success_body(payment.checkout_request_id)
    callback_services.receive(kind="stk", payment_id=payment.id, body=body, address="")
    return payment


def work_for(frozen_clock: Clock, span: timedelta, step: timedelta = timedelta(seconds=61)) -> None:
    """Let time go on with all of the worker's jobs at work."""
    until = frozen_clock.moment + span
    while frozen_clock.moment < until:
        callback_services.apply_due()
        query_services.ask_due()
        attempt_services.give_up_dead_prompts()
        expiry_services.expire_due_orders()
        frozen_clock.moment += step


def state(payment: Payment) -> tuple[str, str, str]:
    row = scripted.payment_row(payment.id)
    return row["status"], row["order_status"], row["payment_status"]


def test_while_the_query_is_away_the_order_is_kept_for_its_money(
    told: Payment, buyer: User, order: Order, frozen_clock: Clock
) -> None:
    work_for(frozen_clock, timedelta(hours=2))
    assert state(told) == WAITING
    assert scripted.outcomes(told.id) == ["waiting"]
    with pytest.raises(PaymentInProgress):
        push(buyer, order)
    assert scripted.call_back(told.id, success_body(told.checkout_request_id)) == "waiting"


def test_a_genuine_success_settles_as_soon_as_the_query_answers_again(
    told: Payment, daraja: Daraja, frozen_clock: Clock
) -> None:
    work_for(frozen_clock, timedelta(hours=2))
    daraja.queries.append(scripted.finished("0"))
    work_for(frozen_clock, timedelta(minutes=3))
    assert state(told) == PAID
    assert scripted.payment_row(told.id)["receipt"] == "NLJ7RT61SV"
    assert scripted.outcomes(told.id) == ["repeated"]


def test_a_callback_that_lay_in_the_inbox_for_hours_is_asked_after_before_anybody_decides(
    told: Payment, daraja: Daraja, frozen_clock: Clock
) -> None:
    """The worker was down; the order has expired since, and is taken up again."""
    frozen_clock.forward(hours=30)
    attempt_services.give_up_dead_prompts()
    expiry_services.expire_due_orders()
    callback_services.apply_due()
    daraja.queries.append(scripted.finished("0"))
    query_services.ask_due()
    assert state(told) == PAID


def test_when_the_query_cannot_be_asked_for_a_day_a_person_decides(told: Payment, frozen_clock: Clock) -> None:
    work_for(frozen_clock, timedelta(hours=25), step=timedelta(minutes=2))
    assert state(told) == ("review", "pending", "review")
    row = scripted.payment_row(told.id)
    assert (row["receipt"], row["settled_amount"]) == ("NLJ7RT61SV", 100)
    assert row["review_reason"] == "the provider's query does not confirm the callback"


def test_what_the_query_denies_keeps_no_order_and_comes_before_a_person_in_half_an_hour(
    told: Payment, buyer: User, order: Order, daraja: Daraja, frozen_clock: Clock
) -> None:
    callback_services.apply_due()
    daraja.queries.append(scripted.finished("1032"))
    query_services.ask_due()
    assert state(told) == ("failed", "pending", "unpaid")
    work_for(frozen_clock, timedelta(minutes=29))
    assert state(told)[0] == "failed"
    work_for(frozen_clock, timedelta(minutes=4))
    assert state(told)[0] == "review"
