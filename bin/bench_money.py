"""What bin/bench measures of payments, one function for each line: callbacks taken, a backlog settled, a sweep.

The shop's worker is stopped: what settles here is its job alone, in one process, so that its pace is told.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import bench_book
import bench_ground
import bench_load
import bench_measures as measures
import bench_statements

import config
from app import create_app
from payments import attempt_services, callback_services, callback_tokens, handlers, query_services
from utils import clock, worker

ACCEPT = "POST /api/payments/callbacks/stk/<token>"
ACCEPT_TARGET, SETTLE_TARGET = 0.30, 0.50
TURNS = 10
DUE, READ_BESIDES = 12, 3  # to find the place in the index, and the row behind the last one
BATCH = callback_services.APPLIED_AT_ONCE
LOG = bench_ground.HOME / "settling.log"
# The yardstick leases and settles in the shop's own transactions: the first of a recording, and each that follows.
Scripts = tuple[list[bench_statements.Step], list[bench_statements.Step]]


@dataclass(frozen=True)
class Book:
    """Prompts that wait for their callbacks: one to show the answer by, those to learn from, those to settle."""

    shown: bench_book.Facts
    learnt: list[bench_book.Facts]
    settled: list[bench_book.Facts]


def open_book(*, backlog: int, variant_id: int) -> Book:
    """Make the orders: a backlog for the worker, one as long for the yardstick, and what the script is learnt from."""
    shown, *others = bench_book.place_orders(number=1 + 2 * BATCH + 2 * backlog, variant_id=variant_id)
    return Book(shown, others[: 2 * BATCH], others[2 * BATCH :])


def post_callback(facts: bench_book.Facts) -> bytes:
    """Write the request by which the provider tells that a prompt was paid."""
    token = callback_tokens.make_token(kind="stk", payment_id=facts["payment_id"])
    return bench_load.post(f"/api/payments/callbacks/stk/{token}", bench_book.write_callback(facts).encode())


def accept_callbacks(
    bench: measures.Bench, shop: bench_ground.Served, bare: bench_ground.Served, book: Book
) -> measures.Line:
    """Load the shop and the bare view with the callbacks of distinct payments; nothing of it is settled meanwhile."""
    bench.started.stop_worker()
    requests = [post_callback(facts) for facts in book.settled]
    line = measures.compare_pages(bench, ACCEPT, requests, shop, bare, ACCEPT_TARGET)
    bench_book.empty_inbox()
    return line


# --- a backlog


def settle_backlog(bench: measures.Bench, url: str, book: Book) -> measures.Line:
    """Have one process settle its backlog and the yardstick send the same statements for its own, in turns."""
    scripts = _learn_scripts(book.learnt)
    piece = len(book.settled) // (2 * TURNS)
    pieces = [book.settled[first : first + piece] for first in range(0, 2 * TURNS * piece, piece)]
    environment = bench.started.environment
    pairs = []
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_open_shop, initargs=(environment,)) as settler:
        settler.submit(_settle_due).result()  # nothing is due yet: its connection is opened
        for turn in range(TURNS):
            measures.tell(f"backlog: {turn * piece} of {TURNS * piece} callbacks")
            bench_book.fill_inbox(pieces[2 * turn])
            seconds = settler.submit(_settle_due).result()
            _need_all_applied()
            straight = bench.elsewhere(_settle_straight, url, scripts, bench_book.fill_inbox(pieces[2 * turn + 1]))
            _need_all_applied()
            pairs.append((piece / seconds, piece / straight))
    unpaid = bench_book.count_unpaid(book.settled)
    line = measures.ratio_line(
        f"backlog of {TURNS * piece:,} callbacks, one worker",
        pairs,
        SETTLE_TARGET,
        note=(
            f"{sum(step.sql not in ('BEGIN', 'COMMIT') for step in scripts[1])} statements and 1 commit each; "
            f"orders left unpaid: {unpaid}"
        ),
    )
    return replace(line, reached=line.reached and not unpaid)


def _learn_scripts(told: Sequence[bench_book.Facts]) -> Scripts:
    """Record two full batches in this process and return their scripts: of the lease, and of one settlement."""
    batches = []
    for some in (told[:BATCH], told[BATCH:]):
        facts = bench_book.fill_inbox(some)
        with bench_statements.recording() as sent:
            callback_services.apply_due()
        batches.append((facts[0], _transactions_of(sent)))
    (one, first), (other, second) = batches
    return (
        bench_statements.learn_script(({}, first[0]), ({}, second[0])),
        bench_statements.learn_script((one, first[1]), (other, second[1])),
    )


def _transactions_of(sent: Sequence[bench_statements.Sent]) -> list[list[bench_statements.Sent]]:
    ends = [place for place, each in enumerate(sent, start=1) if each.sql == "COMMIT"]
    return [list(sent[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]


def _open_shop(environment: Mapping[str, str]) -> None:
    """Make a new process one like the worker's; its log goes where the worker's would."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(LOG, "ab") as log:
        os.dup2(log.fileno(), 2)
    create_app(config.load(environment))


