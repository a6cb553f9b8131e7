"""One access token for all processes: each new one makes the one before invalid, so only one of them fetches it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import config
from payments import token_services
from payments.daraja_answers import InvalidToken, NotTaken, Refused
from tests import daraja as scripted
from tests.daraja import Daraja
from tests.threads import at_once
from utils import db


def test_many_at_once_fetch_one_token(daraja: Daraja) -> None:
    tokens = at_once(*[token_services.get_token] * 8)
    assert len(set(tokens)) == 1
    assert daraja.count("generate") == 1


def test_those_who_wait_get_the_token_that_another_fetches(daraja: Daraja, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody_waits = threading.Event()
    monkeypatch.setattr(token_services.time, "sleep", lambda _seconds: somebody_waits.set())

    def answer_late(_body: dict[str, Any]) -> scripted.Answer:
        assert somebody_waits.wait(10)
        return 200, {"access_token": "the-one", "expires_in": "3599"}

    daraja.tokens.append(answer_late)
    assert at_once(token_services.get_token, token_services.get_token) == ["the-one", "the-one"]


def test_a_token_is_renewed_a_minute_before_its_end(daraja: Daraja, frozen_clock: Any) -> None:
    first = token_services.get_token()
    frozen_clock.forward(seconds=3599 - 61)
    assert token_services.get_token() == first
    frozen_clock.forward(seconds=2)
    assert token_services.get_token() != first
    assert daraja.count("generate") == 2


def test_a_process_that_died_while_it_fetched_is_replaced(daraja: Daraja, frozen_clock: Any) -> None:
    assert token_services.claim_renewal(name=token_services._name()) is not None
    assert token_services.claim_renewal(name=token_services._name()) is None
    frozen_clock.forward(seconds=31)
    assert token_services.get_token()


def test_one_who_cannot_wait_any_longer_is_told_that_the_provider_is_away(
    daraja: Daraja, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_services.claim_renewal(name=token_services._name())
    monkeypatch.setattr(token_services, "WAIT_SECONDS", 0.0)
    with pytest.raises(NotTaken):
        token_services.get_token()


def test_a_fetch_that_failed_is_the_next_ones_turn(daraja: Daraja) -> None:
    daraja.tokens.extend([(400, ""), (503, "<html></html>")])
    with pytest.raises(Refused):
        token_services.get_token()
    with pytest.raises(NotTaken):
        token_services.get_token()
    assert token_services.get_token()


def test_a_refused_token_does_not_take_a_newer_one_with_it(daraja: Daraja) -> None:
    """Two processes were refused with the same old token; the second must not spoil what the first has fetched."""
    old = token_services.get_token()

    def refuse_old(token: str) -> str:
        if token == old:
            raise InvalidToken("404.001.03", "Invalid Access Token")
        return token

    first, second = at_once(*[lambda: token_services.with_token(refuse_old)] * 2)
    assert first == second != old
    assert daraja.count("generate") == 2


def test_a_late_answer_does_not_replace_the_token_of_who_took_over(daraja: Daraja, frozen_clock: Any) -> None:
    name = token_services._name()
    slow = token_services.claim_renewal(name=name)
    frozen_clock.forward(seconds=31)
    newer = token_services.get_token()
    assert slow is not None
    token_services.keep_token(name=name, lease=slow, token=token_services.AccessToken("older", 3599))
    assert token_services.get_token() == newer


def test_other_credentials_have_another_token(daraja: Daraja) -> None:
    first = token_services.get_token()
    with config.override(MPESA_CONSUMER_KEY="another"):
        assert token_services.get_token() != first
    assert token_services.get_token() == first


def test_a_token_in_force_costs_one_statement(
    daraja: Daraja, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    token_services.get_token()
    assert count_statements(token_services.get_token) == 1


def test_no_connection_is_held_while_the_provider_thinks(daraja: Daraja) -> None:
    held: list[Any] = []

    def look(_body: dict[str, Any]) -> scripted.Answer:
        current = db._held.get()
        held.append(current and current.connection)
        return 200, {"access_token": "t", "expires_in": 3599}

    daraja.tokens.append(look)
    token_services.get_token()
    assert held == [None]
