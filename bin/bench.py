"""Measure the shop, and print ratios that were taken in one run: the last step of bin/bench.

The shop runs as it always does, and is loaded from a separate process. Each thing measured has its yardstick, measured
in turns with it, so that a machine that is slow today, or for a second, is slow for both.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import signal
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bench_burst  # noqa: E402  - all of these are found by the line above
import bench_customers  # noqa: E402
import bench_data  # noqa: E402
import bench_ground  # noqa: E402
import bench_load  # noqa: E402
import bench_measures as measures  # noqa: E402
import bench_money  # noqa: E402
import bench_pages  # noqa: E402
import bench_statements  # noqa: E402

import config  # noqa: E402
from app import create_app  # noqa: E402
from utils import clock, db, migrations, private_server, processes, server_program  # noqa: E402

LIST_TARGET, DETAIL_TARGET = 0.20, 0.30
CUSTOMERS = 200
LIST = "GET /api/products, random 20 of 10 000"
DETAIL = "GET /api/products/<id>, random product"
SORTS = ("newest", "price", "-price", "name", "rating")
RECORDED_BODIES = 500
ROW = "{:<48} {:>9} {:>10}  {:<23} {:<22}"


LOAD_BEFORE = os.getloadavg()[0]


@dataclass(frozen=True)
class Plan:
    """How long to measure."""

    rounds: int
    seconds: float
    connections: int
    rushes: int
    backlog: int


QUICK = Plan(rounds=3, seconds=0.8, connections=16, rushes=1, backlog=500)
FULL = Plan(rounds=9, seconds=2.5, connections=16, rushes=3, backlog=10_000)


def main() -> int:
    """Measure everything and print the table. Return 0, or 1 when a target is not reached or something is broken."""
    plan = _read_arguments()
    try:
        with processes.received_signals() as signals:
            lines = _measure(plan, signals)
    except KeyboardInterrupt:
        _say("Stopped before the end; everything that was started is ended.")
        return 1
    except (
        bench_ground.CannotMeasure,
        bench_load.LoadFailed,
        bench_statements.CannotRepeat,
        config.ConfigError,
        migrations.MigrationFailed,
        private_server.ServerFailed,
        server_program.ProgramMissing,
    ) as error:
        _say(f"Broken: {error}")
        return 1
    return 0 if all(line.reached for line in lines) else 1


def _read_arguments() -> Plan:
    parser = argparse.ArgumentParser(prog="bin/bench", description="Measure the shop in ratios taken in one run.")
    parser.add_argument("--quick", action="store_true", help="see in under a minute that everything works")
    parser.add_argument("--rounds", type=int, help="how often each pair is measured")
    parser.add_argument("--seconds", type=float, help="how long each measurement counts")
    parser.add_argument("--connections", type=int, help="how many connections load the shop")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    return Plan(
        given.rounds or plan.rounds,
        given.seconds or plan.seconds,
        given.connections or plan.connections,
        plan.rushes,
        plan.backlog,
    )


def _measure(plan: Plan, signals: processes.Signals) -> list[measures.Line]:
    with ExitStack() as closing:
        started, url = closing.enter_context(bench_ground.everything(signals))
        ignore_interrupts = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
        generator = closing.enter_context(ProcessPoolExecutor(1, get_context("spawn"), **ignore_interrupts))
        migrations.apply(url, tell=measures.tell)
        app = create_app(config.load({**started.environment, "LOG_LEVEL": "ERROR"}))
        closing.callback(db.close_pool)
        closing.callback(db.release)
        stock = bench_data.fill_shop(rushes=plan.rushes, tell=measures.tell)
        names = bench_data.add_customers(number=CUSTOMERS)
        book = bench_money.open_book(backlog=plan.backlog, variant_id=stock.checkout_variant_ids[-1])

        measures.tell("starting the shop")
        shop = started.serve("web", bench_ground.SHOP_APP)
        lists, details = _collect_requests(shop.place, stock)
        recorded = {"lists": lists, "details": details, "callbacks": [bench_money.post_callback(book.shown)]}
        _record_bodies(Path(started.environment["BENCH_BODIES"]), shop.place, recorded)
        bare = started.serve("bare", bench_ground.BARE_APP)
        customers = bench_customers.log_in(shop.place, names, stock.checkout_variant_ids)
        bench_customers.buy_once(shop.place, customers)
        script = bench_customers.learn_script(app, customers)
        twins = bench_pages.list_twins(shop.place, stock)
        started.start_worker()

        _print_head(plan, started)
        bench = measures.Bench(plan.rounds, plan.seconds, plan.connections, generator, started)
        work = (
            lambda: measures.compare_pages(bench, LIST, lists, shop, bare, LIST_TARGET),
            lambda: measures.compare_pages(bench, DETAIL, details, shop, bare, DETAIL_TARGET),
            *bench_pages.lines(bench, shop, twins, customers),
            lambda: measures.compare_checkouts(bench, url, shop, customers, script),
            lambda: measures.rush(bench, shop, customers, stock.rush_variant_ids),
            lambda: bench_money.accept_callbacks(bench, shop, bare, book),
            lambda: bench_burst.go_on_through(bench, shop, lists),
            lambda: bench_money.settle_backlog(bench, url, book),
            lambda: bench_money.sweep(url, orders=plan.backlog),
            lambda: measures.weigh(shop),
            measures.check,
        )
        lines = []
        for measure in work:
            lines.append(measure())
            _print_line(lines[-1])
        started.need_all()
        return lines


def _collect_requests(place: bench_load.Place, shop: bench_data.Shop) -> tuple[list[bytes], list[bytes]]:
    """Return requests for every page of the list in every order, and for every product, shuffled."""
    chance = random.Random(bench_data.SEED)
    pages = [page for sort in SORTS for page in bench_load.walk(place, f"/api/products?sort={sort}")]
    products = [f"/api/products/{id_}" for id_ in shop.product_ids]
    chance.shuffle(pages)
    chance.shuffle(products)
    return [bench_load.get(page) for page in pages], [bench_load.get(product) for product in products]


def _record_bodies(path: Path, place: bench_load.Place, recorded: dict[str, list[bytes]]) -> None:
    """Keep what the shop answers, for the bare view to answer the same."""
    bodies = {
        name: [bench_load.body_of(answer) for answer in bench_load.ask(place, requests[:RECORDED_BODIES])]
        for name, requests in recorded.items()
    }
    path.write_bytes(pickle.dumps(bodies))


def _print_head(plan: Plan, started: bench_ground.Processes) -> None:
    measures.tell("")
    print(f"bin/bench, {clock.now():%Y-%m-%d %H:%M} UTC, on {bench_ground.describe_machine()}")
    print(f"load average before: {LOAD_BEFORE:.1f}; a busy machine costs the shop, which waits for the database, more")
    print(f"web: {started.web_command()}")
    print(
        f"{plan.rounds} rounds of {plan.seconds:g} s in turns, {plan.connections} connections from one other process; "
        "ratio: median (lowest to highest) of the rounds"
    )
    print("The shop is as bin/run starts it but for RATELIMIT_ENABLED=0: all of the load comes from one address.\n")
    print(ROW.format("", "shop", "yardstick", "result", "target"), flush=True)


def _print_line(line: measures.Line) -> None:
    print(ROW.format(line.what, line.shop, line.yardstick, line.result, line.target) + line.verdict)
    if line.note:
        print(f"    {line.note}", flush=True)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
