"""Money on its way back, from the click to the customer's phone, over real HTTP: every refund story of the simulator.

The shop and the provider are two servers on loopback; the worker's jobs run until what the story ends with is there.
Afterwards the provider's book, our ledger and the orders agree to the shilling.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from apiflask import APIFlask

import config
from orders.schemas import Order
from payments.simulator import running_simulator
from payments.simulator_book import Entry
from payments.simulator_stories import REFUND_STORIES
from tests.daraja import payment_row
from tests.factories import make_user
from tests.flows.test_payment_stories import SPEED, Shop, payment_of, serving, work_until
from tests.refunds import outcomes, refund_row, settle
from utils import db


@dataclass(frozen=True)
class Ending:
    """What a story ends with: the refund, its order, and what came of what the provider told."""

    status: str
    payment_status: str
    outcomes: set[str]


REFUNDED = Ending("succeeded", "refunded", {"succeeded"})
ENDINGS = {
    "61": Ending("succeeded", "refunded", {"succeeded", "repeated"}),
    "62": REFUNDED,
    "63": REFUNDED,
    "64": Ending("failed", "paid", {"failed"}),
    "65": Ending("succeeded", "refunded", {"noted", "succeeded"}),
    "99": REFUNDED,
}
ASKED_AFTER = {"62", "65"}  # only Transaction status can tell of these; elsewhere it would race with the Results


@pytest.fixture
def shop(app: APIFlask) -> Iterator[Shop]:
    """A shop whose customer may give money back as well."""
    with (
        serving(app) as shop_url,
        running_simulator(speed=SPEED, seed=1) as (provider_url, provider),
        config.override(MPESA_BASE_URL=provider_url, MPESA_CALLBACK_BASE_URL=shop_url),
    ):
        shop = Shop(shop_url, provider)
        log_in_as_staff(shop)
        yield shop


def log_in_as_staff(shop: Shop) -> None:
    staff = make_user(role="admin")
    tokens = shop.post("/api/auth/login", username=staff.username, password=staff.password).json()
    shop.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"


def paid_order(shop: Shop, suffix: str) -> tuple[Order, int]:
    """Return an order over 200 that was paid from a phone with this ending, and its payment."""
    order = shop.place_order()
    assert shop.pay(order, suffix).status_code == 202
    payment_id = payment_of(order)
    work_until(lambda: payment_row(payment_id)["status"] == "succeeded")
    return order, payment_id


def give_back(shop: Shop, payment_id: int, **body: Any) -> int:
    answer = shop.post(f"/api/transactions/{payment_id}/refund", reason="one came broken", **body)
    assert answer.status_code == 202, answer.text
    refund_id: int = answer.json()["id"]
    return refund_id


def assert_books_agree(shop: Shop) -> None:
    held = db.reading().fetch_value(
        "SELECT COALESCE(SUM(amount), 0) AS held FROM ledger_entries WHERE account = 'mpesa_clearing'"
    )
    kept = db.reading().fetch_value("SELECT COALESCE(SUM(paid - refunded), 0) AS kept FROM orders")
    assert shop.provider.stage.book.balance == held == kept


def test_every_refund_story_has_its_ending() -> None:
    assert set(ENDINGS) == {*REFUND_STORIES, "99"}


@pytest.mark.parametrize("way", ["reversal", "b2c"])
@pytest.mark.parametrize("suffix", sorted(ENDINGS))
def test_the_story_ends_as_the_table_says(shop: Shop, suffix: str, way: str) -> None:
    ending, (order, payment_id) = ENDINGS[suffix], paid_order(shop, suffix)
    parts = [{}] if way == "reversal" else [{"amount": 60}, {"amount": "140.00"}]
    with config.override(MPESA_QUERY_AFTER_SECONDS=0.2 if suffix in ASKED_AFTER else 25):
        refund_ids = [give_back(shop, payment_id, **part) for part in parts]

        def have_ended() -> bool:
            return all(
                refund_row(refund_id)["status"] == ending.status
                and set(outcomes(refund_id)) - {"not_known"} == ending.outcomes
                for refund_id in refund_ids
            )

        work_until(have_ended)
    assert shop.get(f"/api/orders/{order.id}")["payment_status"] == ending.payment_status
    for refund_id in refund_ids:
        shown = shop.get(f"/api/refunds/{refund_id}")
        assert (shown["status"], shown["method"]) == (ending.status, way)
        entry = shop.provider.stage.book.get(shown["receipt"])
        assert (entry is not None) == (ending.status == "succeeded")
        if entry is not None:
            assert (entry.kind, Decimal(-entry.amount)) == (way, Decimal(shown["amount"]))
    assert_books_agree(shop)


def test_a_customer_who_cancels_a_paid_order_has_the_money_back_and_a_mail(shop: Shop) -> None:
    order, payment_id = paid_order(shop, "99")
    assert shop.post(f"/api/orders/{order.id}/cancel").json()["payment_status"] == "review"
    mails = config.current().INSTANCE_DIR / "mail"
    work_until(lambda: any(mails.glob("order.refunded-*")))
    shown = shop.get(f"/api/orders/{order.id}")
    assert (shown["status"], shown["payment_status"], shown["refunded"]) == ("cancelled", "refunded", "200.00")
    (refund,) = shop.get(f"/api/refunds?payment_id={payment_id}")["items"]
    assert refund["receipt"] in next(mails.glob("order.refunded-*")).read_text()
    assert shop.provider.stage.book.balance == 0
    assert_books_agree(shop)


def test_what_the_provider_cannot_reverse_it_pays_out(shop: Shop) -> None:
    paid_order(shop, "99")  # so that there is money to pay out of
    order = shop.place_order()
    payment_id = settle(order.id, receipt="SKE52PAWR9", phone_number="254712345699")  # the provider knows no such money
    refund_id = give_back(shop, payment_id)
    work_until(lambda: refund_row(refund_id)["status"] == "succeeded")
    row = refund_row(refund_id)
    assert (row["method"], row["payment_status"]) == ("b2c", "refunded")
    assert outcomes(refund_id) == ["sent_otherwise", "succeeded"]
    assert shop.provider.stage.book[row["receipt"]].kind == "b2c"


def test_what_somebody_else_reversed_waits_for_a_person(shop: Shop) -> None:
    order, payment_id = paid_order(shop, "99")
    receipt = payment_row(payment_id)["receipt"]
    by_hand = Entry(
        receipt="SBYHAND001",
        kind="reversal",
        amount=-200,
        account="",
        party="254712345699",
        reference="",
        original=receipt,
        moved_at="2026-11-20T12:00:00+03:00",
    )
    shop.provider.stage.enter(by_hand)
    refund_id = give_back(shop, payment_id)
    work_until(lambda: refund_row(refund_id)["status"] == "review")
    assert refund_row(refund_id)["refund_claimed"] == 200
    decision = {"status": "succeeded", "receipt": by_hand.receipt, "note": "reversed at the portal"}
    assert shop.post(f"/api/refunds/{refund_id}/settle", **decision).json()["status"] == "succeeded"
    assert shop.get(f"/api/orders/{order.id}")["payment_status"] == "refunded"
    assert_books_agree(shop)


def test_many_refunds_at_once_and_the_books_agree(shop: Shop) -> None:
    """Clicks in pairs on every payment, whole and in parts, with questions so early that they race with the Results."""
    paid = [paid_order(shop, suffix)[1] for suffix in ("99", "61", "62", "63", "64", "65")]
    answers: list[int] = []

    def click(payment_id: int, body: dict[str, Any]) -> None:
        path = f"/api/transactions/{payment_id}/refund"
        answers.append(shop.post(path, reason="one came broken", **body).status_code)

    clicks = [(payment_id, body) for payment_id in paid for body in ({"amount": 120}, {}, {"amount": 120})]
    with config.override(MPESA_QUERY_AFTER_SECONDS=0.05):
        threads = [threading.Thread(target=click, args=one) for one in clicks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(answers) <= {202, 409, 422}

        def all_have_ended() -> bool:
            left = db.reading().fetch_value(
                "SELECT COUNT(*) AS left_open FROM refunds WHERE status IN ('created', 'sent', 'unknown')"
            )
            waiting = db.reading().fetch_value(
                "SELECT COUNT(*) AS waiting FROM provider_callbacks WHERE applied_at IS NULL"
            )
            return left == waiting == 0

        work_until(all_have_ended)
    assert_books_agree(shop)
