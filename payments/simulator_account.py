"""The shop's account with the simulated provider: what the provider knows of it, and what every call has in common.

Owns the credentials and the token, the checks of every field, and the shape of errors.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from flask import Response, g, jsonify, request

from payments.simulator_stage import Stage
from payments.simulator_stories import RefundStory, Story

TOKEN_SECONDS = 3599
MAX_AMOUNT = 250_000
REFUSED_WORDS = re.compile("mpesa|safaricom|query|sql|cmd|exe", re.IGNORECASE)

Code = int | str  # of a result: 1032, "R000002"

PHONE = r"254[17][0-9]{8}"
SHORTCODE = r"[0-9]{5,7}"
AMOUNT = r"[1-9][0-9]{0,5}"
ADDRESS = r"https?://\S+"


class Fault(Exception):
    """An answer in the provider's shape of an error; without a code, a page of its firewall."""

    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


# "Invalid access token" differs from call to call.
STK_TOKEN_FAULT = (404, "404.001.03", "Invalid Access Token")
C2B_TOKEN_FAULT = (400, "400.003.01", "Invalid Access Token")
B2C_TOKEN_FAULT = (401, "401.002.01", "Error Occurred - Invalid Access Token")


@dataclass
class Prompt:
    number: int
    phone: str
    amount: int
    account: str
    callback_url: str
    story: Story
    merchant_request_id: str
    checkout_request_id: str
    receipt: str
    answer_lost: bool  # the shop does not know the CheckoutRequestID
    result_code: int | None = None  # None while the payer has it on the screen
    queries_open: int = 0
    queries_finished: int = 0
    told: bool = False  # the first callback has come to its end


@dataclass(frozen=True)
class Registration:
    """Where a shortcode's C2B messages go."""

    version: str  # v1 hashes the payer's number, v2 masks it
    response_type: str  # what an unanswered validation means: Completed or Cancelled
    validation_url: str
    confirmation_url: str


@dataclass
class Conversation:
    """A call of the initiator, from its acceptance to its Result."""

    number: int
    call: Literal["reversal", "b2c", "status"]
    subject: str  # the phone whose money it is
    story: RefundStory
    asked: dict[str, str]
    known_initiator: bool
    originator_id: str
    conversation_id: str
    receipt: str  # of the money, should it move
    answer_lost: bool  # the shop does not know the ConversationID
    code: Code | None = None  # None while it is under way
    told: bool = False  # the first Result has come to its end

    @property
    def weather_subject(self) -> str:
        return f"{self.call} {self.subject}"


@dataclass
class Provider:
    """One merchant's account, and the stage on which its stories play. The stage's lock guards it."""

    stage: Stage
    consumer_key: str | None
    consumer_secret: str | None
    shortcode: str
    passkey: str
    initiator_name: str
    initiator_password: str
    keys_folder: Path
    validation_seconds: float
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)  # consumer key → token, until when
    prompts: dict[str, Prompt] = field(default_factory=dict)  # by CheckoutRequestID
    prompt_on_phone: dict[str, Prompt] = field(default_factory=dict)
    registration: Registration | None = None
    conversations: dict[str, Conversation] = field(default_factory=dict)  # by OriginatorConversationID


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


def read_fields(provider: Provider, rules: Mapping[str, str], *, token_fault: tuple[int, str, str]) -> dict[str, str]:
    """Read the body's fields as text, in the provider's order of checks: token, JSON, each field.

    Raises Fault.
    """
    sent = request.authorization
    bearer = sent.token if sent and sent.type == "bearer" else None
    if not any(bearer == token and time.monotonic() < end for token, end in list(provider.tokens.values())):
        raise Fault(*token_fault)
    body = read_body()
    if body is None:
        raise Fault(400, "400.002.05", "Invalid Request Payload")
    for name, rule in rules.items():
        value = body.get(name)
        if not isinstance(value, str | int) or not re.fullmatch(rule, str(value)):
            raise invalid_field(name)
        if rule == ADDRESS and REFUSED_WORDS.search(str(value)):
            raise invalid_field(name)
        if rule == AMOUNT and int(value) > MAX_AMOUNT:
            raise invalid_field(name)
    return {name: str(body[name]) for name in rules}


def read_body() -> dict[str, Any] | None:
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else None


def lose_answer() -> None:
    """Note that what the provider answers to this request will never reach the shop."""
    g.answer_lost = True


def is_answer_lost() -> bool:
    return bool(g.get("answer_lost"))


def told_at(story_tells: tuple[float, ...], *, answer_lost: bool) -> tuple[float, ...]:
    """Return when the shop is told: where it has no id to ask after, it is told at least once."""
    return story_tells or ((0.0,) if answer_lost else ())


def invalid_field(name: str) -> Fault:
    return Fault(400, "400.002.02", f"Bad Request - Invalid {name}")


def render_fault(provider: Provider, fault: Fault) -> tuple[Response, int]:
    if fault.code is None:
        return Response(fault.message, mimetype="text/html"), fault.status
    return error_body(provider, fault.code, fault.message), fault.status


def error_body(provider: Provider, code: str, message: str) -> Response:
    return jsonify(requestId=provider.stage.new_id("#####-########-1"), errorCode=code, errorMessage=message)
