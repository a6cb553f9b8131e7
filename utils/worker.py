"""The worker: one thread a job, each at its own pace, until it is told to stop.

A job does a bounded piece of work and returns how much it found; while it finds some it runs again at once. It must
be safe to run beside itself on another machine: jobs claim their rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from utils import clock, db, log, trace
from utils.errors import DatabaseUnavailable

logger = log.get_logger(__name__)

HEARTBEAT = "worker"
HEARTBEAT_SECONDS = 5.0
PAUSE_AFTER_FAILURE = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work for the worker: what it is called, how long it rests when idle (seconds), what it runs."""

    name: str
    every: float
    run: Callable[[], int]


@db.in_transaction
def beat(tx: db.Tx) -> int:
    """Say that the worker lives. Returns 0: a heartbeat is never followed by another at once."""
    tx.execute(
        """
        INSERT INTO heartbeats (name, beat_at)
        VALUES (%(name)s, %(now)s)
        ON DUPLICATE KEY UPDATE beat_at = %(now)s
        """,
        {"name": HEARTBEAT, "now": clock.now()},
    )
    return 0


def last_beat_age() -> float | None:
    """Return how many seconds ago the worker last said that it lives, None when it never did."""
    beat_at = db.reading().fetch_value("SELECT beat_at FROM heartbeats WHERE name = %(name)s", {"name": HEARTBEAT})
    return None if beat_at is None else (clock.now() - beat_at).total_seconds()


def run(jobs: Sequence[Job], stop: threading.Event) -> None:
    """Run the jobs until `stop` is set; each finishes the piece it is at."""
    everything = [Job("heartbeat", HEARTBEAT_SECONDS, beat), *jobs]
    threads = [threading.Thread(target=_run_job, args=(job, stop), name=job.name) for job in everything]
    for thread in threads:
        thread.start()
    logger.info("worker started", jobs=[job.name for job in everything])
    for thread in threads:
        thread.join()
    logger.info("worker stopped")


def _run_job(job: Job, stop: threading.Event) -> None:
    while not stop.is_set():
        with trace.span():
            pause = run_once(job)
        stop.wait(pause)


def run_once(job: Job) -> float:
    """Run a job once and return how long it may rest."""
    try:
        found = job.run()
    except DatabaseUnavailable:
        return PAUSE_AFTER_FAILURE
    except Exception:
        logger.exception("job failed", job=job.name)
        return PAUSE_AFTER_FAILURE
    else:
        return 0.0 if found else job.every
    finally:
        db.release()
