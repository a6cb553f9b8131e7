"""C2B in the Daraja simulator: the shop registers its addresses, a customer pays the paybill by hand.

Validation is asked before the money moves, confirmation tells of it afterwards. A confirmation is sent for STK
payments too, once a shortcode is registered.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Response, jsonify, request

from payments.simulator_account import (
    ADDRESS,
    C2B_TOKEN_FAULT,
    MAX_AMOUNT,
    Fault,
    Provider,
    Registration,
    invalid_field,
    read_body,
    read_fields,
)
from payments.simulator_book import Entry
from payments.simulator_stage import EAST_AFRICA_TIME, Message, read_object
from utils import phones

VALIDATION_SECONDS = 8.0  # the provider's own limit; not scaled by the speed, which makes no shop faster
CONFIRMED_AFTER_SECONDS = 0.5
LONGEST_ACCOUNT = 20
FIRST_NAMES = ("NICHOLAS", "WANJIRU", "OTIENO", "AMINA")

REGISTER_FIELDS = {
    "ShortCode": r"[0-9]{5,7}",
    "ResponseType": r"Completed|Cancelled",
    "ConfirmationURL": ADDRESS,
    "ValidationURL": ADDRESS,
}

MSISDN_SHAPES: dict[str, Callable[[str], str]] = {
    "v1": lambda phone: hashlib.sha256(phone.encode()).hexdigest(),
    "v2": lambda phone: f"{phone[:4]} ***** {phone[-3:]}",
}


def register_addresses(provider: Provider) -> Response:
    """Keep where a shortcode's messages go: once, as in production."""
    fields = read_fields(provider, REGISTER_FIELDS, token_fault=C2B_TOKEN_FAULT)
    if fields["ShortCode"] != provider.shortcode:
        raise invalid_field("ShortCode")
    registration = Registration(
        version=request.path.split("/")[3],
        response_type=fields["ResponseType"],
        validation_url=fields["ValidationURL"],
        confirmation_url=fields["ConfirmationURL"],
    )
    with provider.stage.changed:
        if provider.registration:
            raise Fault(500, "500.003.1001", "Urls are already registered")
        provider.registration = registration
    return jsonify(
        OriginatorCoversationID=provider.stage.new_id("####-####-xxxx-##########"),  # so spelt by the provider
        ResponseCode="0",
        ResponseDescription="Success",
    )


def take_hand_payment(provider: Provider) -> tuple[Response, int]:
    """Let a customer pay by hand; not the provider's wire but this simulator's."""
    body = read_body() or {}
    amount, account = body.get("amount"), body.get("account")
    try:
        phone = phones.normalise(str(body.get("phone")))
    except ValueError as error:
        return jsonify(error=f"phone {error}"), 422
    if not isinstance(amount, int) or not 1 <= amount <= MAX_AMOUNT:
        return jsonify(error=f"amount must be whole shillings from 1 to {MAX_AMOUNT}"), 422
    if not isinstance(account, str) or len(account) > LONGEST_ACCOUNT:
        return jsonify(error=f"account must be a text of up to {LONGEST_ACCOUNT} characters"), 422
    refused_with, entry = pay_by_hand(provider, phone=phone, amount=amount, account=account)
    return jsonify(accepted=entry is not None, receipt=entry and entry.receipt, result_code=refused_with or "0"), 200


def pay_by_hand(provider: Provider, *, phone: str, amount: int, account: str) -> tuple[str, Entry | None]:
    """Validate and move the money; return the code of a refusal, else the entry in the book."""
    stage = provider.stage
    entry = Entry(
        receipt=stage.new_receipt(),
        kind="c2b",
        amount=amount,
        account=account,
        party=phone,
        reference="",
        original="",
        moved_at=datetime.now(EAST_AFRICA_TIME).isoformat(timespec="seconds"),
    )
    if refusal := validate(provider, entry):
        return refusal, None
    with stage.changed:
        confirm(provider, stage.enter(entry), only_news=True)
    return "", entry


def validate(provider: Provider, entry: Entry) -> str:
    """Ask the shop; return the code of its refusal. Without an answer, the registered ResponseType decides."""
    registration = provider.registration
    if registration is None:
        return ""
    message = Message(
        kind="validation",
        subject=entry.party,
        reference=entry.receipt,
        code=0,
        url=registration.validation_url,
        body=c2b_body(registration, entry, shortcode=provider.shortcode, balance=None),
    )
    delivery = provider.stage.send(message, seconds=provider.validation_seconds)
    code = read_object(delivery.answer).get("ResultCode") if delivery.status == 200 else None
    if code is None or provider.stage.weather.strikes("validation_timeout", entry.party):
        return "" if registration.response_type == "Completed" else "Cancelled"
    return "" if str(code) == "0" else str(code)


def confirm(provider: Provider, entry: Entry, *, only_news: bool) -> None:
    """Tell a registered shop of money that has moved."""
    registration, stage = provider.registration, provider.stage
    if registration is None:
        return
    message = Message(
        kind="confirmation",
        subject=entry.party,
        reference=entry.receipt,
        code=0,
        url=registration.confirmation_url,
        body=c2b_body(registration, entry, shortcode=provider.shortcode, balance=stage.book.balance),
        only_news=only_news,
    )
    stage.post(message, after=CONFIRMED_AFTER_SECONDS)


def c2b_body(registration: Registration, entry: Entry, *, shortcode: str, balance: int | None) -> str:
    """Write a validation (no balance yet) or a confirmation: every value a string."""
    fields: dict[str, Any] = {
        "TransactionType": "Pay Bill",
        "TransID": entry.receipt,
        "TransTime": datetime.fromisoformat(entry.moved_at).strftime("%Y%m%d%H%M%S"),
        "TransAmount": f"{entry.amount}.00",
        "BusinessShortCode": shortcode,
        "BillRefNumber": entry.account,
        "InvoiceNumber": "",
        "OrgAccountBalance": "" if balance is None else f"{balance}.00",
        "ThirdPartyTransID": "",
        "MSISDN": MSISDN_SHAPES[registration.version](entry.party),
        "FirstName": FIRST_NAMES[int(entry.party) % len(FIRST_NAMES)],
    }
    if registration.version == "v1":  # v2 gives the first name only
        fields |= {"MiddleName": "", "LastName": ""}
    return json.dumps(fields)
