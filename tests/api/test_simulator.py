"""The bundled Daraja simulator, spoken to over real HTTP by a shop that only listens."""

import base64
import json
import queue
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from payments.simulator import (
    SIMULATOR_KEY,
    SIMULATOR_PASSKEY,
    SIMULATOR_SECRET,
    SIMULATOR_SHORTCODE,
    running_simulator,
    simulator_command,
)
from payments.simulator_stories import STORIES, stories_table

SPEED = 20
WAIT_SECONDS = 10
ROOT = Path(__file__).resolve().parents[2]
PUSH = "/mpesa/stkpush/v1/processrequest"
QUERY = "/mpesa/stkpushquery/v1/query"


class ListeningShop:
    """Receives callbacks, answers as it is told to, and keeps the raw bodies in a queue."""

    def __init__(self):
        shop = self
        self.callbacks = queue.Queue()
        self.answer = (200, b'{"ResultCode":0,"ResultDesc":"Accepted"}')
        self.may_answer = threading.Event()
        self.may_answer.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                shop.callbacks.put((self.path, body.decode()))
                shop.may_answer.wait(WAIT_SECONDS)
                status, answer = shop.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/callbacks/stk/0123abcd"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def next_callback(self):
        _path, body = self.callbacks.get(timeout=WAIT_SECONDS)
        return json.loads(body)["Body"]["stkCallback"]

    def close(self):
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Merchant:
    """A client that signs what it sends, as the provider demands."""

    def __init__(self, url, callback_url):
        self.url, self.callback_url = url, callback_url
        self.token = self.fetch_token().json()["access_token"]

    def fetch_token(self, key=SIMULATOR_KEY, secret=SIMULATOR_SECRET, grant="client_credentials"):
        return requests.get(
            f"{self.url}/oauth/v1/generate?grant_type={grant}", auth=(key, secret), timeout=WAIT_SECONDS
        )

    def post(self, path, body, token=None):
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return requests.post(self.url + path, json=body, headers=headers, timeout=WAIT_SECONDS)

    def push(self, phone, **changes):
        return self.post(PUSH, self.push_body(phone) | changes)

    def push_body(self, phone):
        return signature() | {
            "TransactionType": "CustomerPayBillOnline",
            "Amount": 1,
            "PartyA": int(phone),
            "PartyB": int(SIMULATOR_SHORTCODE),
            "PhoneNumber": int(phone),
            "CallBackURL": self.callback_url,
            "AccountReference": "ORDER7",
            "TransactionDesc": "Order",
        }

    def query(self, checkout_request_id):
        return self.post(QUERY, signature() | {"CheckoutRequestID": checkout_request_id})


def signature(passkey=SIMULATOR_PASSKEY):
    timestamp = datetime.now(timezone(timedelta(hours=3))).strftime("%Y%m%d%H%M%S")
    password = base64.b64encode(f"{SIMULATOR_SHORTCODE}{passkey}{timestamp}".encode()).decode()
    return {"BusinessShortCode": int(SIMULATOR_SHORTCODE), "Password": password, "Timestamp": timestamp}


@contextmanager
def listening_shop():
    shop = ListeningShop()
    try:
        yield shop
    finally:
        shop.close()


@pytest.fixture
def shop():
    with listening_shop() as shop:
        yield shop


@pytest.fixture
def simulator():
    with running_simulator(speed=SPEED, seed=1) as (url, provider):
        yield url, provider


@pytest.fixture
def merchant(simulator, shop):
    return Merchant(simulator[0], shop.url)


@pytest.fixture
def patient_merchant(shop):
    """A merchant at whose provider time goes as it does, so that a slow prompt stays open."""
    with running_simulator() as (url, _provider):
        yield Merchant(url, shop.url)


def items_of(callback):
    return {item["Name"]: item.get("Value") for item in callback["CallbackMetadata"]["Item"]}


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
    assert not simulator[1].stage.prompts


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
    assert not simulator[1].stage.prompts


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


# --- the book, the deliveries, the page ---


