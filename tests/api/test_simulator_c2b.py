"""Money paid by hand at the simulator's paybill: registration, validation, confirmation."""

import hashlib
import re

import pytest
import requests

from payments.simulator import SIMULATOR_SHORTCODE, running_simulator
from tests.api.listening_shop import SPEED, WAIT_SECONDS, Merchant, items_of

REGISTER = "/mpesa/c2b/{version}/registerurl"
VALIDATION, CONFIRMATION = "/c2b/0123abcd/validation", "/c2b/0123abcd/confirmation"


def addresses(shop, **changes):
    return {
        "ShortCode": SIMULATOR_SHORTCODE,
        "ResponseType": "Completed",
        "ConfirmationURL": shop.address(CONFIRMATION),
        "ValidationURL": shop.address(VALIDATION),
    } | changes


@pytest.fixture
def register(merchant, shop):
    def register(version="v2", **changes):
        return merchant.post(REGISTER.format(version=version), addresses(shop, **changes))

    return register


@pytest.fixture
def pay(simulator):
    def pay(phone="0712345678", amount=5, account="Sample Transaction"):
        body = {"phone": phone, "amount": amount, "account": account}
        return requests.post(f"{simulator[0]}/simulator/c2b", json=body, timeout=WAIT_SECONDS)

    return pay


def test_registration_answers_with_the_providers_spelling(register):
    answer = register()
    assert answer.status_code == 200
    assert list(answer.json()) == ["OriginatorCoversationID", "ResponseCode", "ResponseDescription"]
    assert answer.json()["ResponseCode"] == "0"


def test_second_registration_is_refused_and_changes_nothing(register, simulator):
    register("v1")
    registration = simulator[1].registration
    again = register("v2", ResponseType="Cancelled")
    assert again.status_code == 500
    assert (again.json()["errorCode"], again.json()["errorMessage"]) == ("500.003.1001", "Urls are already registered")
    assert simulator[1].registration is registration


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ShortCode", "600000"),
        ("ResponseType", "completed"),
        ("ConfirmationURL", "https://shop.example/mpesa/confirmation"),
        ("ValidationURL", "https://shop.example/validation.exe"),
        ("ValidationURL", None),
    ],
)
def test_bad_registration_names_the_field(register, simulator, field, value):
    refused = register(**{field: value})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "400.002.02")
    assert refused.json()["errorMessage"] == f"Bad Request - Invalid {field}"
    assert simulator[1].registration is None


def test_old_token_is_refused_in_the_shape_of_c2b(merchant, shop):
    refused = merchant.post(REGISTER.format(version="v2"), addresses(shop), token="old")
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "400.003.01")


def test_payment_by_hand_is_validated_moved_and_confirmed(register, pay, shop, simulator):
    register()
    paid = pay().json()
    validation, confirmation = shop.next_message(VALIDATION), shop.next_message(CONFIRMATION)
    assert paid == {"accepted": True, "receipt": confirmation["TransID"], "result_code": "0"}
    assert confirmation["TransactionType"] == "Pay Bill"
    assert re.fullmatch("[0-9]{14}", confirmation["TransTime"])
    assert (confirmation["TransAmount"], confirmation["OrgAccountBalance"]) == ("5.00", "5.00")
    assert confirmation["BusinessShortCode"] == SIMULATOR_SHORTCODE
    assert confirmation["BillRefNumber"] == "Sample Transaction"
    assert confirmation["MSISDN"] == "2547 ***** 678"
    assert all(isinstance(value, str) for value in confirmation.values())
    assert validation == confirmation | {"OrgAccountBalance": ""}
    entry = simulator[1].stage.book[paid["receipt"]]
    assert (entry.kind, entry.amount, entry.account, entry.party) == ("c2b", 5, "Sample Transaction", "254712345678")


def test_first_version_hashes_the_number_and_gives_all_names(register, pay, shop):
    register("v1")
    pay()
    shop.next_message(VALIDATION)
    confirmation = shop.next_message(CONFIRMATION)
    assert confirmation["MSISDN"] == hashlib.sha256(b"254712345678").hexdigest()
    assert (confirmation["MiddleName"], confirmation["LastName"]) == ("", "")


@pytest.mark.parametrize("code", ["C2B00012", "C2B00013", "C2B00016"])
def test_refused_validation_moves_no_money(register, pay, shop, simulator, code):
    register()
    shop.answer = (200, b'{"ResultCode":"%s","ResultDesc":"Rejected"}' % code.encode())
    assert pay().json() == {"accepted": False, "receipt": None, "result_code": code}
    shop.next_message(VALIDATION)
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()
    assert not simulator[1].stage.book


@pytest.mark.parametrize(("response_type", "accepted"), [("Completed", True), ("Cancelled", False)])
@pytest.mark.parametrize("answer", [None, (500, b""), (200, b"fine"), (404, b'{"ResultCode":"0"}')])
def test_without_a_readable_validation_the_response_type_decides(shop, response_type, accepted, answer):
    if answer:
        shop.answer = answer
    else:
        shop.may_answer.clear()
    with running_simulator(speed=SPEED, validation_seconds=0.2) as (url, provider):
        merchant = Merchant(url, shop.url)
        merchant.post(REGISTER.format(version="v2"), addresses(shop, ResponseType=response_type))
        body = {"phone": "0712345678", "amount": 70, "account": "A"}
        paid = requests.post(f"{url}/simulator/c2b", json=body, timeout=WAIT_SECONDS).json()
        assert paid["accepted"] is accepted
        assert provider.stage.book.balance == (70 if accepted else 0)
        shop.may_answer.set()


def test_without_registration_money_moves_and_nobody_is_told(pay, shop, simulator):
    assert pay().json()["accepted"] is True
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()
    assert simulator[1].stage.book.balance == 5


def test_stk_payment_on_a_registered_shortcode_is_confirmed_with_the_same_receipt(register, merchant, shop, simulator):
    register()
    merchant.push("254700000000", Amount=70)
    callback, confirmation = shop.next_callback(), shop.next_message(CONFIRMATION)
    assert confirmation["TransID"] == items_of(callback)["MpesaReceiptNumber"]
    assert (confirmation["BillRefNumber"], confirmation["TransAmount"]) == ("ORDER7", "70.00")
    assert len(simulator[1].stage.book) == 1


def test_failed_prompt_is_not_confirmed(register, merchant, shop, simulator):
    register()
    merchant.push("254700000032")
    assert shop.next_callback()["ResultCode"] == 1032
    assert simulator[1].stage.wait_until_quiet(WAIT_SECONDS)
    assert shop.callbacks.empty()


@pytest.mark.parametrize("changes", [{"phone": "0812345678"}, {"amount": 0}, {"amount": "5"}, {"account": "A" * 21}])
def test_payment_that_no_phone_could_make_is_refused(pay, simulator, changes):
    refused = pay(**changes)
    assert refused.status_code == 422
    assert refused.json()["error"].startswith(next(iter(changes)))
    assert not simulator[1].stage.book
