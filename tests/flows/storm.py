"""The ground of a storm: the shop and the provider as two servers on loopback, a clock that runs, workers that come
and go, and the way to rest afterwards."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from apiflask import APIFlask

import config
from app import JOBS
from payments.simulator import running_simulator
from payments.simulator_account import Provider
from payments.simulator_book import Entry
from payments.simulator_storm import CALM, Storm, Weather
from tests.servers import serving
from utils import clock, db, worker

SPEED = 40.0  # of the provider's time and of the shop's
PAYMENT_WINDOW_SECONDS = 60  # short, so that orders expire amid the storm
WORKERS = 2
WORKER_LIVES_SECONDS = 0.7
QUIET_SECONDS = 60.0
STEP = timedelta(minutes=3)  # how far the clock is moved at least: what is due within it is done together
STATEMENT_COLUMNS = (
    "Receipt No.",
    "Completion Time",
    "Details",
    "Transaction Status",
    "Paid In",
    "Withdrawn",
    "A/C No.",
)
LONGEST_REST = timedelta(days=3)


class RunningClock:
    """The shop's clock, as much faster as the provider's stories are; it can be moved on."""

    def __init__(self) -> None:
        self._from, self._started = clock.now(), time.monotonic()

    def __call__(self) -> datetime:
        return self._from + timedelta(seconds=(time.monotonic() - self._started) * SPEED)

    def forward_to(self, moment: datetime) -> None:
        self._from += max(timedelta(0), moment - self())


@dataclass(frozen=True)
class Ground:
    url: str
    provider_url: str
    provider: Provider
    clock: RunningClock


@contextmanager
def stormy_ground(app: APIFlask, odds: Storm, now: RunningClock) -> Iterator[Ground]:
    """Open shop and provider, register the shop's addresses in fair weather, and then let the storm begin."""
    with (
        serving(app) as url,
        running_simulator(speed=SPEED, seed=odds.seed, storm=CALM) as (provider_url, provider),
        config.override(
            MPESA_BASE_URL=provider_url,
            MPESA_CALLBACK_BASE_URL=url,
            ORDER_PAYMENT_WINDOW_SECONDS=PAYMENT_WINDOW_SECONDS,
        ),
    ):
        registered = app.test_cli_runner().invoke(args=["payments", "register-c2b"])
        assert registered.exit_code == 0, registered.output
        provider.stage.weather = Weather(odds)
        yield Ground(url, provider_url, provider, now)


@contextmanager
def restless_workers() -> Iterator[None]:
    """Run several workers beside each other, each of which is stopped and replaced again and again."""
    closing = threading.Event()

    def keep_replacing(offset: float) -> None:
        closing.wait(offset)
        while not closing.is_set():
            stop = threading.Event()
            life = threading.Thread(target=worker.run, args=(JOBS, stop))
            life.start()
            closing.wait(WORKER_LIVES_SECONDS)
            stop.set()
            life.join()

    keepers = [
        threading.Thread(target=keep_replacing, args=(place * WORKER_LIVES_SECONDS / WORKERS,))
        for place in range(WORKERS)
    ]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        closing.set()
        for keeper in keepers:
            keeper.join()


def come_to_rest(ground: Ground, tell: Callable[[str], None]) -> None:
    """Let everything happen that is still to happen, moving the clock to when the next thing is due."""
    begun = ground.clock()
    while True:
        assert ground.provider.stage.wait_until_quiet(QUIET_SECONDS), "the provider does not come to rest"
        while sum(job.run() for job in JOBS):
            pass
        due_at = next_due_at()
        if due_at is None and ground.provider.stage.wait_until_quiet(0):
            return
        assert due_at is None or due_at < begun + LONGEST_REST, f"something is never done with: due at {due_at}"
        ground.clock.forward_to(max(due_at or begun, ground.clock() + STEP))
        tell(f"rested {ground.clock() - begun}")


def match_statement(app: APIFlask, ground: Ground, folder: Path) -> int:
    """Let a clerk match the provider's statement, book what only it tells, and return how many payments that were.

    A customer paid by hand and by prompt at once, the very same sum, and both messages of the prompt were lost: the
    one confirmation is taken for the prompt's own, and nobody but the statement can tell that there were two.
    """
    statement = folder / "statement.csv"
    with statement.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(STATEMENT_COLUMNS)
        table.writerows(map(statement_line, ground.provider.stage.book.values()))
    matched = app.test_cli_runner().invoke(args=["payments", "match", str(statement), "--book"])
    assert isinstance(matched.exception, SystemExit | None), matched.exception
    booked = [line.split() for line in matched.output.splitlines() if line.startswith("booked")]
    return sum(words[-1] != "receipt_filled" for words in booked)


def statement_line(entry: Entry) -> list[str]:
    """Write an entry of the provider's book as its portal exports it."""
    came, left = (entry.amount, "") if entry.amount > 0 else ("", -entry.amount)
    at = datetime.fromisoformat(entry.moved_at)
    details = f"Pay Bill from {entry.party} Acc. {entry.account}"
    return [entry.receipt, f"{at:%d-%m-%Y %H:%M:%S}", details, "Completed", str(came), str(left), entry.account]


def next_due_at() -> datetime | None:
    """Return when the worker will have something to do again, None when never."""
    due_at: datetime | None = db.reading().fetch_value(
        """
        SELECT MIN(due.at)
          FROM (SELECT MIN(due_at) AS at FROM provider_callbacks
                UNION ALL
                SELECT MIN(due_at) FROM outbox_events
                UNION ALL
                SELECT MIN(due_at) FROM refunds
                UNION ALL
                SELECT MIN(expires_at) FROM orders
                UNION ALL
                SELECT MIN(prompt_until) FROM payments
                UNION ALL
                SELECT MIN(query_due_at) FROM payments WHERE checkout_request_id IS NOT NULL) AS due
        """
    )
    return due_at
