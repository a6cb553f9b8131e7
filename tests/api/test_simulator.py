"""The bundled Daraja simulator, spoken to over real HTTP by a shop that only listens."""

import json
import queue
import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
import requests

from payments.simulator import (
    running_simulator,
)
from payments.simulator_stories import STORIES, stories_table
from tests.api.listening_shop import PUSH, QUERY, WAIT_SECONDS, Merchant, items_of, signature

# --- the token ---


def test_token_is_28_characters_and_its_life_a_string(merchant):
    answer = merchant.fetch_token().json()
    assert len(answer["access_token"]) == 28
    assert answer["expires_in"] == "3599"


def test_each_new_token_invalidates_the_one_before(merchant):
    first, second = merchant.token, merchant.fetch_token().json()["access_token"]
    refused = merchant.post(PUSH, merchant.push_body("254700000000"), token=first)
    assert refused.status_code == 404
    assert refused.json()["errorCode"] == "404.001.03"
    assert refused.json()["errorMessage"] == "Invalid Access Token"
    assert merchant.post(PUSH, merchant.push_body("254700000000"), token=second).status_code == 200


def test_wrong_credentials_are_400_with_an_empty_body(shop):
    with running_simulator(consumer_key="key", consumer_secret="right") as (url, _):
        wrong = requests.get(
            f"{url}/oauth/v1/generate?grant_type=client_credentials",
            auth=("key", "wrong"),
            timeout=WAIT_SECONDS,
        )
    assert (wrong.status_code, wrong.content) == (400, b"")


def test_empty_credentials_are_refused_even_where_any_are_let_in(merchant):
    assert merchant.fetch_token(key="any", secret="thing").status_code == 200
    assert merchant.fetch_token(key="", secret="").status_code == 400
    assert merchant.fetch_token(key="any", secret="").status_code == 400


def test_another_grant_is_refused(merchant):
    assert merchant.fetch_token(grant="password").json()["errorCode"] == "400.008.02"


# --- the push and its checks ---


def test_accepted_push_answers_as_the_provider_does(merchant):
    answer = merchant.push("254700000000")
    assert answer.status_code == 200
    assert list(answer.json()) == [
        "MerchantRequestID",
        "CheckoutRequestID",
        "ResponseCode",
        "ResponseDescription",
        "CustomerMessage",
    ]
    assert answer.json()["ResponseCode"] == "0"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("BusinessShortCode", "12"),
        ("Timestamp", "2024-01-01 00:00"),
        ("Timestamp", "20241399000000"),
        ("TransactionType", "CustomerPayBill"),
        ("Amount", 0),
        ("Amount", 1.5),
        ("Amount", "1.00"),
        ("Amount", True),
        ("Amount", 250_001),
        ("PartyA", "0712345678"),
        ("PhoneNumber", 254212345678),
        ("PhoneNumber", [254712345678]),
        ("PartyB", 600000),
        ("CallBackURL", "not an address"),
        ("CallBackURL", "https://shop.example/mpesa/callback"),
        ("CallBackURL", "https://shop.example/callback?Query=1"),
        ("AccountReference", "thirteen-long"),
        ("AccountReference", ""),
        ("TransactionDesc", "fourteen-long-"),
        ("TransactionDesc", None),
    ],
)
def test_bad_field_is_named_in_the_refusal(merchant, simulator, field, value):
    refused = merchant.push("254700000000", **{field: value})
    assert refused.status_code == 400
    assert refused.json()["errorCode"] == "400.002.02"
    assert refused.json()["errorMessage"] == f"Bad Request - Invalid {field}"
    assert refused.json()["requestId"]
    assert not simulator[1].prompts


def test_amounts_at_the_limits_are_accepted(merchant):
    assert merchant.push("254700000000", Amount=250_000).status_code == 200
    assert merchant.push("254100000000", Amount="1").status_code == 200


def test_till_number_may_differ_from_the_store_number(merchant):
    till = merchant.push("254700000000", TransactionType="CustomerBuyGoodsOnline", PartyB=987654)
    assert till.status_code == 200


