"""Orders, payments, refunds and stock under whatever order of events chance can think of, held against a model.

Hypothesis draws the events: customers, payers, the provider's callbacks and answers, forgers, staff, the worker's jobs
and the clock. What fails is shrunk to the shortest story that still fails, and printed as a program.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import requests
from apiflask import APIFlask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, multiple, rule, run_state_machine_as_test

from app import HANDLERS
from orders import services as orders
from orders.schemas import OrderChange
from payments import callback_tokens, refund_call_services, refund_services
from products import stock_services as stock
from tests.conftest import Clock
from tests.daraja import Answer, new_receipt
from tests.flows.money_facts import Bought, Payment, Refund, Result
from tests.flows.money_machine import PRICES, PaymentMachine
from tests.refunds import DUPLICATE, NOT_TAKEN, result_body
from utils import db, log, outbox
from utils.errors import IllegalTransition, ShopError
from utils.idempotency import Claim

CALL_ANSWERS = ("taken", "taken", "lost", "not taken")
# how the provider answers the call, whether the money moves, and how often the shop is told of it
FATES = st.tuples(st.sampled_from(CALL_ANSWERS), st.booleans(), st.integers(0, 2))


class MoneyMachine(PaymentMachine):
    """The shop with its staff, who ship, count and give money back."""

    refunds: Bundle[Refund] = Bundle("refunds")

    def __init__(self, app: APIFlask, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(app, clock, monkeypatch)
        self.provider.take_refund_call = self.take_refund_call
        self.call_answer = "taken"
        self.questions: list[Refund] = []

    # --- staff

    @rule(bought=PaymentMachine.any_order)
    def move_along(self, bought: Bought) -> None:
        """Ship what may be shipped, deliver what was shipped, and nothing else."""
        status = "delivered" if bought.status == "shipped" else "shipped"
        is_settled = bought.method == "cod" or bought.payment_status in ("paid", "partially_refunded")
        may = bought.status in ("processing", "shipped") and is_settled
        try:
            orders.change_order(order_id=bought.id, change=OrderChange(status=status), actor_id=self.buyer.id)
        except IllegalTransition:
            assert not may
        else:
            assert may
            bought.status = status

    @rule(place=st.integers(0, len(PRICES) - 1), pieces=st.integers(0, 5))
    def count_stock(self, place: int, pieces: int) -> None:
        variant_id = self.variants[place].id
        stock.set_stock(variant_id=variant_id, stock=pieces, reason="counted", actor_id=self.buyer.id)
        self.model.stock[place] = pieces

    @rule(target=refunds, prompt=PaymentMachine.prompts, amount=st.sampled_from([None, None, 5, 20, 1000]), fate=FATES)
    def give_back(self, prompt: Payment, amount: int | None, fate: tuple[str, bool, int]) -> Any:
        """Refund a payment or a part of it; what was made up has nothing to give back."""
        if prompt.told_receipt in self.model.forged:
            return multiple()
        refusal = self.model.refusal_of_refund(prompt, amount)
        try:
            opened = refund_services.start_refund(
                payment_id=prompt.payment_id,
                amount=None if amount is None else Decimal(amount),
                reason="broken",
                user_id=self.buyer.id,
                claim=Claim(),
            )
        except ShopError as error:
            if type(error) is not refusal:
                raise
            return multiple()
        assert refusal is None
        refund = self.model.refund(opened.id, prompt, amount or prompt.refundable)
        return self._play(fate, refund)

    @rule(target=refunds, bought=PaymentMachine.any_order, fate=FATES)
    def cancel(self, bought: Bought, fate: tuple[str, bool, int]) -> Any:
        """Cancel an order; what was paid for it goes back by itself."""
        try:
            orders.cancel_order(order_id=bought.id, user_id=self.buyer.id, manages=False, reason="", claim=Claim())
        except IllegalTransition:
            assert bought.status not in ("pending", "processing")
            return multiple()
        assert bought.status in ("pending", "processing")
        self.model.cancel(bought)
        return self._play(fate, *self._tell_the_outbox())

    # --- refunds

    def _play(self, fate: tuple[str, bool, int], *refunds: Refund) -> Any:
        answer, goes_well, times = fate
        if times:
            self.act_on_refunds(answer)
            for refund in refunds:
                self.finish_refund(refund, goes_well, times - 1)
        return multiple(*refunds)

    @rule(answer=st.sampled_from(CALL_ANSWERS))
    def act_on_refunds(self, answer: str) -> None:
        """Let the worker call and ask; whoever is asked after, and has an end, is told of."""
        self.call_answer = answer
        refund_call_services.act_on_due()
        for refund in self.questions:
            if refund.went_well is not None:
                status = "Completed" if refund.went_well else "Failed"
                self._tell_result(refund, f"{refund.method}_status", TransactionStatus=status, ReceiptNo=refund.receipt)
        self.questions.clear()

    def take_refund_call(self, kind: str, body: dict[str, Any]) -> Answer | None:
        """Take a call of the worker's as drawn; a question is answered by a Result of its own, later."""
        refund_id = int(body["ResultURL"].rsplit("/", 1)[-1][:16], 16)
        refund = next(refund for refund in self.model.refunds if refund.id == refund_id)
        if kind == "status":
            self.questions.append(refund)
            return None
        if self.call_answer == "not taken":
            return NOT_TAKEN[1]
        if refund.is_taken:
            return DUPLICATE
        refund.is_taken = True
        return requests.ReadTimeout() if self.call_answer == "lost" else None

    @rule(refund=refunds, goes_well=st.booleans(), times=st.integers(0, 2))
    def finish_refund(self, refund: Refund, goes_well: bool, times: int) -> None:
        """The provider sends the money, or finds that it cannot; its Result comes as often as it comes."""
        if refund.is_taken and refund.went_well is None:
            refund.went_well, refund.receipt = goes_well, new_receipt() if goes_well else None
        if refund.went_well is not None:
            for _ in range(times):
                self._tell_result(refund, refund.method)
        self._apply_callbacks()

    def _tell_result(self, refund: Refund, call: str, **parameters: Any) -> None:
        code = 0 if refund.went_well or parameters else 1
        body = result_body(code, receipt=refund.receipt, amount=refund.amount, **parameters)
        self._post(callback_tokens.refund_url(door="result", call=call, refund_id=refund.id), body)
        self.model.receive(Result(refund, bool(refund.went_well)))

    def _tell_the_rest(self) -> None:
        for refund in self.model.refunds:
            if refund.went_well:
                self._tell_result(refund, refund.method)

    # --- the outbox

    @rule(target=refunds)
    def tell_the_outbox(self) -> Any:
        return multiple(*self._tell_the_outbox())

    def _tell_the_outbox(self) -> list[Refund]:
        """Tell what has happened, and return the refunds that began by it: of cancelled orders, and no others."""
        while outbox.deliver_due(HANDLERS):
            pass
        self.model.take_cash()
        due = self.model.due_after_cancellation()
        rows = db.reading().fetch_all(
            """
            SELECT r.id, r.amount, r.payment_id, p.receipt
              FROM refunds r
              JOIN payments p ON p.id = r.payment_id
             ORDER BY r.id
            """
        )[len(self.model.refunds) :]
        assert len(rows) == len(due)
        return [self.model.refund(row["id"], *due_for(row, due)) for row in rows]


def due_for(row: dict[str, Any], due: list[tuple[Payment, int]]) -> tuple[Payment, int]:
    """Return the payment that a refund gives back, and how much of it."""
    (found,) = [
        (payment, amount)
        for payment, amount in due
        if row["payment_id"] == payment.payment_id or (row["receipt"] and row["receipt"] == payment.told_receipt)
    ]
    assert row["amount"] == found[1]
    return found


def play(app: APIFlask, clock: Clock, monkeypatch: pytest.MonkeyPatch, **profile: Any) -> None:
    log.configure("CRITICAL")
    profile_of_run = settings(
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        **profile,
    )
    try:
        run_state_machine_as_test(lambda: MoneyMachine(app, clock, monkeypatch), settings=profile_of_run)
    finally:
        log.configure("WARNING")


def test_books_hold_after_every_step_whatever_comes(
    app: APIFlask, frozen_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(app, frozen_clock, monkeypatch, derandomize=True, max_examples=150, stateful_step_count=20)


@pytest.mark.long
def test_books_hold_after_every_step_of_many_stories(
    app: APIFlask, frozen_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other stories each time; a failing one is printed with its seed."""
    play(app, frozen_clock, monkeypatch, max_examples=500, stateful_step_count=40)
