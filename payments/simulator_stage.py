"""The stage on which the Daraja simulator's stories are played, each event at its time.

Owns the agenda, the ids, the book of money that really moved, and every message with the shop's answer.
Keeps all of it in memory.
Locks: one condition, `changed`, guards it and all that the provider knows. Messages are posted outside it, each in a
thread of its own, so that a hung shop stops nobody else.
"""

import heapq
import itertools
import json
import random
import re
import string
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Literal

import requests

from payments.simulator_book import Book, Entry
from payments.simulator_storm import Weather
from utils.log import get_logger

log = get_logger(__name__)

EAST_AFRICA_TIME = timezone(timedelta(hours=3))
CONNECT_SECONDS, ANSWER_SECONDS = 3, 10  # the provider does not wait for a slow shop

# "#" is a digit, "x" a hexadecimal digit, "@" an upper-case letter or digit, "*" any letter or digit.
ALPHABETS = {
    "#": string.digits,
    "x": string.digits + "abcdef",
    "@": string.ascii_uppercase + string.digits,
    "*": string.ascii_letters + string.digits,
}


@dataclass(frozen=True)
class Message:
    """What the provider posts to an address of the shop."""

    kind: Literal["callback", "confirmation", "validation", "result", "timeout"]
    subject: str  # the phone that it concerns
    reference: str  # CheckoutRequestID, receipt or ConversationID
    code: int | str
    url: str
    body: str
    only_news: bool = False  # nothing else could tell the shop

    @property
    def weather_subject(self) -> str:
        return f"{self.kind} {self.subject}"


@dataclass(frozen=True)
class Delivery:
    """A message as it was posted, and what the shop made of it."""

    kind: str
    reference: str
    result_code: int | str
    body: str
    status: int | None  # None when no answer came
    answer: str
    accepted: bool
    error: str
    delivered_at: str


class Stage:
    """Play what is planned: a thread with an agenda, woken by its condition when something is due.

    With a seed, the same calls in the same order get the same ids and receipts.
    """

    def __init__(self, *, speed: float, seed: int | None, weather: Weather) -> None:
        self.book = Book()
        self.deliveries: list[Delivery] = []
        self.changed = threading.Condition()
        self._speed = speed
        self.weather = weather
        self._random = random.Random(seed)  # noqa: S311 - ids of a simulator, reproducible by intent
        self._receipts: set[str] = set()
        self._posting: set[threading.Thread] = set()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()  # keeps what is due at the same moment in its order
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator-agenda", daemon=True)
        self._thread.start()

    def new_id(self, shape: str) -> str:
        """Fill a shape with characters of its alphabets."""
        with self.changed:
            return "".join(self._random.choice(ALPHABETS[c]) if c in ALPHABETS else c for c in shape)

    def new_receipt(self) -> str:
        with self.changed:
            receipt = self.new_id("S" + "@" * 9)
            while receipt in self._receipts:
                receipt = self.new_id("S" + "@" * 9)
            self._receipts.add(receipt)
            return receipt

    def enter(self, entry: Entry) -> Entry:
        """Write into the book: the money moves now."""
        with self.changed:
            self.book[entry.receipt] = entry
        log.info("money moved", kind=entry.kind, receipt=entry.receipt, amount=entry.amount)
        return entry

    def plan(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later, under the lock."""
        with self.changed:
            heapq.heappush(self._agenda, (time.monotonic() + seconds / self._speed, next(self._order), act))
            self.changed.notify_all()

    def post(self, message: Message, *, after: float = 0.0, then: Callable[[], None] = lambda: None) -> None:
        """Post a message later, as often as the weather lets it through; `then` follows each time, or its loss."""
        delays = self.weather.delays(message.weather_subject, only_news=message.only_news)
        for delay in delays:
            self.plan(after + delay, partial(self._start_posting, message, then))
        if not delays:
            log.info("message lost", kind=message.kind, provider_ref=message.reference)
            self.plan(after, then)

    def send(self, message: Message, *, seconds: float = ANSWER_SECONDS) -> Delivery:
        """Post a message now and wait for the shop's answer."""
        status, answer, error = None, "", ""
        try:
            with requests.Session() as session:
                session.trust_env = False  # a proxy of the environment must not see loopback traffic
                response = session.post(
                    message.url,
                    data=message.body.encode(),
                    headers={"Content-Type": "application/json"},
                    timeout=(CONNECT_SECONDS, seconds),
                    allow_redirects=False,
                )
            status, answer = response.status_code, response.text[:2000]
        except requests.RequestException as failure:
            error = type(failure).__name__  # its text would carry the secret token of the address
        delivery = Delivery(
            kind=message.kind,
            reference=message.reference,
            result_code=message.code,
            body=message.body,
            status=status,
            answer=answer,
            accepted=status == 200 and str(read_object(answer).get("ResultCode")) == "0",
            error=error,
            delivered_at=datetime.now(EAST_AFRICA_TIME).isoformat(timespec="milliseconds"),
        )
        log.info(
            "message delivered",
            kind=message.kind,
            provider_ref=message.reference,
            code=message.code,
            status=status,
            accepted=delivery.accepted,
            error=error,
        )
        with self.changed:
            self.deliveries.append(delivery)
        return delivery

    def hold(self, seconds: float) -> None:
        """Let simulated time pass, or return at once when the stage stops."""
        self._stopping.wait(seconds / self._speed)

    def wait_until(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait for what the lock guards, or until the stage stops; tell whether it came about."""
        with self.changed:
            self.changed.wait_for(lambda: self._stopping.is_set() or condition(), timeout)
            return condition()

    def wait_until_quiet(self, timeout: float) -> bool:
        """Wait until nothing is planned and nothing under way; tell whether it came about."""
        return self.wait_until(lambda: not self._agenda and not self._posting, timeout)

    def stop(self) -> None:
        """End the agenda's thread and let go of everybody who waits. Safe to call twice."""
        with self.changed:
            self._stopping.set()
            self.changed.notify_all()
        self._thread.join()

    def join_deliveries(self) -> None:
        """Wait until the messages under way are answered, or out of time."""
        with self.changed:
            posting = list(self._posting)
        for thread in posting:
            thread.join()

    def _run(self) -> None:
        with self.changed:
            while not self._stopping.is_set():
                wait = self._agenda[0][0] - time.monotonic() if self._agenda else None
                if wait is None or wait > 0:
                    self.changed.wait(wait)
                else:
                    heapq.heappop(self._agenda)[2]()
                    self.changed.notify_all()

    def _start_posting(self, message: Message, then: Callable[[], None]) -> None:
        def post() -> None:
            try:
                self.send(message)
            finally:
                with self.changed:
                    then()
                    self._posting.discard(threading.current_thread())
                    self.changed.notify_all()

        posting = threading.Thread(target=post, name="simulator-message", daemon=True)
        self._posting.add(posting)
        posting.start()


def read_object(text: str) -> dict[str, Any]:
    """Read a JSON object; what is none is an empty one."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def two_places(amount: int) -> str:
    """Mark an amount for `write_json`, which writes it as the provider does: the number 1500.00."""
    return f"@{amount}.00@"


def write_json(value: Any) -> str:
    return re.sub(r'"@(-?\d+\.\d\d)@"', r"\1", json.dumps(value, separators=(",", ":")))
