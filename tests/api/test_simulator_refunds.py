"""Money sent back at the simulator: Reversal, B2C, their Results, and Transaction status."""

import base64
import json
import queue
import re
import threading

import pytest
import requests

from payments.simulator import running_simulator
from payments.simulator_keys import simulator_certificate
from tests.api.initiator import RESULT, TIMEOUT, Initiator, security_credential
from tests.api.listening_shop import WAIT_SECONDS


@pytest.fixture
def merchant(simulator, shop):
    return Initiator(simulator[0], shop.url)


def next_result(shop):
    return shop.next_message(RESULT)["Result"]


def parameters_of(result):
    """Return the parameters by key, however many the provider wrote."""
    found = result.get("ResultParameters", {}).get("ResultParameter", [])
    return {each["Key"]: each.get("Value") for each in ([found] if isinstance(found, dict) else found)}


def balance(simulator):
    return simulator[1].stage.book.balance


# --- the certificate


def test_certificate_is_shown_and_kept(simulator, tmp_path):
    shown = requests.get(f"{simulator[0]}/simulator/certificate", timeout=WAIT_SECONDS).text
    assert shown == simulator_certificate()
    assert simulator_certificate(tmp_path / "keys") == simulator_certificate(tmp_path / "keys") != shown
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_all_who_make_the_keys_at_once_get_the_same(tmp_path):
    found = queue.Queue()
    makers = [
        threading.Thread(target=lambda: found.put(simulator_certificate(tmp_path / "deep" / "keys"))) for _ in range(4)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len({found.get_nowait() for _ in makers}) == 1
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["keys"]


# --- fields and the initiator


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Initiator", ""),
        ("SecurityCredential", "not base64!"),
        ("SecurityCredential", base64.b64encode(b"plain").decode()),
        ("CommandID", "Reversal"),
        ("TransactionID", "short"),
        ("Amount", "1.50"),
        ("ReceiverParty", "600000"),
        ("RecieverIdentifierType", "4"),
        ("ResultURL", "https://shop.example/mpesa/result"),
        ("QueueTimeOutURL", None),
        ("Remarks", ""),
        ("Occasion", None),
    ],
)
def test_bad_field_of_a_reversal_is_named(merchant, shop, simulator, field, value):
    refused = merchant.reverse(shop, "SKC82PACB8", **{field: value})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "400.002.02")
    assert refused.json()["errorMessage"] == f"Bad Request - Invalid {field}"
    assert not simulator[1].conversations


@pytest.mark.parametrize(
    ("field", "value"),
    [("Amount", 9), ("Amount", 250_001), ("PartyA", "600000"), ("PartyB", "0712345678"), ("Occassion", None)],
)
def test_bad_field_of_a_b2c_is_named(merchant, shop, field, value):
    refused = merchant.pay_out(shop, "key-1", **{field: value})
    assert refused.json()["errorMessage"] == f"Bad Request - Invalid {field}"


def test_right_spelling_is_refused(merchant, shop):
    reversal = merchant.reverse(shop, "SKC82PACB8", RecieverIdentifierType=None, ReceiverIdentifierType="11")
    assert reversal.json()["errorMessage"] == "Bad Request - Invalid RecieverIdentifierType"
    b2c = merchant.pay_out(shop, "key-1", Occassion=None, Occasion="")
    assert b2c.json()["errorMessage"] == "Bad Request - Invalid Occassion"


def test_each_call_refuses_an_old_token_in_its_own_way(merchant, shop):
    receipt = merchant.pay(shop)
    merchant.token = "old"
    refusals = [merchant.reverse(shop, receipt), merchant.pay_out(shop, "key-1"), merchant.ask_status(shop, receipt)]
    assert [(refused.status_code, refused.json()["errorCode"]) for refused in refusals] == [
        (404, "404.001.03"),
        (401, "401.002.01"),
        (400, "400.003.01"),
    ]


def test_wrong_initiator_or_password_is_told_by_the_result_alone(merchant, shop, simulator, tmp_path):
    receipt = merchant.pay(shop)
    elsewhere = simulator_certificate(tmp_path / "keys")
    for wrong in (
        {"Initiator": "another"},
        {"SecurityCredential": security_credential("another password")},
        {"SecurityCredential": security_credential(certificate=elsewhere)},
    ):
        assert merchant.reverse(shop, receipt, **wrong).json()["ResponseCode"] == "0"
        assert str(next_result(shop)["ResultCode"]) == "2001"
    assert balance(simulator) == 100


# --- reversal


