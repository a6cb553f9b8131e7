"""A scripted Daraja: answers what the test tells it to, at the very edge where requests would go out."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from payments import callback_services
from payments.daraja_answers import QueryResult
from payments.simulator_keys import simulator_certificate
from utils import db

_numbers = itertools.count(1)

PAID = "The service request is processed successfully."
KINDS = {
    "/oauth/v1/generate": "generate",
    "/mpesa/stkpush/v1/processrequest": "processrequest",
    "/mpesa/stkpushquery/v1/query": "query",
    "/mpesa/c2b/v2/registerurl": "registerurl",
    "/mpesa/reversal/v1/request": "reversal",
    "/mpesa/b2c/v3/paymentrequest": "b2c",
    "/mpesa/transactionstatus/v1/query": "status",
    "/simulator/certificate": "certificate",
}
Answer = tuple[int, str | dict[str, Any]] | Exception
Scripted = Answer | Callable[[dict[str, Any]], Answer]

IN_PROGRESS: list[Answer] = [
    (500, {"requestId": "ws_CO_1", "errorCode": "500.001.1001", "errorMessage": "The transaction is being processed"}),
    (200, {"ResponseCode": "0", "ResultCode": "4999", "ResultDesc": "The transaction is still under processing"}),
    (200, {"requestId": "ws_CO_1", "errorCode": "500.001.1001", "errorMessage": ""}),
    (500, {"errorCode": "500.001.1001", "errorMessage": "The transaction does not Exist"}),
    (503, "<html><body>Service Unavailable</body></html>"),
    (429, ""),
    (403, "<html><body><h1>403 Forbidden</h1></body></html>"),
    (200, ""),
    (200, "<html></html>"),
    (200, "[1]"),
    requests.ReadTimeout(),
    requests.ConnectionError(),
]


@dataclass
class Daraja:
    """What the provider will answer, first come first served, and what it was sent. Unscripted calls go well."""

    pushes: deque[Scripted] = field(default_factory=deque)
    queries: deque[Scripted] = field(default_factory=deque)
    tokens: deque[Scripted] = field(default_factory=deque)
    registrations: deque[Scripted] = field(default_factory=deque)
    reversals: deque[Scripted] = field(default_factory=deque)
    payouts: deque[Scripted] = field(default_factory=deque)
    statuses: deque[Scripted] = field(default_factory=deque)
    certificates: deque[Scripted] = field(default_factory=deque)
    sent: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def request(self, _session: requests.Session, _method: str, url: str, **options: Any) -> requests.Response:
        """Stand in for requests.Session.request."""
        kind = KINDS[urlsplit(url).path]
        body = options.get("json") or {}
        self.sent.append((kind, body))
        scripted, usual = {
            "generate": (self.tokens, self._give_token),
            "processrequest": (self.pushes, self._take_push),
            "query": (self.queries, self._say_open),
            "registerurl": (self.registrations, self._register),
            "reversal": (self.reversals, self._take_call),
            "b2c": (self.payouts, self._take_call),
            "status": (self.statuses, self._take_call),
            "certificate": (self.certificates, self._give_certificate),
        }[kind]
        answer = scripted.popleft() if scripted else usual
        if callable(answer):
            answer = answer(body)
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, content = answer
        response._content = (content if isinstance(content, str) else json.dumps(content)).encode()
        return response

    def count(self, kind: str) -> int:
        return sum(1 for sent, _ in self.sent if sent == kind)

    def body_of(self, kind: str) -> dict[str, Any]:
        return next(body for sent, body in reversed(self.sent) if sent == kind)

    @staticmethod
    def _give_token(_body: dict[str, Any]) -> Answer:
        return 200, {"access_token": f"token-{next(_numbers)}", "expires_in": "3599"}

    @staticmethod
    def _take_push(_body: dict[str, Any]) -> Answer:
        return accepted(f"ws_CO_{next(_numbers):018}")

    @staticmethod
    def _register(_body: dict[str, Any]) -> Answer:
        return 200, {"OriginatorCoversationID": "1-2", "ResponseCode": "0", "ResponseDescription": "Success"}

    @staticmethod
    def _take_call(body: dict[str, Any]) -> Answer:
        return call_taken(body.get("OriginatorConversationID"))

    @staticmethod
    def _give_certificate(_body: dict[str, Any]) -> Answer:
        return 200, simulator_certificate()

    @staticmethod
    def _say_open(_body: dict[str, Any]) -> Answer:
        return IN_PROGRESS[0]


def accepted(checkout_request_id: str) -> Answer:
    return 200, {
        "MerchantRequestID": f"29115-34620561-{next(_numbers)}",
        "CheckoutRequestID": checkout_request_id,
        "ResponseCode": "0",
        "ResponseDescription": "Success. Request accepted for processing",
        "CustomerMessage": "Success. Request accepted for processing",
    }


def call_taken(originator_id: str | None = None) -> Answer:
    """Answer a call of the initiator: the id of ours where it had one, else the provider's own."""
    return 200, {
        "OriginatorConversationID": originator_id or f"dad6-4c34-8787-{next(_numbers)}",
        "ConversationID": f"AG_20261120_{next(_numbers):020}",
        "ResponseCode": "0",
        "ResponseDescription": "Accept the service request successfully.",
    }


