"""What the provider sends about money that is paid by hand."""

from __future__ import annotations

import json
from typing import Any

from payments import c2b_services, callback_services
from utils import db


def hand_payment(account: str, amount: object = "100.00", receipt: str = "RKL51ZDR4F", **changes: Any) -> str:
    """Write a validation or a confirmation, as the provider does: every value is a string."""
    return json.dumps(
        {
            "TransactionType": "Pay Bill",
            "TransID": receipt,
            "TransTime": "20231121121325",
            "TransAmount": amount,
            "BusinessShortCode": "174379",
            "BillRefNumber": account,
            "InvoiceNumber": "",
            "OrgAccountBalance": "25.00",
            "ThirdPartyTransID": "",
            "MSISDN": "2547 ***** 126",
            "FirstName": "NICHOLAS",
            "MiddleName": "",
            "LastName": "",
            **changes,
        }
    )


def receive(body: str) -> None:
    callback_services.receive(kind="c2b", body=body, address="196.201.214.200")


def confirm(account: str, amount: object = "100.00", receipt: str = "RKL51ZDR4F", **changes: Any) -> str:
    """Put a confirmation into the inbox, let the worker's job apply what is due, and return what came of it."""
    receive(hand_payment(account, amount, receipt, **changes))
    callback_services.apply_due()
    return outcomes()[-1]


def verdict(account: str, amount: object = "100.00") -> str:
    """Ask whether a payment by hand is welcome, and return the code that the provider reads."""
    return c2b_services.validate(body=hand_payment(account, amount)).ResultCode


def outcomes() -> list[str]:
    """Return what came of each confirmation, in the order in which they came."""
    rows = db.reading().fetch_all("SELECT outcome FROM provider_callbacks WHERE kind = 'c2b' ORDER BY id")
    return [row["outcome"] for row in rows]


def payments_of(order_id: int) -> list[dict[str, Any]]:
    """Return the payments of an order, oldest first."""
    return db.reading().fetch_all(
        """
        SELECT p.id, p.method, p.status, p.receipt, p.settled_amount, p.review_reason, p.typed_account
          FROM payments p
         WHERE p.order_id = %(order_id)s
         ORDER BY p.id
        """,
        {"order_id": order_id},
    )


def payment_with(receipt: str) -> dict[str, Any]:
    """Return the payment that a receipt stands on."""
    return db.reading().require_one(
        """
        SELECT p.id, p.order_id, p.method, p.status, p.amount, p.settled_amount, p.phone_number, p.typed_account,
               p.review_reason, p.allocated_by, p.allocated_at
          FROM payments p
         WHERE p.receipt = %(receipt)s
        """,
        {"receipt": receipt},
        missing=LookupError(receipt),
    )


def money_of(order_id: int) -> tuple[str, str, int]:
    """Return an order's status, payment_status and what was paid."""
    row = db.reading().require_one(
        "SELECT o.status, o.payment_status, o.paid FROM orders o WHERE o.id = %(id)s",
        {"id": order_id},
        missing=LookupError(order_id),
    )
    return row["status"], row["payment_status"], int(row["paid"])


def balance_of(account: str) -> int:
    """Return what stands on an account of the ledger, debits less credits."""
    balance = db.reading().fetch_value(
        "SELECT COALESCE(SUM(le.amount), 0) AS balance FROM ledger_entries le WHERE le.account = %(account)s",
        {"account": account},
    )
    return int(balance)