def test_reversal_is_answered_then_money_goes_back_then_the_result_tells(merchant, shop, simulator):
    receipt = merchant.pay(shop)
    answer = merchant.reverse(shop, receipt).json()
    assert list(answer) == ["OriginatorConversationID", "ConversationID", "ResponseCode", "ResponseDescription"]
    path, raw = shop.callbacks.get(timeout=WAIT_SECONDS)
    result = json.loads(raw)["Result"]
    assert path == RESULT
    assert '{"Key":"Amount","Value":100.00}' in raw
    assert (result["ResultType"], result["ResultCode"]) == (0, 0)
    assert result["OriginatorConversationID"] == answer["OriginatorConversationID"]
    assert result["ConversationID"] == answer["ConversationID"]
    assert parameters_of(result)["OriginalTransactionID"] == receipt
    entry = simulator[1].stage.book[result["TransactionID"]]
    assert (entry.kind, entry.amount, entry.original, entry.party) == ("reversal", -100, receipt, "254700000000")
    assert balance(simulator) == 0


@pytest.mark.parametrize(
    ("earlier", "receipt", "amount", "code"),
    [(100, None, 100, "R000001"), (0, "SKC82PACB8", 100, "R000002"), (0, None, 99, "2028")],
    ids=["already reversed", "no such original", "a part of it"],
)
def test_reversal_that_cannot_be_moves_nothing(merchant, shop, simulator, earlier, receipt, amount, code):
    paid = merchant.pay(shop)
    if earlier:
        merchant.reverse(shop, paid, amount=earlier)
        next_result(shop)
    before = balance(simulator)
    merchant.reverse(shop, receipt or paid, amount=amount)
    refused = next_result(shop)
    assert str(refused["ResultCode"]) == code
    assert refused["TransactionID"] == "SKE0000000"
    assert balance(simulator) == before


def test_money_that_was_paid_out_cannot_be_reversed(merchant, shop):
    merchant.pay(shop)
    merchant.pay_out(shop, "key-1")
    receipt = next_result(shop)["TransactionID"]
    merchant.reverse(shop, receipt, amount=40)
    assert next_result(shop)["ResultCode"] == "R000002"


def test_two_reversals_at_once_move_the_money_once(merchant, shop, simulator):
    receipt = merchant.pay(shop)
    merchant.pay(shop, phone="254700000002")
    for _ in range(2):
        merchant.reverse(shop, receipt)
    assert sorted(str(next_result(shop)["ResultCode"]) for _ in range(2)) == ["0", "R000001"]
    assert balance(simulator) == 100


def test_results_change_their_shape_as_the_providers_do(merchant, shop):
    """Codes of two types, dates of three forms, a list and a single object, a key twice, a key without a value."""
    codes, dates, shapes, raw = set(), set(), set(), ""
    for _ in range(12):
        merchant.reverse(shop, merchant.pay(shop))
        _, body = shop.callbacks.get(timeout=WAIT_SECONDS)
        result = json.loads(body)["Result"]
        raw += body
        codes.add(type(result["ResultCode"]))
        shapes.add(type(result["ResultParameters"]["ResultParameter"]))
        if when := parameters_of(result).get("TransCompletedTime"):
            dates.add("dotted" if "." in str(when) else type(when).__name__)
    assert codes == {int, str}
    assert shapes == {list, dict}
    assert dates == {"int", "str", "dotted"}
    assert '{"Key":"Charge","Value":0},{"Key":"Charge"}' in raw


# --- B2C


def test_b2c_pays_out_under_the_shops_own_key(merchant, shop, simulator):
    merchant.pay(shop)
    answer = merchant.pay_out(shop, "refund-1").json()
    result = next_result(shop)
    assert answer["OriginatorConversationID"] == result["OriginatorConversationID"] == "refund-1"
    assert parameters_of(result)["TransactionReceipt"] == result["TransactionID"]
    entry = simulator[1].stage.book[result["TransactionID"]]
    assert (entry.kind, entry.amount, entry.reference) == ("b2c", -40, "refund-1")
    assert balance(simulator) == 60


def test_repeated_key_is_refused_and_pays_once(merchant, shop, simulator):
    merchant.pay(shop)
    merchant.pay_out(shop, "refund-1")
    again = merchant.pay_out(shop, "refund-1")
    assert (again.status_code, again.json()["errorCode"]) == (500, "500.002.1001")
    assert again.json()["errorMessage"] == "Duplicate OriginatorConversationID."
    next_result(shop)
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert balance(simulator) == 60


def test_more_than_the_shop_has_is_not_paid_out(merchant, shop, simulator):
    merchant.pay(shop)
    merchant.pay_out(shop, "refund-1", amount=101)
    assert str(next_result(shop)["ResultCode"]) == "1"
    assert balance(simulator) == 100


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
