"""The worker: every job at its own pace, none in the way of another, gone when told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Clock
from utils import db, trace, worker
from utils.errors import DatabaseUnavailable

pytestmark = pytest.mark.usefixtures("app")

Lines = Callable[[], list[dict[str, Any]]]


def run_until(done: threading.Event, *jobs: worker.Job) -> float:
    """Run a worker until `done`, tell it to stop, and return how long it took to."""
    stop = threading.Event()
    running = threading.Thread(target=worker.run, args=(jobs, stop))
    running.start()
    assert done.wait(10), "the jobs did not come so far"
    asked = time.monotonic()
    stop.set()
    running.join(10)
    assert not running.is_alive()
    return time.monotonic() - asked


def count_down(number: int, done: threading.Event) -> Callable[[], int]:
    """Return a job that finds something `number` times and then nothing."""
    left = [number]

    def job() -> int:
        left[0] -= 1
        if left[0] == 0:
            done.set()
        return max(left[0], 0)

    return job


def fail() -> int:
    raise ZeroDivisionError


def test_a_job_that_finds_work_runs_again_at_once() -> None:
    done = threading.Event()
    run_until(done, worker.Job("busy", 3600, count_down(50, done)))


def test_a_job_that_raises_stops_no_other_and_is_logged(log_lines: Lines) -> None:
    done = threading.Event()
    run_until(done, worker.Job("broken", 0.01, fail), worker.Job("busy", 0.01, count_down(20, done)))
    (failure,) = [line for line in log_lines() if line["event"] == "job failed"]
    assert failure["job"] == "broken"
    assert "ZeroDivisionError" in failure["exception"]


def test_stop_does_not_wait_for_jobs_that_rest() -> None:
    rested = threading.Event()
    assert run_until(rested, worker.Job("rare", 3600, lambda: rested.set() or 0)) < 2


def test_stop_lets_a_job_finish_the_piece_it_is_at() -> None:
    begun, asked, finished = threading.Event(), threading.Event(), []

    def piece() -> int:
        begun.set()
        asked.wait(5)
        finished.append(1)
        return 1

    stop = threading.Event()
    running = threading.Thread(target=worker.run, args=([worker.Job("slow", 1, piece)], stop))
    running.start()
    begun.wait(10)
    stop.set()
    asked.set()
    running.join(10)
    assert finished == [1]


def test_a_running_worker_says_that_it_lives() -> None:
    assert worker.last_beat_age() is None
    beaten = threading.Event()
    run_until(beaten, worker.Job("look", 0.01, lambda: beaten.set() or 0 if worker.last_beat_age() is not None else 0))
    age = worker.last_beat_age()
    assert age is not None
    assert 0 <= age < 10


def test_an_old_heartbeat_is_told_by_its_age(frozen_clock: Clock) -> None:
    worker.beat()
    frozen_clock.forward(seconds=90)
    assert worker.last_beat_age() == 90


def test_a_database_that_is_away_makes_a_job_rest_and_not_fail(log_lines: Lines) -> None:
    def meet_nobody() -> int:
        raise DatabaseUnavailable

    assert worker.run_once(worker.Job("any", 0.1, meet_nobody)) == worker.PAUSE_AFTER_FAILURE
    assert log_lines() == []


def test_the_pause_is_none_after_work_and_the_jobs_own_when_idle() -> None:
    assert worker.run_once(worker.Job("busy", 7, lambda: 3)) == 0
    assert worker.run_once(worker.Job("idle", 7, lambda: 0)) == 7
    assert worker.run_once(worker.Job("broken", 7, fail)) == worker.PAUSE_AFTER_FAILURE


def test_a_job_gives_its_connection_back_even_when_it_fails() -> None:
    def read_and_fail() -> int:
        db.reading().fetch_value("SELECT 1 AS one")
        return fail()

    worker.run_once(worker.Job("broken", 7, read_and_fail))
    held = db._held.get()
    assert held is not None
    assert held.connection is None


def test_each_run_of_a_job_has_a_request_id_of_its_own() -> None:
    done, ids = threading.Event(), []

    def job() -> int:
        ids.append(trace.request_id())
        if len(ids) == 3:
            done.set()
        return 1

    run_until(done, worker.Job("traced", 1, job))
    assert len(set(ids)) == len(ids)
    assert "-" not in ids
