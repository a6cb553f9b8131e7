"""Ask to be paid: STK push, mock, cash on delivery.

A push has two transactions and the provider's call between them. The first writes the attempt down and claims the
order's one prompt, so that two clicks make one prompt and a process that dies leaves a trace. The second records
what the call told; a callback may have come in between, and then only what is missing is filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import config
from orders import services as orders
from payments import attempt_services as attempts
from payments import callback_tokens, daraja
from payments import settle_services as settlement
from payments import token_services as tokens
from payments.daraja_answers import NotTaken, OutcomeUnknown, PhoneBusy, ProviderError, PushAccepted, Refused
from payments.schemas import Payment
from utils import clock, db, errors, idempotency, log

logger = log.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the provider must be told of an attempt that is written down."""

    payment_id: int
    amount: int
    phone_number: str
    account: str


def start_stk_push(
    *, order_id: int, phone_number: str, user_id: int | None, manages: bool, claim: idempotency.Claim
) -> Payment:
    """Ask for what an order still costs on the payer's phone, and return the attempt: accepted, not paid.

    Raises NotFound for somebody else's order (unless the caller manages orders, or is the guest who holds the key of
    this one: `orders.viewers`), AlreadyPaid, PaymentInProgress, OrderClosed, AmountTooHigh, PaymentRefused,
    PaymentUnavailable and PhoneBusy. Without a readable answer the attempt stays pending: there may be a prompt, and
    it may be paid.
    """
    attempt = open_attempt(order_id=order_id, phone_number=phone_number, user_id=user_id, manages=manages, claim=claim)
    try:
        accepted = tokens.with_token(
            lambda token: daraja.push(
                token=token,
                phone_number=attempt.phone_number,
                amount=attempt.amount,
                account=attempt.account,
                callback_url=callback_tokens.callback_url(kind="stk", payment_id=attempt.payment_id),
            )
        )
    except Refused as error:
        record_not_sent(payment_id=attempt.payment_id, error=error, claim=claim)
        raise errors.PaymentRefused(reason=error.message) from error
    except NotTaken as error:
        record_not_sent(payment_id=attempt.payment_id, error=error, claim=claim)
        raise (errors.PhoneBusy if isinstance(error, PhoneBusy) else errors.PaymentUnavailable) from error
    except OutcomeUnknown as error:
        return record_unknown(payment_id=attempt.payment_id, error=error, claim=claim)
    return record_sent(payment_id=attempt.payment_id, accepted=accepted, claim=claim)


@db.in_transaction
def open_attempt(
    tx: db.Tx, *, order_id: int, phone_number: str, user_id: int | None, manages: bool, claim: idempotency.Claim
) -> Attempt:
    """Write an attempt down before anybody is called, and keep the answer `pending` under the key."""
    order, due = _claim_order_tx(tx, order_id=order_id, user_id=user_id, manages=manages)
    limit = config.current().MPESA_MAX_AMOUNT
    if due > limit:
        raise errors.AmountTooHigh(limit=limit, amount=int(due))
    payment_id = attempts.insert_tx(
        tx, order=order, method="mpesa_stk", amount=due, phone_number=phone_number, user_id=user_id
    )
    _keep_answer_tx(tx, payment_id=payment_id, claim=claim)
    return Attempt(payment_id, int(due), phone_number, order["number"])


def _claim_order_tx(tx: db.Tx, *, order_id: int, user_id: int | None, manages: bool) -> tuple[db.Row, Decimal]:
    """Lock an order that the caller may pay, claim its one prompt, and return it with what is due."""
    locked_order = orders.lock_order_tx(tx, order_id=order_id)
    if not manages and locked_order["user_id"] != user_id:
        raise errors.NotFound(what="order")
    orders.claim_prompt_tx(tx, order_id=order_id)
    return locked_order, locked_order["total"] - locked_order["paid"]


