"""The way out to Daraja, Safaricom's API, over HTTPS.

Called outside of transactions only, and without holding a connection of the pool: the provider may take its time.
Each call has a connection of its own. A kept one may have been closed by the other side meanwhile, and then nobody
could tell whether a push had arrived; a handshake is cheap beside a prompt that a human answers.
Nothing is repeated here: a push has no idempotency key, two posts are two prompts; who may repeat what is decided by
the callers.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError, SSLError

import config
from payments import daraja_answers as answers
from payments import security_credential
from utils import clock, db, log

logger = log.get_logger(__name__)

CONNECT_SECONDS, READ_SECONDS = 5.0, 20.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
DESCRIPTION = "Order payment"  # at most 13 characters; documented as optional, refused when missing
REFUND = "Refund of an order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the provider tells of the end of a call, and that it waited too long for one."""

    result: str
    timeout: str

    def fields(self) -> dict[str, Any]:
        """Return them as the provider names them."""
        return {"ResultURL": self.result, "QueueTimeOutURL": self.timeout}


def fetch_token() -> answers.AccessToken:
    """Fetch a new access token; the one before is invalid from then on. Raises Refused or NotTaken."""
    settings = config.current()
    try:
        status, text = _send(
            "token",
            "GET",
            "/oauth/v1/generate?grant_type=client_credentials",
            auth=(settings.MPESA_CONSUMER_KEY, settings.MPESA_CONSUMER_SECRET),
        )
    except requests.RequestException as error:
        raise answers.NotTaken("away", type(error).__name__) from error
    return answers.read_token(status, text)


def push(*, token: str, phone_number: str, amount: int, account: str, callback_url: str) -> answers.PushAccepted:
    """Ask for a prompt on a phone. Raises InvalidToken, Refused, NotTaken or OutcomeUnknown."""
    settings = config.current()
    body = _signature() | {
        "TransactionType": settings.MPESA_TRANSACTION_TYPE,
        "Amount": amount,
        "PartyA": int(phone_number),
        "PartyB": int(settings.party_b),
        "PhoneNumber": int(phone_number),
        "CallBackURL": callback_url,
        "AccountReference": account,
        "TransactionDesc": DESCRIPTION,
    }
    try:
        status, text = _send("push", "POST", "/mpesa/stkpush/v1/processrequest", json=body, headers=_bearer(token))
    except requests.RequestException as error:
        if _never_left(error):
            raise answers.NotTaken("away", type(error).__name__) from error
        raise answers.OutcomeUnknown("no answer", type(error).__name__) from error
    return answers.read_push(status, text)


def query(*, token: str, checkout_request_id: str) -> answers.QueryResult | None:
    """Ask how a prompt ended; None while that is not known. Raises InvalidToken, and NotTaken without an answer."""
    body = _signature() | {"CheckoutRequestID": checkout_request_id}
    try:
        status, text = _send("query", "POST", "/mpesa/stkpushquery/v1/query", json=body, headers=_bearer(token))
    except requests.RequestException as error:
        raise answers.NotTaken("away", type(error).__name__) from error
    return answers.read_query(status, text)


def register_c2b(*, token: str, validation_url: str, confirmation_url: str) -> bool:
    """Tell the provider where payments by hand are asked about and told of; False when it knows already.

    `Completed`: while the shop does not answer a validation, the money moves. Raises InvalidToken, Refused or NotTaken.
    """
    body = {
        "ShortCode": config.current().MPESA_SHORTCODE,
        "ResponseType": "Completed",
        "ConfirmationURL": confirmation_url,
        "ValidationURL": validation_url,
    }
    try:
        status, text = _send("registration", "POST", "/mpesa/c2b/v2/registerurl", json=body, headers=_bearer(token))
    except requests.RequestException as error:
        raise answers.NotTaken("away", type(error).__name__) from error
    return answers.read_registration(status, text)


def reverse(*, token: str, receipt: str, amount: int, addresses: Addresses) -> answers.CallTaken:
    """Ask for a payment to be taken back whole. Raises InvalidToken, Refused, NotTaken or OutcomeUnknown."""
    settings = config.current()
    body = addresses.fields() | {
        "Initiator": settings.MPESA_INITIATOR_NAME,
        "SecurityCredential": _credential(),
        "CommandID": "TransactionReversal",
        "TransactionID": receipt,
        "Amount": amount,
        "ReceiverParty": settings.MPESA_SHORTCODE,
        "RecieverIdentifierType": "11",  # so spelt: the right spelling is refused
        "Remarks": REFUND,
        "Occasion": REFUND,
    }
    return _start_call("reversal", "/mpesa/reversal/v1/request", token, body)


