"""Counters and timings for Prometheus, served at /metrics."""

from __future__ import annotations

import functools

from prometheus_client import Counter, Histogram

REQUESTS = Counter("duka_http_requests_total", "Requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "duka_http_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


@functools.cache
def request_counter(method: str, route: str, status: int) -> Counter:
    """Return the counter of a kind of request: to find it takes twice as long as to count."""
    return REQUESTS.labels(method, route, status)


@functools.cache
def request_timer(route: str) -> Histogram:
    """Return the timer of a route."""
    return REQUEST_SECONDS.labels(route)


CALLBACKS_REFUSED = Counter(
    "duka_callbacks_refused_total", "Callbacks that were not taken into the inbox", ["kind", "reason"]
)