def finished(code: str, description: str = "") -> Answer:
    return 200, {
        "ResponseCode": "0",
        "ResponseDescription": "The service request has been accepted successsfully",
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": "ws_CO_1",
        "ResultCode": code,
        "ResultDesc": description,
    }


def query_result(code: str) -> QueryResult:
    return QueryResult(code, "")


def new_receipt() -> str:
    return f"SKL{next(_numbers):07}"


def success_body(
    checkout_request_id: str | None, amount: object = 100, receipt: str | None = "NLJ7RT61SV", **changes: Any
) -> str:
    """Write the callback of a paid prompt, as the provider does."""
    items = [
        {"Name": "Amount", "Value": amount},
        {"Name": "MpesaReceiptNumber", "Value": receipt},
        {"Name": "Balance"},
        {"Name": "TransactionDate", "Value": 20191219102115},
        {"Name": "PhoneNumber", "Value": 254708374149},
    ]
    callback = {
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": checkout_request_id,
        "ResultCode": 0,
        "ResultDesc": PAID,
        "CallbackMetadata": {"Item": [item for item in items if item.get("Value", "") is not None]},
        **changes,
    }
    return json.dumps({"Body": {"stkCallback": callback}})


def failure_body(checkout_request_id: str | None, code: object = 1032) -> str:
    callback = {
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": checkout_request_id,
        "ResultCode": code,
        "ResultDesc": "Request cancelled by user",
    }
    return json.dumps({"Body": {"stkCallback": callback}})


def call_back(payment_id: int, body: str) -> str:
    """Put a callback into the inbox, apply what is due there, and return what came of it."""
    callback_services.receive(kind="stk", payment_id=payment_id, body=body, address="196.201.214.200")
    callback_services.apply_due()
    return outcomes(payment_id)[-1]


def outcomes(payment_id: int) -> list[str]:
    """Return what came of each callback of a payment, in the order in which they came."""
    rows = db.reading().fetch_all(
        "SELECT outcome FROM provider_callbacks WHERE payment_id = %(id)s ORDER BY id", {"id": payment_id}
    )
    return [row["outcome"] for row in rows]


def payment_row(payment_id: int) -> dict[str, Any]:
    """Return what a payment and its order say of the money."""
    return db.reading().require_one(
        """
        SELECT p.status, p.receipt, p.checkout_request_id, p.settled_amount, p.result_code, p.review_reason,
               p.query_due_at, p.prompt_until, o.status AS order_status, o.payment_status, o.paid
          FROM payments p
          JOIN orders o ON o.id = p.order_id
         WHERE p.id = %(id)s
        """,
        {"id": payment_id},
        missing=LookupError(payment_id),
    )
