"""What the provider's answers mean. Pure: status and text in, plain facts or a named error out.

The errors tell what is known about the money, because that is what the caller must act upon: `Refused` and `NotTaken`
say that no prompt was opened, `OutcomeUnknown` that there may be one.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from payments.result_codes import Meaning, meaning_of

EAST_AFRICA = timedelta(hours=3)  # no daylight saving there, so no table of time zones is needed

TOKEN_CODES = {"404.001.03", "400.003.01", "401.002.01"}
BUSY_CODES = {"500.003.02", "500.003.03"}  # spike arrest, quota; both come as HTTP 500
# `500.001.1001` is many things; here, and only here, the message is all there is to tell them apart.
PERMANENT_MESSAGES = ("merchant does not exist", "wrong credentials")
SUBSCRIBER_BUSY = "unable to lock subscriber"
ALREADY_REGISTERED = "already registered"
DUPLICATE = "duplicate originatorconversationid"  # its code, 500.002.1001, is the provider's word for maintenance too

OPAQUE = re.compile(r"[\x21-\x7e]{1,100}\Z")
CODE = re.compile(r"[A-Za-z0-9_.-]{1,30}\Z")
LONGEST_TEXT = 300


class ProviderError(Exception):
    """The provider did not do what it was asked for."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code} {message}".strip())
        self.code = code[:30]
        self.message = message[:LONGEST_TEXT]


class InvalidToken(ProviderError):
    """The access token is not accepted (any more); the call was refused before anything was done."""


class Refused(ProviderError):
    """Refused, and it will be again: no prompt was opened."""


class NotTaken(ProviderError):
    """Not taken just now: away, or too busy. No prompt was opened; later it may work."""


class PhoneBusy(NotTaken):
    """Another prompt is open on this phone, of ours or of another shop's."""


class OutcomeUnknown(ProviderError):
    """Sent, and no readable answer: it may have been done, or be done yet (a prompt, a refund)."""


class TakenBefore(ProviderError):
    """The provider has a call under this OriginatorConversationID: an earlier one of ours arrived."""


@dataclass(frozen=True, slots=True)
class PushAccepted:
    """The provider has taken a push: accepted, not paid."""

    merchant_request_id: str
    checkout_request_id: str


@dataclass(frozen=True, slots=True)
class CallTaken:
    """The provider has taken a call of the initiator: its Result comes later."""

    originator_conversation_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class QueryResult:
    """How a prompt ended, by the provider's word: no receipt, amount or phone."""

    code: str
    description: str


@dataclass(frozen=True, slots=True)
class AccessToken:
    value: str
    seconds: int


def timestamp(moment: datetime) -> str:
    """Write a UTC moment as the provider reads it: `YYYYMMDDHHmmss` in East Africa Time."""
    return f"{moment + EAST_AFRICA:%Y%m%d%H%M%S}"


def password(*, shortcode: str, passkey: str, stamp: str) -> str:
    """Return the password of a push or query; `stamp` is the very string sent beside it."""
    return base64.b64encode(f"{shortcode}{passkey}{stamp}".encode()).decode()


def read_token(status: int, text: str) -> AccessToken:
    """Read the answer to a request for a token.

    Raises Refused for credentials that are not accepted (400 with an empty body), and NotTaken for anything else.
    """
    answer = _read_object(text)
    value, seconds = answer.get("access_token"), writable(answer.get("expires_in"))
    if status == 200 and isinstance(value, str) and value and seconds.isdigit():
        return AccessToken(value, int(seconds))
    if status == 400:
        raise Refused("400", "the shop's consumer key and secret are not accepted")
    raise NotTaken(str(status), "no access token was given")


def read_push(status: int, text: str) -> PushAccepted:
    """Read the answer to a push. Raises InvalidToken, Refused, NotTaken or OutcomeUnknown."""
    answer = _read_object(text)
    if "errorCode" in answer or status != 200:
        raise _error_in(status, answer)
    code = writable(answer.get("ResponseCode"))
    merchant_id, checkout_id = answer.get("MerchantRequestID"), answer.get("CheckoutRequestID")
    if code == "0" and _is_opaque(merchant_id) and _is_opaque(checkout_id):
        return PushAccepted(str(merchant_id), str(checkout_id))
    if code not in ("", "0"):
        raise Refused(code, writable(answer.get("ResponseDescription")))
    raise OutcomeUnknown(str(status), "the answer to the push cannot be read")


