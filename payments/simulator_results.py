"""What becomes of an initiator's call in the Daraja simulator: money moves, or not, and a Result tells of it.

Owns the conversations and the shapes of Results, which change from one to the next as the provider's do.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Literal

from payments.simulator_account import Code, Conversation, Provider, is_answer_lost, told_at
from payments.simulator_book import Entry
from payments.simulator_stage import EAST_AFRICA_TIME, Message, two_places, write_json
from payments.simulator_stories import DESCRIPTIONS, RefundStory

ACTED_AFTER_SECONDS = {"reversal": 1.5, "b2c": 1.5, "status": 0.5}
QUEUE_TIMEOUT_CODE = 26
NO_TRANSACTION = "SKE0000000"  # TransactionID where no money moved
TIMEOUT_ADDRESS = "https://internalsandbox.safaricom.co.ke/mpesa/reversalresults/v1/submit"

Parameters = list[dict[str, Any]]

DATE_SHAPES: tuple[Callable[[datetime], int | str], ...] = (
    lambda when: int(f"{when:%Y%m%d%H%M%S}"),
    lambda when: f"{when:%Y%m%d%H%M%S}",
    lambda when: f"{when:%d.%m.%Y %H:%M:%S}",
)


def start_conversation(
    provider: Provider,
    *,
    call: Literal["reversal", "b2c", "status"],
    subject: str,
    story: RefundStory,
    asked: dict[str, str],
    known_initiator: bool,
    originator_id: str | None = None,
) -> Conversation:
    """Take the call and plan what it does."""
    stage = provider.stage
    with stage.changed:
        conversation = Conversation(
            number=len(provider.conversations),
            call=call,
            subject=subject,
            story=story,
            asked=asked,
            known_initiator=known_initiator,
            originator_id=originator_id or stage.new_id("xxxx-xxxx-xxxx-xxxxxxxxxxxx#######"),
            conversation_id=stage.new_id("AG_20261120_####xxxxxxxxxxxxxxxx"),
            receipt=stage.new_receipt(),
            answer_lost=is_answer_lost() and originator_id is None,  # a key of its own the shop knows anyway
        )
        provider.conversations[conversation.originator_id] = conversation
        stage.plan(ACTED_AFTER_SECONDS[call], partial(finish, provider, conversation))
    return conversation


def finish(provider: Provider, conversation: Conversation) -> None:
    """Do what was asked, and tell of it as the story and the weather will have it."""
    now, story = datetime.now(EAST_AFRICA_TIME), conversation.story
    conversation.code = act(provider, conversation, now)
    timed_out = story.timed_out or provider.stage.weather.strikes("queue_timeout", conversation.weather_subject)
    message = Message(
        kind="timeout" if timed_out else "result",
        subject=conversation.weather_subject,
        reference=conversation.conversation_id,
        code=QUEUE_TIMEOUT_CODE if timed_out else conversation.code,
        url=conversation.asked["QueueTimeOutURL" if timed_out else "ResultURL"],
        body=timeout_body(conversation) if timed_out else result_body(provider, conversation, now),
        only_news=conversation.answer_lost,
    )
    for seconds in told_at(story.told, answer_lost=conversation.answer_lost):
        provider.stage.post(message, after=seconds, then=partial(setattr, conversation, "told", True))


def act(provider: Provider, conversation: Conversation, now: datetime) -> Code:
    if not conversation.known_initiator:
        return 2001
    return conversation.story.code or ACTS[conversation.call](provider, conversation, now)


def act_reversal(provider: Provider, conversation: Conversation, now: datetime) -> Code:
    book, amount = provider.stage.book, int(conversation.asked["Amount"])
    original = book.get(conversation.asked["TransactionID"])
    if original is None or original.amount < 0:
        return "R000002"
    if book.is_reversed(original.receipt):
        return "R000001"
    if amount != original.amount:  # nobody has seen a partial reversal go through
        return 2028
    return move_out(provider, conversation, now, party=original.party, original=original.receipt)


def act_b2c(provider: Provider, conversation: Conversation, now: datetime) -> Code:
    return move_out(provider, conversation, now, party=conversation.asked["PartyB"], original="")


def act_status(provider: Provider, conversation: Conversation, now: datetime) -> Code:
    return 0 if find_asked_after(provider, conversation.asked) else "R000002"


ACTS: dict[str, Callable[[Provider, Conversation, datetime], Code]] = {
    "reversal": act_reversal,
    "b2c": act_b2c,
    "status": act_status,
}


def move_out(provider: Provider, conversation: Conversation, now: datetime, *, party: str, original: str) -> Code:
    """Move money from the shop to a phone, while there is enough of it."""
    amount = int(conversation.asked["Amount"])
    if amount > provider.stage.book.balance:
        return 1
    entry = Entry(
        receipt=conversation.receipt,
        kind="reversal" if original else "b2c",
        amount=-amount,
        account="",
        party=party,
        reference=conversation.originator_id,
        original=original,
        moved_at=now.isoformat(timespec="seconds"),
    )
    provider.stage.enter(entry)
    return 0


def find_asked_after(provider: Provider, asked: dict[str, str]) -> Entry | Conversation | None:
    """Find the money asked after, or the call that would have moved it."""
    if asked["TransactionID"]:
        return provider.stage.book.get(asked["TransactionID"])
    target = provider.conversations.get(asked["OriginalConversationID"])
    return target and provider.stage.book.get(target.receipt, target)


# --- the shapes


def result_body(provider: Provider, conversation: Conversation, now: datetime) -> str:
    """Write a Result: the code an int or a string, parameters a list, a single object or absent, by turns."""
    code, number = conversation.code, conversation.number
    result: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": str(code) if number % 2 else code,
        "ResultDesc": DESCRIPTIONS[code] if code is not None else "",
        "OriginatorConversationID": conversation.originator_id,
        "ConversationID": conversation.conversation_id,
        "TransactionID": conversation.receipt if code == 0 else NO_TRANSACTION,
    }
    date = DATE_SHAPES[number % len(DATE_SHAPES)](now)
    if code == 0:
        parameters = PARAMETERS[conversation.call](provider, conversation, date)
    else:
        parameters = [{"Key": "BOCompletedTime", "Value": date}][: number % 2]
    if parameters:
        result["ResultParameters"] = {"ResultParameter": parameters[0] if len(parameters) == 1 else parameters}
    if code == 0:
        result["ReferenceData"] = {"ReferenceItem": {"Key": "QueueTimeoutURL", "Value": TIMEOUT_ADDRESS}}
    return write_json({"Result": result})


def timeout_body(conversation: Conversation) -> str:
    """Write the notice that a call waited too long in a queue, which does not say what became of it."""
    result = {
        "ResultType": 1,
        "ResultCode": QUEUE_TIMEOUT_CODE,
        "ResultDesc": DESCRIPTIONS[QUEUE_TIMEOUT_CODE],
        "OriginatorConversationID": conversation.originator_id,
        "ConversationID": conversation.conversation_id,
    }
    return write_json({"Result": result})


def reversal_parameters(provider: Provider, conversation: Conversation, date: int | str) -> Parameters:
    original = {"Key": "OriginalTransactionID", "Value": conversation.asked["TransactionID"]}
    if conversation.number % 4 == 3:
        return [original]
    return [
        {"Key": "DebitAccountBalance", "Value": f"Utility Account|KES|{provider.stage.book.balance}.00"},
        {"Key": "Amount", "Value": two_places(int(conversation.asked["Amount"]))},
        {"Key": "TransCompletedTime", "Value": date},
        original,
        {"Key": "Charge", "Value": 0},
        {"Key": "Charge"},
        {"Key": "CreditPartyPublicName", "Value": f"{conversation.subject} - CUSTOMER"},
    ]


def b2c_parameters(provider: Provider, conversation: Conversation, date: int | str) -> Parameters:
    return [
        {"Key": "TransactionAmount", "Value": two_places(int(conversation.asked["Amount"]))},
        {"Key": "TransactionReceipt", "Value": conversation.receipt},
        {"Key": "ReceiverPartyPublicName", "Value": f"{conversation.subject} - CUSTOMER"},
        {"Key": "TransactionCompletedDateTime", "Value": date},
        {"Key": "B2CUtilityAccountAvailableFunds", "Value": two_places(provider.stage.book.balance)},
        {"Key": "B2CWorkingAccountAvailableFunds"},
        {"Key": "B2CRecipientIsRegisteredCustomer", "Value": "Y"},
        {"Key": "B2CChargesPaidAccountAvailableFunds", "Value": two_places(0)},
    ]


def status_parameters(provider: Provider, conversation: Conversation, date: int | str) -> Parameters:
    """Describe the money asked after; of a call that moved none, only how it stands with it."""
    target = find_asked_after(provider, conversation.asked)
    charges: Parameters = [{"Key": "DebitPartyCharges"}, {"Key": "DebitPartyCharges", "Value": ""}]
    if isinstance(target, Entry):
        shop, customer = f"{provider.shortcode} - SHOP", f"{target.party} - CUSTOMER"
        debit, credit = (customer, shop) if target.amount > 0 else (shop, customer)
        finalised = DATE_SHAPES[conversation.number % len(DATE_SHAPES)](datetime.fromisoformat(target.moved_at))
        return [
            {"Key": "DebitPartyName", "Value": debit},
            {"Key": "CreditPartyName", "Value": credit},
            {"Key": "OriginatorConversationID", "Value": target.reference},
            {"Key": "FinalisedTime", "Value": finalised},
            *charges,
            {"Key": "TransactionReason"},
            {"Key": "TransactionStatus", "Value": "Completed"},
            {"Key": "Amount", "Value": two_places(abs(target.amount))},
            {"Key": "ReceiptNo", "Value": target.receipt},
        ]
    pending = isinstance(target, Conversation) and target.code is None
    return [*charges, {"Key": "TransactionStatus", "Value": "Pending" if pending else "Failed"}]


PARAMETERS: dict[str, Callable[[Provider, Conversation, int | str], Parameters]] = {
    "reversal": reversal_parameters,
    "b2c": b2c_parameters,
    "status": status_parameters,
}