def pay_out(
    *, token: str, conversation_id: str, phone_number: str, amount: int, addresses: Addresses
) -> answers.CallTaken:
    """Send money to a phone; the same conversation id never sends twice.

    Raises InvalidToken, Refused, NotTaken, TakenBefore or OutcomeUnknown.
    """
    settings = config.current()
    body = addresses.fields() | {
        "OriginatorConversationID": conversation_id,
        "InitiatorName": settings.MPESA_INITIATOR_NAME,
        "SecurityCredential": _credential(),
        "CommandID": "BusinessPayment",
        "Amount": amount,
        "PartyA": settings.MPESA_SHORTCODE,
        "PartyB": int(phone_number),
        "Remarks": REFUND,
        "Occassion": REFUND,  # so spelt
    }
    return _start_call("b2c", "/mpesa/b2c/v3/paymentrequest", token, body)


def ask_status(*, token: str, conversation_id: str, addresses: Addresses) -> answers.CallTaken:
    """Ask what became of a call that moves money; a Result tells. Raises InvalidToken and other ProviderErrors."""
    settings = config.current()
    body = addresses.fields() | {
        "Initiator": settings.MPESA_INITIATOR_NAME,
        "SecurityCredential": _credential(),
        "CommandID": "TransactionStatusQuery",
        "TransactionID": "",  # the receipt of a refund is what is not known
        "OriginalConversationID": conversation_id,
        "PartyA": settings.MPESA_SHORTCODE,
        "IdentifierType": "4",
        "Remarks": REFUND,
        "Occasion": REFUND,
    }
    return _start_call("status", "/mpesa/transactionstatus/v1/query", token, body)


def _start_call(operation: str, path: str, token: str, body: dict[str, Any]) -> answers.CallTaken:
    try:
        status, text = _send(operation, "POST", path, json=body, headers=_bearer(token))
    except requests.RequestException as error:
        if _never_left(error):
            raise answers.NotTaken("away", type(error).__name__) from error
        raise answers.OutcomeUnknown("no answer", type(error).__name__) from error
    return answers.read_call(status, text)


def _credential() -> str:
    """Return the initiator's password for the provider's eyes. Raises NotTaken: nothing was sent."""
    settings = config.current()
    try:
        if settings.MPESA_CERTIFICATE:
            certificate = security_credential.read_certificate(settings.MPESA_CERTIFICATE)
        else:
            certificate = _fetch_simulator_certificate()
        return security_credential.encrypt(settings.MPESA_INITIATOR_PASSWORD, certificate)
    except (security_credential.CertificateUnusable, requests.RequestException) as error:
        logger.error("no security credential", reason=str(error))
        raise answers.NotTaken("credential", str(error)) from error


def _fetch_simulator_certificate() -> str:
    status, text = _send("certificate", "GET", "/simulator/certificate")
    if status != 200:
        raise security_credential.CertificateUnusable(f"the simulator answers {status}")
    return text


def _signature() -> dict[str, Any]:
    settings = config.current()
    stamp = answers.timestamp(clock.now())
    secret = answers.password(shortcode=settings.MPESA_SHORTCODE, passkey=settings.MPESA_PASSKEY, stamp=stamp)
    return {"BusinessShortCode": int(settings.MPESA_SHORTCODE), "Password": secret, "Timestamp": stamp}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _send(operation: str, method: str, path: str, **options: Any) -> tuple[int, str]:
    db.assert_no_transaction()
    db.release()
    url = config.current().MPESA_BASE_URL + path
    started, status = time.perf_counter(), None
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(url).hostname not in LOOPBACK  # no proxy leads to this very machine
            response = session.request(
                method, url, timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False, **options
            )
            status = response.status_code
            return status, response.text
    finally:
        spent = round((time.perf_counter() - started) * 1000, 1)
        logger.info("provider called", operation=operation, status=status, duration_ms=spent)


def _never_left(error: requests.RequestException) -> bool:
    """Tell whether a call failed before a byte of it was sent: no connection, or a certificate that is not theirs."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, SSLError):
        return bool(cause.args) and isinstance(cause.args[0], ssl.SSLCertVerificationError)
    return isinstance(cause, NewConnectionError)
