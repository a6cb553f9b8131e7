"""What we make of the provider's answers, with its own samples. No network, no database."""

from __future__ import annotations

from datetime import datetime

import pytest

from payments.daraja_answers import (
    AccessToken,
    CallTaken,
    InvalidToken,
    NotTaken,
    OutcomeUnknown,
    PhoneBusy,
    PushAccepted,
    QueryResult,
    Refused,
    TakenBefore,
    password,
    read_call,
    read_push,
    read_query,
    read_token,
    timestamp,
)

ACCEPTED = """{"MerchantRequestID":"25811-34836046-1","CheckoutRequestID":"ws_CO_290920211026123753","ResponseCode":"0",
"ResponseDescription":"Success. Request accepted for processing",
"CustomerMessage":"Success. Request accepted for processing"}"""
CANCELLED = """{"ResponseCode":"0","ResponseDescription":"The service request has been accepted successsfully",
"MerchantRequestID":"25811-34836046-1","CheckoutRequestID":"ws_CO_290920211026123753","ResultCode":"1032",
"ResultDesc":"Request cancelled by user"}"""
FIREWALL = "<html><body><h1>403 Forbidden</h1></body></html>"


def error(code: str, message: str = "") -> str:
    return f'{{"requestId":"10219-2484793-1","errorCode":"{code}","errorMessage":"{message}"}}'


def test_the_timestamp_is_east_africa_time_whatever_the_day_in_london() -> None:
    assert timestamp(datetime(2026, 12, 31, 22, 30, 5)) == "20270101013005"  # noqa: DTZ001 (UTC without zone)


def test_the_password_is_made_of_the_very_timestamp_sent_beside_it() -> None:
    assert password(shortcode="174379", passkey="key", stamp="20260101000000") == "MTc0Mzc5a2V5MjAyNjAxMDEwMDAwMDA="


@pytest.mark.parametrize("seconds", ['"3599"', "3599"])
def test_a_token_lives_as_long_as_it_says_as_text_or_number(seconds: str) -> None:
    assert read_token(200, f'{{"access_token":"abc","expires_in":{seconds}}}') == AccessToken("abc", 3599)


def test_wrong_credentials_are_an_empty_400() -> None:
    with pytest.raises(Refused):
        read_token(400, "")


@pytest.mark.parametrize(("status", "text"), [(403, FIREWALL), (500, ""), (200, "{}"), (200, FIREWALL)])
def test_no_token_means_that_the_provider_is_away(status: int, text: str) -> None:
    with pytest.raises(NotTaken):
        read_token(status, text)


def test_an_accepted_push_has_two_ids() -> None:
    assert read_push(200, ACCEPTED) == PushAccepted("25811-34836046-1", "ws_CO_290920211026123753")


@pytest.mark.parametrize(
    ("status", "text", "meant"),
    [
        (404, error("404.001.03", "Invalid Access Token"), InvalidToken),
        (400, error("400.003.01", "Invalid Access Token"), InvalidToken),
        (401, error("401.002.01", "Error Occurred - Invalid Access Token"), InvalidToken),
        (401, error("401.003.01", "Invalid API call as no apiproduct match found"), Refused),
        (400, error("400.002.02", "Bad Request - Invalid PhoneNumber"), Refused),
        (500, error("500.001.1001", "Merchant does not exist"), Refused),
        (500, error("500.001.1001", "Wrong credentials"), Refused),
        (200, ACCEPTED.replace('"ResponseCode":"0"', '"ResponseCode":"1"'), Refused),
        (404, "", Refused),
        (500, error("500.001.1001", "Unable to lock subscriber, a transaction is already in process"), PhoneBusy),
        (500, error("500.003.02", "Spike arrest violation"), NotTaken),
        (500, error("500.003.03", "Quota Violation"), NotTaken),
        (403, FIREWALL, NotTaken),
        (429, "", NotTaken),
        (500, error("500.003.1001", "Internal Server Error"), OutcomeUnknown),
        (500, error("500.001.1001", "Something new"), OutcomeUnknown),
        (500, "", OutcomeUnknown),
        (502, "<html></html>", OutcomeUnknown),
        (504, "null", OutcomeUnknown),
        (408, "", OutcomeUnknown),
        (200, "", OutcomeUnknown),
        (200, "<html></html>", OutcomeUnknown),
        (200, ACCEPTED.replace("ws_CO_290920211026123753", ""), OutcomeUnknown),
        (200, "[" * 100_000, OutcomeUnknown),
        (302, "", OutcomeUnknown),
    ],
)
def test_a_push_tells_whether_a_prompt_may_be_open(status: int, text: str, meant: type[Exception]) -> None:
    with pytest.raises(meant) as raised:
        read_push(status, text)
    assert type(raised.value) is meant


