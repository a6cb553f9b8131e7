"""Money sent back at the simulator by Reversal and B2C, and the Results that tell of it."""

import json

import pytest

from tests.api.initiator import RESULT, Initiator, next_result, parameters_of
from tests.api.listening_shop import WAIT_SECONDS


@pytest.fixture
def merchant(simulator, shop):
    return Initiator(simulator[0], shop.url)


def balance(simulator):
    return simulator[1].stage.book.balance


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
