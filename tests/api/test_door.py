"""The door for the provider's callbacks, over HTTP: what it takes, whom it turns away, and what a forger gets."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

import config
from app import create_app
from extensions import limiter
from orders.schemas import Order
from payments import callback_services, callback_tokens, door, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.daraja import Daraja, success_body
from tests.factories import User, make_order, make_product, make_user
from utils import db, metrics
from utils.idempotency import Claim

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


@pytest.fixture
def payment(buyer: User, order: Order) -> Payment:
    return push(buyer, order)


def path_of(payment_id: int) -> str:
    return f"/api/payments/callbacks/stk/{callback_tokens.make_token(kind='stk', payment_id=payment_id)}"


def paid(payment: Payment, **changes: Any) -> str:
    return success_body(payment.checkout_request_id, **changes)


def refusals(reason: str) -> float:
    return metrics.CALLBACKS_REFUSED.labels("stk", reason)._value.get()  # the client library has no public reader


def kept() -> int:
    counted: int = db.reading().fetch_value("SELECT COUNT(*) AS counted FROM provider_callbacks")
    return counted


# --- what it takes


def test_a_callback_is_kept_word_for_word_before_it_is_answered(client: FlaskClient, payment: Payment) -> None:
    body = paid(payment).replace(" ", "  ")
    answer = client.post(path_of(payment.id), data=body, headers={"X-Request-ID": "callback-1"})
    assert (answer.status_code, answer.get_json()) == (200, ACCEPTED)
    row = db.reading().fetch_one("SELECT kind, body, address, request_id, applied_at FROM provider_callbacks")
    assert row == {"kind": "stk", "body": body, "address": "127.0.0.1", "request_id": "callback-1", "applied_at": None}
    callback_services.apply_due()
    assert scripted.payment_row(payment.id)["status"] == "succeeded"


def test_a_repeated_callback_is_accepted_again(client: FlaskClient, payment: Payment) -> None:
    for _ in range(3):
        answer = client.post(path_of(payment.id), data=paid(payment))
        assert (answer.status_code, answer.get_json()) == (200, ACCEPTED)
    callback_services.apply_due()
    assert scripted.outcomes(payment.id) == ["settled", "repeated", "repeated"]


def test_any_json_under_a_known_token_is_accepted(client: FlaskClient, payment: Payment) -> None:
    for body in ("{}", "[]", "null", '"text"', '{"Body": {"stkCallback": {"ResultCode": "\\ud800"}}}', "\ufeff{}"):
        assert client.post(path_of(payment.id), data=body.encode()).get_json() == ACCEPTED
    callback_services.apply_due()
    assert set(scripted.outcomes(payment.id)) == {"unreadable"}


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"ResultCode=0", b"\xff\xfe", b"[" * 60_000, b"9" * 5_000])
def test_what_is_not_json_is_400_and_counted(client: FlaskClient, payment: Payment, body: bytes) -> None:
    before = refusals("not JSON")
    answer = client.post(path_of(payment.id), data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "malformed_request")
    assert refusals("not JSON") == before + 1


def test_more_than_64_kib_is_413_with_its_length_told_or_not(client: FlaskClient, payment: Payment) -> None:
    body, before = b'"' + b"x" * 64 * 1024 + b'"', refusals("size")
    assert client.post(path_of(payment.id), data=body).status_code == 413
    chunked = client.post(
        path_of(payment.id),
        input_stream=io.BytesIO(body),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert chunked.status_code == 413
    assert refusals("size") == before + 2
    assert client.post(path_of(payment.id), data=b'"' + b"x" * (64 * 1024 - 2) + b'"').status_code == 200


def test_a_callbacks_bytes_that_are_no_characters_do_not_cost_the_money(client: FlaskClient, payment: Payment) -> None:
    body = paid(payment).encode().replace(b"processed", b"proc\xe9d\xe9")
    assert client.post(path_of(payment.id), data=body).status_code == 200
    callback_services.apply_due()
    assert scripted.outcomes(payment.id) == ["settled"]


def test_secrets_in_a_callbacks_address_stay_out_of_the_log(
    client: FlaskClient, payment: Payment, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post(path_of(payment.id), data="{")
    assert path_of(payment.id).rpartition("/")[2] not in "".join(capsys.readouterr())


def test_a_callback_costs_one_statement(
    client: FlaskClient, payment: Payment, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    path, body = path_of(payment.id), paid(payment)
    assert count_statements(lambda: client.post(path, data=body)) == 1


# --- forgers


def test_a_success_under_a_wrong_token_is_404_counted_and_leaves_nothing(client: FlaskClient, payment: Payment) -> None:
    true, before = path_of(payment.id), refusals("token")
    forged = [
        true[:-1] + ("0" if true[-1] != "0" else "1"),
        f"{path_of(0)[:-64]}{true[-64:]}",
        true[:-64],
        true[:-80] + true[-80:].upper(),
    ]
    for path in forged:
        answer = client.post(path, data=paid(payment))
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert refusals("token") == before + len(forged)
    assert kept() == 0


def test_a_true_token_of_a_payment_that_is_not_there_is_404(client: FlaskClient, daraja: Daraja) -> None:
    assert client.post(path_of(4711), data="{}").status_code == 404


def test_a_success_with_the_right_token_and_another_amount_never_pays_the_order(
    client: FlaskClient, payment: Payment
) -> None:
    assert client.post(path_of(payment.id), data=paid(payment, amount=1)).status_code == 200
    callback_services.apply_due()
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["payment_status"], row["paid"]) == ("review", "review", 0)
    assert row["review_reason"] == "1.00 came where 100.00 was asked for"


def test_a_success_of_one_order_sent_to_another_orders_address_pays_neither(
    client: FlaskClient, buyer: User, payment: Payment
) -> None:
    dear = push(buyer, make_order(buyer, (make_product(price="100.00").variant, 1)))
    assert client.post(path_of(dear.id), data=paid(payment)).status_code == 200
    callback_services.apply_due()
    rows = [scripted.payment_row(one.id) for one in (dear, payment)]
    assert [(row["status"], row["paid"]) for row in rows] == [("review", 0), ("sent", 0)]
    assert rows[0]["review_reason"].startswith("the word is of another CheckoutRequestID")


# --- from where


@pytest.fixture
def knock(client: FlaskClient, payment: Payment) -> Callable[[str], int]:
    def run(address: str) -> int:
        return client.post(path_of(payment.id), data="{}", environ_overrides={"REMOTE_ADDR": address}).status_code

    return run


def test_everybody_may_call_while_no_addresses_are_set(knock: Callable[[str], int]) -> None:
    assert [knock("127.0.0.1"), knock("8.8.8.8"), knock("2001:db8::1")] == [200, 200, 200]


def test_who_calls_from_elsewhere_is_404_counted_and_leaves_nothing(knock: Callable[[str], int]) -> None:
    before = refusals("address")
    with config.override(MPESA_ALLOWED_IPS="196.201.214.200,10.0.0.0/8"):
        assert [knock("8.8.8.8"), knock("196.201.214.201"), knock("::1")] == [404, 404, 404]
        assert (refusals("address"), kept()) == (before + 3, 0)
        assert [knock("196.201.214.200"), knock("10.1.2.3"), knock("::ffff:196.201.214.200")] == [200, 200, 200]


def test_official_names_the_providers_own_addresses(knock: Callable[[str], int]) -> None:
    with config.override(MPESA_ALLOWED_IPS="official,127.0.0.1"):
        assert [knock(address) for address in door.OFFICIAL] == [200] * 12
        assert [knock("127.0.0.1"), knock("196.201.214.1")] == [200, 404]


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({}, "any"),
        ({"TRUSTED_PROXIES": 1}, "any"),
        ({"SHOP_ENV": "production"}, "any"),  # nobody tells who stands behind a proxy that we do not know of
        ({"SHOP_ENV": "production", "TRUSTED_PROXIES": 1}, "official"),
        ({"SHOP_ENV": "production", "TRUSTED_PROXIES": 1, "MPESA_ALLOWED_IPS": "any"}, "any"),
    ],
)
def test_unset_the_list_is_the_official_one_where_the_caller_is_known(settings: dict[str, Any], allowed: str) -> None:
    with config.override(**settings) as changed:
        assert changed.callback_addresses == allowed


def test_behind_a_proxy_of_ours_its_word_counts_and_not_the_callers(client: FlaskClient, payment: Payment) -> None:
    before, path = config.current(), path_of(payment.id)
    db.release()
    proxied = create_app(before.model_copy(update={"TRUSTED_PROXIES": 1, "MPESA_ALLOWED_IPS": "official"}))

    def knock_as(forwarded: str) -> int:
        return proxied.test_client().post(path, data="{}", headers={"X-Forwarded-For": forwarded}).status_code

    try:
        assert knock_as("8.8.8.8, 196.201.214.200") == 200
        assert knock_as("196.201.214.200, 8.8.8.8") == 404
    finally:
        config.use(before)


def test_without_a_proxy_of_ours_nobody_is_believed_to_be_forwarded(client: FlaskClient, payment: Payment) -> None:
    with config.override(MPESA_ALLOWED_IPS="official"):
        headers = {"X-Forwarded-For": "196.201.214.200"}
        assert client.post(path_of(payment.id), data="{}", headers=headers).status_code == 404


# --- how often


@pytest.fixture
def limited_client(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """A client of the same shop with the limits on."""
    monkeypatch.setattr(limiter, "enabled", True)
    db.release()
    before = config.current()
    limited = create_app(before.model_copy(update={"RATELIMIT_ENABLED": True}))
    limiter.reset()
    yield limited.test_client()
    config.use(before)


def test_one_who_tries_tokens_is_slowed_down_and_genuine_callbacks_from_there_are_not(
    limited_client: FlaskClient, payment: Payment
) -> None:
    wrong = path_of(payment.id)[:-1] + "x"
    tried = [limited_client.post(wrong, data="{}").status_code for _ in range(65)]
    assert tried == [404] * 60 + [429] * 5
    answer = limited_client.post(wrong, data="{}")
    assert (answer.get_json()["code"], 0 <= int(answer.headers["Retry-After"]) <= 61) == ("too_many_requests", True)
    elsewhere = limited_client.post(wrong, data="{}", environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
    assert elsewhere.status_code == 404
    assert limited_client.post(path_of(payment.id), data=paid(payment)).status_code == 200


def test_a_storm_of_genuine_callbacks_meets_no_limit(limited_client: FlaskClient, payment: Payment) -> None:
    path, body = path_of(payment.id), paid(payment)
    assert {limited_client.post(path, data=body).status_code for _ in range(300)} == {200}
    assert kept() == 300
