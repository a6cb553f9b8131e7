"""What may become of money that is sent back: the stories, the weather, and Transaction status, which knows."""

import json
import queue
import re
import threading
from dataclasses import replace

import pytest

from payments.simulator import running_simulator
from payments.simulator_storm import CALM, Storm, Weather
from tests.api.initiator import RESULT, TIMEOUT, Initiator, next_result, parameters_of
from tests.api.listening_shop import WAIT_SECONDS


@pytest.fixture
def merchant(simulator, shop):
    return Initiator(simulator[0], shop.url)


def balance(simulator):
    return simulator[1].stage.book.balance


# --- the stories


@pytest.fixture(params=["reversal", "b2c"])
def send_back(request, merchant, shop):
    """Send 100 back, by either call."""

    def send_back(phone, receipt):
        if request.param == "reversal":
            return merchant.reverse(shop, receipt).json()
        return merchant.pay_out(shop, "refund-1", phone=phone, amount=100).json()

    return send_back


@pytest.fixture
def take_and_send_back(send_back, merchant, shop):
    return lambda phone: send_back(phone, merchant.pay(shop, phone=phone))


def test_story_61_tells_twice_the_very_same(take_and_send_back, shop, simulator):
    take_and_send_back("254700000061")
    assert next_result(shop) == next_result(shop)
    assert balance(simulator) == 0


def test_story_62_is_known_to_transaction_status_alone(take_and_send_back, merchant, shop, simulator):
    key = take_and_send_back("254700000062")["OriginatorConversationID"]
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()
    merchant.ask_status(shop, OriginatorConversationID=key)
    found = parameters_of(next_result(shop))
    assert (found["TransactionStatus"], found["Amount"]) == ("Completed", 100)
    assert simulator[1].stage.book[found["ReceiptNo"]].amount == -100


def test_story_63_tells_before_the_call_is_answered(send_back, merchant, shop):
    receipt = merchant.pay(shop, phone="254700000063")
    shop.may_answer.clear()
    answers = queue.Queue()
    sending = threading.Thread(target=lambda: answers.put(send_back("254700000063", receipt)))
    sending.start()
    result = next_result(shop)
    assert answers.empty()
    shop.may_answer.set()
    answer = answers.get(timeout=WAIT_SECONDS)
    sending.join()
    assert answer["OriginatorConversationID"] == result["OriginatorConversationID"]


def test_story_64_fails_with_code_1_and_keeps_the_money(take_and_send_back, shop, simulator):
    take_and_send_back("254700000064")
    assert str(next_result(shop)["ResultCode"]) == "1"
    assert balance(simulator) == 100


def test_story_65_is_done_but_told_as_a_time_out(take_and_send_back, shop, simulator):
    key = take_and_send_back("254700000065")["OriginatorConversationID"]
    notice = shop.next_message(TIMEOUT)["Result"]
    assert notice["OriginatorConversationID"] == key
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()
    assert balance(simulator) == 0


# --- transaction status


def test_status_of_a_receipt_tells_amount_parties_and_time(merchant, shop):
    receipt = merchant.pay(shop)
    merchant.ask_status(shop, receipt)
    found = parameters_of(next_result(shop))
    assert (found["ReceiptNo"], found["Amount"], found["TransactionStatus"]) == (receipt, 100, "Completed")
    assert found["DebitPartyName"].startswith("254700000000")
    assert re.search(r"\d{4}", str(found["FinalisedTime"]))


def test_status_of_nothing_known_is_an_error_of_the_result(merchant, shop):
    merchant.ask_status(shop, "SKC82PACB8")
    assert next_result(shop)["ResultCode"] == "R000002"
    refused = merchant.ask_status(shop)
    assert refused.json()["errorMessage"] == "Bad Request - Invalid TransactionID"


def test_status_of_a_failed_call_says_so(merchant, shop):
    merchant.pay_out(shop, "refund-1")
    assert str(next_result(shop)["ResultCode"]) == "1"
    merchant.ask_status(shop, OriginalConversationID="refund-1")
    assert parameters_of(next_result(shop))["TransactionStatus"] == "Failed"


def test_status_of_a_call_under_way_is_pending(shop):
    with running_simulator() as (url, _):  # time goes as it does: the question overtakes the call
        merchant = Initiator(url, shop.url)
        merchant.pay_out(shop, "refund-1")
        merchant.ask_status(shop, OriginatorConversationID="refund-1")
        assert parameters_of(next_result(shop))["TransactionStatus"] == "Pending"


# --- in bad weather


def test_time_out_of_the_queue_may_strike_anybody(merchant, shop, simulator):
    receipt = merchant.pay(shop)
    simulator[1].stage.weather = Weather(replace(CALM, queue_timeout=1.0))
    merchant.reverse(shop, receipt)
    assert str(shop.next_message(TIMEOUT)["Result"]["ResultCode"]) == "26"
    assert balance(simulator) == 0


@pytest.mark.parametrize("phone", ["254700000000", "254700000062"])
def test_result_of_a_reversal_whose_answer_was_lost_is_not_lost_too(merchant, shop, simulator, phone):
    receipt = merchant.pay(shop, phone=phone)
    simulator[1].stage.weather = Weather(replace(CALM, lost=1.0, empty_answer_taken=1.0))
    assert merchant.reverse(shop, receipt).text == ""
    assert parameters_of(next_result(shop))["OriginalTransactionID"] == receipt


def test_key_of_a_b2c_whose_answer_was_lost_finds_it(merchant, shop, simulator):
    merchant.pay(shop)
    simulator[1].stage.weather = Weather(replace(CALM, lost=1.0, internal_error_taken=1.0))
    assert merchant.pay_out(shop, "refund-1").status_code == 500
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()
    simulator[1].stage.weather = Weather(CALM)
    assert merchant.pay_out(shop, "refund-1").json()["errorCode"] == "500.002.1001"
    merchant.ask_status(shop, OriginatorConversationID="refund-1")
    assert parameters_of(next_result(shop))["Amount"] == 40
    assert balance(simulator) == 60


def test_after_a_storm_of_refunds_every_one_can_be_found(merchant, shop, simulator):
    stage = simulator[1].stage
    receipts = [merchant.pay(shop, phone=f"2547000{place:03}00") for place in range(20)]
    stage.weather = Weather(Storm(seed=5, token_lost=0.0, hung=0.0, hung_taken=0.0, lost=0.5, empty_answer_taken=0.3))
    keys = {}  # of each reversal, where its answer came
    for receipt in receipts:
        answer = merchant.reverse(shop, receipt)
        keys[receipt] = answer.json().get("OriginatorConversationID") if answer.text[:1] == "{" else None
    assert stage.wait_until_quiet(WAIT_SECONDS)
    told_of = ""
    while not shop.callbacks.empty():
        told_of += shop.callbacks.get_nowait()[1]
    stage.weather = Weather(CALM)
    lost = [entry for entry in stage.book.values() if entry.amount < 0 and entry.receipt not in told_of]
    for entry in lost:
        # known from the call's answer, else from the queue's notice
        assert keys[entry.original] == entry.reference or entry.reference in told_of
        merchant.ask_status(shop, OriginatorConversationID=entry.reference)
        path, body = shop.callbacks.get(timeout=WAIT_SECONDS)
        assert path == RESULT
        assert parameters_of(json.loads(body)["Result"])["ReceiptNo"] == entry.receipt
    assert lost
