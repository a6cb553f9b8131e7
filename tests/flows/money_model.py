"""What the shop should hold: orders, payments, stock and money in plain Python, told the same news as the shop.

The model knows two truths: what the payers did (`Payment.outcomes`), and what the shop has heard of it so far. Money
goes to the order it was meant for when it fits, else it waits for a person; the shop's books must say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from utils.errors import AlreadyPaid, OrderClosed, OrderInReview, PaymentInProgress, ShopError

PAYMENT_WINDOW = timedelta(minutes=30)
PROMPT_LIFETIME = timedelta(minutes=3)
PROMPT_KEEPS_ORDER = timedelta(minutes=5)
PAID = "0"


@dataclass(eq=False)
class Bought:
    """An order."""

    id: int
    number: str
    pieces: dict[int, int]  # by the place of the variant
    total: int
    method: str
    status: str
    expires_at: datetime | None
    paid: int = 0
    in_review: bool = False
    cancelled_by: Literal["nobody", "time", "a person"] = "nobody"
    prompt: Payment | None = None  # the one that holds the order

    @property
    def is_paid(self) -> bool:
        return self.paid >= self.total

    @property
    def payment_status(self) -> str:
        if self.in_review:
            return "review"
        if self.is_paid:
            return "paid"
        return "pending" if self.prompt else "unpaid"

    def refusal_of_push(self) -> type[ShopError] | None:
        if self.status == "pending" and self.payment_status == "unpaid":
            return None
        if self.status == "pending" and self.payment_status == "pending":
            return PaymentInProgress
        if self.status == "pending" and self.in_review:
            return OrderInReview
        return AlreadyPaid if self.is_paid else OrderClosed


@dataclass(eq=False)
class Payment:
    """An attempt with its prompt on a payer's phone, or money that was paid by hand."""

    bought: Bought
    amount: int
    receipt: str
    payment_id: int = 0
    checkout_id: str = ""
    is_named: bool = False  # the shop knows the CheckoutRequestID
    open_until: datetime | None = None
    outcomes: list[str] = field(default_factory=list)  # what the payer did, in order
    state: Literal["open", "failed", "settled", "review"] = "open"
    told_receipt: str | None = None
    told_amount: int | None = None  # what the shop holds of it

    @property
    def is_paid(self) -> bool:
        return PAID in self.outcomes


@dataclass(frozen=True)
class Word:
    """What the shop hears of a payment; a query tells neither amount nor receipt."""

    via: Payment  # whose token, or whose question
    of: Payment
    code: str
    amount: int | None = None
    receipt: str | None = None
    names: bool = False  # it carries a CheckoutRequestID, as callbacks do


@dataclass(frozen=True)
class Confirmation:
    """What the shop hears of money at the paybill: of no order, when the payer typed nonsense."""

    bought: Bought | None
    amount: int
    receipt: str


