"""The stage on which the Daraja simulator's stories are played, each at its time.

Owns the prompts, the book of money that really moved, and every callback with the shop's answer.
Keeps all of it in memory.
Locks: one condition guards it. Callbacks are posted outside it, each in a thread of its own, so that a hung
shop stops nobody else.
"""

import heapq
import itertools
import json
import random
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

import requests

from payments.simulator_stories import DESCRIPTIONS, Outcome, Story, story_for
from utils import phones
from utils.log import get_logger

log = get_logger(__name__)

EAST_AFRICA_TIME = timezone(timedelta(hours=3))
CALLBACK_TIMEOUT_SECONDS = (3, 10)  # connect, read: the provider does not wait for a slow shop

# "#" is a digit, "x" a hexadecimal digit, "@" an upper-case letter or digit, "*" any letter or digit.
ALPHABETS = {
    "#": string.digits,
    "x": string.digits + "abcdef",
    "@": string.ascii_uppercase + string.digits,
    "*": string.ascii_letters + string.digits,
}
MERCHANT_ID_SHAPES = ("#####-########-1", "xxxx-xxxx-xxxx-xxxxxxxxxxxx########")
# Opaque, of several lengths. Real ones may end in the payer's phone; these never do.
CHECKOUT_ID_SHAPES = ("ws_CO_" + "#" * 18, "ws_CO_" + "#" * 26, "ws_CO_" + "#" * 60)
BALANCE_ITEMS: tuple[list[dict[str, Any]], ...] = ([], [{"Name": "Balance"}])


class SubscriberBusy(Exception):
    """Another prompt is open on this phone."""


@dataclass
class Prompt:
    number: int
    phone: str
    amount: int
    account: str
    callback_url: str
    story: Story
    merchant_request_id: str
    checkout_request_id: str
    receipt: str
    result_code: int | None = None  # None while the payer has it on the screen
    queries_open: int = 0
    queries_finished: int = 0
    told: threading.Event = field(default_factory=threading.Event)  # the first callback has come to its end


@dataclass(frozen=True)
class Payment:
    """Money that moved, whoever was told."""

    receipt: str
    amount: int
    account: str
    phone: str
    checkout_request_id: str
    paid_at: str


@dataclass(frozen=True)
class Delivery:
    """A callback as it was posted, and what the shop made of it."""

    checkout_request_id: str
    result_code: int
    body: str
    status: int | None  # None when no answer came
    answer: str
    accepted: bool
    error: str
    delivered_at: str


