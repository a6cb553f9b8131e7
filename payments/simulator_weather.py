"""The weather at the Daraja simulator's doors: what a misfortune makes of one request to the provider.

Owns the table of misfortunes that spoil an answer. Which of them comes is drawn in simulator_storm.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, request

from payments.simulator_account import Fault, Provider, lose_answer, read_body
from payments.simulator_stories import FIREWALL_PAGE, SPIKE_ARREST
from payments.simulator_wire import never_answered

LATE_ANSWER_SECONDS = 3  # a payer may be faster
INTERNAL_ERROR = (500, "500.003.1001", "Internal Server Error")

View = Callable[[Provider], Any]


def answer_in_weather(provider: Provider, view: View) -> Any:
    """Answer a request, or spoil it by the first misfortune that strikes."""
    subject = weather_subject(provider)
    for name, misfortune in MISFORTUNES.items():
        if provider.stage.weather.strikes(name, subject):
            return misfortune(provider, view)
    return view(provider)


def weather_subject(provider: Provider) -> str:
    """Name a request by its path and the phone that it concerns, so that no other request changes its luck."""
    body = read_body() or {}
    prompt = provider.prompts.get(str(body.get("CheckoutRequestID")))
    entry = provider.stage.book.get(str(body.get("TransactionID")))
    conversation = provider.conversations.get(str(body.get("OriginatorConversationID")))
    known = (prompt and prompt.phone) or (entry and entry.party) or (conversation and conversation.subject)
    phone = known or body.get("PhoneNumber") or body.get("PartyB")
    return f"{request.path} {phone}"


def take_unanswered(provider: Provider, view: View) -> None:
    lose_answer()
    view(provider)


def firewall(provider: Provider, view: View) -> Any:
    raise Fault(403, None, FIREWALL_PAGE)


def spike_arrest(provider: Provider, view: View) -> Any:
    raise Fault(500, "500.003.02", SPIKE_ARREST)


def internal_error(provider: Provider, view: View) -> Any:
    raise Fault(*INTERNAL_ERROR)


def internal_error_taken(provider: Provider, view: View) -> Any:
    take_unanswered(provider, view)
    raise Fault(*INTERNAL_ERROR)


def empty_answer(provider: Provider, view: View) -> Any:
    return Response(status=200)


def empty_answer_taken(provider: Provider, view: View) -> Any:
    take_unanswered(provider, view)
    return Response(status=200)


def hung(provider: Provider, view: View) -> Any:
    return never_answered(provider)


def hung_taken(provider: Provider, view: View) -> Any:
    take_unanswered(provider, view)
    return never_answered(provider)


def token_lost(provider: Provider, view: View) -> Any:
    provider.tokens.clear()
    return view(provider)


def late_answer(provider: Provider, view: View) -> Any:
    answer = view(provider)
    provider.stage.hold(LATE_ANSWER_SECONDS)
    return answer


# "taken": the call does its work, only its answer is spoilt
MISFORTUNES: dict[str, Callable[[Provider, View], Any]] = {
    misfortune.__name__: misfortune
    for misfortune in (
        firewall,
        spike_arrest,
        internal_error,
        internal_error_taken,
        empty_answer,
        empty_answer_taken,
        hung,
        hung_taken,
        token_lost,
        late_answer,
    )
}
