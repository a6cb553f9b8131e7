"""The provider as the machine of tests/flows/test_money_machine.py plays it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from tests.daraja import Answer, Daraja
from utils.errors import PaymentRefused, PaymentUnavailable, PhoneBusy, ShopError


@dataclass(frozen=True)
class PushAnswer:
    """How the provider answers a push; `refusal` is what the customer then gets, when there is no prompt."""

    opens: bool
    names: bool = False
    answer: Answer | None = None
    refusal: type[ShopError] | None = None


PUSH_ANSWERS = {
    "taken": PushAnswer(opens=True, names=True),
    "taken, the answer lost": PushAnswer(opens=True, answer=requests.ReadTimeout()),
    "taken, an error told": PushAnswer(opens=True, answer=(500, {"errorCode": "500.003.1001", "errorMessage": "?"})),
    "refused": PushAnswer(
        opens=False, answer=(400, {"errorCode": "400.002.02", "errorMessage": "Invalid"}), refusal=PaymentRefused
    ),
    "spike arrest": PushAnswer(
        opens=False, answer=(500, {"errorCode": "500.003.02", "errorMessage": "busy"}), refusal=PaymentUnavailable
    ),
    "phone busy": PushAnswer(
        opens=False,
        answer=(500, {"errorCode": "500.001.1001", "errorMessage": "Unable to lock subscriber"}),
        refusal=PhoneBusy,
    ),
}


@dataclass(kw_only=True)
class Provider(Daraja):
    """A provider that takes the next push as it is told to, and leaves queries to whoever knows the payers."""

    answer_query: Callable[[str], Answer]
    take_refund_call: Callable[[str, dict[str, Any]], Answer | None] = lambda _kind, _body: None
    push_answer: PushAnswer = PUSH_ANSWERS["taken"]
    taken: str = ""  # the CheckoutRequestID of the last push

    def _take_push(self, body: dict[str, Any]) -> Answer:  # type: ignore[override]
        answer = super()._take_push(body)
        self.taken = answer[1]["CheckoutRequestID"]
        return self.push_answer.answer or answer

    def _say_open(self, body: dict[str, Any]) -> Answer:  # type: ignore[override]
        return self.answer_query(body["CheckoutRequestID"])

    def _take_call(self, body: dict[str, Any]) -> Answer:  # type: ignore[override]
        return self.take_refund_call(self.sent[-1][0], body) or super()._take_call(body)
