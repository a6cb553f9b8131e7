"""The rolled-up days against the truth, counted in Python straight from the tables, after random stories."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from apiflask import APIFlask

from admin import kept_services, rollup_services
from orders import services as orders
from payments import attempt_services, refund_services
from payments import settle_services as settlement
from payments.states import OUTSIDE
from tests.conftest import Clock
from tests.daraja import Daraja, new_receipt
from tests.factories import make_order, make_product, make_user, settle
from tests.refunds import tell_outbox
from tests.threads import at_once
from utils import checks, db
from utils.errors import ShopError
from utils.idempotency import Claim

Days = dict[date, dict[str, Any]]
NOTHING = {
    "orders": 0,
    "items": 0,
    "gross": Decimal(0),
    "vat": Decimal(0),
    "refunds": Decimal(0),
    "prompts": 0,
    "prompts_succeeded": 0,
    "prompts_failed": 0,
    "prompts_timed": 0,
    "seconds_to_pay": 0,
    "products": {},
}


def rolled() -> Days:
    reader = db.reading()
    days: Days = {
        row.pop("day"): {**row, "products": {}}
        for row in reader.fetch_all(
            """
            SELECT day, orders, items, gross, vat, refunds, prompts, prompts_succeeded, prompts_failed,
                   prompts_timed, seconds_to_pay
              FROM daily_figures
            """
        )
    }
    for row in reader.fetch_all("SELECT day, product_id, quantity, gross FROM daily_product_sales"):
        days[row["day"]]["products"][row["product_id"]] = (row["quantity"], row["gross"])
    return days


def truth() -> Days:
    """Count the same out of orders, their lines, payments and refunds, without the ledger and without SQL's sums."""
    reader = db.reading()
    days: Days = defaultdict(lambda: {**NOTHING, "products": {}})
    bought = {
        row["id"]: row
        for row in reader.fetch_all(
            "SELECT id, total, tax_included, paid_at FROM orders WHERE paid >= total AND paid_at IS NOT NULL"
        )
    }
    for order in bought.values():
        day = days[rollup_services.day_of(order["paid_at"])]
        day["orders"] += 1
        day["gross"] += order["total"]
        day["vat"] += order["tax_included"]
    for line in reader.fetch_all("SELECT order_id, product_id, quantity, line_total FROM order_items"):
        if line["order_id"] in bought:
            day = days[rollup_services.day_of(bought[line["order_id"]]["paid_at"])]
            quantity, gross = day["products"].get(line["product_id"], (0, Decimal(0)))
            day["products"][line["product_id"]] = (quantity + line["quantity"], gross + line["line_total"])
            day["items"] += line["quantity"]
    for payment in reader.fetch_all(
        "SELECT status, created_at, settled_at FROM payments WHERE method = 'mpesa_stk' ORDER BY id"
    ):
        day = days[rollup_services.day_of(payment["created_at"])]
        outcome = OUTSIDE[payment["status"]]
        day["prompts"] += 1
        day["prompts_succeeded"] += outcome in ("succeeded", "review")
        day["prompts_failed"] += payment["status"] == "failed"
        if outcome == "succeeded":
            day["prompts_timed"] += 1
            day["seconds_to_pay"] += int((payment["settled_at"] - payment["created_at"]).total_seconds())
    for refund in reader.fetch_all(
        """
        SELECT r.amount, r.settled_at
          FROM refunds r
          JOIN payments p ON p.id = r.payment_id
         WHERE r.status = 'succeeded'
           AND p.status = 'succeeded'
        """
    ):
        days[rollup_services.day_of(refund["settled_at"])]["refunds"] += refund["amount"]
    return dict(days)