class Model:
    """The shop as it should be."""

    def __init__(self, stock: list[int], now: Callable[[], datetime]) -> None:
        self.stock = stock
        self.now = now
        self.orders: list[Bought] = []
        self.prompts: list[Payment] = []
        self.by_hand: list[Confirmation] = []
        self.forged: dict[str, int] = {}  # what never moved, by receipt
        self.inbox: list[Word | Confirmation] = []
        self.receipts: dict[str, tuple[Bought | None, int]] = {}  # those that the shop knows
        self.unallocated = 0
        self.cash = 0

    # --- orders and stock

    def short_of(self, pieces: dict[int, int]) -> set[int]:
        return {place for place, quantity in pieces.items() if self.stock[place] < quantity}

    def place(self, bought: Bought) -> None:
        self.orders.append(bought)
        for place, quantity in bought.pieces.items():
            self.stock[place] -= quantity

    def cancel(self, bought: Bought, by: Literal["time", "a person"] = "a person") -> None:
        bought.status, bought.expires_at, bought.cancelled_by = "cancelled", None, by
        bought.in_review |= bought.paid > 0
        for place, quantity in bought.pieces.items():
            self.stock[place] += quantity

    def expire(self) -> None:
        for bought in self.orders:
            if bought.expires_at is None or bought.expires_at > self.now():
                continue
            if bought.payment_status == "pending":
                bought.expires_at = self.now() + PROMPT_KEEPS_ORDER
            else:
                self.cancel(bought, by="time")

    def _stands(self, bought: Bought) -> bool:
        """Tell whether an order takes money: one that has only expired does while its goods are there."""
        has_only_expired = bought.cancelled_by == "time" and bought.payment_status == "unpaid" and not bought.paid
        return bought.status != "cancelled" or (has_only_expired and not self.short_of(bought.pieces))

    def take_cash(self) -> None:
        """Take what is still due at the door of those who were delivered to."""
        for bought in self.orders:
            if bought.method == "cod" and bought.status == "delivered" and not bought.is_paid:
                self.cash += bought.total - bought.paid
                bought.paid = bought.total

    # --- prompts

    def open(self, prompt: Payment) -> None:
        bought = prompt.bought
        self.prompts.append(prompt)
        bought.prompt, prompt.open_until = prompt, self.now() + PROMPT_LIFETIME
        if bought.expires_at is not None:
            bought.expires_at = max(bought.expires_at, self.now() + PROMPT_KEEPS_ORDER)

    def give_up(self) -> None:
        for bought in self.orders:
            if bought.prompt and bought.prompt.open_until and bought.prompt.open_until <= self.now():
                bought.prompt = None

    # --- news

    def hear_inbox(self) -> None:
        while self.inbox:
            news = self.inbox.pop(0)
            if isinstance(news, Word):
                self.hear(news)
            else:
                self.hear_confirmation(news)

    def hear_answer(self, prompt: Payment) -> None:
        """Hear how a prompt ended, by query; a callback that waits in the inbox adds what the query does not tell."""
        word = Word(prompt, prompt, prompt.outcomes[-1])
        waiting = [news for news in self.inbox if isinstance(news, Word) and news.via is prompt and news.code == PAID]
        self.hear(next((news for news in waiting if self.fits(news)), word) if word.code == PAID else word)

    def hear_confirmation(self, news: Confirmation) -> None:
        if news.receipt in self.receipts:
            return
        if news.bought is None:
            self.receipts[news.receipt] = (None, news.amount)
            self.unallocated += news.amount
            return
        payment = self._find_told_twice(news) or Payment(news.bought, news.amount, news.receipt)
        self.hear(Word(payment, payment, PAID, news.amount, news.receipt))

    def _find_told_twice(self, news: Confirmation) -> Payment | None:
        """Return the prompt that a confirmation tells of: one that is booked without its receipt, else an open one."""
        nameless = [p for p in self.prompts[::-1] if p.bought is news.bought and p.told_receipt is None]
        booked = [p for p in nameless if p.state in ("settled", "review") and p.told_amount == news.amount]
        still_open = [p for p in nameless if p.state == "open" and p.amount == news.amount]
        return next(iter(booked + still_open), None)

    def hear(self, word: Word) -> None:
        payment, bought = word.via, word.via.bought
        if word.code != PAID:
            self._hear_failure(word)
        elif payment.state in ("settled", "review"):
            self._hear_again(word)
        elif self.fits(word) and not self._is_known_elsewhere(word) and self._stands(bought):
            self._settle(word)
        else:
            self._keep_for_a_person(word)

    def fits(self, word: Word) -> bool:
        is_of_this_prompt = word.of is word.via or not (word.via.is_named and word.of.checkout_id)
        return is_of_this_prompt and word.amount in (None, word.via.amount) and not word.via.bought.is_paid

    def _is_known_elsewhere(self, word: Word) -> bool:
        return word.receipt in self.receipts or (word.of is not word.via and word.of.is_named)

    def _hear_failure(self, word: Word) -> None:
        if word.via.state == "open" and (word.of is word.via or not word.via.is_named):
            self._close(word.via, "failed")

    def _hear_again(self, word: Word) -> None:
        """The same again, the receipt it lacked, or other money under the same prompt."""
        payment = word.via
        if word.receipt is None or self._is_known_elsewhere(word):
            return
        assert word.amount is not None
        self.receipts[word.receipt] = (payment.bought, word.amount)
        if payment.told_receipt is None and word.of is payment and word.amount == payment.told_amount:
            payment.told_receipt = word.receipt
        else:
            self.unallocated += word.amount

    def _settle(self, word: Word) -> None:
        payment, bought = word.via, word.via.bought
        if bought.status == "cancelled":
            bought.status, bought.expires_at, bought.cancelled_by = "pending", self.now() + PAYMENT_WINDOW, "nobody"
            for place, quantity in bought.pieces.items():
                self.stock[place] -= quantity
        self._write_down(word, "settled")
        payment.is_named |= word.names
        bought.paid += payment.amount
        if bought.is_paid and not bought.in_review:
            bought.expires_at = None
            if bought.status == "pending":
                bought.status = "processing"

    def _keep_for_a_person(self, word: Word) -> None:
        payment, bought = word.via, word.via.bought
        if word.receipt in self.receipts and self.receipts[word.receipt] == (bought, word.amount):
            if payment.state == "open":
                self._close(payment, "failed")  # its money is booked already, as another payment of the order
            return
        if self._is_known_elsewhere(word):
            self._close(payment, "review")  # no more has come
        else:
            self._write_down(word, "review")
            self.unallocated += payment.told_amount or 0
        if not bought.is_paid:
            bought.in_review, bought.expires_at = True, None

    def _write_down(self, word: Word, state: Literal["settled", "review"]) -> None:
        payment = word.via
        payment.told_receipt = word.receipt
        payment.told_amount = payment.amount if word.amount is None else word.amount
        if word.receipt is not None:
            self.receipts[word.receipt] = (payment.bought, payment.told_amount)
        self._close(payment, state)

    @staticmethod
    def _close(payment: Payment, state: Literal["failed", "settled", "review"]) -> None:
        payment.state = state
        if payment.bought.prompt is payment:
            payment.bought.prompt = None

    # --- what the shop's books must say

    def accounts(self) -> dict[str, int]:
        """Return the balances that are not zero; the parts of a sale together as `sold`."""
        paid = sum(bought.paid for bought in self.orders)
        sold = sum(bought.total for bought in self.orders if bought.is_paid)
        balances = Counter(
            mpesa_clearing=paid - self.cash + self.unallocated,
            cash_on_delivery=self.cash,
            unallocated=-self.unallocated,
            receivable=sold - paid,
            sold=-sold,
        )
        return {account: balance for account, balance in balances.items() if balance}

    def money_at_the_provider(self) -> int:
        prompted = sum(prompt.amount for prompt in self.prompts if prompt.is_paid)
        return prompted + sum(payment.amount for payment in self.by_hand)

    def money_made_up(self) -> int:
        """Return what is in the shop's books only because somebody who knew a secret said so."""
        return sum(amount for receipt, amount in self.forged.items() if receipt in self.receipts)
