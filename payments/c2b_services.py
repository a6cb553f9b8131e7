"""Money that customers pay by hand to the paybill: asked about before it moves, booked after it has moved.

Owns nothing: its money is written down and booked by attempt_services and settle_services. Locks the order that was
meant, and then its payments. Keeps: a receipt is one payment, whether STK, C2B or both tell of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import config
from orders import services as orders
from payments import attempt_services as attempts
from payments import c2b
from payments import settle_services as settlement
from payments.callback_json import Unreadable
from payments.schemas import ValidationAnswer
from utils import clock, db, log

logger = log.get_logger(__name__)

METHOD = "mpesa_c2b"
LOWEST_AMOUNT = 1
# Prompts are asked after for a day. Whoever guessed sooner which of several was paid could be told by the query that it
# was another, and a query knows no receipt: the money would be counted twice.
PROMPTS_HAVE_ENDED = timedelta(hours=25)
NOT_PAYABLE = {"cancelled", "returned"}

ACCEPTED = ValidationAnswer(ResultCode="0", ResultDesc="Accepted")
UNKNOWN_ACCOUNT = ValidationAnswer(ResultCode="C2B00012", ResultDesc="No order has this account number")
WRONG_AMOUNT = ValidationAnswer(ResultCode="C2B00013", ResultDesc="This amount cannot be paid")
ORDER_CLOSED = ValidationAnswer(ResultCode="C2B00016", ResultDesc="This order is paid or cancelled")


# --- before the money moves


def validate(*, body: str) -> ValidationAnswer:
    """Say whether a payment by hand is welcome, out of one indexed read.

    A failure of ours accepts it: money that fits nothing is kept for a person, a customer who was refused is gone.
    """
    try:
        return _judge(c2b.parse(body))
    except Exception:
        logger.exception("validation failed, so the payment was accepted")
        return ACCEPTED


def _judge(payment: c2b.HandPayment) -> ValidationAnswer:
    """Judge a payment that is about to be made.

    Less than is due is welcome, because parts add up. So is more than is due: the payer has put in a round sum, or
    has paid a part before; the rest is the order's balance, to be given back. To refuse it would lose the sale.
    """
    order = _find_order(db.reading(), payment.account)
    if order is None:
        return UNKNOWN_ACCOUNT
    if payment.amount is not None and not LOWEST_AMOUNT <= payment.amount <= config.current().MPESA_MAX_AMOUNT:
        return WRONG_AMOUNT
    if order["status"] in NOT_PAYABLE or order["paid"] >= order["total"]:
        return ORDER_CLOSED
    return ACCEPTED


# --- after it has moved


def apply_tx(tx: db.Tx, callback: db.Row) -> str:
    """Book what a confirmation tells of, once, and return what came of it. Raises Unreadable."""
    payment = c2b.parse(callback["body"])
    if payment.receipt is None or not payment.amount:
        raise Unreadable("no receipt or no amount")
    return _book_tx(
        tx,
        source="c2b",
        receipt=payment.receipt,
        amount=payment.amount,
        account=payment.account,
        guess_from=callback["received_at"] + PROMPTS_HAVE_ENDED,
    )


@db.in_transaction
def book_from_statement(tx: db.Tx, *, receipt: str, amount: Decimal, account: str) -> str:
    """Book money that only the provider's statement tells of, as its confirmation would have been.

    Return what came of it, as settlement tells it.
    """
    account = c2b.shown(account)
    return _book_tx(tx, source="statement", receipt=receipt, amount=amount, account=account, guess_from=clock.now())


def _book_tx(tx: db.Tx, *, source: str, receipt: str, amount: Decimal, account: str, guess_from: datetime) -> str:
    """Book money that came for an account, once.

    A registered shortcode confirms prompts too, with the prompt's own receipt: then it is the prompt's payment that
    has come. While it may be of several prompts it waits for what their callbacks or the query tell; from
    `guess_from` on, the newest is taken for the one.
    """
    success = settlement.Success(source=source, amount=amount, receipt=receipt)
    order = _find_order(tx, account)
    if order is None:
        return settlement.keep_unallocated_tx(
            tx, method=METHOD, typed_account=account, success=success, reason="no order has this account number"
        )
    locked_order = orders.lock_order_tx(tx, order_id=order["id"])
    if settlement.is_known_tx(tx, receipt=receipt):
        return "repeated"
    prompts = attempts.list_told_twice_tx(tx, order_id=order["id"], amount=amount)
    if len(prompts) > 1 and prompts[0]["settled_amount"] is None and clock.now() < guess_from:
        orders.keep_open_tx(tx, order_id=order["id"])
        return settlement.WAITING
    if prompts:
        payment_id = prompts[0]["id"]
    else:
        payment_id = attempts.insert_tx(
            tx,
            order=locked_order,
            method=METHOD,
            amount=amount,
            phone_number=None,
            user_id=None,
            typed_account=account,
        )
    return settlement.settle_tx(tx, payment_id=payment_id, success=success)


def _find_order(reader: db.Reader, account: str) -> db.Row | None:
    """Return the order that an account means, None when it means none, or more than one."""
    numbers = c2b.possible_numbers(account)
    if not numbers:
        return None
    found = reader.fetch_all(
        """
        SELECT o.id, o.status, o.total, o.paid
          FROM orders o
         WHERE o.number IN {numbers}
        """,
        numbers=db.in_list("number", numbers),
    )
    return found[0] if len(found) == 1 else None
