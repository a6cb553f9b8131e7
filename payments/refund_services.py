"""Begin to give money back: at a click, or because a paid order was cancelled; and decide what nobody else can.

Each refund claims its part of the payment by a guarded UPDATE in the transaction that writes it down, so two clicks
never give back more than came. Nobody is called here: the worker sends what is written (refund_call_services), so a
process that dies leaves a row that tells how far it came.
"""

from __future__ import annotations

import secrets
from decimal import Decimal

import config
from payments import refund_settle_services as settlement
from payments import security_credential
from payments.refund_schemas import Refund, RefundDecision
from payments.refund_settle_services import Locked, Word
from payments.refund_states import Way, choose_way
from utils import audit, clock, db, idempotency, log, money, trace
from utils.errors import IllegalTransition, InvalidFields, NothingToRefund, OrderOpen

logger = log.get_logger(__name__)

NOTHING = Decimal(0)


@db.in_transaction
def start_refund(
    tx: db.Tx, *, payment_id: int, amount: Decimal | None, reason: str, user_id: int, claim: idempotency.Claim
) -> Refund:
    """Claim a part of a payment (all that is left of it, without an amount) and have it sent back.

    Raises NotFound, NothingToRefund, InvalidFields for more than is left, and OrderOpen while the order waits for
    the rest of its money: what was paid would no longer be what is due.
    """
    order, payment = settlement.lock_payment_tx(tx, payment_id=payment_id)
    refundable = refundable_of(payment)
    if refundable <= 0:
        raise NothingToRefund(refundable=money.text(refundable))
    if amount is not None and amount > refundable:
        raise InvalidFields(fields={"amount": f"must be at most {money.text(refundable)}, what is left to give back"})
    is_counted = order is not None and payment["status"] == "succeeded"
    if order is not None and is_counted and order["status"] == "pending" and order["paid"] < order["total"]:
        raise OrderOpen
    refund_id = open_refund_tx(
        tx, order=order, payment=payment, amount=amount or refundable, reason=reason, user_id=user_id
    )
    refund = settlement.read_refund_tx(tx, refund_id=refund_id)
    told = {"payment_id": payment_id, "method": refund.method, "amount": refund.amount, "reason": reason}
    audit.record_tx(tx, action="refund.started", actor_id=user_id, target=f"refund:{refund_id}", after=told)
    idempotency.keep_tx(tx, claim, status_code=202, body=refund.model_dump_json())
    return refund


def refundable_of(payment: db.Row) -> Decimal:
    """Return what can still be given back of a payment: what came, less what went or is on its way."""
    if payment["status"] not in ("succeeded", "review"):
        return NOTHING
    left: Decimal = (payment["settled_amount"] or NOTHING) - payment["refund_claimed"]
    return left


def refund_cancelled_order(*, order_id: int) -> None:
    """Send back what was paid for an order that is cancelled, unless REFUND_ON_CANCEL leaves that to a person."""
    if not config.current().REFUND_ON_CANCEL:
        return
    rows = db.reading().fetch_all(
        """
        SELECT p.id
          FROM payments p
         WHERE p.order_id = %(order_id)s
           AND p.status = 'succeeded'
           AND p.refund_claimed < p.settled_amount
         ORDER BY p.id
        """,
        {"order_id": order_id},
    )
    for row in rows:
        refund_cancelled_payment(payment_id=row["id"])


@db.in_transaction
def refund_cancelled_payment(tx: db.Tx, *, payment_id: int) -> None:
    """Send back what is left of one payment of a cancelled order; a second time there is nothing left."""
    order, payment = settlement.lock_payment_tx(tx, payment_id=payment_id)
    left = refundable_of(payment)
    if order is not None and order["status"] == "cancelled" and payment["status"] == "succeeded" and left > 0:
        open_refund_tx(tx, order=order, payment=payment, amount=left, reason="the order was cancelled", user_id=None)


