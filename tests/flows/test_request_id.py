"""The way of a request id: from the customer's header through SQL, log, outbox and worker into the mail it caused."""

from __future__ import annotations

import email
import threading
import time
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from pymysql.cursors import DictCursor

import config
from app import HANDLERS
from tests.factories import Product, User, make_product, make_user
from tests.rivals import other_connection
from utils import db, outbox, trace

REQUEST_ID = "customer-7.order_1"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def product(app: APIFlask) -> Product:
    return make_product(stock=5)


@pytest.fixture
def buyer(app: APIFlask) -> User:
    return make_user()


@pytest.fixture
def headers(client: FlaskClient, buyer: User) -> dict[str, str]:
    answer = client.post("/api/auth/login", json={"username": buyer.username, "password": buyer.password})
    return {"Authorization": f"Bearer {answer.get_json()['access_token']}", "X-Request-ID": REQUEST_ID}


def place_order(client: FlaskClient, product: Product, headers: dict[str, str]) -> Any:
    body = {
        "shipping_address": {"line1": "Moi Avenue 1", "town": "Nairobi", "county": "Nairobi"},
        "items": [{"variant_id": product.variant.id, "quantity": 1}],
    }
    return client.post("/api/orders", json=body, headers=headers)


def read_mail(name: str) -> Message:
    (path,) = Path(config.current().INSTANCE_DIR, "mail").glob(name)
    return email.message_from_bytes(path.read_bytes())


def test_the_id_goes_from_the_header_to_the_mail(
    client: FlaskClient, product: Product, headers: dict[str, str], buyer: User, log_lines: Lines
) -> None:
    answer = place_order(client, product, headers)
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (201, REQUEST_ID)

    # the canonical line of the request
    (line,) = [line for line in log_lines() if line["event"] == "request"]
    assert (line["request_id"], line["route"], line["status"]) == (REQUEST_ID, "/api/orders", 201)

    # every row that the request left
    for table in ("outbox_events", "order_events", "stock_movements WHERE order_id IS NOT NULL"):
        rows = db.reading().fetch_all(f"SELECT request_id FROM {table}")
        assert {row["request_id"] for row in rows} == {REQUEST_ID}, table

    # the worker, later, under another id of its own
    with trace.span("worker-run"):
        assert outbox.deliver_due(HANDLERS) == 1
    told = [line for line in log_lines() if line["event"] in ("mail sent", "event told")]
    assert [(line["event"], line["request_id"]) for line in told] == [
        ("mail sent", REQUEST_ID),
        ("event told", REQUEST_ID),
    ]

    # and the mail that it wrote
    letter = read_mail("order.placed-*.eml")
    assert (letter["X-Request-ID"], letter["To"]) == (REQUEST_ID, buyer.email)


def test_the_id_stands_in_the_servers_own_process_list_while_a_statement_waits(
    app: APIFlask, product: Product, headers: dict[str, str]
) -> None:
    answers: list[int] = []

    def order() -> None:
        answers.append(place_order(app.test_client(), product, headers).status_code)

    with other_connection() as rival, other_connection() as operator:
        rival.execute("BEGIN")
        rival.execute("SELECT id FROM variants WHERE id = %s FOR UPDATE", (product.variant.id,))
        ordering = threading.Thread(target=order)
        ordering.start()
        waiting = wait_for_statement(operator, "UPDATE variants")
        rival.execute("ROLLBACK")
        ordering.join(10)
    assert waiting.endswith(f"/* {REQUEST_ID} */")
    assert answers == [201]


def wait_for_statement(operator: Any, beginning: str) -> str:
    give_up = time.monotonic() + 4  # before the waiting one gives up itself
    while time.monotonic() < give_up:
        operator.execute("SHOW FULL PROCESSLIST")
        for statement in (row[7] for row in operator.fetchall()):
            if statement and statement.lstrip().startswith(beginning):
                return str(statement)
    raise AssertionError(f"no {beginning} was seen at the server")


def test_every_statement_of_a_request_carries_its_id(
    client: FlaskClient, product: Product, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = DictCursor.execute

    def note(cursor: Any, statement: str, *values: Any) -> int:
        sent.append(statement)
        return send(cursor, statement, *values)

    monkeypatch.setattr(DictCursor, "execute", note)
    assert place_order(client, product, headers).status_code == 201
    assert len(sent) > 5
    assert [statement for statement in sent if not statement.endswith(f"/* {REQUEST_ID} */")] == []


def test_an_id_that_could_break_out_of_the_comment_is_replaced(
    client: FlaskClient, product: Product, headers: dict[str, str]
) -> None:
    evil = "x */ DROP TABLE orders; /*"
    answer = place_order(client, product, {**headers, "X-Request-ID": evil})
    assert answer.status_code == 201
    assert answer.headers["X-Request-ID"] != evil
    row = db.reading().fetch_one("SELECT request_id FROM outbox_events")
    assert row == {"request_id": answer.headers["X-Request-ID"]}


def test_what_the_worker_does_on_its_own_account_has_an_id_too(app: APIFlask, log_lines: Lines) -> None:
    with trace.span() as request_id:
        outbox.logger.info("swept")
    assert [line["request_id"] for line in log_lines()] == [request_id]
    assert trace.ACCEPTED.match(request_id)
