"""The STK wire of the Daraja simulator, and the table of all the provider's routes.

Owns what a push and a query mean; what becomes of a prompt afterwards is simulator_prompts's. Further calls of the
provider are further rows of PROVIDER_ROUTES.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from flask import Response, jsonify

from payments.simulator_account import (
    ADDRESS,
    AMOUNT,
    PHONE,
    SHORTCODE,
    STK_TOKEN_FAULT,
    Fault,
    Prompt,
    Provider,
    error_body,
    invalid_field,
    is_answer_lost,
    issue_token,
    read_fields,
)
from payments.simulator_c2b import register_addresses
from payments.simulator_initiator import ask_status, pay_out, reverse
from payments.simulator_prompts import SubscriberBusy, open_prompt
from payments.simulator_stories import DESCRIPTIONS, QUERY_PREFIXES, story_for

HELD_ANSWER_SECONDS = 40  # longer than any sane client waits for the answer to a push
UNLUCKY_QUERY = 5  # every fifth query of a finished payment is answered as if it were still open
SUBSCRIBER_BUSY = "Unable to lock subscriber, a transaction is already in process for the current subscriber"

SIGNED_FIELDS = {"BusinessShortCode": SHORTCODE, "Timestamp": r"[0-9]{14}", "Password": r"\S+"}
PUSH_FIELDS = SIGNED_FIELDS | {
    "TransactionType": r"CustomerPayBillOnline|CustomerBuyGoodsOnline",
    "Amount": AMOUNT,
    "PartyA": PHONE,
    "PartyB": SHORTCODE,
    "PhoneNumber": PHONE,
    "CallBackURL": ADDRESS,
    "AccountReference": r".{1,12}",
    "TransactionDesc": r".{1,13}",
}
QUERY_FIELDS = SIGNED_FIELDS | {"CheckoutRequestID": r"\S+"}


def accept_push(provider: Provider) -> Response:
    fields = read_signed_fields(provider, PUSH_FIELDS)
    if fields["TransactionType"] == "CustomerPayBillOnline" and fields["PartyB"] != provider.shortcode:
        raise invalid_field("PartyB")
    story = story_for(fields["PhoneNumber"])
    if story.refusal:
        raise Fault(story.refusal.status, story.refusal.code, story.refusal.message)
    try:
        prompt = open_prompt(
            provider,
            phone=fields["PhoneNumber"],
            amount=int(fields["Amount"]),
            account=fields["AccountReference"],
            callback_url=fields["CallBackURL"],
            answer_lost=story.answered == "never" or is_answer_lost(),
        )
    except SubscriberBusy:
        raise Fault(500, "500.001.1001", SUBSCRIBER_BUSY) from None
    return ANSWERS[story.answered](provider, prompt)


def answer_query(provider: Provider) -> Response:
    fields = read_signed_fields(provider, QUERY_FIELDS)
    prompt = provider.prompts.get(fields["CheckoutRequestID"])
    if prompt is None:
        raise Fault(500, "500.001.1001", "The transaction does not Exist")
    if prompt.result_code is None or provider.stage.weather.strikes("query_in_progress", prompt.phone):
        prompt.queries_open += 1
        return OPEN_ANSWERS[(prompt.queries_open - 1) % len(OPEN_ANSWERS)](provider, prompt)
    prompt.queries_finished += 1
    unlucky = provider.stage.weather.strikes("query_unlucky", prompt.phone)
    if unlucky or prompt.queries_finished % UNLUCKY_QUERY == 0:
        raise Fault(500, "500.001.1001", "The transaction is being processed")
    code = prompt.result_code
    return query_result(prompt, str(code), QUERY_PREFIXES.get(code, "") + DESCRIPTIONS[code])


def read_signed_fields(provider: Provider, rules: dict[str, str]) -> dict[str, str]:
    """Read the fields and check the signature over the timestamp. Raises Fault."""
    fields = read_fields(provider, rules, token_fault=STK_TOKEN_FAULT)
    if not is_timestamp(fields["Timestamp"]):
        raise invalid_field("Timestamp")
    if fields["BusinessShortCode"] != provider.shortcode:
        raise Fault(500, "500.001.1001", "Merchant does not exist")
    signed = provider.shortcode + provider.passkey + fields["Timestamp"]
    if fields["Password"] != base64.b64encode(signed.encode()).decode():
        raise Fault(500, "500.001.1001", "Wrong credentials")
    return fields


def is_timestamp(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - only the form is asked for
    except ValueError:
        return False
    return True


def push_accepted(provider: Provider, prompt: Prompt) -> Response:
    return jsonify(
        MerchantRequestID=prompt.merchant_request_id,
        CheckoutRequestID=prompt.checkout_request_id,
        ResponseCode="0",
        ResponseDescription="Success. Request accepted for processing",
        CustomerMessage="Success. Request accepted for processing",
    )


def push_accepted_after_callback(provider: Provider, prompt: Prompt) -> Response:
    provider.stage.wait_until(lambda: prompt.told)
    return push_accepted(provider, prompt)


def push_never_answered(provider: Provider, prompt: Prompt) -> Response:
    return never_answered(provider)


def never_answered(provider: Provider) -> Response:
    def break_off() -> Iterator[bytes]:
        provider.stage.hold(HELD_ANSWER_SECONDS)
        raise ConnectionAbortedError
        yield b""  # makes this a generator: nothing, not even a status line, is sent before its first piece

    return Response(break_off())


ANSWERS: dict[str, Callable[[Provider, Prompt], Response]] = {
    "at once": push_accepted,
    "after the callback": push_accepted_after_callback,
    "never": push_never_answered,
}


def query_result(prompt: Prompt, code: str, description: str) -> Response:
    return jsonify(
        ResponseCode="0",
        ResponseDescription="The service request has been accepted successsfully",  # so spelt by the provider
        MerchantRequestID=prompt.merchant_request_id,
        CheckoutRequestID=prompt.checkout_request_id,
        ResultCode=code,
        ResultDesc=description,
    )


def open_as_error(provider: Provider, prompt: Prompt) -> Response:
    raise Fault(500, "500.001.1001", "The transaction is being processed")


def open_as_result(provider: Provider, prompt: Prompt) -> Response:
    return query_result(prompt, "4999", "The transaction is still under processing")


def open_as_empty_error(provider: Provider, prompt: Prompt) -> Response:
    return error_body(provider, "500.001.1001", "")


OPEN_ANSWERS = (open_as_error, open_as_result, open_as_empty_error)

PROVIDER_ROUTES: tuple[tuple[str, str, Callable[[Provider], Any]], ...] = (
    ("GET", "/oauth/v1/generate", issue_token),
    ("POST", "/mpesa/stkpush/v1/processrequest", accept_push),
    ("POST", "/mpesa/stkpushquery/v1/query", answer_query),
    ("POST", "/mpesa/c2b/v1/registerurl", register_addresses),
    ("POST", "/mpesa/c2b/v2/registerurl", register_addresses),
    ("POST", "/mpesa/reversal/v1/request", reverse),
    ("POST", "/mpesa/b2c/v3/paymentrequest", pay_out),
    ("POST", "/mpesa/transactionstatus/v1/query", ask_status),
)
