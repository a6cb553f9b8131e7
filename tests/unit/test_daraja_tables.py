"""The tables that decide about money, and the token in the callback's address. No database."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

import config
from payments import callback_tokens
from payments.result_codes import Meaning, meaning_of
from payments.states import OUTSIDE, TRANSITIONS


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    before = config._current
    config.use(config.load({"SHOP_ENV": "testing", "DATABASE_URL": "mysql://nobody@localhost/none"}))
    yield
    if before is not None:
        config.use(before)


def test_only_zero_is_paid_and_what_nobody_listed_is_unknown() -> None:
    assert meaning_of("0") is Meaning.PAID
    assert meaning_of("1032") is Meaning.FAILED
    assert meaning_of("SFC_IC0003") is Meaning.FAILED
    assert meaning_of("4999") is Meaning.OPEN
    for code in ("", "00", "500.001.1001", "7777"):
        assert meaning_of(code) is Meaning.UNKNOWN


def test_nothing_undoes_a_success() -> None:
    assert TRANSITIONS["succeeded"] == set()
    assert all("succeeded" in following for state, following in TRANSITIONS.items() if state != "succeeded")


def test_outside_there_are_four_states() -> None:
    assert set(OUTSIDE.values()) == {"pending", "succeeded", "failed", "review"}


def test_a_token_names_its_payment() -> None:
    token = callback_tokens.make_token(kind="stk", payment_id=4711)
    assert callback_tokens.read_token(token, kind="stk") == 4711


@pytest.mark.parametrize("payment_id", [1, 255, 10**9, 2**63 - 1])
def test_a_token_spells_no_word_that_the_provider_refuses(payment_id: int) -> None:
    token = callback_tokens.make_token(kind="stk", payment_id=payment_id)
    assert re.fullmatch("[0-9a-f]{80}", token)
    assert not config.WORDS_REFUSED_IN_CALLBACKS.search(callback_tokens.callback_url(kind="stk", payment_id=payment_id))


def test_a_shop_whose_own_address_spells_one_does_not_start() -> None:
    with pytest.raises(config.ConfigError, match="MPESA_CALLBACK_BASE_URL must not contain 'mpesa'"):
        config.load(
            {
                "SHOP_ENV": "testing",
                "DATABASE_URL": "mysql://nobody@localhost/none",
                "MPESA_CALLBACK_BASE_URL": "https://MPesa.example",
            }
        )


def test_a_token_that_was_changed_anywhere_is_nobodys() -> None:
    token = callback_tokens.make_token(kind="stk", payment_id=7)
    for place in range(len(token)):
        other = "0" if token[place] != "0" else "1"
        assert callback_tokens.read_token(token[:place] + other + token[place + 1 :], kind="stk") is None
    for odd in ("", token[:-1], token + "0", token.upper(), "é" * 80, token + "\n"):
        assert callback_tokens.read_token(odd, kind="stk") is None


def test_a_token_of_another_kind_or_another_secret_is_nobodys() -> None:
    token = callback_tokens.make_token(kind="stk", payment_id=7)
    assert callback_tokens.read_token(token, kind="c2b") is None
    with config.override(MPESA_CALLBACK_SECRET="another secret altogether"):
        assert callback_tokens.read_token(token, kind="stk") is None
