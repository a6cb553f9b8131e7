"""What is left of the shop while a crowd tries passwords: bcrypt takes a quarter of a second of a core for each."""

from __future__ import annotations

import json
from collections.abc import Sequence

import bench_ground
import bench_load
import bench_measures as measures

from auth import passwords

CROWD = passwords.IN_LINE  # more are told to come again at once
WHAT = f"GET /api/products while {CROWD} try to log in"
NAMES = 500  # each tried once or twice: a name that is tried too often is locked, and then costs nothing
TARGET = 0.25  # on two cores bcrypt takes one of them, and the load has its share of the other


def go_on_through(bench: measures.Bench, shop: bench_ground.Served, lists: Sequence[bytes]) -> measures.Line:
    """Load the list of products with and without a crowd of strangers at the log-in, in turns."""
    plans = bench.dealt(lists)
    crowd = [[_log_in(f"stranger{place}of{number}") for number in range(NAMES)] for place in range(CROWD)]
    pairs, tried = [], 0
    for _ in bench.rounds_of("log-ins"):
        alone = bench.elsewhere(bench_load.run_for, shop.place, plans, bench.seconds)
        measures.need_only(alone, {200})
        beside = bench.elsewhere(bench_load.run_for, shop.place, [*plans, *crowd], bench.seconds)
        measures.need_only(beside, {200, 401})
        tried += beside.answers[401]
        pairs.append((beside.rate, alone.rate))
    note = f"against the same without them; {tried} passwords were tried meanwhile"
    return measures.ratio_line(WHAT, pairs, TARGET, note=note)


def _log_in(name: str) -> bytes:
    return bench_load.post("/api/auth/login", json.dumps({"username": name, "password": "not my password"}).encode())
