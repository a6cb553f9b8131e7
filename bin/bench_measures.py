"""What bin/bench measures, one function for each line of its table."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import bench_customers
import bench_ground
import bench_load
import bench_statements

from utils import checks, db

R = TypeVar("R")
WIDTH = 100

CHECKOUT_TARGET = 0.30
MEMORY_TARGET_MIB = 120
RUSH_PIECES = 50


def tell(step: str) -> None:
    """Show on a terminal what is going on, each step over the one before; elsewhere the table's lines tell."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{step[:WIDTH]:<{WIDTH}}\r")


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    what: str
    shop: str
    yardstick: str
    result: str
    target: str
    reached: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        """Return whether the target is reached, in words."""
        return "ok" if self.reached else "NOT REACHED"


@dataclass(frozen=True)
class Bench:
    """How to measure, and the process that makes the load."""

    rounds: int
    seconds: float
    connections: int
    generator: ProcessPoolExecutor
    started: bench_ground.Processes

    def elsewhere(self, work: Callable[..., R], *args: Any) -> R:
        """Have it done in the process that makes the load. Raises CannotMeasure when one of the shop's has ended."""
        self.started.need_all()
        return self.generator.submit(work, *args).result()

    def rounds_of(self, what: str) -> Iterator[int]:
        """Count the rounds, telling how far it is."""
        for place in range(1, self.rounds + 1):
            tell(f"{what}: round {place} of {self.rounds}")
            yield place
        tell("")

    def dealt(self, things: Sequence[Any]) -> list[list[Any]]:
        """Deal things out to the connections."""
        return [list(things[place :: self.connections]) for place in range(self.connections)]


def compare_pages(
    bench: Bench,
    what: str,
    requests: Sequence[bytes],
    shop: bench_ground.Served,
    bare: bench_ground.Served,
    target: float,
) -> Line:
    """Load the shop and the bare view with the same requests, in turns; the shop was asked for each of them before."""
    plans = bench.dealt(requests)
    tell(f"{what}: each for the first time")
    first = bench.elsewhere(bench_load.run_through, shop.place, plans)
    need_only(first, {200})
    bench.elsewhere(bench_load.run_for, bare.place, plans, bench.seconds)
    rates: list[list[float]] = [[], []]
    costs: list[list[float]] = [[], []]
    busy = []
    for _ in bench.rounds_of(what):
        for place, served in enumerate((shop, bare)):
            before = bench_ground.cpu_seconds(served.process.pid)
            load = bench.elsewhere(bench_load.run_for, served.place, plans, bench.seconds)
            need_only(load, {200})
            rates[place].append(load.rate)
            costs[place].append((bench_ground.cpu_seconds(served.process.pid) - before) / load.requests * 1e6)
            busy.append(load.generator_busy)
    note = (
        f"CPU of the web server a request: shop {min(costs[0]):.0f} us, yardstick {min(costs[1]):.0f} us; "
        f"load generator at most {max(busy):.0%} of a core; before, each for the first time: {first.rate:,.0f}/s"
    )
    return ratio_line(what, list(zip(*rates, strict=True)), target, note=note)


def compare_checkouts(
    bench: Bench,
    url: str,
    shop: bench_ground.Served,
    customers: Sequence[bench_customers.Customer],
    script: Sequence[bench_statements.Step],
) -> Line:
    """Have customers check out at the shop, and the same statements sent without it, in turns."""
    lists = bench.dealt(customers)
    plans = [[request for customer in some for request in customer.checkouts()] for some in lists]
    purchases = [[facts for customer in some for facts in customer.purchases()] for some in lists]
    pairs, repeated = [], 0
    for _ in bench.rounds_of("checkout"):
        bench_customers.forget_events()
        load = bench.elsewhere(bench_load.run_for, shop.place, plans, bench.seconds, 2)
        need_only(load, {201})
        bench_customers.forget_events()
        straight = bench.elsewhere(bench_statements.repeat_for, url, script, purchases, bench.seconds)
        repeated += straight.repeated
        pairs.append((load.rate / 2, straight.checkouts / straight.seconds))
    commits = sum(step.sql == "COMMIT" for step in script)
    statements = len(script) - 2 * commits
    note = f"{statements} statements and {commits} commits each; yardstick repeated {repeated} transactions"
    return ratio_line("POST /api/cart, then POST /api/orders", pairs, CHECKOUT_TARGET, note=note)


def rush(
    bench: Bench, shop: bench_ground.Served, customers: Sequence[bench_customers.Customer], variant_ids: Sequence[int]
) -> Line:
    """Let all customers order one variant of 50 pieces at the same moment, each over a connection of his own."""
    bought: list[int] = []
    good, slowest = True, 0.0
    for variant_id in variant_ids:
        bench_load.ask(shop.place, [customer.add_to_cart(variant_id) for customer in customers])
        load = bench.elsewhere(bench_load.run_through, shop.place, [[customer.order()] for customer in customers])
        expected = {201: RUSH_PIECES, 409: len(customers) - RUSH_PIECES}
        code = json.loads(bench_load.body_of(load.unexpected) or b"{}").get("code")
        good = good and load.answers == expected and code == "out_of_stock"
        bought.append(load.answers[201])
        slowest = max(slowest, load.slowest)
        bench_load.ask(shop.place, [customer.clear_cart() for customer in customers])
    return Line(
        f"{len(customers)} customers at once, {RUSH_PIECES} pieces",
        shop="",
        yardstick="",
        result=f"{', '.join(map(str, bought))} orders",
        target=f"= {RUSH_PIECES}, the others 409",
        reached=good,
        note=f"slowest answer {slowest:.2f} s",
    )


def weigh(shop: bench_ground.Served) -> Line:
    """Tell what the web server holds in memory after all of it."""
    memory = bench_ground.memory_of(shop.process.pid)
    what = "memory of the web server after the load"
    target = f"< {MEMORY_TARGET_MIB} MiB"
    if memory is None:
        return Line(what, "", "", "no /proc here", target, True)
    return Line(
        what,
        shop="",
        yardstick="",
        result=f"{memory.largest:.0f} MiB",
        target=target,
        reached=memory.largest < MEMORY_TARGET_MIB,
        note=f"its serving process (RSS); all {memory.processes} together {memory.all_of_it:.0f} MiB (PSS)",
    )


def check() -> Line:
    """Hold what was written against sql/checks.sql."""
    findings = checks.run(db.reading())
    return Line(
        "sql/checks.sql over all that was written",
        shop="",
        yardstick="",
        result=", ".join(finding.name for finding in findings) or "nothing broken",
        target="nothing",
        reached=not findings,
    )


def need_only(load: bench_load.Load, statuses: set[int]) -> None:
    """Raise CannotMeasure unless all answers had one of these statuses."""
    seen = set(load.answers) | set(load.uncounted)
    if seen - statuses or not load.answers:
        answers = dict(load.answers + load.uncounted)
        raise bench_ground.CannotMeasure(f"answers {answers} where {statuses} was meant: {load.unexpected[:800]!r}")


def ratio_line(what: str, pairs: Sequence[tuple[float, float]], target: float, note: str) -> Line:
    """Return the line of a pair that was measured in turns: `pairs` are the rates of the shop and of its yardstick."""
    ratios = [shop / yardstick for shop, yardstick in pairs]
    middle = statistics.median(ratios)
    return Line(
        what,
        shop=f"{statistics.median(shop for shop, _ in pairs):,.0f}/s",
        yardstick=f"{statistics.median(yardstick for _, yardstick in pairs):,.0f}/s",
        result=f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        target=f">= {target:.2f}",
        reached=middle >= target,
        note=note,
    )
