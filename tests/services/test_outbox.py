"""The outbox: told if and only if committed, at least once, in the end or never for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.threads import at_once
from utils import db, outbox, trace
from utils.errors import NotFound

pytestmark = pytest.mark.usefixtures("app")


@db.in_transaction
def stage(tx: db.Tx, number: int = 1) -> None:
    outbox.stage_tx(tx, "order.paid", order_id=number)


def state() -> db.Row:
    row = db.reading().fetch_one("SELECT attempts, due_at, done_at, dead_at, last_error FROM outbox_events")
    assert row is not None
    return row


class Listener:
    """A handler that notes what it was told and fails as often as it is asked to."""

    def __init__(self, failures: int = 0) -> None:
        self.told: list[int] = []
        self.failures = failures

    def __call__(self, event: outbox.Event) -> None:
        self.told.append(event.payload["order_id"])
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the mail server is away")


def deliver(*listeners: Callable[[outbox.Event], None]) -> int:
    return outbox.deliver_due({"order.paid": listeners})


def test_an_event_is_told_once_and_then_done() -> None:
    listener = Listener()
    stage(7)
    assert (deliver(listener), deliver(listener)) == (1, 0)
    assert listener.told == [7]
    assert state()["done_at"] is not None
    assert state()["due_at"] is None


def test_an_event_of_a_transaction_that_failed_is_never_told() -> None:
    @db.in_transaction
    def fail(tx: db.Tx) -> None:
        outbox.stage_tx(tx, "order.paid", order_id=7)
        raise NotFound(what="order")

    with pytest.raises(NotFound):
        fail()
    assert deliver(Listener()) == 0


def test_a_handler_gets_the_facts_and_the_request_that_caused_them() -> None:
    got: list[tuple[outbox.Event, str]] = []
    with trace.span("cause-1"):
        stage(7)
    deliver(lambda event: got.append((event, trace.request_id())))
    ((event, id_inside),) = got
    assert (event.topic, event.payload, event.request_id, event.attempts) == (
        "order.paid",
        {"order_id": 7},
        "cause-1",
        1,
    )
    assert id_inside == "cause-1"


def test_every_handler_of_a_topic_is_told_and_a_topic_without_one_is_done() -> None:
    first, second = Listener(), Listener()
    stage(7)
    deliver(first, second)
    assert (first.told, second.told) == ([7], [7])
    stage(8)
    outbox.deliver_due({})
    assert deliver(first) == 0


def test_tables_of_several_features_are_put_together() -> None:
    one, two = Listener(), Listener()
    assert outbox.merge({"a.b": [one]}, {"a.b": [two], "c.d": [one]}) == {"a.b": [one, two], "c.d": [one]}


def test_the_event_of_a_worker_that_died_is_told_again_when_its_lease_is_out(frozen_clock: Clock) -> None:
    stage()
    assert len(outbox.lease_due(limit=10)) == 1  # and here the worker dies
    listener = Listener()
    frozen_clock.forward(seconds=outbox.LEASE.total_seconds() - 1)
    assert deliver(listener) == 0
    frozen_clock.forward(seconds=1)
    assert deliver(listener) == 1
    assert state()["attempts"] == 2


def test_workers_at_the_same_time_share_the_events_and_double_none() -> None:
    for number in range(40):
        stage(number)
    listener = Listener()

    def work() -> None:
        while outbox.deliver_due({"order.paid": [listener]}, limit=5):
            pass

    assert at_once(*[work] * 4) == [None] * 4
    assert Counter(listener.told) == Counter(range(40))


def test_a_failed_event_waits_longer_each_time(frozen_clock: Clock) -> None:
    listener = Listener(failures=100)
    stage()
    waits = []
    for _ in range(12):
        deliver(listener)
        waits.append(state()["due_at"] - frozen_clock.moment)
        frozen_clock.moment = state()["due_at"]
    assert waits[:4] == [timedelta(seconds=2), timedelta(seconds=4), timedelta(seconds=8), timedelta(seconds=16)]
    assert waits[-1] == outbox.LONGEST_WAIT
    assert state()["last_error"] == "ConnectionError: the mail server is away"


def test_an_event_is_given_up_after_its_last_try_and_stays_to_be_seen(frozen_clock: Clock) -> None:
    listener = Listener(failures=100)
    stage()
    while deliver(listener):
        frozen_clock.forward(hours=1)
    assert len(listener.told) == outbox.GIVEN_UP_AFTER
    assert state()["dead_at"] is not None
    assert state()["due_at"] is None
    forget()


def test_an_event_that_killed_its_worker_many_times_is_given_up_too(frozen_clock: Clock) -> None:
    stage()
    for _ in range(60):
        outbox.lease_due(limit=1)
        frozen_clock.forward(minutes=2)
    deliver(Listener(failures=1))
    assert state()["dead_at"] is not None
    forget()


@db.in_transaction
def forget(tx: db.Tx) -> None:
    """Do what an operator does about a dead event: the checks must be clean when the test is over."""
    tx.execute("DELETE FROM outbox_events WHERE dead_at IS NOT NULL")


def test_the_failure_of_one_event_does_not_stop_the_others(log_lines: Callable[[], list[dict[str, Any]]]) -> None:
    listener = Listener(failures=1)
    for number in (1, 2, 3):
        stage(number)
    assert deliver(listener) == 3
    assert listener.told == [1, 2, 3]
    assert [line["event"] for line in log_lines()] == ["event failed", "event told", "event told"]


def test_a_slow_worker_does_not_call_back_an_event_that_another_has_told(frozen_clock: Clock) -> None:
    stage()
    (slow,) = outbox.lease_due(limit=1)
    frozen_clock.forward(minutes=2)
    deliver(Listener())
    outbox.postpone(event_id=slow.id, attempts=slow.attempts, reason="too slow")
    assert state()["due_at"] is None


def test_told_events_are_kept_for_a_month(frozen_clock: Clock) -> None:
    stage()
    deliver(Listener())
    frozen_clock.forward(days=30)
    assert outbox.delete_told_events() == 0
    frozen_clock.forward(seconds=1)
    assert outbox.delete_told_events() == 1
