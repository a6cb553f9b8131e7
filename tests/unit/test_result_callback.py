"""Results of Reversal, B2C and Transaction Status, as the provider has been seen to write them."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from payments.callback_json import Unreadable
from payments.refund_codes import Meaning, meaning_of, meaning_of_status
from payments.result_callback import parse

REVERSED = """{"Result":{"ResultType":0,"ResultCode":0,"ResultDesc":"The service request is processed successfully.",
"OriginatorConversationID":"dad6-4c34-8787-c8cb963a496d1268232","ConversationID":"AG_20211114_201018edbbf9f1582eaa",
"TransactionID":"SKE52PAWR9","ResultParameters":{"ResultParameter":[{"Key":"Amount","Value":1.00},
{"Key":"TransCompletedTime","Value":20211114132711},{"Key":"OriginalTransactionID","Value":"SKC82PACB8"}]},
"ReferenceData":{"ReferenceItem":{"Key":"QueueTimeoutURL","Value":"https://shop.example/v1/submit"}}}}"""
REFUSED = """{"Result":{"ResultType":0,"ResultCode":"R000002","ResultDesc":"The OriginalTransactionID is invalid.",
"OriginatorConversationID":"3124-481d-b706-10bdd6fbc8e21792398","ConversationID":"AG_20211114_2010573069aefb6b625a",
"TransactionID":"SKE0000000"}}"""


def with_parameters(parameters: Any) -> str:
    return json.dumps({"Result": {"ResultCode": "0", "ResultParameters": {"ResultParameter": parameters}}})


def test_a_reversal_is_read_with_its_own_receipt_and_its_moment_in_utc() -> None:
    result = parse(REVERSED)
    assert (result.code, result.transaction_id, result.amount) == ("0", "SKE52PAWR9", Decimal("1.00"))
    assert result.originator_conversation_id == "dad6-4c34-8787-c8cb963a496d1268232"
    assert result.conversation_id == "AG_20211114_201018edbbf9f1582eaa"
    assert result.moved_at == datetime(2021, 11, 14, 10, 27, 11)  # noqa: DTZ001 - naive UTC, as the shop keeps it


def test_a_refusal_has_a_code_of_letters_and_no_parameters() -> None:
    result = parse(REFUSED)
    assert (result.code, result.amount, result.moved_at, result.status) == ("R000002", None, None, "")


@pytest.mark.parametrize("code", [0, "0", " 0 ", 0.0])
def test_a_code_is_a_number_or_text(code: object) -> None:
    assert parse(json.dumps({"Result": {"ResultCode": code}})).code == "0"


def test_a_single_parameter_comes_as_an_object() -> None:
    assert parse(with_parameters({"Key": "TransactionAmount", "Value": "10.00"})).amount == 10


def test_of_keys_that_come_again_the_first_with_a_value_counts() -> None:
    parameters = [{"Key": "Amount"}, {"Key": "Amount", "Value": 5}, {"Key": "Amount", "Value": 6}, {"Value": 7}, None]
    assert parse(with_parameters(parameters)).amount == 5


@pytest.mark.parametrize("value", [20211114132711, "20211114132711", "14.11.2021 13:27:11", " 14.11.2021 13:27:11 "])
@pytest.mark.parametrize("key", ["TransCompletedTime", "TransactionCompletedDateTime", "FinalisedTime"])
def test_a_date_comes_in_three_forms(key: str, value: object) -> None:
    moment = datetime(2021, 11, 14, 10, 27, 11)  # noqa: DTZ001 - naive UTC, as the shop keeps it
    assert parse(with_parameters([{"Key": key, "Value": value}])).moved_at == moment


@pytest.mark.parametrize("value", ["yesterday", "", True, 0, 10**40, [], {}, "31.02.2021 10:00:00", "00010101000000"])
def test_a_date_that_is_none_is_none(value: object) -> None:
    assert parse(with_parameters([{"Key": "FinalisedTime", "Value": value}])).moved_at is None


@pytest.mark.parametrize("parameters", [None, [], {}, "text", 5, [[]], [{"Key": 5, "Value": 1}]])
def test_parameters_may_be_anything(parameters: object) -> None:
    assert parse(with_parameters(parameters)).code == "0"


@pytest.mark.parametrize("body", ["[]", "{}", '{"Result": []}', '{"Result": {}}', '{"Result": {"ResultCode": null}}'])
def test_what_has_no_result_is_unreadable(body: str) -> None:
    with pytest.raises(Unreadable):
        parse(body)


def test_what_nobody_listed_proves_nothing() -> None:
    assert meaning_of("0") is Meaning.MOVED
    assert meaning_of("1") is meaning_of("2001") is Meaning.FAILED
    assert meaning_of("R000001") is Meaning.ALREADY_REVERSED
    assert meaning_of("R000002") is Meaning.NOT_REVERSIBLE
    for code in ("", "26", "R000003", "500.001.1001"):
        assert meaning_of(code) is Meaning.UNKNOWN
    assert meaning_of_status(" Completed ") is Meaning.MOVED
    assert meaning_of_status("Declined") is Meaning.FAILED
    assert meaning_of_status("Pending") is meaning_of_status("") is Meaning.UNKNOWN
