"""A process dies at every point of a payment's life; whoever comes after it ends what it had begun, once.

First each point by name, as the state that a process leaves which died there. Then every point between two
statements of a step, before each COMMIT as well: the process is ended there, all checks must hold at that moment,
and the next process has to come to the end that an undisturbed one comes to.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dbutils.steady_db import SteadyDBConnection
from flask.testing import FlaskClient

from orders import expiry_services
from orders.schemas import Order
from payments import attempt_services, callback_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.conftest import Clock
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import User, make_order, make_product, make_user, stock_of
from utils import checks, db, verbs
from utils.errors import PaymentInProgress
from utils.idempotency import Claim

PAID = ("succeeded", "processing", "paid", 100)
PHONE = "254712345678"


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


def place(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00", stock=1).variant, 1))


@pytest.fixture
def order(buyer: User) -> Order:
    return place(buyer)


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number=PHONE, user_id=buyer.id, manages=False, claim=Claim()
    )


def summary(payment_id: int) -> tuple[Any, ...]:
    row = scripted.payment_row(payment_id)
    return row["status"], row["order_status"], row["payment_status"], row["paid"]


def receive(payment_id: int, body: str) -> None:
    callback_services.receive(kind="stk", payment_id=payment_id, body=body, address="")


# --- it died before the call, or after the call and before the record: nobody knows which


@pytest.fixture
def created(buyer: User, order: Order) -> int:
    attempt = services.open_attempt(
        order_id=order.id, phone_number=PHONE, user_id=buyer.id, manages=False, claim=Claim()
    )
    return attempt.payment_id


def test_around_the_call_the_order_is_kept_while_a_prompt_may_live(created: int, buyer: User, order: Order) -> None:
    assert attempt_services.give_up_dead_prompts() == 0
    with pytest.raises(PaymentInProgress):
        push(buyer, order)


def test_before_the_call_the_attempt_becomes_unknown_and_the_customer_can_try_again(
    created: int, buyer: User, order: Order, frozen_clock: Clock
) -> None:
    frozen_clock.forward(minutes=4)
    assert attempt_services.give_up_dead_prompts() == 1
    assert attempt_services.give_up_dead_prompts() == 0
    assert summary(created) == ("unknown", "pending", "unpaid", 0)
    again = push(buyer, order)
    assert scripted.call_back(again.id, success_body(again.checkout_request_id)) == "settled"


def test_after_the_call_the_callback_settles_under_its_token_however_late(created: int, frozen_clock: Clock) -> None:
    frozen_clock.forward(minutes=4)
    attempt_services.give_up_dead_prompts()
    frozen_clock.forward(minutes=5)
    assert scripted.call_back(created, success_body("ws_CO_1")) == "settled"
    assert summary(created) == PAID
    assert scripted.payment_row(created)["checkout_request_id"] == "ws_CO_1"


def test_after_the_call_a_failure_frees_the_order_at_once(created: int, buyer: User, order: Order) -> None:
    assert scripted.call_back(created, failure_body("ws_CO_1")) == "failed"
    assert push(buyer, order).status == "pending"


def test_a_late_failure_of_an_old_attempt_leaves_the_newer_prompt_its_order(
    created: int, buyer: User, order: Order, frozen_clock: Clock
) -> None:
    frozen_clock.forward(minutes=4)
    attempt_services.give_up_dead_prompts()
    newer = push(buyer, order)
    assert scripted.call_back(created, failure_body("ws_CO_old")) == "failed"
    assert summary(newer.id)[0:3] == ("sent", "pending", "pending")


def test_an_attempt_and_its_successor_that_are_both_paid_leave_the_second_money_to_a_person(
    created: int, buyer: User, order: Order, frozen_clock: Clock
) -> None:
    frozen_clock.forward(minutes=4)
    attempt_services.give_up_dead_prompts()
    newer = push(buyer, order)
    scripted.call_back(created, success_body("ws_CO_old", receipt="NLJ7RT61S1"))
    assert scripted.call_back(newer.id, success_body(newer.checkout_request_id, receipt="NLJ7RT61S2")) == "review"
    assert (summary(created), summary(newer.id)) == (PAID, ("review", "processing", "paid", 100))


# --- it died after the record


@pytest.fixture
def sent(buyer: User, order: Order) -> int:
    return push(buyer, order).id


def test_after_the_record_a_prompt_without_a_callback_is_found_by_the_query(
    sent: int, daraja: Daraja, frozen_clock: Clock
) -> None:
    frozen_clock.forward(seconds=26)
    daraja.queries.append(scripted.finished("0"))
    assert query_services.ask_due() == 1
    assert summary(sent) == PAID


def test_after_a_question_was_claimed_and_not_put_it_is_put_at_its_next_time(
    sent: int, daraja: Daraja, frozen_clock: Clock
) -> None:
    frozen_clock.forward(seconds=26)
    (row,) = db.reading().fetch_all("SELECT id, created_at, query_count, query_due_at FROM payments")
    assert query_services.claim_question(payment=row)
    assert query_services.ask_due() == 0
    frozen_clock.forward(seconds=26)
    daraja.queries.append(scripted.finished("0"))
    assert query_services.ask_due() == 1
    assert summary(sent) == PAID


def test_after_the_inbox_insert_the_next_worker_applies_the_callback(sent: int) -> None:
    receive(sent, success_body(scripted.payment_row(sent)["checkout_request_id"]))
    assert scripted.outcomes(sent) == [None]
    assert callback_services.apply_due() == 1
    assert (scripted.outcomes(sent), summary(sent)) == (["settled"], PAID)


def test_after_the_lease_the_callback_waits_until_it_has_run_out(sent: int, frozen_clock: Clock) -> None:
    receive(sent, success_body(scripted.payment_row(sent)["checkout_request_id"]))
    assert len(callback_services.lease_due(limit=1)) == 1
    assert callback_services.apply_due() == 0
    frozen_clock.forward(seconds=61)
    assert callback_services.apply_due() == 1
    assert summary(sent) == PAID


# --- it died between any two statements


class Died(BaseException):
    """The process is no more: nothing that it would have done after this point is done."""


@pytest.fixture
def die_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], Any]], bool]:
    """Run a step that dies at its point number so and so; tell whether it got there."""

    @contextmanager
    def counted(death: int) -> Iterator[None]:
        points = itertools.count(1)
        put_together, commit = verbs.put_together, SteadyDBConnection.commit

        def die_when_it_is_time() -> None:
            if next(points) == death:
                raise Died

        def send(*args: Any) -> Any:
            die_when_it_is_time()
            return put_together(*args)

        def commit_or_die(connection: SteadyDBConnection) -> None:
            die_when_it_is_time()
            commit(connection)

        with monkeypatch.context() as patched:
            patched.setattr(verbs, "put_together", send)
            patched.setattr(SteadyDBConnection, "commit", commit_or_die)
            yield

    def run(death: int, step: Callable[[], Any]) -> bool:
        try:
            with counted(death):
                step()
        except Died:
            db.release()
            assert checks.run(db.reading()) == []
            return True
        return False

    return run


def test_a_worker_that_dies_anywhere_in_a_settlement_leaves_all_of_it_to_the_next(
    buyer: User, frozen_clock: Clock, die_at: Callable[..., bool]
) -> None:
    for death in itertools.count(1):
        payment = push(buyer, place(buyer))
        receive(payment.id, success_body(payment.checkout_request_id, receipt=scripted.new_receipt()))
        died = die_at(death, callback_services.apply_due)
        frozen_clock.forward(seconds=61)
        callback_services.apply_due()
        assert (scripted.outcomes(payment.id), summary(payment.id)) == (["settled"], PAID)
        if not died:
            break
    assert death > 15


def test_a_worker_that_dies_anywhere_in_a_revival_leaves_all_of_it_to_the_next(
    buyer: User, frozen_clock: Clock, die_at: Callable[..., bool]
) -> None:
    for death in itertools.count(1):
        product = make_product(price="100.00", stock=1)
        payment = push(buyer, make_order(buyer, (product.variant, 1)))
        scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
        frozen_clock.forward(hours=1)
        expiry_services.expire_due_orders()
        receive(payment.id, success_body(payment.checkout_request_id, receipt=scripted.new_receipt()))
        died = die_at(death, callback_services.apply_due)
        frozen_clock.forward(seconds=61)
        callback_services.apply_due()
        assert (scripted.outcomes(payment.id), summary(payment.id)) == (["failed", "settled"], PAID)
        assert stock_of(product.variant) == 0
        if not died:
            break
    assert death > 25


def test_a_worker_that_dies_anywhere_in_a_question_has_it_put_again(
    buyer: User, daraja: Daraja, frozen_clock: Clock, die_at: Callable[..., bool]
) -> None:
    for death in itertools.count(1):
        payment = push(buyer, place(buyer))
        frozen_clock.forward(seconds=26)
        daraja.queries.extend([scripted.finished("0")] * 2)
        died = die_at(death, query_services.ask_due)
        frozen_clock.forward(seconds=52)
        query_services.ask_due()
        assert summary(payment.id) == PAID
        daraja.queries.clear()
        if not died:
            break
    assert death > 15


def test_a_worker_that_dies_anywhere_in_giving_up_a_prompt_leaves_it_to_the_next(
    buyer: User, daraja: Daraja, frozen_clock: Clock, die_at: Callable[..., bool]
) -> None:
    for death in itertools.count(1):
        daraja.pushes.append((500, ""))
        payment = push(buyer, place(buyer))
        frozen_clock.forward(minutes=4)
        died = die_at(death, attempt_services.give_up_dead_prompts)
        attempt_services.give_up_dead_prompts()
        assert summary(payment.id) == ("unknown", "pending", "unpaid", 0)
        if not died:
            break
    assert death > 5


def test_a_web_process_that_dies_anywhere_in_a_push_makes_no_second_prompt_and_loses_no_money(
    client: FlaskClient, buyer: User, daraja: Daraja, frozen_clock: Clock, die_at: Callable[..., bool]
) -> None:
    """The customer repeats the request under its key; a payer who saw a prompt pays it."""
    for death in itertools.count(1):
        frozen_clock.forward(hours=2)  # so that the token has to be fetched again
        tokens = client.post("/api/auth/login", json={"username": buyer.username, "password": buyer.password})
        order, key = place(buyer), f"push-{death}"
        before = daraja.count("processrequest")

        def ask(order: Order = order, key: str = key, token: str = tokens.get_json()["access_token"]) -> Any:
            body = {"order_id": order.id, "phone_number": PHONE}
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
            return client.post("/api/payments/stkpush", json=body, headers=headers)

        died = die_at(death, ask)
        frozen_clock.forward(seconds=61)
        assert ask().status_code == 202
        prompts = daraja.count("processrequest") - before
        assert prompts <= 1
        (payment,) = db.reading().fetch_all(
            "SELECT id, checkout_request_id FROM payments WHERE order_id = %(id)s", {"id": order.id}
        )
        if prompts:
            told = payment["checkout_request_id"] or f"ws_CO_lost_{death}"
            body = success_body(told, receipt=scripted.new_receipt())
            assert scripted.call_back(payment["id"], body) == "settled"
            assert summary(payment["id"]) == PAID
        else:
            frozen_clock.forward(minutes=3)
            attempt_services.give_up_dead_prompts()
            assert push(buyer, order).status == "pending"
        if not died:
            break
    assert death > 15
