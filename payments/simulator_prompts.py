"""What becomes of an STK prompt in the Daraja simulator: it plays its story, moves money, and the shop is told."""

from datetime import datetime
from functools import partial
from typing import Any

from payments.simulator_account import Prompt, Provider, told_at
from payments.simulator_book import Entry
from payments.simulator_c2b import confirm
from payments.simulator_stage import EAST_AFRICA_TIME, Message, two_places, write_json
from payments.simulator_stories import DESCRIPTIONS, Outcome, story_for
from utils import phones
from utils.log import get_logger

log = get_logger(__name__)

MERCHANT_ID_SHAPES = ("#####-########-1", "xxxx-xxxx-xxxx-xxxxxxxxxxxx########")
# Opaque, of several lengths. Real ones may end in the payer's phone; these never do.
CHECKOUT_ID_SHAPES = ("ws_CO_" + "#" * 18, "ws_CO_" + "#" * 26, "ws_CO_" + "#" * 60)
BALANCE_ITEMS: tuple[list[dict[str, Any]], ...] = ([], [{"Name": "Balance"}])


class SubscriberBusy(Exception):
    """Another prompt is open on this phone."""


def open_prompt(
    provider: Provider, *, phone: str, amount: int, account: str, callback_url: str, answer_lost: bool
) -> Prompt:
    """Put a prompt on a phone and plan its story. Raises SubscriberBusy."""
    stage = provider.stage
    with stage.changed:
        if phone in provider.prompt_on_phone:
            raise SubscriberBusy(phones.mask(phone))
        number = len(provider.prompts)
        prompt = Prompt(
            number=number,
            phone=phone,
            amount=amount,
            account=account,
            callback_url=callback_url,
            story=story_for(phone),
            merchant_request_id=stage.new_id(MERCHANT_ID_SHAPES[number % len(MERCHANT_ID_SHAPES)]),
            checkout_request_id=stage.new_id(CHECKOUT_ID_SHAPES[number % len(CHECKOUT_ID_SHAPES)]),
            receipt=stage.new_receipt(),
            answer_lost=answer_lost,
        )
        provider.prompts[prompt.checkout_request_id] = prompt
        provider.prompt_on_phone[phone] = prompt
        for outcome in prompt.story.outcomes:
            stage.plan(outcome.after, partial(reach, provider, prompt, outcome))
    log.info(
        "prompt opened",
        provider_ref=prompt.checkout_request_id,
        story=prompt.story.name,
        phone=phones.mask(phone),
        amount=amount,
    )
    return prompt


def reach(provider: Provider, prompt: Prompt, outcome: Outcome) -> None:
    """Let the payer do what the story says; on a registered shortcode money is confirmed as C2B as well."""
    now = datetime.now(EAST_AFRICA_TIME)
    prompt.result_code = outcome.code
    if provider.prompt_on_phone.get(prompt.phone) is prompt:
        del provider.prompt_on_phone[prompt.phone]
    if outcome.code == 0:
        entry = Entry(
            receipt=prompt.receipt,
            kind="stk",
            amount=prompt.amount,
            account=prompt.account,
            party=prompt.phone,
            reference=prompt.checkout_request_id,
            original="",
            moved_at=now.isoformat(timespec="seconds"),
        )
        confirm(provider, provider.stage.enter(entry), only_news=False)
    message = Message(
        kind="callback",
        subject=prompt.phone,
        reference=prompt.checkout_request_id,
        code=outcome.code,
        url=prompt.callback_url,
        body=callback_body(prompt, outcome.code, now),
        only_news=prompt.answer_lost,
    )
    for seconds in told_at(outcome.told, answer_lost=prompt.answer_lost):
        provider.stage.post(message, after=seconds, then=partial(setattr, prompt, "told", True))


def callback_body(prompt: Prompt, code: int, paid_at: datetime) -> str:
    """Write a callback as the provider does: metadata only for success, the amount with two places."""
    callback: dict[str, Any] = {
        "MerchantRequestID": prompt.merchant_request_id,
        "CheckoutRequestID": prompt.checkout_request_id,
        "ResultCode": code,
        "ResultDesc": DESCRIPTIONS[code],
    }
    if code == 0:
        callback["CallbackMetadata"] = {
            "Item": [
                {"Name": "Amount", "Value": two_places(prompt.amount)},
                {"Name": "MpesaReceiptNumber", "Value": prompt.receipt},
                *BALANCE_ITEMS[prompt.number % len(BALANCE_ITEMS)],
                {"Name": "TransactionDate", "Value": int(paid_at.strftime("%Y%m%d%H%M%S"))},
                {"Name": "PhoneNumber", "Value": int(prompt.phone)},
            ]
        }
    return write_json({"Body": {"stkCallback": callback}})