@db.in_transaction
def decide(tx: db.Tx, *, refund_id: int, decision: RefundDecision, user_id: int) -> Refund:
    """Settle a refund in review by a person's word, or take a contradicted one, as it stands, off the list.

    Raises NotFound, InvalidFields for a receipt that stands on another refund, and IllegalTransition for a refund
    that waits for nobody.
    """
    locked = settlement.lock_refund_tx(tx, refund_id=refund_id)
    status = locked.refund["status"]
    if status == "review":
        _settle_by_hand_tx(tx, locked=locked, decision=decision, user_id=user_id)
    elif status == decision.status and locked.refund["review_reason"] is not None:
        settlement.clear_contradiction_tx(tx, refund=locked.refund)
    else:
        raise IllegalTransition(current=status, wanted=decision.status)
    audit.record_tx(
        tx,
        action="refund.settled",
        actor_id=user_id,
        target=f"refund:{refund_id}",
        before={"status": status, "why": locked.refund["review_reason"]},
        after=decision.model_dump(exclude_none=True),
    )
    return settlement.read_refund_tx(tx, refund_id=refund_id)


def _settle_by_hand_tx(tx: db.Tx, *, locked: Locked, decision: RefundDecision, user_id: int) -> None:
    word = Word(
        succeeded=decision.status == "succeeded",
        source="a person",
        code="by hand",
        description=decision.note,
        receipt=decision.receipt,
        actor_id=user_id,
    )
    if settlement.settle_refund_tx(tx, locked=locked, word=word) == "review":
        raise InvalidFields(fields={"receipt": "stands on another refund"})


def open_refund_tx(
    tx: db.Tx, *, order: db.Row | None, payment: db.Row, amount: Decimal, reason: str, user_id: int | None
) -> int:
    """Claim the amount, write the refund down and return its id; what needs no provider ends here and now.

    Raises NothingToRefund when the amount is not left.
    """
    if not settlement.claim_tx(tx, payment_id=payment["id"], amount=amount):
        raise NothingToRefund(refundable=money.text(refundable_of(payment)))
    way = choose_way(payment, amount, has_initiator=security_credential.is_set_up())
    is_sent = way.obstacle is None and way.method in ("reversal", "b2c")
    refund_id = _insert_tx(
        tx,
        payment=payment,
        values={
            "method": way.method,
            "amount": amount,
            "conversation_id": new_conversation_id() if way.method == "b2c" else None,
            "reason": reason,
            "created_by": user_id,
            "due_at": clock.now() if is_sent else None,
        },
    )
    logger.info("refund opened", refund_id=refund_id, payment_id=payment["id"], method=way.method)
    if not is_sent:
        _end_without_provider_tx(tx, refund_id=refund_id, way=way, user_id=user_id)
    return refund_id


def _end_without_provider_tx(tx: db.Tx, *, refund_id: int, way: Way, user_id: int | None) -> None:
    locked = settlement.lock_refund_tx(tx, refund_id=refund_id)
    if way.obstacle is not None:
        settlement.send_to_review_tx(tx, refund=locked.refund, reason=way.obstacle)
    else:
        word = Word(succeeded=True, source=way.method, code="0", actor_id=user_id)
        settlement.settle_refund_tx(tx, locked=locked, word=word)


def new_conversation_id() -> str:
    """Return a new OriginatorConversationID: what B2C is sent under, once, however often it is called."""
    return f"duka-{secrets.token_hex(16)}"


def _insert_tx(tx: db.Tx, *, payment: db.Row, values: dict[str, object]) -> int:
    return tx.insert(
        """
        INSERT INTO refunds
            (payment_id, order_id, method, status, amount, currency, phone_number, originator_conversation_id,
             reason, created_by, request_id, created_at, updated_at, due_at)
        VALUES
            (%(payment_id)s, %(order_id)s, %(method)s, 'created', %(amount)s, %(currency)s, %(phone_number)s,
             %(conversation_id)s, %(reason)s, %(created_by)s, %(request_id)s, %(now)s, %(now)s, %(due_at)s)
        """,
        {
            "payment_id": payment["id"],
            "order_id": payment["order_id"],
            "currency": payment["currency"],
            "phone_number": payment["phone_number"],
            "request_id": trace.request_id(),
            "now": clock.now(),
            **values,
        },
    )
