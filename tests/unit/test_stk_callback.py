"""Reading the body of an STK callback, with the provider's own samples. No database."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from payments.callback_json import is_json
from payments.stk_callback import StkResult, Unreadable, parse

PAID = """{"Body":{"stkCallback":{"MerchantRequestID":"29115-34620561-1","CheckoutRequestID":"ws_CO_191220191020363925",
"ResultCode":0,"ResultDesc":"The service request is processed successfully.","CallbackMetadata":{"Item":[
{"Name":"Amount","Value":1.00},{"Name":"MpesaReceiptNumber","Value":"NLJ7RT61SV"},
{"Name":"TransactionDate","Value":20191219102115},{"Name":"PhoneNumber","Value":254708374149}]}}}}"""
CANCELLED = """{"Body":{"stkCallback":{"MerchantRequestID":"f1e2-4b95-a71d-b30d3cdbb7a7942864",
"CheckoutRequestID":"ws_CO_21072024125243250722943992","ResultCode":1032,"ResultDesc":"Request cancelled by user"}}}"""


def body(**changes: Any) -> str:
    callback = json.loads(PAID)["Body"]["stkCallback"] | changes
    return json.dumps({"Body": {"stkCallback": callback}})


def with_items(*items: Any) -> str:
    return body(CallbackMetadata={"Item": list(items)})


def test_a_paid_prompt_tells_amount_and_receipt() -> None:
    assert parse(PAID) == StkResult(
        code="0",
        description="The service request is processed successfully.",
        merchant_request_id="29115-34620561-1",
        checkout_request_id="ws_CO_191220191020363925",
        amount=Decimal("1.00"),
        receipt="NLJ7RT61SV",
    )


def test_a_cancelled_prompt_has_no_metadata() -> None:
    result = parse(CANCELLED)
    assert (result.code, result.amount, result.receipt) == ("1032", None, None)


def test_items_are_found_by_name_in_any_order_and_with_any_company() -> None:
    result = parse(
        with_items(
            {"Name": "PhoneNumber", "Value": 254708374149},
            {"Name": "Balance"},
            "odd",
            {"Value": 5},
            {"Name": "MpesaReceiptNumber", "Value": "NLJ7RT61SV"},
            {"Name": "Balance", "Value": "{Amount={BasicAmount=0.00}}"},
            {"Name": "Amount"},
            {"Name": "Amount", "Value": 1},
        )
    )
    assert (result.amount, result.receipt) == (Decimal(1), "NLJ7RT61SV")


@pytest.mark.parametrize(
    ("code", "read"), [(0, "0"), ("0", "0"), (1032, "1032"), ("SFC_IC0003", "SFC_IC0003"), (0.0, "0"), (" 1 ", "1")]
)
def test_a_code_is_a_number_or_text(code: object, read: str) -> None:
    assert parse(body(ResultCode=code)).code == read


@pytest.mark.parametrize("value", [None, True, "much", [], {}, "NaN", "Infinity", -1, 10**40])
def test_an_amount_that_is_none_is_left_out(value: object) -> None:
    assert parse(with_items({"Name": "Amount", "Value": value})).amount is None


@pytest.mark.parametrize(("value", "read"), [("1.00", "1.00"), (0.1, "0.1"), (250000, "250000")])
def test_an_amount_is_exact_as_number_or_text(value: object, read: str) -> None:
    assert parse(with_items({"Name": "Amount", "Value": value})).amount == Decimal(read)


@pytest.mark.parametrize("metadata", [None, [], {}, {"Item": None}, {"Item": {}}, "x"])
def test_odd_metadata_is_no_metadata(metadata: object) -> None:
    assert parse(body(CallbackMetadata=metadata)).receipt is None


@pytest.mark.parametrize("value", [None, 5, "", "two words", "x" * 30, "'; DROP"])
def test_what_cannot_be_a_receipt_or_an_id_is_left_out(value: object) -> None:
    assert parse(with_items({"Name": "MpesaReceiptNumber", "Value": value})).receipt is None
    assert parse(body(CheckoutRequestID=[value])).checkout_request_id is None


def test_prose_is_cut_and_mended_so_that_it_can_be_kept() -> None:
    assert parse(body(ResultDesc="\ud800" + "x" * 1000)).description == "?" + "x" * 299
    assert parse(body(ResultDesc=None)).description == ""
    assert parse(body(ResultDesc={"odd": 1})).description == "{'odd': 1}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"Body":{}}',
        '{"Body":[]}',
        '{"Body":{"stkCallback":{}}}',
        body(ResultCode=None),
        body(ResultCode=True),
        body(ResultCode="a b"),
        body(ResultCode=[]),
        body(ResultCode=1.5),
        "[" * 60_000,
    ],
)
def test_what_is_no_callback_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


@pytest.mark.parametrize(
    ("text", "json_"), [("[]", True), ("1", True), ("{", False), ("", False), ("[" * 60_000, False)]
)
def test_json_is_told_from_what_is_not(text: str, json_: bool) -> None:
    assert is_json(text) is json_