def test_a_finished_prompt_tells_its_result() -> None:
    assert read_query(200, CANCELLED) == QueryResult("1032", "Request cancelled by user")


@pytest.mark.parametrize("code", ['"0"', "0"])
def test_a_result_code_counts_as_text_or_number(code: str) -> None:
    answer = read_query(200, CANCELLED.replace('"1032"', code))
    assert answer is not None
    assert answer.code == "0"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, error("500.001.1001", "The transaction is being processed")),
        (500, error("500.001.1001", "The transaction does not Exist")),
        (200, error("500.001.1001")),
        (200, CANCELLED.replace("1032", "4999")),
        (500, CANCELLED),
        (429, ""),
        (403, FIREWALL),
        (200, ""),
        (200, "null"),
        (200, CANCELLED.replace('"ResultCode":"1032",', "")),
        (200, CANCELLED.replace('"ResultCode":"1032"', '"ResultCode":null')),
    ],
)
def test_anything_but_a_result_is_not_known_yet(status: int, text: str) -> None:
    assert read_query(status, text) is None


def test_a_query_with_an_old_token_says_so() -> None:
    with pytest.raises(InvalidToken):
        read_query(404, error("404.001.03", "Invalid Access Token"))


# --- the initiator's calls

TAKEN = """{"OriginatorConversationID":"71840-27539181-07","ConversationID":"AG_20210709_12346c8e6f8858d7b70a",
"ResponseCode":"0","ResponseDescription":"Accept the service request successfully."}"""


def test_a_call_that_is_taken_names_its_conversation() -> None:
    assert read_call(200, TAKEN) == CallTaken("71840-27539181-07", "AG_20210709_12346c8e6f8858d7b70a")


@pytest.mark.parametrize(
    ("status", "text", "raised"),
    [
        (500, error("500.002.1001", "Duplicate OriginatorConversationID."), TakenBefore),
        (500, error("500.002.1001", "Service is currently under maintenance."), OutcomeUnknown),
        (404, error("404.001.03", "Invalid Access Token"), InvalidToken),
        (400, error("400.003.01", "Invalid Access Token"), InvalidToken),
        (401, error("401.002.01", "Error Occurred - Invalid Access Token"), InvalidToken),
        (401, error("401.003.01", "no apiproduct match found"), Refused),
        (400, error("400.002.02", "Bad Request - Invalid SecurityCredential"), Refused),
        (200, '{"ResponseCode":"1","ResponseDescription":"no"}', Refused),
        (500, error("500.003.02", "Spike arrest violation"), NotTaken),
        (500, error("500.003.03", "Quota Violation"), NotTaken),
        (403, FIREWALL, NotTaken),
        (500, error("500.003.1001", "Internal Server Error"), OutcomeUnknown),
        (502, FIREWALL, OutcomeUnknown),
        (200, "", OutcomeUnknown),
        (200, '{"ResponseCode":"0"}', OutcomeUnknown),
        (200, '{"ResponseCode":"0","OriginatorConversationID":"a b","ConversationID":7}', OutcomeUnknown),
    ],
)
def test_a_call_that_was_not_answered_well_says_what_is_known(status: int, text: str, raised: type[Exception]) -> None:
    with pytest.raises(raised) as told:
        read_call(status, text)
    assert type(told.value) is raised