def test_receipts_are_unique_and_the_book_adds_up(merchant, simulator, shop):
    for number in range(60, 69):
        assert merchant.push(f"2547000000{number}", Amount=number).status_code == 200
    receipts = {items_of(shop.next_callback())["MpesaReceiptNumber"] for _ in range(60, 69)}
    book = requests.get(f"{simulator[0]}/simulator/book", timeout=WAIT_SECONDS).json()
    assert {payment["receipt"] for payment in book["payments"]} == receipts
    assert len(receipts) == 9
    assert book["total"] == sum(range(60, 69))
    assert {payment["account"] for payment in book["payments"]} == {"ORDER7"}


def test_same_seed_gives_the_same_ids(shop):
    answers = []
    for _ in range(2):
        with running_simulator(speed=SPEED, seed=7) as (url, _provider):
            answers.append(Merchant(url, shop.url).push("254700000020").json())
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ((200, b'{"ResultCode":0,"ResultDesc":"Accepted"}'), True),
        ((200, b"fine"), False),
        ((404, b'{"code":"not_found"}'), False),
    ],
)
def test_what_the_shop_made_of_a_callback_is_kept(merchant, simulator, shop, answer, accepted):
    shop.answer = answer
    url, provider = simulator
    push = merchant.push("254700000011").json()  # answered only after the delivery has come to its end
    (delivery,) = requests.get(f"{url}/simulator/deliveries", timeout=WAIT_SECONDS).json()["deliveries"]
    assert delivery["checkout_request_id"] == push["CheckoutRequestID"]
    assert (delivery["status"], delivery["answer"]) == (answer[0], answer[1].decode())
    assert delivery["accepted"] is accepted
    assert len(provider.stage.deliveries) == 1


def test_shop_that_is_away_is_noted_and_the_simulator_goes_on(simulator, shop):
    url, provider = simulator
    nobody = Merchant(url, "http://127.0.0.1:1/nobody/home")
    nobody.push("254700000011")
    assert provider.stage.deliveries[0].error == "ConnectionError"
    assert Merchant(url, shop.url).push("254700000000").status_code == 200
    assert shop.next_callback()["ResultCode"] == 0


def test_hung_shop_does_not_stop_the_others(simulator, shop):
    url, _ = simulator
    with listening_shop() as hung:
        hung.may_answer.clear()
        Merchant(url, hung.url).push("254700000000")
        hung.next_callback()
        Merchant(url, shop.url).push("254700000002")
        assert shop.next_callback()["ResultCode"] == 0


def test_page_shows_stories_and_payments_with_masked_phones(merchant, simulator, shop):
    merchant.push("254712345611", AccountReference="<b>ORDER")
    page = requests.get(simulator[0], timeout=WAIT_SECONDS).text
    assert "failed, then paid" in page
    assert "25471*****11" in page
    assert "254712345611" not in page
    assert "&lt;b&gt;ORDER" in page


# --- the command ---


def test_help_prints_the_stories():
    out = CliRunner().invoke(simulator_command, ["--help"]).output
    assert all(name in out and happens in out for _, name, happens in stories_table())


@contextmanager
def running_command():
    command = "from payments.simulator import simulator_command; simulator_command()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_command_serves_and_stops_at_once_on_a_signal(shop, signal_number):
    with running_command() as (process, url):
        merchant = Merchant(url, shop.url)
        merchant.push("254700000020")  # an event twenty seconds ahead
        held = threading.Thread(target=pytest.raises, args=(requests.ConnectionError, merchant.push, "254700000054"))
        held.start()
        merchant.push("254700000011")
        process.send_signal(signal_number)
        process.send_signal(signal.SIGTERM)  # process managers send a second one
        _, errors = process.communicate(timeout=WAIT_SECONDS)
        held.join()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_log_holds_no_whole_phone_and_no_callback_address(shop):
    with running_command() as (process, url):
        Merchant(url, shop.url).push("254712345611")  # answered only after its callback is logged
        process.terminate()
        log = "".join(process.communicate(timeout=WAIT_SECONDS))
    assert "prompt opened" in log
    assert "callback delivered" in log
    assert "712345611" not in log
    assert "0123abcd" not in log


def test_stopped_simulator_leaves_no_thread(shop):
    with running_simulator(speed=SPEED) as (url, _):
        merchant = Merchant(url, shop.url)
        merchant.push("254700000020")
    assert not [t.name for t in threading.enumerate() if t.name in ("simulator-agenda", "simulator-server")]
