"""Storms: thousands pay through losses, repeats, delays, errors and hung answers, while workers come and go.

Customers, weather and misfortunes come again with their seed, though no two runs interleave alike. When all is at
rest the provider's book, our ledger and the orders are equal to the shilling, and everything has an end that is told.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask

from payments.simulator_storm import Storm
from tests.factories import make_product, make_user
from tests.flows.storm import RunningClock, come_to_rest, match_statement, restless_workers, stormy_ground
from tests.flows.storm_books import find_faults, tell_figures
from tests.flows.storm_crowd import Crowd
from utils import clock, log

CUSTOMERS = 250
CUSTOMERS_OF_A_LONG_STORM = 2000
SEEDS = range(1, 21)
PRICES = ("100.00", "249.50", "33.33", "1999.00")
TOLD_EVERY_SECONDS = 10
KNOWN_BY_STATEMENT_ONLY = 0.002  # of the customers, at most: see match_statement


@pytest.fixture
def running_clock(monkeypatch: pytest.MonkeyPatch) -> RunningClock:
    running = RunningClock()
    monkeypatch.setattr(clock, "now", running)
    return running


@pytest.fixture
def crashes() -> Iterator[Callable[[], list[str]]]:
    """What crashed in the shop, by its log: everything goes on, but a storm is no excuse.

    A lease is short at this speed: a callback that two workers had is applied by one, and the other finds it done.
    """
    stream = io.StringIO()
    log.configure("ERROR", stream)
    yield lambda: [
        line for line in stream.getvalue().splitlines() if '"exception"' in line and "errors.StaleRow" not in line
    ]
    log.configure("WARNING")


class Progress:
    """Tells whoever waits how far a storm is, now and then, whatever is captured."""

    def __init__(self, config: pytest.Config, seed: int) -> None:
        self.terminal = config.pluginmanager.getplugin("terminalreporter")
        self.capture = config.pluginmanager.getplugin("capturemanager")
        self.seed, self.begun, self.told = seed, time.monotonic(), time.monotonic()

    def __call__(self, what: str) -> None:
        if time.monotonic() > self.told + TOLD_EVERY_SECONDS:
            self.say(what)

    def say(self, what: str) -> None:
        self.told = time.monotonic()
        with self.capture.global_and_fixture_disabled():
            self.terminal.write_line(f"storm {self.seed}, {self.told - self.begun:.0f} s: {what}")


def rage(app: APIFlask, now: RunningClock, tell: Progress, folder: Path, *, seed: int, customers: int) -> list[str]:
    """Let a crowd buy in a storm, come to rest, and return what is not as it must be."""
    numbers = range(customers)
    products = [make_product(price=price, stock=100_000) for price in PRICES]
    buyer, clerk = make_user(), make_user(role="admin")
    with stormy_ground(app, Storm(seed=seed), now) as ground:
        crowd = Crowd(ground, seed=seed, buyer=buyer, clerk=clerk, products=products)
        with restless_workers():
            for begin in range(0, customers, 100):
                wave = numbers[begin : begin + 100]
                crowd.buy(wave)
                crowd.try_again(wave)
                crowd.return_goods(wave)
                tell(f"{begin + len(wave)} of {customers} customers served")
        come_to_rest(ground, tell)
        by_statement = match_statement(app, ground, folder)
        come_to_rest(ground, tell)
        book = ground.provider.stage.book
        tell.say(f"{tell_figures(book)}; {by_statement} known by the statement only")
        faults = find_faults(book)
        if by_statement > 1 + customers * KNOWN_BY_STATEMENT_ONLY:
            faults.append(f"{by_statement} payments would have been lost without the statement")
        return faults


def verdict(seed: int, faults: list[str]) -> str:
    """Tell what is wrong, and how to see it again; nothing when nothing is."""
    if not faults:
        return ""
    again = f"bin/test --long tests/flows/test_storm.py -k seed_{seed}_"
    return "\n".join([f"storm of seed {seed}: {len(faults)} faults; again: {again}", *faults[:40]])


@pytest.mark.parametrize(
    ("seed", "customers"),
    [
        pytest.param(0, CUSTOMERS, id="seed_0_small"),
        *(
            pytest.param(seed, CUSTOMERS_OF_A_LONG_STORM, id=f"seed_{seed}_long", marks=pytest.mark.long)
            for seed in SEEDS
        ),
    ],
)
def test_the_three_books_are_equal_after_a_storm(
    app: APIFlask,
    running_clock: RunningClock,
    crashes: Callable[[], list[str]],
    pytestconfig: pytest.Config,
    tmp_path: Path,
    seed: int,
    customers: int,
) -> None:
    faults = rage(app, running_clock, Progress(pytestconfig, seed), tmp_path, seed=seed, customers=customers)
    if told := verdict(seed, [*faults, *crashes()]):
        pytest.fail(told, pytrace=False)
