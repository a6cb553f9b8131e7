"""`flask payments match FILE --book`: what only the provider's statement tells of finds its home, once."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask

from orders import expiry_services
from orders.schemas import Order
from payments import attempt_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.conftest import Clock
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import Product, User, make_order, make_product, make_user, stock_of
from utils import clock, db
from utils.idempotency import Claim

COLUMNS = ("Receipt No.", "Completion Time", "Transaction Status", "Paid In", "Withdrawn", "A/C No.")
RECEIPT = "SKL9999999"


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def product(app: APIFlask) -> Product:
    return make_product(price="100.00", stock=1)


@pytest.fixture
def order(buyer: User, product: Product) -> Order:
    return make_order(buyer, (product.variant, 1))


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


@pytest.fixture
def book(app: APIFlask, tmp_path: Path) -> Callable[..., str]:
    """Match a statement of one line and book it; return what came of it."""

    def run(account: str, paid_in: str = "100.00", withdrawn: str = "", options: tuple[str, ...] = ("--book",)) -> str:
        at = clock.now().replace(tzinfo=UTC).astimezone(clock.EAST_AFRICA)
        path = tmp_path / "statement.csv"
        with path.open("w", newline="") as file:
            line = (RECEIPT, f"{at:%d-%m-%Y %H:%M:%S}", "Completed", paid_in, withdrawn, account)
            csv.writer(file).writerows([COLUMNS, line])
        db.release()
        output = app.test_cli_runner().invoke(args=["payments", "match", str(path), *options]).output
        booked = [line.split()[-1] for line in output.splitlines() if line.startswith("booked")]
        return booked[0] if booked else output.split()[0]

    return run


def state(payment: Payment) -> tuple[Any, ...]:
    row = scripted.payment_row(payment.id)
    return row["status"], row["receipt"], row["order_status"], row["payment_status"], row["paid"]


PAID = ("succeeded", RECEIPT, "processing", "paid", 100)


def test_an_attempt_that_was_never_answered_nor_told_of_is_settled_by_the_statement(
    buyer: User, order: Order, daraja: Daraja, frozen_clock: Clock, book: Callable[..., str]
) -> None:
    daraja.pushes.append((500, ""))
    payment = push(buyer, order)
    frozen_clock.forward(minutes=4)
    attempt_services.give_up_dead_prompts()
    assert book(order.number) == "settled"
    assert state(payment) == PAID


def test_a_payment_that_the_query_settled_gets_its_receipt_from_the_statement(
    buyer: User, order: Order, daraja: Daraja, frozen_clock: Clock, book: Callable[..., str]
) -> None:
    payment = push(buyer, order)
    frozen_clock.forward(seconds=26)
    daraja.queries.append(scripted.finished("0"))
    query_services.ask_due()
    assert book(order.number) == "receipt_filled"
    assert state(payment) == PAID


def test_an_expired_order_is_taken_up_again_by_the_statement(
    buyer: User, order: Order, product: Product, frozen_clock: Clock, book: Callable[..., str]
) -> None:
    payment = push(buyer, order)
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    frozen_clock.forward(hours=1)
    expiry_services.expire_due_orders()
    assert book(order.number) == "settled"
    assert stock_of(product.variant) == 0
    row = db.reading().fetch_one("SELECT status, paid FROM orders WHERE id = %(id)s", {"id": order.id})
    assert row == {"status": "processing", "paid": 100}


def test_money_for_no_order_is_kept_as_money_without_a_home(app: APIFlask, book: Callable[..., str]) -> None:
    assert book("Mama Njeri's shoes, the red ones, size 38, and a hat") == "unallocated"
    row = db.reading().fetch_one("SELECT status, settled_amount, receipt, order_id FROM payments")
    assert row == {"status": "review", "settled_amount": 100, "receipt": RECEIPT, "order_id": None}


def test_the_same_statement_again_changes_nothing(buyer: User, order: Order, book: Callable[..., str]) -> None:
    payment = push(buyer, order)
    assert book(order.number) == "settled"
    assert book(order.number) == "1"  # line agrees
    body = success_body(payment.checkout_request_id, receipt=RECEIPT)
    assert scripted.call_back(payment.id, body) == "repeated"
    assert state(payment) == PAID


@pytest.mark.parametrize(
    "line",
    [
        {"account": ""},  # moved between our own accounts, or paid to a till: a person must look
        {"account": "X", "paid_in": "", "withdrawn": "100.00"},
        {"account": "X", "options": ()},
    ],
)
def test_what_came_for_no_account_what_went_out_and_what_was_not_asked_for_is_only_told(
    app: APIFlask, book: Callable[..., str], line: dict[str, Any]
) -> None:
    assert book(**line) == "only"
    assert db.reading().fetch_value("SELECT COUNT(*) AS counted FROM payments") == 0
