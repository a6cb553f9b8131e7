"""What somebody who pays is told: how the payment stands, in words, and what to do next. Pure.

One table for the states, one for the ways in which a prompt fails. `describe` chooses by the order and its newest
attempt; what it chooses also says whether the page goes on looking, and whether a prompt may be asked for. After a
failure it goes on for a while, too: a success may follow it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from orders import schemas as orders
from payments.schemas import Payment

LOOKED_AFTER = timedelta(minutes=10)  # how long a page goes on looking after an attempt, whatever became of it


@dataclass(frozen=True, slots=True)
class Wait:
    """How a payment stands. `kind` is the colour of it: good, bad or wait."""

    name: str
    kind: str
    heading: str
    text: str
    next: str = ""
    looks_again: bool = False
    may_ask: bool = False

    @property
    def reloads(self) -> bool:
        """Tell whether a page without a script may load itself anew: not while somebody types a number into it."""
        return self.looks_again and not self.may_ask


STATES = {
    wait.name: wait
    for wait in (
        Wait(
            "start",
            "wait",
            "Pay with M-Pesa",
            "We send a prompt to the phone that pays; you confirm it there with your M-Pesa PIN.",
            may_ask=True,
        ),
        Wait(
            "asking",
            "wait",
            "We are asking M-Pesa",
            "M-Pesa has not answered us yet, so there may be a prompt on the phone, or there may be none.",
            "If one comes up, confirm it with your PIN: we shall see the money. Do not pay in another way meanwhile.",
            looks_again=True,
        ),
        Wait(
            "prompted",
            "wait",
            "Check your phone",
            "M-Pesa asks for your PIN there. Confirm it, and this page says so a moment later.",
            "No prompt? Unlock the phone and look for it. A minute after it was sent you can have another one here.",
            looks_again=True,
        ),
        Wait(
            "silent",
            "wait",
            "Nothing heard from M-Pesa yet",
            "The prompt is a minute old, and M-Pesa has not told us how it ended. We go on asking.",
            "If you have confirmed it, wait: the money will show here. If you saw no prompt, have another one sent.",
            looks_again=True,
            may_ask=True,
        ),
        Wait(
            "given_up",
            "wait",
            "Still nothing from M-Pesa",
            "We go on asking M-Pesa in the background, for a day, and write to you when the money is here.",
            "If M-Pesa has sent you a receipt, you have paid. If not, have another prompt sent.",
            may_ask=True,
        ),
        Wait("failed", "bad", "", "", looks_again=True, may_ask=True),
        Wait(
            "part",
            "wait",
            "A part of it is here",
            "Thank you: some money has come for this order, and some is missing.",
            "Pay what is left; the order is on its way as soon as it is whole.",
            may_ask=True,
        ),
        Wait(
            "review",
            "wait",
            "We are looking at your money",
            "Money came for this order that does not fit it, so a person looks at it now.",
            "Do not pay again. We put it to your order, or send it back, and write to you either way.",
        ),
        Wait("paid", "good", "Paid. Asante sana!", "Your money is here, and we are packing your order."),
        Wait(
            "refunded", "good", "Your money has gone back", "This order was paid, and its money was sent back to you."
        ),
        Wait(
            "cash",
            "good",
            "You pay when it comes",
            "This order is paid to the rider, in cash or by M-Pesa. Nothing is to be paid now.",
        ),
        Wait(
            "closed",
            "bad",
            "This order is closed",
            "It was cancelled, or not paid in time, so it cannot be paid any more.",
            "If you have paid it, do not pay again: the order is taken up again, or the money goes back to you.",
        ),
    )
}

FAILURES: dict[str, tuple[str, str, str]] = {
    "1": (
        "There was too little money",
        "The M-Pesa account does not hold enough for this order. Nothing was taken.",
        "Top it up and have the prompt sent again, or pay from another phone.",
    ),
    "2": (
        "The amount is too small for M-Pesa",
        "M-Pesa moves no amount as small as this. Nothing was taken.",
        "Write to us: we find another way.",
    ),
    "3": (
        "The amount is too large for M-Pesa",
        "M-Pesa moves no amount as large as this in one go. Nothing was taken.",
        "Pay it in two parts by the paybill below.",
    ),
    "4": (
        "The day's limit is reached",
        "This M-Pesa account has moved as much today as it may. Nothing was taken.",
        "Pay from another phone, or tomorrow: then order again.",
    ),
    "8": (
        "We cannot take it at this moment",
        "Our own M-Pesa account is full. That is our fault, and nothing was taken.",
        "Try again in an hour, or write to us.",
    ),
    "17": (
        "M-Pesa took it for a repeat",
        "The same amount was paid from this phone within two minutes. Nothing more was taken.",
        "Wait two minutes, then have the prompt sent again.",
    ),
    "26": (
        "M-Pesa was too busy",
        "Its systems did not get to your payment in time. Nothing was taken.",
        "Have the prompt sent again in a minute.",
    ),
    "1001": (
        "Another payment was open on this phone",
        "M-Pesa does one thing at a time on a phone. Nothing was taken.",
        "Finish the other one, wait a minute, then have the prompt sent again.",
    ),
    "1019": (
        "The prompt ran out",
        "It was on the phone and nobody confirmed it in time. Nothing was taken.",
        "Have it sent again, and keep the phone at hand.",
    ),
    "1032": (
        "The prompt was cancelled",
        "It was cancelled on the phone, so nothing was taken.",
        "If that was a slip, have it sent again.",
    ),
    "1037": (
        "The phone was not reached",
        "It is switched off, without network, or nobody answered the prompt. Nothing was taken.",
        "Switch it on, look for a signal, and have the prompt sent again, or pay from another phone.",
    ),
    "2001": (
        "The PIN was wrong",
        "M-Pesa did not accept the PIN. Nothing was taken.",
        "Have the prompt sent again and type it slowly: M-Pesa locks a PIN after a few wrong ones.",
    ),
    "8006": (
        "The M-Pesa PIN is locked",
        "Too many wrong ones were typed. Nothing was taken.",
        "Safaricom's customer care unlocks it. Until then, pay from another phone.",
    ),
}
FAILURES |= dict.fromkeys(
    ("1025", "1036", "9999"),
    (
        "The prompt did not get through",
        "M-Pesa could not bring it to this phone. Nothing was taken.",
        "Have it sent again in a minute, or pay from another phone.",
    ),
)
FAILURES |= dict.fromkeys(
    ("2028", "SFC_IC0003"),
    (
        "M-Pesa does not allow this payment",
        "This phone's account may not pay us in this way. Nothing was taken.",
        "Pay from another phone, or by the paybill below.",
    ),
)
NOT_SENT = (
    "No prompt was sent",
    "M-Pesa did not take our request, so there is none on the phone and nothing was taken.",
    "Look at the number and try again in a moment, or pay by the paybill below.",
)


def describe(order: orders.Order, payment: Payment | None, *, now: datetime) -> Wait:
    """Return how an order's payment stands, by the order and the newest attempt to pay it."""
    state = STATES[_name(order, payment, now)]
    if payment is None:
        return state
    if state.name == "failed":
        heading, text, following = FAILURES.get(payment.result_code or "", NOT_SENT)
        state = replace(state, heading=heading, text=text, next=following)
    return replace(state, looks_again=state.looks_again and now - payment.created_at < LOOKED_AFTER)


def _name(order: orders.Order, payment: Payment | None, now: datetime) -> str:
    if order.payment_status == "review":
        return "review"
    if order.payment_status == "refunded":
        return "refunded"
    if order.payment_status in ("paid", "partially_refunded"):
        return "paid"
    if order.status != "pending":
        return "closed" if order.status == "cancelled" else "cash"
    if payment is None:
        return "start"
    if order.payment_status == "pending":
        return "prompted" if payment.checkout_request_id else "asking"
    if payment.status == "failed":
        return "failed"
    if payment.status == "pending":
        return "silent" if now - payment.created_at < LOOKED_AFTER else "given_up"
    return "part"
