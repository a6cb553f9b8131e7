"""The ledger beside the payments: what is settled is posted, once, with it or not at all."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pymysql
import pytest

from orders import services as orders
from orders.schemas import Order
from payments import attempt_services as attempts
from payments import ledger_services as ledger
from payments import services as payments
from payments import settle_services as settlement
from tests import daraja as scripted
from tests.daraja import success_body
from tests.factories import insert_refund_tx, make_order, make_product, make_user, settle
from tests.threads import at_once
from utils import db, idempotency

pytestmark = pytest.mark.usefixtures("daraja")

SOLD_100 = {"receivable": 100, "sales": Decimal("-86.21"), "vat": Decimal("-13.79")}


@pytest.fixture
def order() -> Order:
    return make_order(make_user(), (make_product(price="100.00").variant, 1))


@pytest.fixture
def payment_id(order: Order) -> int:
    return open_attempt(order)


@db.in_transaction
def open_attempt(tx: db.Tx, order: Order, amount: str = "100") -> int:
    return attempts.insert_tx(
        tx,
        order=orders.lock_order_tx(tx, order_id=order.id),
        method="mpesa_stk",
        amount=Decimal(amount),
        phone_number=None,
        user_id=None,
    )


@db.in_transaction
def take_word(tx: db.Tx, payment_id: int, receipt: str | None = None, amount: str | None = None) -> str:
    success = settlement.Success(source="test", receipt=receipt, amount=None if amount is None else Decimal(amount))
    return settlement.settle_tx(tx, payment_id=payment_id, success=success)


def journals(reader: db.Reader | None = None) -> dict[str, dict[str, Any]]:
    """Return the entries of every journal by its reference."""
    rows = (reader or db.reading()).fetch_all(
        """
        SELECT lj.reference, le.account, le.amount
          FROM ledger_journals lj
          JOIN ledger_entries le ON le.journal_id = lj.id
         ORDER BY le.id
        """
    )
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row["reference"], {})[row["account"]] = row["amount"]
    return found


class Undo(Exception):
    """Rolls a transaction back and carries out what was found in it."""


def try_out(work: Callable[[db.Tx], Any]) -> dict[str, dict[str, Any]]:
    """Return the journals after a piece of work, and leave no trace of it."""

    @db.in_transaction
    def run(tx: db.Tx) -> None:
        work(tx)
        raise Undo(journals(tx))

    with pytest.raises(Undo) as undone:
        run()
    found: dict[str, dict[str, Any]] = undone.value.args[0]
    return found


# --- money that fits


def test_a_payment_in_full_posts_the_money_and_the_sale(order: Order, payment_id: int) -> None:
    assert take_word(payment_id, "SKL0000001") == "settled"
    assert journals() == {
        f"payment:{payment_id}:settled": {"mpesa_clearing": 100, "receivable": -100},
        f"order:{order.id}:sold": SOLD_100,
    }


def test_the_rounding_of_a_sale_has_an_account_of_its_own() -> None:
    order = make_order(make_user(), (make_product(price="99.60").variant, 1))
    settle(order.id)
    assert journals()[f"order:{order.id}:sold"]["rounding"] == Decimal("-0.40")


def test_parts_are_posted_as_they_come_and_the_sale_with_the_last(order: Order) -> None:
    first = settle(order.id, amount="40", receipt="SKL0000001")
    assert journals() == {f"payment:{first}:settled": {"mpesa_clearing": 40, "receivable": -40}}
    settle(order.id, amount="60", receipt="SKL0000002")
    assert journals()[f"order:{order.id}:sold"] == SOLD_100


def test_what_is_paid_beyond_the_total_stays_with_the_customer(order: Order) -> None:
    settle(order.id, amount="40", receipt="SKL0000001")
    settle(order.id, amount="100", receipt="SKL0000002")
    with_us = [entries["receivable"] for entries in journals().values()]
    assert sum(with_us) == -40


def test_cash_and_mock_money_lie_apart_from_the_providers(order: Order) -> None:
    claim = idempotency.Claim()
    payments.pay_by_mock(order_id=order.id, user_id=0, manages=True, claim=claim)
    at_the_door = make_order(make_user(), (make_product(price="100.00").variant, 1), method="cod")
    payments.settle_on_delivery(order_id=at_the_door.id)
    held = {account for entries in journals().values() for account, amount in entries.items() if amount > 0}
    assert held == {"mock_clearing", "cash_on_delivery", "receivable"}


def test_the_same_word_again_posts_nothing_more(payment_id: int) -> None:
    take_word(payment_id)
    before = journals()
    assert take_word(payment_id) == "repeated"
    assert take_word(payment_id, "SKL0000001") == "receipt_filled"
    assert journals() == before


def test_two_settlements_at_once_post_once(payment_id: int) -> None:
    results = at_once(*[lambda: take_word(payment_id, "SKL0000001")] * 4)
    assert sorted(results) == ["repeated", "repeated", "repeated", "settled"]
    assert len(journals()) == 2


# --- money that does not fit


def test_another_amount_is_nobodys_money(payment_id: int) -> None:
    assert take_word(payment_id, "SKL0000001", "70") == "review"
    assert journals() == {f"payment:{payment_id}:unallocated": {"mpesa_clearing": 70, "unallocated": -70}}


def test_a_second_receipt_under_one_prompt_is_nobodys_money(payment_id: int) -> None:
    take_word(payment_id, "SKL0000001")
    assert take_word(payment_id, "SKL0000002") == "review"
    assert [entries for entries in journals().values() if "unallocated" in entries] == [
        {"mpesa_clearing": 100, "unallocated": -100}
    ]


def test_a_receipt_that_stands_elsewhere_is_no_money_and_another_one_later_is(payment_id: int, order: Order) -> None:
    take_word(payment_id, "SKL0000001")
    before = journals()
    other = open_attempt(make_order(make_user(), (make_product(price="100.00").variant, 1)))
    assert take_word(other, "SKL0000001") == "review"
    assert journals() == before
    assert scripted.payment_row(other)["settled_amount"] is None
    assert take_word(other, "SKL0000002") == "review"
    assert sum(entries["mpesa_clearing"] for entries in journals().values() if "mpesa_clearing" in entries) == 200


@pytest.mark.parametrize("amount", [0, "0.00", "0.001"])
def test_a_word_of_no_money_posts_nothing(payment_id: int, amount: object) -> None:
    assert scripted.call_back(payment_id, success_body(None, amount=amount)) == "review"
    assert journals() == {}


@db.in_transaction
def allocate(tx: db.Tx, payment_id: int, order_id: int, amount: str) -> None:
    """Put money without a home to an order, as allocation does."""
    order = orders.lock_order_tx(tx, order_id=order_id)
    tx.execute_one(
        "UPDATE payments SET status = 'succeeded', order_id = %(order_id)s, settled_at = created_at WHERE id = %(id)s",
        {"id": payment_id, "order_id": order_id},
    )
    orders.mark_paid_tx(tx, order_id=order_id, amount=Decimal(amount), actor_id=None, reason="allocated")
    ledger.post_allocated_tx(tx, order=order, payment_id=payment_id, amount=Decimal(amount))


def test_allocated_money_pays_its_order_and_sells_it(payment_id: int) -> None:
    take_word(payment_id, "SKL0000001", "150")
    other = make_order(make_user(), (make_product(price="150.00").variant, 1))
    allocate(payment_id, other.id, "150")
    found = journals()
    assert found[f"payment:{payment_id}:allocated"] == {"unallocated": 150, "receivable": -150}
    assert found[f"order:{other.id}:sold"]["receivable"] == 150


# --- refunds


def refund_of(order: Order | None, payment_id: int, *parts: str, status: str = "succeeded") -> list[dict[str, Any]]:
    """Return what refunds of these amounts, one after the other, post."""

    def work(tx: db.Tx) -> None:
        row = orders.lock_order_tx(tx, order_id=order.id) if order else None
        payment = {"id": payment_id, "status": status}
        for part in parts:
            refund_id = insert_refund_tx(tx, payment_id, part, receipt=None)
            ledger.post_refunded_tx(
                tx, order=row, payment=payment, refund_id=refund_id, method="reversal", amount=Decimal(part)
            )

    return [entries for reference, entries in try_out(work).items() if reference.startswith("refund:")]


def test_a_refund_in_parts_gives_back_the_sale_and_exactly_its_vat(order: Order) -> None:
    parts = refund_of(order, settle(order.id), "33", "33", "34")
    assert sum(part["vat"] for part in parts) == Decimal("13.79")
    assert sum(part["refunds"] for part in parts) == Decimal("86.21")
    assert [part["mpesa_clearing"] for part in parts] == [-33, -33, -34]


def test_what_was_paid_too_much_goes_back_first(order: Order) -> None:
    settle(order.id, amount="40", receipt="SKL0000001")
    second = settle(order.id, amount="100", receipt="SKL0000002")
    over, sold = refund_of(order, second, "30", "70")
    assert over == {"receivable": 30, "mpesa_clearing": -30}
    assert sold["receivable"] == 10
    assert sold["refunds"] + sold["vat"] == 60


def test_a_part_payment_of_an_order_that_was_never_sold_goes_back_whole(order: Order) -> None:
    (given_back,) = refund_of(order, settle(order.id, amount="40"), "40")
    assert given_back == {"receivable": 40, "mpesa_clearing": -40}


@pytest.mark.parametrize("is_known", [True, False])
def test_unallocated_money_goes_back_from_where_it_lies(order: Order, payment_id: int, is_known: bool) -> None:
    take_word(payment_id, "SKL0000001", "70")
    (given_back,) = refund_of(order if is_known else None, payment_id, "70", status="review")
    assert given_back == {"unallocated": 70, "mpesa_clearing": -70}


def test_what_is_not_given_back_of_unallocated_money_stays_unallocated(payment_id: int) -> None:
    take_word(payment_id, "SKL0000001", "70")

    @db.in_transaction
    def give_back(tx: db.Tx) -> None:
        tx.execute_one("UPDATE payments SET refund_claimed = 30 WHERE id = %(id)s", {"id": payment_id})
        payment = {"id": payment_id, "status": "review"}
        refund_id = insert_refund_tx(tx, payment_id, "30", receipt="SKL0000002")
        ledger.post_refunded_tx(tx, order=None, payment=payment, refund_id=refund_id, method="b2c", amount=Decimal(30))

    give_back()
    assert sum(entries["unallocated"] for entries in journals().values()) == -40
    assert sum(entries["mpesa_clearing"] for entries in journals().values()) == 40


# --- all or nothing


@pytest.mark.parametrize("point", ["post_settled_tx", "_post_sale_tx"])
def test_a_settlement_that_dies_at_the_ledger_leaves_nothing(
    order: Order, payment_id: int, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(ledger, point, die)
        with pytest.raises(KeyboardInterrupt):
            take_word(payment_id, "SKL0000001")
    assert journals() == {}
    row = scripted.payment_row(payment_id)
    assert (row["status"], row["paid"], row["payment_status"]) == ("created", 0, "unpaid")
    assert take_word(payment_id, "SKL0000001") == "settled"


def test_a_reference_that_exists_is_refused(payment_id: int) -> None:
    @db.in_transaction
    def post(tx: db.Tx) -> None:
        ledger.post_unallocated_tx(tx, order_id=None, payment_id=payment_id, method="mock", amount=Decimal(1))
        ledger.post_unallocated_tx(tx, order_id=None, payment_id=payment_id, method="mock", amount=Decimal(1))

    with pytest.raises(pymysql.err.IntegrityError, match="uq_ledger_journals_reference"):
        post()
    assert journals() == {}


def test_entries_that_do_not_balance_are_never_written() -> None:
    @db.in_transaction
    def post(tx: db.Tx) -> None:
        entries = {"sales": Decimal(-1), "receivable": Decimal(2)}
        ledger.post_tx(tx, kind="sold", reference="order:1:sold", entries=entries)

    with pytest.raises(ValueError, match="differ by 1"):
        post()
