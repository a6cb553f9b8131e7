"""Money paid by hand, from the customer's phone to the paid order, over real HTTP.

The shop and the provider are two servers on loopback; the worker's jobs run until what is waited for is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from apiflask import APIFlask

import config
from payments.simulator import running_simulator
from payments.simulator_wire import Provider
from tests.c2b import balance_of, money_of, payment_with, payments_of
from tests.factories import make_user
from tests.flows.test_payment_stories import PATIENCE_SECONDS, SPEED, Shop, serving, work_until
from utils import db

PHONE = "0712345699"


@pytest.fixture
def shop(app: APIFlask) -> Iterator[Shop]:
    """A shop that is registered at its provider, by the shop's own command."""
    with (
        serving(app) as shop_url,
        running_simulator(speed=SPEED, seed=1) as (provider_url, provider),
        config.override(MPESA_BASE_URL=provider_url, MPESA_CALLBACK_BASE_URL=shop_url),
    ):
        done = app.test_cli_runner().invoke(args=["payments", "register-c2b"])
        assert (done.exit_code, provider.registration is not None) == (0, True), done.output
        again = app.test_cli_runner().invoke(args=["payments", "register-c2b"])
        assert again.output.startswith("174379 has its addresses already.")
        yield Shop(shop_url, provider)


def pay_by_hand(account: str, amount: int = 200) -> dict[str, Any]:
    """Pay the paybill as a customer does, and return what the phone shows."""
    http = requests.Session()
    http.trust_env = False
    body = {"phone": PHONE, "amount": amount, "account": account}
    url = f"{config.current().MPESA_BASE_URL}/simulator/c2b"
    shown: dict[str, Any] = http.post(url, json=body, timeout=PATIENCE_SECONDS).json()
    return shown


def log_in_as_staff(shop: Shop) -> None:
    staff = make_user(role="manager")
    tokens = shop.post("/api/auth/login", username=staff.username, password=staff.password).json()
    shop.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"


def book_of(provider: Provider) -> int:
    return sum(entry.amount for entry in provider.stage.book.values())


def count_applied(kind: str) -> int:
    count: int = db.reading().fetch_value(
        "SELECT COUNT(*) AS count FROM provider_callbacks WHERE kind = %(kind)s AND applied_at IS NOT NULL",
        {"kind": kind},
    )
    return count


def wait_for(confirmations: int) -> None:
    work_until(lambda: count_applied("c2b") == confirmations)


def test_a_customer_pays_the_paybill_by_hand(shop: Shop) -> None:
    order = shop.place_order()
    paid = pay_by_hand(order.number.lower())
    assert paid["accepted"] is True
    wait_for(1)
    assert money_of(order.id) == ("processing", "paid", 200)
    row = payment_with(paid["receipt"])
    assert (row["order_id"], row["method"], row["phone_number"]) == (order.id, "mpesa_c2b", None)
    shown = shop.get(f"/api/transactions/{row['id']}")
    assert (shown["status"], shown["receipt"], shown["amount"]) == ("succeeded", paid["receipt"], "200.00")
    assert book_of(shop.provider) == balance_of("mpesa_clearing") == 200


def test_a_customer_pays_in_two_parts_and_then_is_told_that_nothing_is_due(shop: Shop) -> None:
    order = shop.place_order()
    assert pay_by_hand(order.number, 150)["accepted"] is True
    wait_for(1)
    assert money_of(order.id) == ("pending", "unpaid", 150)
    assert pay_by_hand(order.number, 50)["accepted"] is True
    wait_for(2)
    assert money_of(order.id) == ("processing", "paid", 200)
    refused = pay_by_hand(order.number, 1)
    assert (refused["accepted"], refused["result_code"]) == (False, "C2B00016")
    assert book_of(shop.provider) == balance_of("mpesa_clearing") == 200


def test_an_account_that_no_order_has_moves_no_money(shop: Shop) -> None:
    shop.place_order()
    refused = pay_by_hand("RENT")
    assert (refused["accepted"], refused["result_code"]) == (False, "C2B00012")
    assert book_of(shop.provider) == 0


def test_a_prompt_on_a_registered_shortcode_is_told_twice_and_counted_once(shop: Shop) -> None:
    order = shop.place_order()
    assert shop.pay(order, "99").status_code == 202
    work_until(lambda: count_applied("c2b") == count_applied("stk") == 1)
    ((receipt, entry),) = shop.provider.stage.book.items()
    assert [(row["method"], row["status"], row["receipt"]) for row in payments_of(order.id)] == [
        ("mpesa_stk", "succeeded", receipt)
    ]
    assert entry.amount == money_of(order.id)[2] == balance_of("mpesa_clearing") == 200


@pytest.mark.parametrize("suffix", ["33", "44", "70", "11"])
def test_the_odd_stories_of_a_prompt_are_counted_once_too(shop: Shop, suffix: str) -> None:
    """Callbacks that come thrice, never, or as a failure first; each with its confirmation."""
    order = shop.place_order()
    with config.override(MPESA_QUERY_AFTER_SECONDS=0.1):
        assert shop.pay(order, suffix).status_code == 202
        wait_for(1)

        def all_is_told() -> bool:
            open_ones = "SELECT COUNT(*) AS c FROM provider_callbacks WHERE applied_at IS NULL"
            return shop.provider.stage.wait_until_quiet(0) and db.reading().fetch_value(open_ones) == 0

        work_until(all_is_told)
    ((receipt, _entry),) = shop.provider.stage.book.items()
    assert money_of(order.id) == ("processing", "paid", 200)
    assert [row["receipt"] for row in payments_of(order.id) if row["status"] == "succeeded"] == [receipt]
    assert book_of(shop.provider) == balance_of("mpesa_clearing") == 200


def test_a_lost_callback_is_made_up_for_by_the_confirmation(shop: Shop) -> None:
    order = shop.place_order()
    assert shop.pay(order, "44").status_code == 202
    wait_for(1)
    (row,) = payments_of(order.id)
    assert (row["status"], row["receipt"]) == ("succeeded", next(iter(shop.provider.stage.book)))


def test_staff_find_a_home_for_money_that_came_while_nobody_could_be_asked(shop: Shop) -> None:
    """Validation is asked at an address that is gone, so the provider lets the money pass."""
    order = shop.place_order()
    registration = shop.provider.registration
    assert registration is not None
    gone = registration.validation_url.replace("/validation", "/gone")
    shop.provider.registration = replace(registration, validation_url=gone)
    paid = pay_by_hand(order.number[:-1] + ("A" if order.number[-1] != "A" else "B"))
    assert paid["accepted"] is True
    wait_for(1)
    log_in_as_staff(shop)
    (item,) = shop.get("/api/payments/unallocated")["items"]
    assert (item["receipt"], item["amount"]) == (paid["receipt"], "200.00")
    (suggestion,) = item["suggestions"]
    assert suggestion["order_id"] == order.id
    assert suggestion["reasons"][0] == "the account differs from its number by 1 character"
    answer = shop.post(f"/api/payments/unallocated/{item['id']}/allocate", order_id=suggestion["order_id"])
    assert answer.status_code == 200
    assert money_of(order.id) == ("processing", "paid", 200)
    assert book_of(shop.provider) == balance_of("mpesa_clearing") == 200
    assert shop.get("/api/payments/unallocated")["items"] == []