def read_call(status: int, text: str) -> CallTaken:
    """Read the answer to a Reversal, B2C or Transaction Status: taken, not done.

    Raises InvalidToken, Refused, NotTaken, TakenBefore or OutcomeUnknown.
    """
    answer = _read_object(text)
    if "errorCode" in answer or status != 200:
        raise _error_in(status, answer)
    code = writable(answer.get("ResponseCode"))
    originator_id, conversation_id = answer.get("OriginatorConversationID"), answer.get("ConversationID")
    if code == "0" and _is_opaque(originator_id) and _is_opaque(conversation_id):
        return CallTaken(str(originator_id), str(conversation_id))
    if code not in ("", "0"):
        raise Refused(code, writable(answer.get("ResponseDescription")))
    raise OutcomeUnknown(str(status), "the answer cannot be read")


def _error_in(status: int, answer: dict[str, Any]) -> ProviderError:
    code, message = writable(answer.get("errorCode")), writable(answer.get("errorMessage"))
    if code in TOKEN_CODES:
        return InvalidToken(code, message)
    if DUPLICATE in message.lower():
        return TakenBefore(code, message)
    if SUBSCRIBER_BUSY in message.lower():
        return PhoneBusy(code, message)
    # The firewall stands before the provider: what it turned away (403, 429) never arrived.
    if code in BUSY_CODES or (not code and status in (403, 429)):
        return NotTaken(code or str(status), "busy")
    if any(known in message.lower() for known in PERMANENT_MESSAGES):
        return Refused(code, message)
    if (code or str(status)).startswith("4") and status != 408:
        return Refused(code or str(status), message or "it does not say why")
    return OutcomeUnknown(code or str(status), message)


def read_query(status: int, text: str) -> QueryResult | None:
    """Read the answer to a query: how the prompt ended, or None while that is not known.

    Anything but a finished result is "not known yet": the provider answers finished payments with errors now and
    then. Raises InvalidToken.
    """
    answer = _read_object(text)
    if writable(answer.get("errorCode")) in TOKEN_CODES:
        raise InvalidToken(writable(answer.get("errorCode")), writable(answer.get("errorMessage")))
    code = writable(answer.get("ResultCode"))
    finished = status == 200 and "errorCode" not in answer and writable(answer.get("ResponseCode")) == "0"
    if not finished or not CODE.match(code) or meaning_of(code) is Meaning.OPEN:
        return None
    return QueryResult(code, writable(answer.get("ResultDesc")))


def read_registration(status: int, text: str) -> bool:
    """Read the answer to a registration of addresses: True, or False when there were addresses before.

    Raises InvalidToken, Refused, and NotTaken for anything that does not say what came of it.
    """
    answer = _read_object(text)
    code, message = writable(answer.get("errorCode")), writable(answer.get("errorMessage"))
    if status == 200 and set(writable(answer.get("ResponseCode"))) == {"0"}:  # `0`, or as many of them as it likes
        return True
    if ALREADY_REGISTERED in message.lower():
        return False
    if code in TOKEN_CODES:
        raise InvalidToken(code, message)
    if code.startswith("4"):
        raise Refused(code, message)
    raise NotTaken(code or str(status), message or writable(answer.get("ResponseDescription")))


def _read_object(text: str) -> dict[str, Any]:
    """Return the JSON object in an answer, an empty one for HTML, nothing, or anything else."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _is_opaque(value: object) -> bool:
    return isinstance(value, str) and OPAQUE.match(value) is not None


def writable(value: object) -> str:
    """Return the provider's prose as the database can hold it: not too long, and no half of a character."""
    return "" if value is None else str(value)[:LONGEST_TEXT].encode("utf-8", "replace").decode()
