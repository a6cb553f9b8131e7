"""Orders and payments as a machine that Hypothesis drives: customers, payers, callbacks, forgers, jobs and the clock.

Every rule does something to the real shop and tells the model of it; after each the shop must be as modelled.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests
from apiflask import APIFlask
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

import config
from orders import expiry_services
from payments import attempt_services, callback_services, callback_tokens, query_services, services
from tests.c2b import hand_payment
from tests.conftest import Clock, empty
from tests.daraja import IN_PROGRESS, Answer, failure_body, finished, new_receipt, success_body
from tests.factories import make_order, make_product, make_user
from tests.flows.money_facts import PAID, Bought, Confirmation, Payment, Word
from tests.flows.money_model import PAYMENT_WINDOW, Model
from tests.flows.money_provider import PUSH_ANSWERS, Provider
from utils import checks, db
from utils.errors import OutOfStock, ShopError
from utils.idempotency import Claim

PRICES = ("100.00", "249.50", "33.33")
STOCK = 4
LONGEST_STORY = timedelta(hours=20)  # after a day questions end, and people are asked
CODES = ("0", "0", "0", "1", "1032", "1037", "2001")
# how the push is answered, what the payer does, how often the shop is told of it, and whether it has listened
FATES = st.tuples(
    st.sampled_from(["taken", "taken", "taken, the answer lost"]),
    st.sampled_from(CODES),
    st.sampled_from([1, 0, 1, 2]),
    st.booleans(),
)


class PaymentMachine(RuleBasedStateMachine):
    """A shop, its customers and its provider; staff and refunds come on top of it."""

    placed: Bundle[Bought] = Bundle("placed")
    prompts: Bundle[Payment] = Bundle("prompts")
    any_order = placed | prompts.map(lambda prompt: prompt.bought)

    def __init__(self, app: APIFlask, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        empty(config.current().DATABASE_URL)
        self.client, self.clock = app.test_client(), clock
        self.provider = Provider(answer_query=self.answer_query)
        monkeypatch.setattr(requests.Session, "request", lambda *args, **more: self.provider.request(*args, **more))
        self.buyer = make_user()
        self.variants = [make_product(price=price, stock=STOCK).variant for price in PRICES]
        self.opened_at = clock()
        self.model = Model([STOCK] * len(PRICES), clock)

    # --- customers

    @initialize(target=prompts, fates=st.lists(FATES, min_size=2, max_size=3))
    def open_with_prompts(self, fates: list[tuple[str, str, int, bool]]) -> Any:
        """Begin in the middle of things: payers have answered, and callbacks wait in the inbox."""
        opened = []
        for place, (answer, code, tells, has_listened) in enumerate(fates):
            prompt = self._push(self._place({place: 1}, "mpesa"), answer)
            prompt.outcomes.append(code)
            for _ in range(tells):
                self._call_back(via=prompt, of=prompt, code=code)
            if has_listened:
                self._apply_callbacks()
            opened.append(prompt)
        return multiple(*opened)

    @rule(
        target=placed,
        pieces=st.dictionaries(st.integers(0, len(PRICES) - 1), st.integers(1, 3), min_size=1),
        method=st.sampled_from(["mpesa", "mpesa", "cod"]),
    )
    def place(self, pieces: dict[int, int], method: str) -> Any:
        return self._place(pieces, method)

    def _place(self, pieces: dict[int, int], method: str) -> Any:
        short = self.model.short_of(pieces)
        lines = [(self.variants[place], quantity) for place, quantity in pieces.items()]
        try:
            order = make_order(self.buyer, *lines, method=method)
        except OutOfStock as error:
            told = {item["variant_id"] for item in error.data["items"]}
        else:
            told = set()
        assert told == {self.variants[place].id for place in short}
        if short:
            return multiple()
        by_cash = method == "cod"
        bought = Bought(
            id=order.id,
            number=order.number,
            pieces=pieces,
            total=int(order.total),
            method=method,
            status="processing" if by_cash else "pending",
            expires_at=None if by_cash else self.clock() + PAYMENT_WINDOW,
        )
        self.model.place(bought)
        return bought

    @rule(target=prompts, bought=any_order, answer=st.sampled_from(["taken", "taken", *PUSH_ANSWERS]))
    def push(self, bought: Bought, answer: str) -> Any:
        return self._push(bought, answer)

    def _push(self, bought: Bought, answer: str) -> Any:
        self.provider.push_answer = PUSH_ANSWERS[answer]
        refusal = bought.refusal_of_push() or self.provider.push_answer.refusal
        try:
            payment = services.start_stk_push(
                order_id=bought.id, phone_number="254712345678", user_id=self.buyer.id, manages=False, claim=Claim()
            )
        except ShopError as error:
            if type(error) is not refusal:
                raise
            if not bought.refusal_of_push():
                self.model.keep_open(bought)
            return multiple()
        assert refusal is None
        prompt = Payment(
            bought=bought,
            payment_id=payment.id,
            checkout_id=self.provider.taken,
            amount=int(payment.amount),
            is_named=self.provider.push_answer.names,
            receipt=new_receipt(),
        )
        assert prompt.amount == bought.total - bought.paid
        self.model.open(prompt)
        return prompt

    # --- payers, and what the provider tells of them

    @rule(prompt=prompts, code=st.sampled_from(CODES), tell=st.booleans())
    def answer_prompt(self, prompt: Payment, code: str, tell: bool) -> None:
        """The payer pays or does not; money may still move after a failure was told, but only once."""
        if not prompt.is_paid:
            prompt.outcomes.append(code)
        if tell:
            self._call_back(via=prompt, of=prompt, code=prompt.outcomes[-1])

    @rule(prompt=prompts, which=st.integers(0, 1), apply=st.booleans())
    def call_back(self, prompt: Payment, which: int, apply: bool) -> None:
        """Tell how a prompt ended, in whatever order, and as often as it comes."""
        if prompt.outcomes:
            self._call_back(via=prompt, of=prompt, code=prompt.outcomes[which % len(prompt.outcomes)])
        if apply:
            self._apply_callbacks()

    def _call_back(self, *, via: Payment, of: Payment, code: str) -> None:
        url = callback_tokens.callback_url(kind="stk", payment_id=via.payment_id)
        if code == PAID:
            self._post(url, success_body(of.checkout_id, of.amount, of.receipt))
            self.model.receive(Word(via, of, code, of.amount, of.receipt, names=True))
        else:
            self._post(url, failure_body(of.checkout_id, code))
            self.model.receive(Word(via, of, code, names=True))

    def _post(self, url: str, body: str, *, status: int = 200) -> dict[str, Any]:
        address = url.removeprefix(config.current().MPESA_CALLBACK_BASE_URL)
        answer = self.client.post(address, data=body, content_type="application/json")
        assert answer.status_code == status
        return answer.get_json(force=True)

    @rule(prompt=prompts, apply=st.booleans())
    def confirm_prompt(self, prompt: Payment, apply: bool) -> None:
        """On a registered shortcode the money of a prompt is confirmed like money that is paid by hand."""
        if prompt.is_paid:
            self._confirm(Confirmation(prompt.bought, prompt.amount, prompt.receipt))
        if apply:
            self._apply_callbacks()

    @rule(
        bought=any_order,
        part=st.sampled_from([0.5, 1, 1, 2]),
        spell=st.sampled_from([str, str.lower, lambda number: "order " + number, lambda _: "for the shoes"]),
        times=st.integers(0, 2),
    )
    def pay_by_hand(self, bought: Bought, part: float, spell: Callable[[str], str], times: int) -> None:
        """Pay what is due or another sum, when the shop welcomes it; be confirmed late, or twice."""
        account = spell(bought.number)
        meant = None if account == "for the shoes" else bought
        money = Confirmation(meant, max(1, int((bought.total - bought.paid) * part)), new_receipt())
        verdict = self._post(
            callback_tokens.c2b_url(door="validation"), hand_payment(account, money.amount, money.receipt)
        )
        is_welcome = meant is not None and meant.status != "cancelled" and not meant.is_paid
        assert (verdict["ResultCode"] == "0") is is_welcome
        self.model.by_hand.append(money)  # the provider may not have waited for the shop's answer
        for _ in range(times):
            self._confirm(money, account)

    def _confirm(self, money: Confirmation, account: str | None = None) -> None:
        typed = account or (money.bought.number if money.bought else "for the shoes")
        self._post(callback_tokens.c2b_url(door="confirmation"), hand_payment(typed, money.amount, money.receipt))
        self.model.receive(money)

    def answer_query(self, checkout_id: str) -> Answer:
        """Answer the shop's question by what the payer did last, and let the model hear it too."""
        prompt = next(prompt for prompt in self.model.prompts if prompt.checkout_id == checkout_id)
        if not prompt.outcomes:
            return IN_PROGRESS[self.model.prompts.index(prompt) % len(IN_PROGRESS)]
        self.model.hear_answer(prompt)
        return finished(prompt.outcomes[-1])

    # --- forgers

    @rule(prompt=prompts, digit=st.integers(0, 79))
    def forge_with_a_wrong_token(self, prompt: Payment, digit: int) -> None:
        url = callback_tokens.callback_url(kind="stk", payment_id=prompt.payment_id)
        place = len(url) - 80 + digit
        wrong = url[:place] + ("1" if url[place] == "0" else "0") + url[place + 1 :]
        self._post(wrong, success_body(prompt.checkout_id, prompt.amount, prompt.receipt), status=404)

    @rule(prompt=prompts, more=st.sampled_from([-1, 1, 1000]))
    def forge_another_amount(self, prompt: Payment, more: int) -> None:
        """The right token, and money that never moved: it must not reach the order."""
        receipt, amount = new_receipt(), prompt.amount + more
        self.model.forged[receipt] = amount
        url = callback_tokens.callback_url(kind="stk", payment_id=prompt.payment_id)
        self._post(url, success_body(prompt.checkout_id, amount, receipt))
        self.model.receive(Word(prompt, prompt, PAID, amount, receipt, names=True))

    @rule(via=prompts, of=prompts)
    def tell_under_the_token_of_another(self, via: Payment, of: Payment) -> None:
        """True words under the wrong token; where the shop knows neither prompt by name, nobody could tell."""
        if via is not of and of.outcomes and (via.is_named or of.is_named):
            self._call_back(via=via, of=of, code=of.outcomes[-1])

    # --- the worker, and time

    @rule(job=st.sampled_from(["apply_callbacks", "apply_callbacks", "ask", "give_up", "expire"]))
    def work(self, job: str) -> None:
        getattr(self, f"_{job}")()

    def _apply_callbacks(self) -> None:
        callback_services.apply_due()
        self.model.hear_inbox()

    def _ask(self) -> None:
        query_services.ask_due()

    def _give_up(self) -> None:
        attempt_services.give_up_dead_prompts()
        self.model.give_up()

    def _expire(self) -> None:
        expiry_services.expire_due_orders()
        self.model.expire()

    @rule(seconds=st.sampled_from([30, 200, 1000, 1900]), job=st.sampled_from(["ask", "give_up", "expire"]))
    def let_time_pass(self, seconds: int, job: str) -> None:
        if self.clock() < self.opened_at + LONGEST_STORY:
            self.clock.forward(seconds=seconds)
        self.work(job)

    # --- what must hold

    @invariant()
    def the_books_are_sound_and_as_modelled(self) -> None:
        reader = db.reading()
        assert checks.run(reader) == []
        rows = reader.fetch_all("SELECT id, stock FROM variants ORDER BY id")
        assert [row["stock"] for row in rows] == self.model.stock
        rows = reader.fetch_all("SELECT id, status, payment_status, paid, refunded FROM orders ORDER BY id")
        assert [tuple(row.values()) for row in rows] == [
            (bought.id, bought.status, bought.payment_status, bought.paid, bought.refunded)
            for bought in self.model.orders
        ]
        assert balances() == self.model.accounts()

    def teardown(self) -> None:
        """In the end the shop has heard of everything: then it has what the provider has, to the shilling."""
        for prompt in self.model.prompts:
            if prompt.is_paid:
                self._call_back(via=prompt, of=prompt, code=PAID)
        for money in self.model.by_hand:
            self._confirm(money)
        self._tell_the_rest()
        while self.model.inbox:
            self._apply_callbacks()
            self.clock.forward(minutes=1)
        self.the_books_are_sound_and_as_modelled()
        held = balances().get("mpesa_clearing", 0) - self.model.money_made_up()
        assert held == self.model.money_at_the_provider()

    def _tell_the_rest(self) -> None:
        """Tell what else the shop has not heard of yet."""


def balances() -> dict[str, int]:
    """Return the ledger's balances that are not zero; what makes up sales and their refunds, as `sold`."""
    rows = db.reading().fetch_all(
        """
        SELECT CASE WHEN le.account IN ('sales', 'vat', 'rounding', 'refunds') THEN 'sold' ELSE le.account END AS name,
               SUM(le.amount) AS balance
          FROM ledger_entries le
         GROUP BY name
        HAVING balance <> 0
        """
    )
    return {row["name"]: row["balance"] for row in rows}