class Stage:
    """Play the stories: a thread with an agenda, woken by its condition when something is due.

    With a seed, the same pushes in the same order get the same ids and receipts.
    """

    def __init__(self, *, speed: float = 1.0, seed: int | None = None) -> None:
        self.prompts: dict[str, Prompt] = {}
        self.book: dict[str, Payment] = {}
        self.deliveries: list[Delivery] = []
        self._speed = speed
        self._random = random.Random(seed)  # noqa: S311 - ids of a simulator, reproducible by intent
        self._receipts: set[str] = set()
        self._posting: set[threading.Thread] = set()
        self._prompt_on_phone: dict[str, Prompt] = {}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()  # keeps what is due at the same moment in its order
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator-agenda", daemon=True)
        self._thread.start()

    def open_prompt(self, *, phone: str, amount: int, account: str, callback_url: str) -> Prompt:
        """Put a prompt on a phone and plan its story. Raises SubscriberBusy."""
        with self._changed:
            if phone in self._prompt_on_phone:
                raise SubscriberBusy(phones.mask(phone))
            number = len(self.prompts)
            prompt = Prompt(
                number=number,
                phone=phone,
                amount=amount,
                account=account,
                callback_url=callback_url,
                story=story_for(phone),
                merchant_request_id=self.new_id(MERCHANT_ID_SHAPES[number % len(MERCHANT_ID_SHAPES)]),
                checkout_request_id=self.new_id(CHECKOUT_ID_SHAPES[number % len(CHECKOUT_ID_SHAPES)]),
                receipt=self._new_receipt(),
            )
            self.prompts[prompt.checkout_request_id] = prompt
            self._prompt_on_phone[phone] = prompt
            for outcome in prompt.story.outcomes:
                self._plan(outcome.after, partial(self._reach, prompt, outcome))
        log.info(
            "prompt opened",
            provider_ref=prompt.checkout_request_id,
            story=prompt.story.name,
            phone=phones.mask(phone),
            amount=amount,
        )
        return prompt

    def new_id(self, shape: str) -> str:
        """Fill a shape with characters of its alphabets."""
        with self._changed:
            return "".join(self._random.choice(ALPHABETS[c]) if c in ALPHABETS else c for c in shape)

    def hold(self, seconds: float) -> None:
        """Let simulated time pass, or return at once when the stage stops."""
        self._stopping.wait(seconds / self._speed)

    def stop(self) -> None:
        """End the agenda's thread and let go of everybody who waits. Safe to call twice."""
        with self._changed:
            self._stopping.set()
            self._changed.notify_all()
            for prompt in self.prompts.values():
                prompt.told.set()
        self._thread.join()

    def join_deliveries(self) -> None:
        """Wait until the callbacks under way are answered, or out of time."""
        with self._changed:
            posting = list(self._posting)
        for thread in posting:
            thread.join()

    def _new_receipt(self) -> str:
        receipt = self.new_id("S" + "@" * 9)
        while receipt in self._receipts:
            receipt = self.new_id("S" + "@" * 9)
        self._receipts.add(receipt)
        return receipt

    def _plan(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds / self._speed, next(self._order), act))
        self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not self._stopping.is_set():
                wait = self._agenda[0][0] - time.monotonic() if self._agenda else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                else:
                    heapq.heappop(self._agenda)[2]()

    def _reach(self, prompt: Prompt, outcome: Outcome) -> None:
        now = datetime.now(EAST_AFRICA_TIME)
        prompt.result_code = outcome.code
        if self._prompt_on_phone.get(prompt.phone) is prompt:
            del self._prompt_on_phone[prompt.phone]
        if outcome.code == 0:
            self.book[prompt.receipt] = Payment(
                receipt=prompt.receipt,
                amount=prompt.amount,
                account=prompt.account,
                phone=prompt.phone,
                checkout_request_id=prompt.checkout_request_id,
                paid_at=now.isoformat(timespec="seconds"),
            )
        body = callback_body(prompt, outcome.code, now)
        for seconds in outcome.told:
            self._plan(seconds, partial(self._post, prompt, outcome.code, body))

    def _post(self, prompt: Prompt, code: int, body: str) -> None:
        posting = threading.Thread(
            target=self._deliver, args=(prompt, code, body), name="simulator-callback", daemon=True
        )
        self._posting.add(posting)
        posting.start()

    def _deliver(self, prompt: Prompt, code: int, body: str) -> None:
        status, answer, error = None, "", ""
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the environment must not see loopback traffic
                response = session.post(
                    prompt.callback_url,
                    data=body.encode(),
                    headers={"Content-Type": "application/json"},
                    timeout=CALLBACK_TIMEOUT_SECONDS,
                    allow_redirects=False,
                )
            status, answer = response.status_code, response.text[:2000]
        except requests.RequestException as failure:
            error = type(failure).__name__  # its text would carry the secret token of the address
        delivery = Delivery(
            checkout_request_id=prompt.checkout_request_id,
            result_code=code,
            body=body,
            status=status,
            answer=answer,
            accepted=status == 200 and is_acceptance(answer),
            error=error,
            delivered_at=datetime.now(EAST_AFRICA_TIME).isoformat(timespec="milliseconds"),
        )
        log.info(
            "callback delivered",
            provider_ref=prompt.checkout_request_id,
            code=code,
            status=status,
            accepted=delivery.accepted,
            error=error,
        )
        with self._changed:
            self.deliveries.append(delivery)
            self._posting.discard(threading.current_thread())
        prompt.told.set()


def callback_body(prompt: Prompt, code: int, paid_at: datetime) -> str:
    """Write a callback as the provider does: metadata only for success, the amount with two places."""
    callback: dict[str, Any] = {
        "MerchantRequestID": prompt.merchant_request_id,
        "CheckoutRequestID": prompt.checkout_request_id,
        "ResultCode": code,
        "ResultDesc": DESCRIPTIONS[code],
    }
    if code == 0:
        callback["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": prompt.amount},
                {"Name": "MpesaReceiptNumber", "Value": prompt.receipt},
                *BALANCE_ITEMS[prompt.number % len(BALANCE_ITEMS)],
                {"Name": "TransactionDate", "Value": int(paid_at.strftime("%Y%m%d%H%M%S"))},
                {"Name": "PhoneNumber", "Value": int(prompt.phone)},
            ]
        }
    body = json.dumps({"Body": {"stkCallback": callback}}, separators=(",", ":"))
    whole = f'{{"Name":"Amount","Value":{prompt.amount}}}'  # json.dumps has no way to write 1.00
    return body.replace(whole, f'{{"Name":"Amount","Value":{prompt.amount}.00}}')


def is_acceptance(answer: str) -> bool:
    """Tell whether a shop's answer to a callback says that it was accepted."""
    try:
        parsed = json.loads(answer)
    except ValueError:
        return False
    return isinstance(parsed, dict) and str(parsed.get("ResultCode")) == "0"
