"""The initiator's calls on the Daraja simulator's wire: Reversal, B2C and Transaction status.

Each is answered at once, or as its story says, and ends with a Result; what happens between is simulator_results's.
Field names are misspelt where the provider misspells them: the right spelling is refused there too.
"""

from collections.abc import Callable

from flask import Response, jsonify

from payments.simulator_account import (
    ADDRESS,
    AMOUNT,
    B2C_TOKEN_FAULT,
    C2B_TOKEN_FAULT,
    PHONE,
    SHORTCODE,
    STK_TOKEN_FAULT,
    Conversation,
    Fault,
    Provider,
    invalid_field,
    read_body,
    read_fields,
)
from payments.simulator_book import Entry
from payments.simulator_keys import decrypt_credential
from payments.simulator_results import find_asked_after, start_conversation
from payments.simulator_stories import REFUNDED, refund_story_for

LEAST_B2C_AMOUNT = 10
RECEIPT = r"[A-Z0-9]{10}"
RESULT_FIELDS = {"ResultURL": ADDRESS, "QueueTimeOutURL": ADDRESS, "Remarks": r".{1,100}"}
REVERSAL_FIELDS = RESULT_FIELDS | {
    "Initiator": r".+",
    "SecurityCredential": r"\S+",
    "CommandID": "TransactionReversal",
    "TransactionID": RECEIPT,
    "Amount": AMOUNT,
    "ReceiverParty": SHORTCODE,
    "RecieverIdentifierType": "11",
    "Occasion": r".{0,100}",
}
B2C_FIELDS = RESULT_FIELDS | {
    "OriginatorConversationID": r"\S{1,100}",
    "InitiatorName": r".+",
    "SecurityCredential": r"\S+",
    "CommandID": "BusinessPayment",
    "Amount": AMOUNT,
    "PartyA": SHORTCODE,
    "PartyB": PHONE,
    "Occassion": r".{0,100}",
}
STATUS_FIELDS = RESULT_FIELDS | {
    "Initiator": r".+",
    "SecurityCredential": r"\S+",
    "CommandID": "TransactionStatusQuery",
    "TransactionID": f"({RECEIPT})?",
    "PartyA": SHORTCODE,
    "IdentifierType": "4",
    "Occasion": r".{0,100}",
}
CONVERSATION_NAMES = ("OriginatorConversationID", "OriginalConversationID")  # the provider's pages use both


def reverse(provider: Provider) -> Response:
    fields = read_fields(provider, REVERSAL_FIELDS, token_fault=STK_TOKEN_FAULT)
    check_shortcode(provider, fields, "ReceiverParty")
    original = provider.stage.book.get(fields["TransactionID"])
    subject = original.party if original else ""
    conversation = start_conversation(
        provider,
        call="reversal",
        subject=subject,
        story=refund_story_for(subject),
        asked=fields,
        known_initiator=is_initiator(provider, fields["Initiator"], fields["SecurityCredential"]),
    )
    return ANSWERS[conversation.story.answered](provider, conversation)


def pay_out(provider: Provider) -> Response:
    fields = read_fields(provider, B2C_FIELDS, token_fault=B2C_TOKEN_FAULT)
    check_shortcode(provider, fields, "PartyA")
    if int(fields["Amount"]) < LEAST_B2C_AMOUNT:
        raise invalid_field("Amount")
    known_initiator = is_initiator(provider, fields["InitiatorName"], fields["SecurityCredential"])
    with provider.stage.changed:
        if fields["OriginatorConversationID"] in provider.conversations:
            raise Fault(500, "500.002.1001", "Duplicate OriginatorConversationID.")
        conversation = start_conversation(
            provider,
            call="b2c",
            subject=fields["PartyB"],
            story=refund_story_for(fields["PartyB"]),
            asked=fields,
            known_initiator=known_initiator,
            originator_id=fields["OriginatorConversationID"],
        )
    return ANSWERS[conversation.story.answered](provider, conversation)


def ask_status(provider: Provider) -> Response:
    """Take a question after a receipt or, where none is known, after the OriginatorConversationID."""
    fields = read_fields(provider, STATUS_FIELDS, token_fault=C2B_TOKEN_FAULT)
    check_shortcode(provider, fields, "PartyA")
    body = read_body() or {}
    fields["OriginalConversationID"] = next((str(body[name]) for name in CONVERSATION_NAMES if body.get(name)), "")
    if not fields["TransactionID"] and not fields["OriginalConversationID"]:
        raise invalid_field("TransactionID")
    target = find_asked_after(provider, fields)
    conversation = start_conversation(
        provider,
        call="status",
        subject=target.party if isinstance(target, Entry) else target.subject if target else "",
        story=REFUNDED,
        asked=fields,
        known_initiator=is_initiator(provider, fields["Initiator"], fields["SecurityCredential"]),
    )
    return answer_at_once(provider, conversation)


def check_shortcode(provider: Provider, fields: dict[str, str], name: str) -> None:
    """Raise Fault when the field names another shortcode."""
    if fields[name] != provider.shortcode:
        raise invalid_field(name)


def is_initiator(provider: Provider, name: str, credential: str) -> bool:
    """Tell whether name and password are right: if not, only the Result says so. Raises Fault on nonsense."""
    try:
        password = decrypt_credential(credential, provider.keys_folder)
    except ValueError:
        raise invalid_field("SecurityCredential") from None
    return (name, password) == (provider.initiator_name, provider.initiator_password)


def answer_at_once(provider: Provider, conversation: Conversation) -> Response:
    return jsonify(
        OriginatorConversationID=conversation.originator_id,
        ConversationID=conversation.conversation_id,
        ResponseCode="0",
        ResponseDescription="Accept the service request successfully.",
    )


def answer_after_result(provider: Provider, conversation: Conversation) -> Response:
    provider.stage.wait_until(lambda: conversation.told)
    return answer_at_once(provider, conversation)


ANSWERS: dict[str, Callable[[Provider, Conversation], Response]] = {
    "at once": answer_at_once,
    "after the result": answer_after_result,
}
