"""Apply the Results and timeout notices that tell how a call about a refund ended.

Called by the inbox in its transaction. Locks order, payment, refund. A Result may come before the call's own answer,
twice, after a failure, or about a method that the refund has left; settlement sees to it that each shilling is booked
once. A timeout notice says that a call waited too long, never that it failed.
"""

from __future__ import annotations

from payments import refund_services as refunds
from payments import refund_settle_services as settlement
from payments import result_callback
from payments.refund_codes import Meaning, meaning_of, meaning_of_status
from payments.refund_settle_services import Locked, Word
from payments.refund_states import OPEN, find_b2c_obstacle
from payments.result_callback import Result
from utils import clock, db, log

logger = log.get_logger(__name__)

REVERSED_BY_OTHERS = (
    "M-Pesa says that this payment was reversed before, and not by us (R000001): look into the M-Pesa portal who did."
    " Then settle this refund by hand, with that receipt, if the customer has the money."
)
LEFT_TWICE = (
    "M-Pesa says that the payment was reversed under {receipt}, after it had refused to, and B2C may have sent the"
    " money as well: look into the M-Pesa portal. Then settle this refund by hand."
)
OTHER_AMOUNT = "{came} went back where {amount} was to: look into the M-Pesa portal. Then settle this refund by hand."


def apply_result_tx(tx: db.Tx, callback: db.Row) -> str:
    """Apply a Result and return what came of it. Raises Unreadable."""
    result = result_callback.parse(callback["body"])
    method, _, question = callback["refund_call"].partition("_")
    locked = settlement.lock_refund_tx(tx, refund_id=callback["refund_id"])
    if question:
        return _apply_status_tx(tx, locked, result, method=method)
    if locked.refund["method"] != method:
        return _apply_to_left_method_tx(tx, locked, result)
    if not _names_same_conversation(locked.refund, result):
        logger.error("result of another conversation not believed", refund_id=locked.refund["id"])
        return "mismatch"
    _keep_conversation_tx(tx, locked.refund, result)
    match meaning_of(result.code):
        case Meaning.MOVED:
            return _succeed_tx(tx, locked, result, source="result", receipt=result.transaction_id or result.receipt)
        case Meaning.FAILED:
            return _fail_tx(tx, locked, result.code, result.description, source="result")
        case Meaning.NOT_REVERSIBLE if method == "reversal":
            return _send_otherwise_tx(tx, locked, result)
        case Meaning.ALREADY_REVERSED if method == "reversal":
            return _take_already_reversed_tx(tx, locked, result)
        case _:
            logger.error("unknown result code", refund_id=locked.refund["id"], code=result.code)
            return "unknown_code"


def apply_timeout_tx(tx: db.Tx, callback: db.Row) -> str:
    """Note that a call waited too long: its conversation is known from now on, and can be asked after."""
    result = result_callback.parse(callback["body"])
    method, _, question = callback["refund_call"].partition("_")
    locked = settlement.lock_refund_tx(tx, refund_id=callback["refund_id"])
    if not question and locked.refund["method"] == method and _names_same_conversation(locked.refund, result):
        _keep_conversation_tx(tx, locked.refund, result)
    return "noted"


def _names_same_conversation(refund: db.Row, result: Result) -> bool:
    pairs = [
        (refund["originator_conversation_id"], result.originator_conversation_id),
        (refund["conversation_id"], result.conversation_id),
    ]
    compared = [known == named for known, named in pairs if known and named]
    return any(compared) or not compared


def _succeed_tx(tx: db.Tx, locked: Locked, result: Result, *, source: str, receipt: str | None) -> str:
    refund = locked.refund
    if result.amount not in (None, refund["amount"]) and refund["status"] != "succeeded":
        reason = OTHER_AMOUNT.format(came=result.amount, amount=refund["amount"])
        logger.error("refund of another amount", refund_id=refund["id"], reason=reason)
        settlement.send_to_review_tx(tx, refund=refund, reason=reason)
        return "review"
    word = Word(
        succeeded=True,
        source=source,
        code=result.code,
        description=result.description,
        receipt=receipt,
        moved_at=result.moved_at,
    )
    return settlement.settle_refund_tx(tx, locked=locked, word=word)


def _fail_tx(tx: db.Tx, locked: Locked, code: str, description: str, *, source: str) -> str:
    word = Word(succeeded=False, source=source, code=code, description=description)
    return settlement.settle_refund_tx(tx, locked=locked, word=word)


