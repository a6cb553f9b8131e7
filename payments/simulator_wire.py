"""The provider's wire in the Daraja simulator: its routes, its checks of every field, its answers and errors.

Owns what a request to the provider means; what becomes of a prompt afterwards is the stage's. Further calls
of the provider are further rows of PROVIDER_ROUTES.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Response, jsonify, request

from payments.simulator_stage import Prompt, Stage, SubscriberBusy
from payments.simulator_stories import DESCRIPTIONS, QUERY_PREFIXES, story_for

HELD_ANSWER_SECONDS = 40  # longer than any sane client waits for the answer to a push
TOKEN_SECONDS = 3599
MAX_AMOUNT = 250_000
UNLUCKY_QUERY = 5  # every fifth query of a finished payment is answered as if it were still open
SUBSCRIBER_BUSY = "Unable to lock subscriber, a transaction is already in process for the current subscriber"
REFUSED_WORDS = re.compile("mpesa|safaricom|query|sql|cmd|exe", re.IGNORECASE)

PHONE = r"254[17][0-9]{8}"
SIGNED_FIELDS = {"BusinessShortCode": r"[0-9]{5,7}", "Timestamp": r"[0-9]{14}", "Password": r"\S+"}
PUSH_FIELDS = SIGNED_FIELDS | {
    "TransactionType": r"CustomerPayBillOnline|CustomerBuyGoodsOnline",
    "Amount": r"[1-9][0-9]{0,5}",
    "PartyA": PHONE,
    "PartyB": r"[0-9]{5,7}",
    "PhoneNumber": PHONE,
    "CallBackURL": r"https?://\S+",
    "AccountReference": r".{1,12}",
    "TransactionDesc": r".{1,13}",
}
QUERY_FIELDS = SIGNED_FIELDS | {"CheckoutRequestID": r"\S+"}


class Fault(Exception):
    """An answer in the provider's shape of an error; without a code, a page of its firewall."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Provider:
    """One merchant's account with the provider, and the stage on which its prompts play."""

    stage: Stage
    consumer_key: str | None
    consumer_secret: str | None
    shortcode: str
    passkey: str
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)  # consumer key → token, until when


def issue_token(provider: Provider) -> Response:
    sent = request.authorization
    key, secret = (sent.username, sent.password) if sent and sent.type == "basic" else (None, None)
    known_key = key == provider.consumer_key if provider.consumer_key else bool(key)
    known_secret = secret == provider.consumer_secret if provider.consumer_secret else bool(secret)
    if not (key and known_key and known_secret):
        return Response(status=400)
    if request.args.get("grant_type") != "client_credentials":
        raise Fault(400, "400.008.02", "Invalid grant type passed")
    token = provider.stage.new_id("*" * 28)
    provider.tokens[key] = (token, time.monotonic() + TOKEN_SECONDS)
    return jsonify(access_token=token, expires_in=str(TOKEN_SECONDS))


def accept_push(provider: Provider) -> Response:
    fields = read_signed_fields(provider, PUSH_FIELDS)
    check_push(provider, fields)
    story = story_for(fields["PhoneNumber"])
    if story.refusal:
        raise Fault(story.refusal.status, story.refusal.code, story.refusal.message)
    try:
        prompt = provider.stage.open_prompt(
            phone=fields["PhoneNumber"],
            amount=int(fields["Amount"]),
            account=fields["AccountReference"],
            callback_url=fields["CallBackURL"],
        )
    except SubscriberBusy:
        raise Fault(500, "500.001.1001", SUBSCRIBER_BUSY) from None
    return ANSWERS[story.answered](provider, prompt)


def answer_query(provider: Provider) -> Response:
    fields = read_signed_fields(provider, QUERY_FIELDS)
    prompt = provider.stage.prompts.get(fields["CheckoutRequestID"])
    if prompt is None:
        raise Fault(500, "500.001.1001", "The transaction does not Exist")
    if prompt.result_code is None:
        prompt.queries_open += 1
        return OPEN_ANSWERS[(prompt.queries_open - 1) % len(OPEN_ANSWERS)](provider, prompt)
    prompt.queries_finished += 1
    if prompt.queries_finished % UNLUCKY_QUERY == 0:
        raise Fault(500, "500.001.1001", "The transaction is being processed")
    code = prompt.result_code
    return query_result(prompt, str(code), QUERY_PREFIXES.get(code, "") + DESCRIPTIONS[code])


def read_signed_fields(provider: Provider, rules: dict[str, str]) -> dict[str, str]:
    """Read the body's fields as text, in the provider's order of checks: token, JSON, each field, signature.

    Raises Fault.
    """
    sent = request.authorization
    bearer = sent.token if sent and sent.type == "bearer" else None
    if not any(bearer == token and time.monotonic() < end for token, end in list(provider.tokens.values())):
        raise Fault(404, "404.001.03", "Invalid Access Token")
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise Fault(400, "400.002.05", "Invalid Request Payload")
    fields = {name: str(body[name]) if isinstance(body.get(name), str | int) else "" for name in rules}
    for name, rule in rules.items():
        if not re.fullmatch(rule, fields[name]):
            raise invalid_field(name)
    if not is_timestamp(fields["Timestamp"]):
        raise invalid_field("Timestamp")
    if fields["BusinessShortCode"] != provider.shortcode:
        raise Fault(500, "500.001.1001", "Merchant does not exist")
    signed = provider.shortcode + provider.passkey + fields["Timestamp"]
    if fields["Password"] != base64.b64encode(signed.encode()).decode():
        raise Fault(500, "500.001.1001", "Wrong credentials")
    return fields


def check_push(provider: Provider, fields: dict[str, str]) -> None:
    """Check what no pattern tells. Raises Fault."""
    if int(fields["Amount"]) > MAX_AMOUNT:
        raise invalid_field("Amount")
    if fields["TransactionType"] == "CustomerPayBillOnline" and fields["PartyB"] != provider.shortcode:
        raise invalid_field("PartyB")
    if REFUSED_WORDS.search(fields["CallBackURL"]):
        raise invalid_field("CallBackURL")


def invalid_field(name: str) -> Fault:
    return Fault(400, "400.002.02", f"Bad Request - Invalid {name}")


def is_timestamp(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - only the form is asked for
    except ValueError:
        return False
    return True


def render_fault(provider: Provider, fault: Fault) -> tuple[Response, int]:
    if fault.code is None:
        return Response(fault.message, mimetype="text/html"), fault.status
    return error_body(provider, fault.code, fault.message), fault.status


def error_body(provider: Provider, code: str, message: str) -> Response:
    return jsonify(requestId=provider.stage.new_id("#####-########-1"), errorCode=code, errorMessage=message)


def push_accepted(provider: Provider, prompt: Prompt) -> Response:
    return jsonify(
        MerchantRequestID=prompt.merchant_request_id,
        CheckoutRequestID=prompt.checkout_request_id,
        ResponseCode="0",
        ResponseDescription="Success. Request accepted for processing",
        CustomerMessage="Success. Request accepted for processing",
    )


def push_accepted_after_callback(provider: Provider, prompt: Prompt) -> Response:
    prompt.told.wait()
    return push_accepted(provider, prompt)


def push_never_answered(provider: Provider, prompt: Prompt) -> Response:
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
)
