"""What the shop should hold: orders, payments, stock and money in plain Python, told the same news as the shop.

The model knows two truths: what the payers did (`Payment.outcomes`), and what the shop has heard of it so far. Money
goes to the order it was meant for when it fits, else it waits for a person; the shop's books must say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from payments.refund_states import LEAST_B2C
from tests.flows.money_facts import PAID, Bought, Confirmation, Payment, Received, Refund, Result, Word
from utils.errors import InvalidFields, NothingToRefund, OrderOpen, ShopError

PAYMENT_WINDOW = timedelta(minutes=30)
PROMPT_ON_PHONE = timedelta(minutes=1)
PROMPT_LIFETIME = timedelta(minutes=3)
PROMPT_KEEPS_ORDER = timedelta(minutes=5)
PROMPTS_HAVE_ENDED = timedelta(hours=25)


class Model:
    """The shop as it should be."""

    def __init__(self, stock: list[int], now: Callable[[], datetime]) -> None:
        self.stock = stock
        self.now = now
        self.orders: list[Bought] = []
        self.prompts: list[Payment] = []
        self.by_hand: list[Confirmation] = []
        self.forged: dict[str, int] = {}  # what never moved, by receipt
        self.payments: list[Payment] = []  # all that the shop has rows for
        self.refunds: list[Refund] = []
        self.cancelled: list[Bought] = []  # of which the outbox has not told yet
        self.inbox: list[Received] = []
        self.receipts: dict[str, tuple[Bought | None, int]] = {}  # those that the shop knows
        self.to_nobody = 0
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
        if bought.paid > bought.refunded:
            bought.payment_status = "review"
        self.cancelled.append(bought)
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
        has_only_expired = bought.cancelled_by == "time" and (bought.payment_status, bought.paid) == ("unpaid", 0)
        return bought.status != "cancelled" or (has_only_expired and not self.short_of(bought.pieces))

    def take_cash(self) -> None:
        """Take what is still due at the door of those who were delivered to."""
        for bought in self.orders:
            if bought.method == "cod" and bought.status == "delivered" and not bought.is_paid:
                self.cash += bought.total - bought.paid
                self._count(bought, bought.total - bought.paid)

    # --- prompts

    def open(self, prompt: Payment) -> None:
        bought = prompt.bought
        self.prompts.append(prompt)
        self.payments.append(prompt)
        lifetime = PROMPT_ON_PHONE if prompt.is_named else PROMPT_LIFETIME
        bought.prompt, prompt.open_until = prompt, self.now() + lifetime
        bought.payment_status = "pending"
        self.keep_open(bought)

    def keep_open(self, bought: Bought) -> None:
        """Keep an order for whoever tries to pay it, also when the provider does not open the prompt."""
        if bought.expires_at is not None:
            bought.expires_at = max(bought.expires_at, self.now() + PROMPT_KEEPS_ORDER)

    def give_up(self) -> None:
        for bought in self.orders:
            if bought.prompt and bought.prompt.open_until and bought.prompt.open_until <= self.now():
                self._let_go(bought.prompt)

    # --- news

    def receive(self, news: Word | Confirmation | Result) -> None:
        self.inbox.append(Received(news, self.now(), self.now()))

    def hear_inbox(self) -> None:
        """Hear what is due, the oldest first; what only more news can tell waits, longer each time."""
        due = sorted((received for received in self.inbox if received.due_at <= self.now()), key=lambda r: r.due_at)
        for received in due:
            received.attempts += 1
            if isinstance(received.news, Confirmation) and self._must_wait(received.news, received.at):
                received.due_at = self.now() + timedelta(seconds=min(2**received.attempts, 60))
            else:
                self.inbox.remove(received)
                self._hear_news(received.news)

    def _hear_news(self, news: Word | Confirmation | Result) -> None:
        if isinstance(news, Word):
            self.hear(news)
        elif isinstance(news, Confirmation):
            self.hear_confirmation(news)
        else:
            self.hear_result(news)

    def hear_answer(self, prompt: Payment) -> None:
        """Hear how a prompt ended, by query; a callback that waits in the inbox adds what the query does not tell."""
        word = Word(prompt, prompt, prompt.outcomes[-1])
        waiting = [
            r.news for r in self.inbox if isinstance(r.news, Word) and r.news.via is prompt and r.news.code == PAID
        ]
        self.hear(next((news for news in waiting if self._is_of(news)), word) if word.code == PAID else word)

    def hear_confirmation(self, news: Confirmation) -> None:
        if news.receipt in self.receipts:
            return
        if news.bought is None:
            self.receipts[news.receipt] = (None, news.amount)
            self.to_nobody += news.amount
            return
        payment = next(iter(self._may_tell_of(news)), None)
        if payment is None:
            payment = Payment(news.bought, news.amount, news.receipt)
            self.payments.append(payment)
        self.hear(Word(payment, payment, PAID, news.amount, news.receipt))

    def _must_wait(self, news: Confirmation, received_at: datetime) -> bool:
        """Tell whether a confirmation may be of several prompts, none of which has its money yet."""
        if news.bought is None or news.receipt in self.receipts or self.now() >= received_at + PROMPTS_HAVE_ENDED:
            return False
        prompts = self._may_tell_of(news)
        waits = len(prompts) > 1 and prompts[0].state == "open"
        if waits and news.bought.status == "pending" and news.bought.expires_at is not None:
            news.bought.expires_at = max(news.bought.expires_at, self.now() + PROMPT_KEEPS_ORDER)
        return waits

    def _may_tell_of(self, news: Confirmation) -> list[Payment]:
        """Return the prompts that a confirmation may tell of: those booked without a receipt, then the open ones."""
        nameless = [p for p in self.prompts[::-1] if p.bought is news.bought and p.told_receipt is None]
        booked = [p for p in nameless if p.state in ("settled", "review") and p.told_amount == news.amount]
        still_open = [p for p in nameless if p.state == "open" and p.amount == news.amount]
        return booked + still_open

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
        return self._is_of(word) and not word.via.bought.is_paid

    @staticmethod
    def _is_of(word: Word) -> bool:
        names_it = word.of is word.via or not (word.via.is_named and word.of.checkout_id)
        return names_it and word.amount in (None, word.via.amount)

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
            other = Payment(payment.bought, word.amount, word.receipt, state="review", told_receipt=word.receipt)
            other.told_amount = word.amount
            self.payments.append(other)

    def _settle(self, word: Word) -> None:
        payment, bought = word.via, word.via.bought
        if bought.status == "cancelled":
            bought.status, bought.expires_at, bought.cancelled_by = "pending", self.now() + PAYMENT_WINDOW, "nobody"
            for place, quantity in bought.pieces.items():
                self.stock[place] -= quantity
        self._write_down(word, "settled")
        payment.is_named |= word.names
        self._count(bought, payment.amount)

    @staticmethod
    def _count(bought: Bought, amount: int) -> None:
        bought.paid += amount
        if bought.is_paid and bought.payment_status in ("unpaid", "pending"):
            bought.payment_status, bought.expires_at = "paid", None
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
        if not bought.is_paid:
            bought.payment_status, bought.expires_at = "review", None

    def _write_down(self, word: Word, state: Literal["settled", "review"]) -> None:
        payment = word.via
        payment.told_receipt = word.receipt
        payment.told_amount = payment.amount if word.amount is None else word.amount
        if word.receipt is not None:
            self.receipts[word.receipt] = (payment.bought, payment.told_amount)
        self._close(payment, state)

    def _close(self, payment: Payment, state: Literal["failed", "settled", "review"]) -> None:
        payment.state = state
        self._let_go(payment)

    @staticmethod
    def _let_go(prompt: Payment) -> None:
        bought = prompt.bought
        if bought.prompt is prompt:
            bought.prompt = None
            if bought.payment_status == "pending":
                bought.payment_status = "unpaid"

    # --- refunds

    def refusal_of_refund(self, payment: Payment, amount: int | None) -> type[ShopError] | None:
        if payment.refundable <= 0:
            return NothingToRefund
        if amount is not None and amount > payment.refundable:
            return InvalidFields
        waits_for_the_rest = payment.bought.status == "pending" and not payment.bought.is_paid
        return OrderOpen if payment.state == "settled" and waits_for_the_rest else None

    def refund(self, refund_id: int, payment: Payment, amount: int) -> Refund:
        """Claim the amount, and choose the way: back as it came, or to the phone that was prompted."""
        is_whole = payment.told_receipt is not None and amount == payment.told_amount
        refund = Refund(refund_id, payment, amount, "reversal" if is_whole else "b2c")
        if not is_whole and (amount < LEAST_B2C or not payment.checkout_id):
            refund.state = "review"
        payment.claimed += amount
        self.refunds.append(refund)
        return refund

    def due_after_cancellation(self) -> list[tuple[Payment, int]]:
        """Return what goes back by itself once the outbox has told of the cancelled orders."""
        told, self.cancelled = {id(bought) for bought in self.cancelled if bought.status == "cancelled"}, []
        settled = [p for p in self.payments if id(p.bought) in told and p.state == "settled" and p.refundable]
        return [(payment, payment.refundable) for payment in settled]

    def hear_result(self, news: Result) -> None:
        refund, payment, bought = news.refund, news.refund.payment, news.refund.payment.bought
        if refund.state == "succeeded" or (refund.state != "open" and not news.went_well):
            return
        if not news.went_well:
            refund.state = "failed"
            payment.claimed -= refund.amount
            return
        refund.state = "succeeded"
        payment.sent_back += refund.amount
        if payment.state == "settled":
            bought.from_over += min(bought.customer_has, refund.amount)
            bought.refunded += refund.amount
        self._tell_truth_after_refund(bought)

    def _tell_truth_after_refund(self, bought: Bought) -> None:
        left = bought.paid - bought.refunded
        has_odd_money = any(p.bought is bought and p.state == "review" and self._held(p) for p in self.payments)
        if (bought.status == "cancelled" and left) or (has_odd_money and not bought.is_paid):
            bought.payment_status = "review"
        elif bought.paid and not left:
            bought.payment_status = "refunded"
        elif not bought.is_paid:
            bought.payment_status = "pending" if bought.prompt else "unpaid"
            if bought.status == "pending":
                bought.expires_at = bought.expires_at or self.now() + PAYMENT_WINDOW
        else:
            bought.payment_status = "paid" if left >= bought.total else "partially_refunded"
            if bought.status == "pending" and bought.payment_status == "paid":
                bought.status = "processing"

    @staticmethod
    def _held(payment: Payment) -> int:
        return (payment.told_amount or 0) - payment.sent_back

    # --- what the shop's books must say

    def accounts(self) -> dict[str, int]:
        """Return the balances that are not zero; all that a sale and its refunds book together as `sold`."""
        paid = sum(bought.paid for bought in self.orders)
        refunded = sum(bought.refunded for bought in self.orders)
        from_over = sum(bought.from_over for bought in self.orders)
        sold = sum(bought.total for bought in self.orders if bought.is_paid)
        waiting = self.to_nobody + sum(self._held(payment) for payment in self.payments if payment.state == "review")
        balances = Counter(
            mpesa_clearing=paid - self.cash - refunded + waiting,
            cash_on_delivery=self.cash,
            unallocated=-waiting,
            receivable=sold - paid + from_over,
            sold=-sold + refunded - from_over,
        )
        return {account: balance for account, balance in balances.items() if balance}

    def money_at_the_provider(self) -> int:
        prompted = sum(prompt.amount for prompt in self.prompts if prompt.is_paid)
        came = prompted + sum(payment.amount for payment in self.by_hand)
        return came - sum(refund.amount for refund in self.refunds if refund.went_well)

    def money_made_up(self) -> int:
        """Return what is in the shop's books only because somebody who knew a secret said so."""
        return sum(amount for receipt, amount in self.forged.items() if receipt in self.receipts)