class Story:
    """Customers who buy, prompts that are paid at once, late, or never, and money that goes back."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self.draw, self.clock = random.Random(seed), clock
        self.buyer, self.admin = make_user(), make_user(role="admin")
        self.variants = [make_product(price=price, stock=10_000).variant for price in ("100.00", "249.50", "33.33")]
        self.open: list[int] = []
        self.paid: list[int] = []

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self.clock.forward(minutes=self.draw.choice([1, 20, 400, 1500]))
            self.draw.choice([self.prompt, self.prompt, self.pay, self.pay, self.fail, self.refund, self.pay_cash])()
            if self.draw.random() < 0.2:
                rollup_services.roll_up()

    def prompt(self) -> None:
        order = self.place("mpesa")
        self.open.append(self.attempt(order.id))

    def place(self, method: str) -> Any:
        lines = [(variant, self.draw.randint(1, 3)) for variant in self.draw.sample(self.variants, 2)]
        return make_order(self.buyer, *lines, method=method)

    @staticmethod
    @db.in_transaction
    def attempt(tx: db.Tx, order_id: int) -> int:
        order = orders.lock_order_tx(tx, order_id=order_id)
        return attempt_services.insert_tx(
            tx, order=order, method="mpesa_stk", amount=order["total"], phone_number="254712345678", user_id=None
        )

    def pay(self) -> None:
        if self.open:
            payment_id = self.open.pop(self.draw.randrange(len(self.open)))
            self.settle(payment_id)
            self.paid.append(payment_id)

    @staticmethod
    @db.in_transaction
    def settle(tx: db.Tx, payment_id: int) -> None:
        settlement.settle_tx(
            tx, payment_id=payment_id, success=settlement.Success(source="test", receipt=new_receipt())
        )

    def fail(self) -> None:
        """Fail a prompt, which may be paid all the same later on."""
        if self.open:
            self.fail_one(self.draw.choice(self.open))

    @staticmethod
    @db.in_transaction
    def fail_one(tx: db.Tx, payment_id: int) -> None:
        attempt_services.fail_tx(tx, payment_id=payment_id, code="1032", description="Cancelled by user")

    def refund(self) -> None:
        if self.paid:
            payment_id = self.draw.choice(self.paid)
            amount = self.draw.choice([None, Decimal(1), Decimal(50)])
            self.tolerantly(
                lambda: refund_services.start_refund(
                    payment_id=payment_id, amount=amount, reason="-", user_id=self.admin.id, claim=Claim()
                )
            )

    def tolerantly(self, deed: Any) -> None:
        """Do what the shop may refuse: a payment that is refunded already, say."""
        try:
            deed()
        except ShopError as error:
            assert error.status == 409  # noqa: PT017 (whether it is refused depends on the story)

    def pay_cash(self) -> None:
        order = self.place("mock")
        self.paid.append(settle(order.id, method="mock"))


@pytest.mark.parametrize("seed", range(6))
def test_the_days_say_what_the_tables_say_whenever_they_were_rolled_up(
    app: APIFlask, daraja: Daraja, frozen_clock: Clock, seed: int
) -> None:
    story = Story(seed, frozen_clock)
    story.go_on(60)
    story.pay_cash()
    story.paid = story.paid[-1:]
    story.refund()
    tell_outbox()
    rollup_services.roll_up()
    expected = truth()
    assert sum(day["orders"] for day in expected.values()) > 5
    assert any(day["refunds"] for day in expected.values())
    assert rolled() == expected


def test_a_second_time_changes_nothing(app: APIFlask, daraja: Daraja, frozen_clock: Clock) -> None:
    Story(1, frozen_clock).go_on(40)
    rollup_services.roll_up()
    before = rolled()
    rollup_services.roll_up()
    assert rolled() == before == truth()


def test_two_workers_at_once_count_nothing_twice(app: APIFlask, daraja: Daraja, frozen_clock: Clock) -> None:
    Story(2, frozen_clock).go_on(40)
    assert at_once(*[rollup_services.roll_up] * 4) == [0] * 4
    assert rolled() == truth()


def test_money_that_comes_days_late_counts_on_the_day_it_came_and_marks_the_day_of_its_prompt(
    app: APIFlask, daraja: Daraja, frozen_clock: Clock
) -> None:
    story = Story(3, frozen_clock)
    story.prompt()
    (payment_id,) = story.open
    prompted = rollup_services.day_of(frozen_clock())
    rollup_services.roll_up()
    assert rolled()[prompted]["prompts_succeeded"] == 0
    frozen_clock.forward(days=3)
    story.settle(payment_id)
    rollup_services.roll_up()
    assert rolled()[prompted]["prompts_succeeded"] == 1
    assert rolled()[prompted]["orders"] == 0
    assert rolled()[rollup_services.day_of(frozen_clock())]["orders"] == 1
    assert rolled() == truth()


def test_what_is_committed_after_the_look_at_its_moment_is_found_by_the_next(
    app: APIFlask, daraja: Daraja, frozen_clock: Clock
) -> None:
    frozen_clock.forward(minutes=10)
    rollup_services.roll_up()
    frozen_clock.forward(minutes=-10)  # a transaction that took its time
    Story(4, frozen_clock).pay_cash()
    frozen_clock.forward(minutes=11)
    rollup_services.roll_up()
    assert rolled() == truth()


def test_a_day_marked_while_it_is_counted_is_counted_again(
    app: APIFlask, daraja: Daraja, frozen_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(5, frozen_clock)
    story.pay_cash()
    rollup_services.mark_changed_days()
    count = rollup_services._count_sales_tx

    def count_and_sell(tx: db.Tx, span: db.Params) -> db.Row:
        found = count(tx, span)
        (sold,) = at_once(story.pay_cash)
        assert sold is None
        return found

    monkeypatch.setattr(rollup_services, "_count_sales_tx", count_and_sell)
    rollup_services.roll_day(day=rollup_services.day_of(frozen_clock()))
    monkeypatch.undo()
    rollup_services.roll_up()
    assert rolled() == truth()


def test_a_day_begins_at_midnight_in_nairobi(app: APIFlask, frozen_clock: Clock) -> None:
    begins_at, ends_at = rollup_services.bounds_of(date(2026, 3, 1))
    assert (begins_at.isoformat(), ends_at - begins_at) == ("2026-02-28T21:00:00", timedelta(days=1))
    assert rollup_services.day_of(begins_at) == date(2026, 3, 1)
    assert rollup_services.day_of(begins_at - timedelta(microseconds=1)) == date(2026, 2, 28)


def test_a_costly_figure_is_looked_up_by_one_worker_until_it_is_due_again(
    app: APIFlask, frozen_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    figure = kept_services.Figure(timedelta(hours=1), lambda: looked.append(1) or len(looked))
    monkeypatch.setattr(kept_services, "FIGURES", {"checks": figure})
    at_once(*[kept_services.take_due_figures] * 4)
    assert len(looked) == 1
    frozen_clock.forward(minutes=59)
    kept_services.take_due_figures()
    assert len(looked) == 1
    frozen_clock.forward(minutes=2)
    kept_services.take_due_figures()
    assert kept_services.read(name="checks") == kept_services.Kept(2, frozen_clock())


def test_the_worker_keeps_what_the_checks_found(app: APIFlask) -> None:
    kept_services.take_due_figures()
    assert kept_services.read(name=kept_services.CHECKS).body == {"count": len(checks.read_checks()), "broken": []}
