"""What the tests of refunds share: paid payments, Results as the provider writes them, and how things stand."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import requests

from app import HANDLERS
from orders import services as orders
from orders.schemas import Order
from payments import attempt_services as attempts
from payments import callback_services, refund_call_services, refund_services
from payments import settle_services as settlement
from payments.refund_schemas import Refund
from tests.daraja import Answer, new_receipt
from tests.factories import make_order, make_product, make_user
from utils import db, outbox
from utils.idempotency import Claim

PHONE = "254712345678"

# What the provider may answer to a call that moves money.
UNREADABLE: list[Answer] = [
    requests.ReadTimeout(),
    requests.ConnectionError("reset"),
    (500, ""),
    (500, {"errorCode": "500.003.1001", "errorMessage": "Internal Server Error"}),
    (500, {"errorCode": "500.002.1001", "errorMessage": "Service is under maintenance"}),
    (502, "<html></html>"),
    (200, ""),
]
NOT_TAKEN: list[Answer] = [
    requests.ConnectTimeout(),
    (500, {"errorCode": "500.003.02", "errorMessage": "Spike arrest violation"}),
    (403, "<html><body><h1>403 Forbidden</h1></body></html>"),
]
DUPLICATE = (500, {"errorCode": "500.002.1001", "errorMessage": "Duplicate OriginatorConversationID."})
REFUSED = (400, {"errorCode": "400.002.02", "errorMessage": "Bad Request - Invalid SecurityCredential"})


def place(price: str = "100.00", method: str = "mpesa") -> Order:
    return make_order(make_user(), (make_product(price=price).variant, 1), method=method)


@db.in_transaction
def settle(
    tx: db.Tx,
    order_id: int,
    *,
    receipt: str | None = None,
    amount: str | None = None,
    came: str | None = None,
    phone_number: str | None = PHONE,
    method: str = "mpesa_stk",
) -> int:
    """Have a payment settled; `came` is what came where that is not what was asked for."""
    order = orders.lock_order_tx(tx, order_id=order_id)
    asked = order["total"] - order["paid"] if amount is None else Decimal(amount)
    payment_id = attempts.insert_tx(
        tx, order=order, method=method, amount=asked, phone_number=phone_number, user_id=None
    )
    success = settlement.Success(source="test", receipt=receipt, amount=None if came is None else Decimal(came))
    settlement.settle_tx(tx, payment_id=payment_id, success=success)
    return payment_id


def pay(price: str = "100.00") -> int:
    """Return a payment with a receipt that pays an order of its own."""
    return settle(place(price).id, receipt=new_receipt())


def refund(payment_id: int, amount: int | None = None, *, user_id: int | None = None) -> Refund:
    return refund_services.start_refund(
        payment_id=payment_id,
        amount=None if amount is None else Decimal(amount),
        reason="one came broken",
        user_id=make_user(role="admin").id if user_id is None else user_id,
        claim=Claim(),
    )


def send(refund_id: int) -> dict[str, Any]:
    """Let the worker have its turn, and return how the refund stands."""
    refund_call_services.act_on_due()
    return refund_row(refund_id)


def refund_row(refund_id: int) -> dict[str, Any]:
    """Return what a refund, its payment and its order say."""
    return db.reading().require_one(
        """
        SELECT r.id, r.method, r.status, r.amount, r.receipt, r.result_code, r.review_reason, r.due_at, r.called_at,
               r.originator_conversation_id, r.conversation_id, r.attempts, r.query_count, r.moved_at,
               p.refund_claimed, p.receipt AS payment_receipt, o.payment_status, o.refunded
          FROM refunds r
          JOIN payments p ON p.id = r.payment_id
          LEFT JOIN orders o ON o.id = r.order_id
         WHERE r.id = %(id)s
        """,
        {"id": refund_id},
        missing=LookupError(refund_id),
    )


def result_body(
    code: object = 0, *, receipt: str | None = None, amount: object = None, originator: str | None = None, **more: Any
) -> str:
    """Write a Result; `more` become its parameters."""
    keys = {"Amount": amount, **more}
    parameters = [{"Key": key, "Value": value} for key, value in keys.items() if value is not None]
    result = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": "The service request is processed successfully.",
        "OriginatorConversationID": originator,
        "ConversationID": None,
        "TransactionID": receipt or ("SKE0000000" if code else new_receipt()),
        "ResultParameters": {"ResultParameter": parameters},
    }
    return json.dumps({"Result": result})


def tell(refund_id: int, body: str, *, call: str = "reversal", kind: str = "result") -> str:
    """Put a Result into the inbox, apply what is due there, and return what came of it."""
    callback_services.receive(kind=kind, refund_id=refund_id, refund_call=call, body=body, address="")
    callback_services.apply_due()
    return outcomes(refund_id)[-1]


def outcomes(refund_id: int) -> list[str]:
    rows = db.reading().fetch_all(
        "SELECT outcome FROM provider_callbacks WHERE refund_id = %(id)s ORDER BY id", {"id": refund_id}
    )
    return [row["outcome"] for row in rows]


def tell_outbox() -> None:
    """Tell on what has happened, until there is nothing new."""
    while outbox.deliver_due(HANDLERS):
        pass
