"""The customers of bin/bench: they log in, fill their carts and order, as clients do over HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import bench_data
import bench_load
import bench_statements
from apiflask import APIFlask

from utils import db

ORDER = json.dumps(
    {
        "shipping_address": {"line1": "Moi Avenue 12", "town": "Nairobi", "county": "Nairobi"},
        "phone_number": "0712345678",
    }
).encode()
VARIANTS_EACH = 10


@dataclass(frozen=True)
class Customer:
    """A customer who is logged in, what of him stands in the shop's statements, and what he buys in turn."""

    token: str
    facts: dict[str, Any]
    variant_ids: list[int] = field(default_factory=list)

    def add_to_cart(self, variant_id: int) -> bytes:
        """Write the request that puts one piece into the cart."""
        body = json.dumps({"variant_id": variant_id, "quantity": 1}).encode()
        return bench_load.post("/api/cart", body, self.token)

    def order(self) -> bytes:
        """Write the request that orders what is in the cart."""
        return bench_load.post("/api/orders", ORDER, self.token)

    def clear_cart(self) -> bytes:
        """Write the request that empties the cart."""
        return bench_load.post("/api/cart/clear", b"", self.token, method="DELETE")

    def checkouts(self) -> list[bytes]:
        """Write the two requests of a checkout for each variant he buys."""
        return [request for id_ in self.variant_ids for request in (self.add_to_cart(id_), self.order())]

    def purchases(self) -> list[dict[str, Any]]:
        """Return what is particular to each of his checkouts, for the script of statements."""
        return [{**self.facts, "variant_id": id_} for id_ in self.variant_ids]


def log_in(place: bench_load.Place, names: Sequence[str], variant_ids: Sequence[int]) -> list[Customer]:
    """Log everybody in. Raises LoadFailed."""
    chance = random.Random(bench_data.SEED)
    bodies = [json.dumps({"username": name, "password": bench_data.PASSWORD}).encode() for name in names]
    answers = bench_load.ask(place, [bench_load.post("/api/auth/login", body) for body in bodies])
    return [
        Customer(
            token=json.loads(bench_load.body_of(answer))["access_token"],
            facts=_facts(name),
            variant_ids=chance.sample(variant_ids, VARIANTS_EACH),
        )
        for name, answer in zip(names, answers, strict=True)
    ]


def _facts(name: str) -> dict[str, Any]:
    row = db.reading().require_one(
        """
        SELECT u.id AS user_id, u.username, u.email, s.id AS session_id
          FROM users u
          JOIN sessions s ON s.user_id = u.id
         WHERE u.username = %(name)s
        """,
        {"name": name},
        missing=bench_load.LoadFailed(f"{name} has no session"),
    )
    return dict(row)


def buy_once(place: bench_load.Place, customers: Sequence[Customer]) -> None:
    """Have every customer check out once, so that everybody has a cart already. Raises LoadFailed."""
    bench_load.ask(place, [request for customer in customers for request in customer.checkouts()[:2]])


def learn_script(app: APIFlask, customers: Sequence[Customer]) -> list[bench_statements.Step]:
    """Record the checkouts of two customers in this process and return their common script. Raises CannotRepeat."""
    _check_out(app, customers[0], customers[0].variant_ids[1])  # opens the connection, which is not to be recorded
    recordings = []
    for customer, variant_id in (
        (customers[0], customers[0].variant_ids[2]),
        (customers[-1], customers[-1].variant_ids[3]),
    ):
        with bench_statements.recording() as sent:
            _check_out(app, customer, variant_id)
        recordings.append(({**customer.facts, "variant_id": variant_id}, sent))
    return bench_statements.learn_script(*recordings)


def _check_out(app: APIFlask, customer: Customer, variant_id: int) -> None:
    client = app.test_client()
    headers = {"Authorization": f"Bearer {customer.token}"}
    for path, body in (
        ("/api/cart", json.dumps({"variant_id": variant_id, "quantity": 1})),
        ("/api/orders", ORDER),
    ):
        answer = client.post(path, data=body, headers=headers, content_type="application/json")
        if answer.status_code != 201:
            raise bench_statements.CannotRepeat(f"POST {path} answered {answer.status_code}: {answer.text}")


@db.in_transaction
def forget_events(tx: db.Tx) -> None:
    """Take from the worker what is not told yet, so that one measurement's events do not burden the next."""
    tx.execute("UPDATE outbox_events SET due_at = NULL, done_at = created_at WHERE due_at IS NOT NULL")
