"""The door for money that is paid by hand: what the provider sends there, and what it reads."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from orders.schemas import Order
from payments import callback_services, callback_tokens
from tests import daraja as scripted
from tests.c2b import hand_payment, money_of, outcomes
from tests.daraja import Daraja
from tests.factories import make_order, make_product, make_user
from utils import db, metrics

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}
WELCOME = {"ResultCode": "0", "ResultDesc": "Accepted"}
DOORS = ["validation", "confirmation"]


def address(door: str) -> str:
    return urlsplit(callback_tokens.c2b_url(door=door)).path


@pytest.fixture
def order(app: APIFlask) -> Order:
    return make_order(make_user(), (make_product(price="100.00").variant, 1))


def inbox() -> list[dict[str, Any]]:
    return db.reading().fetch_all(
        "SELECT kind, payment_id, body, applied_at FROM provider_callbacks WHERE kind = 'c2b' ORDER BY id"
    )


def test_a_confirmation_is_kept_word_for_word_before_it_is_answered(client: FlaskClient, order: Order) -> None:
    body = hand_payment(order.number)
    answer = client.post(address("confirmation"), data=body)
    assert (answer.status_code, answer.get_json()) == (200, ACCEPTED)
    assert inbox() == [{"kind": "c2b", "payment_id": None, "body": body, "applied_at": None}]
    callback_services.apply_due()
    assert outcomes() == ["settled"]
    assert money_of(order.id) == ("processing", "paid", 100)


def test_a_confirmation_is_one_statement(client: FlaskClient, count_statements: Callable[..., int]) -> None:
    assert count_statements(lambda: client.post(address("confirmation"), data=hand_payment("RENT"))) == 1


def test_a_confirmation_that_is_strange_json_is_kept_too(client: FlaskClient) -> None:
    for body in ("{}", "[]", "null", '"text"', '{"TransID": {}}'):
        assert client.post(address("confirmation"), data=body).get_json() == ACCEPTED
    callback_services.apply_due()
    assert outcomes() == ["unreadable"] * 5


def test_a_validation_answers_in_text_and_keeps_nothing(
    client: FlaskClient, order: Order, count_statements: Callable[..., int]
) -> None:
    body = hand_payment(order.number)
    assert count_statements(lambda: client.post(address("validation"), data=body)) == 1
    assert client.post(address("validation"), data=body).get_json() == WELCOME
    assert client.post(address("validation"), data=hand_payment("RENT")).get_json()["ResultCode"] == "C2B00012"
    assert client.post(address("validation"), data=hand_payment(order.number, "0")).get_json()["ResultCode"] == (
        "C2B00013"
    )
    assert inbox() == []


@contextmanager
def database_away() -> Iterator[None]:
    url = config.current().DATABASE_URL
    db.close_pool()
    db.open_pool("mysql://nobody@127.0.0.1:1/nothing", 1)
    try:
        yield
    finally:
        db.close_pool()
        db.open_pool(url, config.current().DATABASE_POOL_SIZE)


def test_without_the_database_a_payment_is_welcome_rather_than_lost(client: FlaskClient, order: Order) -> None:
    body = hand_payment(order.number)
    db.release()
    with database_away():
        answer = client.post(address("validation"), data=body)
        assert (answer.status_code, answer.get_json()) == (200, WELCOME)
        assert client.post(address("confirmation"), data=body).status_code == 503


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "path",
    [
        lambda door: f"/api/payments/callbacks/c2b/{callback_tokens.make_token(kind='stk', payment_id=174379)}/{door}",
        lambda door: address(door).replace("c2b/", "c2b/0"),
        lambda door: f"/api/payments/callbacks/c2b/174379/{door}",
        lambda door: f"/api/payments/callbacks/c2b/😀/{door}",
    ],
)
def test_an_unknown_token_is_404_and_counted(client: FlaskClient, door: str, path: Callable[[str], str]) -> None:
    counter = metrics.CALLBACKS_REFUSED.labels("c2b", "token")
    before = counter._value.get()
    answer = client.post(path(door), data=hand_payment("RENT"))
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert counter._value.get() == before + 1
    assert inbox() == []


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"[" * 10_000])
def test_what_is_no_json_is_400(client: FlaskClient, door: str, body: bytes) -> None:
    assert client.post(address(door), data=body).status_code == 400
    assert inbox() == []


@pytest.mark.parametrize("door", DOORS)
def test_more_than_64_kib_is_413(client: FlaskClient, door: str) -> None:
    fits = json.dumps({"a": "x" * (64 * 1024 - 9)})
    assert len(fits) == 64 * 1024
    assert client.post(address(door), data=fits).status_code == 200
    assert client.post(address(door), data=fits + " ").status_code == 413


def test_the_secret_of_the_address_is_not_logged(client: FlaskClient, log_lines: Any) -> None:
    for door in DOORS:
        client.post(address(door), data=hand_payment("RENT"))
    told = json.dumps(log_lines())
    assert "/api/payments/callbacks/c2b/<token>/validation" in told
    assert address("validation").split("/")[-2] not in told


# --- registration


@pytest.fixture
def register(app: APIFlask, daraja: Daraja) -> Callable[[], Any]:
    return lambda: app.test_cli_runner().invoke(args=["payments", "register-c2b"])


def test_the_addresses_are_registered_as_the_provider_takes_them(register: Callable[[], Any], daraja: Daraja) -> None:
    done = register()
    assert (done.exit_code, done.output) == (0, "The provider tells us now of what is paid to 174379 by hand.\n")
    sent = daraja.body_of("registerurl")
    assert sent == {
        "ShortCode": "174379",
        "ResponseType": "Completed",
        "ValidationURL": callback_tokens.c2b_url(door="validation"),
        "ConfirmationURL": callback_tokens.c2b_url(door="confirmation"),
    }
    for door in ("ValidationURL", "ConfirmationURL"):
        assert not config.WORDS_REFUSED_IN_CALLBACKS.search(sent[door])


def test_to_be_registered_already_is_fine(register: Callable[[], Any], daraja: Daraja) -> None:
    daraja.registrations.append((500, {"errorCode": "500.003.1001", "errorMessage": "Urls are already registered"}))
    done = register()
    assert done.exit_code == 0
    assert done.output.startswith("174379 has its addresses already.")


def test_an_old_token_is_renewed_once(register: Callable[[], Any], daraja: Daraja) -> None:
    daraja.registrations.append((400, {"errorCode": "400.003.01", "errorMessage": "Invalid Access Token"}))
    assert register().exit_code == 0
    assert daraja.count("registerurl") == daraja.count("generate") == 2


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid ShortCode"}),
        (500, {"errorCode": "500.003.1001", "errorMessage": "Internal Server Error"}),
        (200, {"ResponseCode": "1", "ResponseDescription": "Rejected"}),
        (200, "<html></html>"),
        (503, ""),
        scripted.requests.ConnectionError(),
    ],
)
def test_a_registration_that_went_wrong_is_told_in_one_line(
    register: Callable[[], Any], daraja: Daraja, answer: scripted.Answer
) -> None:
    daraja.registrations.append(answer)
    done = register()
    assert done.exit_code == 1
    assert re.fullmatch(r"Error: The provider did not register the addresses of 174379: .+\.\n", done.output)
