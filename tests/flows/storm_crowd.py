"""The crowd that buys in a storm: what each customer does is drawn from the seed, and is the same whenever it comes."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import requests

from payments.simulator_stories import REFUND_STORIES
from payments.simulator_stories import STORIES as STK_STORIES
from tests.factories import PASSWORD, Product, User
from tests.flows.storm import Ground
from tests.threads import at_once

PATIENCE_SECONDS = 60
TRIES = 3
CROWD = 12
RETURNS = 0.2  # of the orders

# The last two digits of the phone choose the provider's story of a prompt, and of a refund.
STORIES = ["00"] * 30 + [*STK_STORIES, "70", *REFUND_STORIES]
SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    str,
    str.lower,
    lambda number: f"{number[:5]}-{number[5:]}",
    lambda number: f"order {number}",
    lambda number: f" {number} ",
)


class Caller:
    """A program that calls the shop as one of its users; what the shop could not do it is asked to do again."""

    def __init__(self, ground: Ground, user: User) -> None:
        self.url = ground.url
        self.headers = {"Authorization": "Bearer " + self._log_in(user)}

    def _log_in(self, user: User) -> str:
        answer = self._send("POST", "/api/auth/login", {}, {"username": user.username, "password": PASSWORD})
        token: str = answer.json()["access_token"]
        return token

    def post(self, path: str, **body: Any) -> requests.Response:
        headers = self.headers | {"Idempotency-Key": uuid.uuid4().hex}
        for _ in range(TRIES):
            answer = self._send("POST", path, headers, body)
            if answer.status_code < 500:
                break
        return answer

    def get(self, path: str) -> dict[str, Any]:
        answer = self._send("GET", path, self.headers, None)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _send(self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, self.url + path, json=body, headers=headers, timeout=PATIENCE_SECONDS)


@dataclass(frozen=True)
class Visit:
    """A customer who is about to do something about an order, by chance of their own."""

    number: int
    wave: int
    chance: random.Random
    order: dict[str, Any]

    @property
    def due(self) -> int:
        return int(float(self.order["total"]) - float(self.order["paid"]))


class Crowd:
    """Customers by the hundred, and the staff who look after them."""

    def __init__(self, ground: Ground, *, seed: int, buyer: User, clerk: User, products: list[Product]) -> None:
        self.ground, self.seed, self.products = ground, seed, products
        self.customer, self.staff = Caller(ground, buyer), Caller(ground, clerk)
        self.orders: dict[int, int] = {}  # by the customer's number

    def buy(self, numbers: range) -> None:
        """Let a customer for each number place an order and pay, or not."""
        self._all(self._buy, numbers)

    def try_again(self, numbers: range) -> None:
        """Let those who have not paid yet try again, or turn away."""
        self._all(self._try_again, numbers)

    def return_goods(self, numbers: range) -> None:
        """Let some customers have their money back, all of it or a part, sometimes at two clicks at once."""
        self._all(self._return_goods, numbers)

    @staticmethod
    def _all(act: Callable[[int], Any], numbers: range) -> None:
        with ThreadPoolExecutor(CROWD) as threads:
            list(threads.map(act, numbers))

    def _chance(self, what: str, number: int) -> random.Random:
        return random.Random(f"{self.seed}/{what}/{number}")

    def _buy(self, number: int) -> None:
        chance = self._chance("buy", number)
        items = [
            {"variant_id": product.variant.id, "quantity": chance.randint(1, 3)}
            for product in chance.sample(self.products, chance.randint(1, 2))
        ]
        answer = self.customer.post("/api/orders", shipping_address="Moi Avenue 1, Nairobi", items=items)
        assert answer.status_code == 201, answer.text
        visit = Visit(number, 0, chance, answer.json())
        self.orders[number] = visit.order["id"]
        ways = [self._by_prompt] * 14 + [self._by_hand] * 3 + [self._in_parts, self._too_much, self._to_nobody]
        ways += [self._twice, self._cancel, self._and_cancel]
        chance.choice(ways)(visit)

    def _try_again(self, number: int) -> None:
        visit = Visit(number, 1, self._chance("again", number), self.customer.get(f"/api/orders/{self.orders[number]}"))
        if (visit.order["status"], visit.order["payment_status"]) == ("pending", "unpaid"):
            ways = [self._by_prompt, self._by_prompt, self._by_hand, self._cancel, self._wait]
            visit.chance.choice(ways)(visit)

    def _return_goods(self, number: int) -> None:
        chance = self._chance("return", number)
        if chance.random() > RETURNS:
            return
        for payment in self.staff.get(f"/api/transactions?order_id={self.orders[number]}")["items"]:
            if payment["status"] in ("succeeded", "review"):
                part = chance.choice([{}, {}, {"amount": "20.00"}])
                click = partial(self.staff.post, f"/api/transactions/{payment['id']}/refund", reason="broken", **part)
                at_once(*[click] * chance.choice([1, 2]))

    # --- ways to pay

    def _by_prompt(self, visit: Visit) -> None:
        phone = f"2547{visit.wave}{visit.number:05}{visit.chance.choice(STORIES)}"
        self.customer.post("/api/payments/stkpush", order_id=visit.order["id"], phone_number=phone)

    def _by_hand(self, visit: Visit) -> None:
        self._pay_by_hand(visit, visit.due)

    def _in_parts(self, visit: Visit) -> None:
        part = visit.chance.randint(1, visit.due - 1)
        self._pay_by_hand(visit, part)
        self._pay_by_hand(visit, visit.due - part, hand=1)

    def _too_much(self, visit: Visit) -> None:
        self._pay_by_hand(visit, visit.due + visit.chance.randint(1, 500))

    def _to_nobody(self, visit: Visit) -> None:
        self._pay_by_hand(visit, visit.due, account=visit.chance.choice(["SHOES", "", "order 12"]))

    def _twice(self, visit: Visit) -> None:
        self._by_prompt(visit)
        visit.chance.choice([self._by_hand, self._in_parts, self._too_much])(visit)

    def _cancel(self, visit: Visit) -> None:
        self.customer.post(f"/api/orders/{visit.order['id']}/cancel", reason="changed my mind")

    def _and_cancel(self, visit: Visit) -> None:
        self._by_prompt(visit)
        self._cancel(visit)

    def _wait(self, visit: Visit) -> None:
        """Do nothing: the order will expire, and a late callback may yet pay it."""

    def _pay_by_hand(self, visit: Visit, amount: int, *, account: str | None = None, hand: int = 0) -> None:
        typed = visit.chance.choice(SPELLINGS)(visit.order["number"]) if account is None else account
        phone = f"2541{2 * visit.wave + hand}{visit.number:05}00"
        with requests.Session() as session:
            session.trust_env = False
            body = {"phone": phone, "amount": amount, "account": typed}
            session.post(f"{self.ground.provider_url}/simulator/c2b", json=body, timeout=PATIENCE_SECONDS)