def _settle_due() -> float:
    """Run the worker's job until nothing is due, as the worker does, and return how many seconds that took."""
    job = next(job for job in handlers.JOBS if job.run is callback_services.apply_due)
    started = time.perf_counter()
    while worker.run_once(job) == 0.0:
        pass
    return time.perf_counter() - started


def _settle_straight(url: str, scripts: Scripts, told: Sequence[bench_book.Facts]) -> float:
    """Send the same statements for these callbacks over one connection; return how many seconds that took."""
    lease, settlement = (bench_statements.compile_script(script) for script in scripts)
    with bench_statements.connect(url) as connection, connection.cursor() as cursor:
        started = time.perf_counter()
        for place, facts in enumerate(told):
            if place % BATCH == 0:
                bench_statements.run_once(connection, cursor, lease, {})
            bench_statements.run_once(connection, cursor, settlement, facts)
        return time.perf_counter() - started


def _need_all_applied() -> None:
    if waiting := bench_book.count_unapplied():
        raise bench_ground.CannotMeasure(f"{waiting} callbacks were not settled; see {LOG}")


# --- a sweep


def sweep(url: str, *, orders: int) -> measures.Line:
    """Count the rows that the worker's sweeps read among many open attempts of which few are due."""
    sweeps = {
        "ask after": _statement_of(query_services.ask_due),
        "give up": _statement_of(attempt_services.give_up_dead_prompts),
    }
    attempts = bench_book.add_open_attempts(orders=orders, due=DUE)
    found = {name: _count_reads(url, sent) for name, sent in sweeps.items()}
    allowed = DUE + READ_BESIDES
    return measures.Line(
        f"sweep over {attempts:,} open attempts, {DUE} due",
        shop="",
        yardstick="",
        result=f"{max(reads for _, reads in found.values())} rows read",
        target=f"<= {allowed}",
        reached=all(rows == DUE and reads <= allowed for rows, reads in found.values()),
        note="; ".join(f"to {name}: {rows} found, {reads} read" for name, (rows, reads) in found.items()),
    )


def _statement_of(job: Callable[[], int]) -> bench_statements.Sent:
    """Return what a sweep sends to learn what is due, while nothing is."""
    with bench_statements.recording() as sent:
        found = job()
    if found or len(sent) != 1:
        raise bench_ground.CannotMeasure(f"something was due already: {[each.sql for each in sent]}")
    return sent[0]


def _count_reads(url: str, sent: bench_statements.Sent) -> tuple[int, int]:
    """Send it now; return how many rows came, and how many rows and index entries the server read for it."""
    with bench_statements.connect(url) as connection, connection.cursor() as cursor:
        before, between = _reads(cursor), _reads(cursor)
        found = cursor.execute(sent.sql, {**sent.args, "now": clock.now()})
        return found, (_reads(cursor) - between) - (between - before)  # to ask reads some, too


def _reads(cursor: Any) -> int:
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(value) for _, value in cursor.fetchall())