def test_password_of_another_passkey_is_wrong_credentials(merchant):
    refused = merchant.push("254700000000", **signature(passkey="another"))
    assert refused.status_code == 500
    assert (refused.json()["errorCode"], refused.json()["errorMessage"]) == (
        "500.001.1001",
        "Wrong credentials",
    )


def test_unknown_shortcode_is_no_merchant(merchant):
    refused = merchant.push("254700000000", BusinessShortCode=999999)
    assert refused.json()["errorMessage"] == "Merchant does not exist"


def test_body_that_is_no_json_object_is_refused(merchant):
    assert merchant.post(PUSH, ["a", "list"]).json()["errorCode"] == "400.002.05"


def test_second_prompt_on_the_same_phone_is_refused_while_the_first_is_open(patient_merchant):
    assert patient_merchant.push("254700000020").status_code == 200
    refused = patient_merchant.push("254700000020")
    assert refused.status_code == 500
    assert refused.json()["errorCode"] == "500.001.1001"
    assert refused.json()["errorMessage"].startswith("Unable to lock subscriber")
    assert patient_merchant.push("254700000120").status_code == 200


def test_finished_prompt_makes_room_for_the_next_on_the_same_phone(merchant, shop):
    for _ in range(2):
        assert merchant.push("254700000032").status_code == 200
        shop.next_callback()


# --- the stories ---


