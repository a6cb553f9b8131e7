"""One access token for all processes: several real ones call a provider whose each new token ends the one before."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import pytest
from apiflask import APIFlask

import config
from app import create_app
from payments import daraja, simulator_account, token_services
from payments.simulator import running_simulator
from utils import db, trace

PROCESSES = 4
SECONDS = 2.0
PATIENCE_SECONDS = 60


class CountedTokens(dict[str, tuple[str, float]]):
    """The provider's tokens, which know how often one was issued."""

    issued = 0

    def __setitem__(self, key: str, value: tuple[str, float]) -> None:
        self.issued += 1
        super().__setitem__(key, value)


@pytest.fixture
def tokens(app: APIFlask) -> Iterator[CountedTokens]:
    counted = CountedTokens()
    with running_simulator(seed=1) as (url, provider), config.override(MPESA_BASE_URL=url):
        provider.tokens = counted
        yield counted


def call_without_end(settings: config.Settings, start: Barrier, told: Queue[Counter[str]]) -> None:
    """Call the provider as a process of the shop does, for a while, and tell how the calls ended."""
    create_app(settings)
    ends: Counter[str] = Counter()
    start.wait(PATIENCE_SECONDS)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with trace.span():
            try:
                token_services.with_token(lambda token: daraja.query(token=token, checkout_request_id="ws_CO_1"))
                ends["taken"] += 1
            except Exception as error:
                ends[repr(error)] += 1
            finally:
                db.release()
    told.put(ends)


def run_processes() -> list[Counter[str]]:
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(PROCESSES), context.Queue()
    running = [context.Process(target=call_without_end, args=(config.current(), start, told)) for _ in range(PROCESSES)]
    for process in running:
        process.start()
    ends = [told.get(timeout=PATIENCE_SECONDS) for _ in running]
    for process in running:
        process.join(PATIENCE_SECONDS)
    return ends


def test_processes_that_start_at_once_fetch_one_token_and_all_their_calls_are_taken(tokens: CountedTokens) -> None:
    ends = run_processes()
    assert [set(end) for end in ends] == [{"taken"}] * PROCESSES
    assert tokens.issued == 1


def test_a_token_that_is_renewed_under_all_of_them_costs_no_call(
    tokens: CountedTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lives a second beyond the minute by which it is renewed early; one of them renews it each second."""
    lifetime = int(token_services.EARLY.total_seconds()) + 1
    monkeypatch.setattr(simulator_account, "TOKEN_SECONDS", lifetime)
    ends = run_processes()
    assert [set(end) for end in ends] == [{"taken"}] * PROCESSES
    assert 2 <= tokens.issued <= SECONDS + 2