@db.in_transaction
def record_sent(tx: db.Tx, *, payment_id: int, accepted: PushAccepted, claim: idempotency.Claim) -> Payment:
    """Record that the provider has taken the push, and when it is to be asked how the prompt ended."""
    now = clock.now()
    ids = {"merchant_request_id": accepted.merchant_request_id, "checkout_request_id": accepted.checkout_request_id}
    sent = tx.execute(
        """
        UPDATE payments
           SET status = 'sent',
               merchant_request_id = %(merchant_request_id)s,
               checkout_request_id = %(checkout_request_id)s,
               sent_at = %(now)s,
               query_due_at = %(query_due_at)s,
               prompt_until = LEAST(prompt_until, %(prompt_until)s),
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'unknown')
        """,
        {
            **ids,
            "id": payment_id,
            "now": now,
            "query_due_at": now + timedelta(seconds=config.current().MPESA_QUERY_AFTER_SECONDS),
            "prompt_until": now + attempts.PROMPT_ON_PHONE,
        },
    )
    if not sent:  # the callback was quicker than the push's own answer
        tx.execute(
            """
            UPDATE payments
               SET merchant_request_id = COALESCE(merchant_request_id, %(merchant_request_id)s),
                   checkout_request_id = COALESCE(checkout_request_id, %(checkout_request_id)s),
                   sent_at = %(now)s
             WHERE id = %(id)s
            """,
            {**ids, "id": payment_id, "now": now},
        )
    payment = _keep_answer_tx(tx, payment_id=payment_id, claim=claim)
    logger.info(
        "push sent", payment_id=payment_id, order_id=payment.order_id, provider_ref=accepted.checkout_request_id
    )
    if payment.checkout_request_id != accepted.checkout_request_id:
        logger.error("callback and push name different prompts", payment_id=payment_id)
    return payment


@db.in_transaction
def record_not_sent(tx: db.Tx, *, payment_id: int, error: ProviderError, claim: idempotency.Claim) -> None:
    """Record that no prompt was opened: the order and the key are free for another try."""
    attempts.fail_tx(tx, payment_id=payment_id, code=error.code, description=error.message)
    idempotency.let_go_tx(tx, claim=claim)


@db.in_transaction
def record_unknown(tx: db.Tx, *, payment_id: int, error: ProviderError, claim: idempotency.Claim) -> Payment:
    """Record that there may be a prompt: neither repeat it nor call it failed."""
    tx.execute(
        """
        UPDATE payments
           SET status = 'unknown',
               result_desc = %(description)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status = 'created'
        """,
        {"id": payment_id, "description": f"no readable answer: {error}"[:300], "now": clock.now()},
    )
    logger.warning("push without a readable answer", payment_id=payment_id, code=error.code)
    return _keep_answer_tx(tx, payment_id=payment_id, claim=claim)


def _keep_answer_tx(tx: db.Tx, *, payment_id: int, claim: idempotency.Claim, status_code: int = 202) -> Payment:
    payment = attempts.read_payment_tx(tx, payment_id=payment_id)
    idempotency.keep_tx(tx, claim, status_code=status_code, body=payment.model_dump_json())
    return payment


# --- without the provider


@db.in_transaction
def pay_by_mock(tx: db.Tx, *, order_id: int, user_id: int, manages: bool, claim: idempotency.Claim) -> Payment:
    """Settle an order at once, with money that does not exist: development and tests only.

    Raises NotFound in production and for somebody else's order, AlreadyPaid, PaymentInProgress, OrderClosed.
    """
    if config.current().is_production:
        raise errors.NotFound("There is nothing at this address.")
    order, due = _claim_order_tx(tx, order_id=order_id, user_id=user_id, manages=manages)
    payment_id = attempts.insert_tx(tx, order=order, method="mock", amount=due, phone_number=None, user_id=user_id)
    settlement.settle_tx(
        tx, payment_id=payment_id, success=settlement.Success(source="mock", amount=due), actor_id=user_id
    )
    return _keep_answer_tx(tx, payment_id=payment_id, claim=claim, status_code=201)


@db.in_transaction
def settle_on_delivery(tx: db.Tx, *, order_id: int) -> None:
    """Book the cash that was taken at the door; nothing for an order that is paid, or to be paid otherwise."""
    locked_order = orders.lock_order_tx(tx, order_id=order_id)
    due = locked_order["total"] - locked_order["paid"]
    if locked_order["payment_method"] != "cod" or due <= 0:
        return
    payment_id = attempts.insert_tx(tx, order=locked_order, method="cod", amount=due, phone_number=None, user_id=None)
    settlement.settle_tx(tx, payment_id=payment_id, success=settlement.Success(source="delivery", amount=due))