def test_paid_callback_has_the_sample_shape(merchant, shop):
    push = merchant.push("254700000000", Amount=1500).json()
    path, raw = shop.callbacks.get(timeout=WAIT_SECONDS)
    callback = json.loads(raw)["Body"]["stkCallback"]
    items = items_of(callback)

    assert path == "/callbacks/stk/0123abcd"
    assert '{"Name":"Amount","Value":1500.00}' in raw
    assert (callback["ResultCode"], callback["CheckoutRequestID"]) == (0, push["CheckoutRequestID"])
    assert callback["MerchantRequestID"] == push["MerchantRequestID"]
    assert re.fullmatch("[A-Z0-9]{10}", items["MpesaReceiptNumber"])
    assert items["PhoneNumber"] == 254700000000
    assert "ORDER7" not in raw
    paid_at = datetime.strptime(f"{items['TransactionDate']}+0300", "%Y%m%d%H%M%S%z")
    assert abs(paid_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_balance_item_is_sometimes_absent_and_sometimes_without_a_value(merchant, shop):
    seen = []
    for phone in ("254700000000", "254700000002"):
        merchant.push(phone)
        seen += [item for item in shop.next_callback()["CallbackMetadata"]["Item"] if item["Name"] == "Balance"]
    assert seen == [{"Name": "Balance"}]


@pytest.mark.parametrize(("suffix", "code"), [("01", 1), ("21", 2001), ("32", 1032), ("37", 1037)])
def test_failure_is_called_back_without_metadata_and_moves_no_money(merchant, simulator, shop, suffix, code):
    push = merchant.push(f"2547000000{suffix}").json()
    callback = shop.next_callback()
    assert callback["ResultCode"] == code
    assert "CallbackMetadata" not in callback
    assert not simulator[1].stage.book
    answer = merchant.query(push["CheckoutRequestID"]).json()
    assert answer["ResultCode"] == str(code)
    assert answer["ResultDesc"].endswith(callback["ResultDesc"])


def test_story_33_tells_three_times_the_very_same(merchant, simulator, shop):
    merchant.push("254700000033")
    bodies = {shop.callbacks.get(timeout=WAIT_SECONDS)[1] for _ in range(3)}
    assert len(bodies) == 1
    assert len(simulator[1].stage.book) == 1


def test_story_44_is_known_to_the_query_alone(merchant, simulator, shop):
    push = merchant.push("254700000044", Amount=70).json()
    # A later ordinary payment is called back; this one, due before it, is not.
    provider = simulator[1]
    merchant.push("254700000000")
    shop.next_callback()
    answer = merchant.query(push["CheckoutRequestID"]).json()
    assert (answer["ResponseCode"], answer["ResultCode"]) == ("0", "0")
    assert answer["ResponseDescription"] == "The service request has been accepted successsfully"
    assert "MpesaReceiptNumber" not in answer
    assert {p.amount for p in provider.stage.book.values()} == {70, 1}
    assert shop.callbacks.empty()


def test_story_11_calls_back_before_the_push_is_answered(merchant, shop):
    shop.may_answer.clear()
    answers = queue.Queue()
    pushing = threading.Thread(target=lambda: answers.put(merchant.push("254700000011").json()))
    pushing.start()
    callback = shop.next_callback()
    assert answers.empty()
    shop.may_answer.set()
    answer = answers.get(timeout=WAIT_SECONDS)
    pushing.join()
    assert answer["CheckoutRequestID"] == callback["CheckoutRequestID"]


def test_story_54_never_answers_yet_the_money_comes(shop):
    with running_simulator(speed=200) as (url, provider):
        with pytest.raises(requests.ConnectionError):
            Merchant(url, shop.url).push("254700000054")
        assert items_of(shop.next_callback())["MpesaReceiptNumber"] in provider.stage.book


def test_story_70_fails_then_pays_under_the_same_id(merchant, simulator, shop):
    push = merchant.push("254700000070").json()
    failure = shop.next_callback()
    assert failure["ResultCode"] == 1037
    success = shop.next_callback()
    assert (success["ResultCode"], success["CheckoutRequestID"]) == (0, failure["CheckoutRequestID"])
    assert merchant.query(push["CheckoutRequestID"]).json()["ResultCode"] == "0"
    assert len(simulator[1].stage.book) == 1


@pytest.mark.parametrize(("suffix", "status", "code"), [("40", 400, "400.002.02"), ("50", 500, "500.003.02")])
def test_refused_push_opens_no_prompt(merchant, simulator, suffix, status, code):
    refused = merchant.push(f"2547000000{suffix}")
    assert (refused.status_code, refused.json()["errorCode"]) == (status, code)
    assert not simulator[1].prompts


def test_story_43_is_the_firewalls_page(merchant):
    refused = merchant.push("254700000043")
    assert refused.status_code == 403
    assert refused.headers["Content-Type"].startswith("text/html")


def test_every_story_has_a_row_in_the_table_and_paid_is_the_rest():
    assert [row[0] for row in stories_table()] == [*sorted(STORIES), "other"]
    assert stories_table()[-1][1] == "paid"


# --- the query ---


def test_open_prompt_is_told_in_three_shapes_by_turns(patient_merchant):
    checkout_request_id = patient_merchant.push("254700000020").json()["CheckoutRequestID"]
    first, second, third = (patient_merchant.query(checkout_request_id) for _ in range(3))
    assert first.status_code == 500
    assert first.json()["errorMessage"] == "The transaction is being processed"
    assert second.status_code == 200
    assert second.json()["ResultCode"] == "4999"
    assert third.status_code == 200
    assert (third.json()["errorCode"], third.json()["errorMessage"]) == ("500.001.1001", "")


def test_unknown_id_is_an_error_of_the_same_code(merchant):
    unknown = merchant.query("ws_CO_0")
    assert unknown.status_code == 500
    assert (unknown.json()["errorCode"], unknown.json()["errorMessage"]) == (
        "500.001.1001",
        "The transaction does not Exist",
    )


def test_every_fifth_query_of_a_finished_payment_has_bad_luck(merchant, shop):
    checkout_request_id = merchant.push("254700000000").json()["CheckoutRequestID"]
    shop.next_callback()
    statuses = [merchant.query(checkout_request_id).status_code for _ in range(6)]
    assert statuses == [200, 200, 200, 200, 500, 200]


def test_query_with_a_bad_password_is_refused(merchant):
    refused = merchant.post(QUERY, signature(passkey="x") | {"CheckoutRequestID": "ws_CO_0"})
    assert refused.json()["errorMessage"] == "Wrong credentials"