def _take_already_reversed_tx(tx: db.Tx, locked: Locked, result: Result) -> str:
    """Take R000001, "already reversed": the customer has the money; the question is whether one of ours sent it.

    A Reversal of ours that was booked is not this one: its claim would have left nothing to refund. So it can only be
    one that we made and called failed, or believed not to have arrived: an earlier call for this very refund, or an
    earlier refund of this payment by Reversal that was called and is `failed` now (its claim was given free, else
    this refund could not have claimed the whole payment). Then that money is this refund's, which has succeeded; its
    receipt stays unknown until a word brings it. Where we never called before, somebody else reversed the payment, at
    the portal or at Safaricom: what it was for, and whether it is to be booked here, a person decides. The claim
    stays meanwhile, so nothing is sent on top.
    """
    refund = locked.refund
    if refund["status"] not in OPEN:
        return "repeated"
    earlier_call = refund["attempts"] > 1 or tx.fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM refunds
         WHERE payment_id = %(payment_id)s
           AND id <> %(id)s
           AND method = 'reversal'
           AND status = 'failed'
           AND attempts > 0
        """,
        {"payment_id": refund["payment_id"], "id": refund["id"]},
    )
    if earlier_call:
        return _succeed_tx(tx, locked, result, source="result", receipt=None)
    settlement.send_to_review_tx(tx, refund=refund, reason=REVERSED_BY_OTHERS, code=result.code)
    return "review"


def _send_otherwise_tx(tx: db.Tx, locked: Locked, result: Result) -> str:
    """Send by B2C what cannot be reversed: nothing has moved, and nothing will under this Reversal."""
    refund = locked.refund
    if refund["status"] not in OPEN:
        return "repeated"
    obstacle = find_b2c_obstacle(refund["amount"], refund["phone_number"])
    if obstacle is not None:
        settlement.send_to_review_tx(tx, refund=refund, reason=obstacle, code=result.code)
        return "review"
    tx.execute_one(
        """
        UPDATE refunds
           SET status = 'created',
               method = 'b2c',
               originator_conversation_id = %(originator_id)s,
               conversation_id = NULL,
               result_code = %(code)s,
               result_desc = %(description)s,
               called_at = NULL,
               sent_at = NULL,
               due_at = %(now)s,
               updated_at = %(now)s
         WHERE id = %(id)s
           AND status IN ('created', 'sent', 'unknown')
        """,
        {
            "id": refund["id"],
            "originator_id": refunds.new_conversation_id(),
            "code": result.code,
            "description": result.description,
            "now": clock.now(),
        },
    )
    logger.info("refund goes by b2c", refund_id=refund["id"], payment_id=refund["payment_id"])
    return "sent_otherwise"


def _apply_to_left_method_tx(tx: db.Tx, locked: Locked, result: Result) -> str:
    """Take a late Result of the Reversal of a refund that goes by B2C: only a success is news, and bad news."""
    refund = locked.refund
    if meaning_of(result.code) is not Meaning.MOVED:
        return "repeated"
    if refund["status"] in OPEN:
        settlement.send_to_review_tx(tx, refund=refund, reason=LEFT_TWICE.format(receipt=result.transaction_id))
        return "review"
    return _succeed_tx(tx, locked, result, source="result", receipt=result.transaction_id)


def _apply_status_tx(tx: db.Tx, locked: Locked, result: Result, *, method: str) -> str:
    """Take what Transaction Status says of a refund. Anything but a final word about our own money is not known yet."""
    refund = locked.refund
    is_about_payment = result.receipt is not None and result.receipt == locked.payment["receipt"]
    if refund["method"] != method or result.code != "0" or is_about_payment:
        return "not_known"
    match meaning_of_status(result.status):
        case Meaning.MOVED:
            return _succeed_tx(tx, locked, result, source="status", receipt=result.receipt)
        case Meaning.FAILED:
            return _fail_tx(tx, locked, result.status[:30], "by transaction status", source="status")
        case _:
            return "not_known"


def _keep_conversation_tx(tx: db.Tx, refund: db.Row, result: Result) -> None:
    tx.execute(
        """
        UPDATE refunds
           SET originator_conversation_id = COALESCE(originator_conversation_id, %(originator_id)s),
               conversation_id = COALESCE(conversation_id, %(conversation_id)s)
         WHERE id = %(id)s
        """,
        {
            "id": refund["id"],
            "originator_id": result.originator_conversation_id,
            "conversation_id": result.conversation_id,
        },
    )
