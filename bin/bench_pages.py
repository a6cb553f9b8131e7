"""What pages cost, measured by bin/bench against the answers of the API that tell the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import bench_customers
import bench_data
import bench_ground
import bench_load
import bench_measures as measures

PAGE_TARGET = 1 / 3
MOST_ROUNDS = 3
SHOWN = 24  # products on a page of a list
ROUND_TRIP = 200  # products whose pages are looked at: those that are asked for most in a shop
COOKIE = re.compile(rb"\r\nset-cookie: *(session=[^;]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Twins:
    """A page, and the request of the API that is answered with the same things."""

    what: str
    pages: Sequence[str]
    answers: Sequence[str]
    is_personal: bool = False


def list_twins(place: bench_load.Place, shop: bench_data.Shop) -> list[Twins]:
    """Return what is compared. Raises LoadFailed."""
    slugs = [
        json.loads(bench_load.body_of(answer))["slug"]
        for answer in bench_load.ask(place, [bench_load.get(f"/api/products/{id_}") for id_ in _some(shop)])
    ]
    tree = json.loads(bench_load.body_of(bench_load.ask(place, [bench_load.get("/api/categories")])[0]))["items"]
    categories = [below["slug"] for top in tree for below in top["children"]]
    narrowed = f"limit={SHOWN}&count=1&facets=1"
    return [
        Twins(
            "page of a category, with what narrows it",
            [f"/categories/{slug}" for slug in categories],
            [f"/api/products?category={slug}&{narrowed}" for slug in categories],
        ),
        Twins(
            "page of a product",
            [f"/products/{slug}" for slug in slugs],
            [f"/api/products/{slug}" for slug in slugs],
        ),
        Twins("page of the cart", ["/cart"], ["/api/cart"], is_personal=True),
        Twins("page of one's orders", ["/orders"], ["/api/orders"], is_personal=True),
    ]


def lines(
    bench: measures.Bench,
    shop: bench_ground.Served,
    twins: Sequence[Twins],
    customers: Sequence[bench_customers.Customer],
) -> list[Callable[[], measures.Line]]:
    """Return the measurements, one for each pair of twins."""
    few = replace(bench, rounds=min(bench.rounds, MOST_ROUNDS))
    return [lambda pair=pair: _compare(few, shop, pair, customers) for pair in twins]


def _some(shop: bench_data.Shop) -> list[int]:
    return shop.product_ids[:: max(1, len(shop.product_ids) // ROUND_TRIP)]


def _compare(
    bench: measures.Bench, shop: bench_ground.Served, twins: Twins, customers: Sequence[bench_customers.Customer]
) -> measures.Line:
    """Load the shop with requests for pages and with those for the same from the API, in turns."""
    tokens = [customer.token for customer in customers] if twins.is_personal else [""]
    cookie = COOKIE.search(bench_load.ask(shop.place, [bench_load.get("/")])[0])
    kept = cookie[1].decode() if cookie else ""
    sent = [
        bench.dealt([_request(path, token, kept) for token in tokens for path in paths])
        for paths, kept in ((twins.pages, kept), (twins.answers, ""))
    ]
    costs: list[list[float]] = [[], []]
    rates: list[list[float]] = [[], []]
    for plans in sent:
        bench.elsewhere(bench_load.run_for, shop.place, plans, bench.seconds)
    for _ in bench.rounds_of(twins.what):
        for side, plans in enumerate(sent):
            before = bench_ground.cpu_seconds(shop.process.pid)
            load = bench.elsewhere(bench_load.run_for, shop.place, plans, bench.seconds)
            measures.need_only(load, {200})
            rates[side].append(load.rate)
            costs[side].append((bench_ground.cpu_seconds(shop.process.pid) - before) / load.requests * 1e6)
    note = f"CPU of the web server a request: page {min(costs[0]):.0f} us, the API's {min(costs[1]):.0f} us"
    return measures.ratio_line(twins.what, list(zip(*rates, strict=True)), PAGE_TARGET, note=note)


def _request(path: str, token: str, cookie: str) -> bytes:
    head = {"Host": "127.0.0.1", "Authorization": f"Bearer {token}" if token else "", "Cookie": cookie}
    fields = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value)
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()
