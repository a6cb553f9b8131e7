"""Domain errors: each says one thing under one code, and what to do next."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator

import pytest

from utils import errors, web

KINDS = {type_ for module in (errors, web) for type_ in vars(module).values() if isinstance(type_, type)}
ALL = sorted((kind for kind in KINDS if issubclass(kind, errors.ShopError)), key=lambda kind: kind.__name__)


def places(text: str) -> Iterator[str]:
    return (name for _, name, _, _ in string.Formatter().parse(text) if name)


def test_every_code_means_one_thing() -> None:
    assert [code for code, times in Counter(kind.code for kind in ALL).items() if times > 1] == []


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_status_a_code_and_a_sentence(kind: type[errors.ShopError]) -> None:
    assert kind.status in {400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 500, 502, 503, 504}
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)
    assert kind.detail[0].isupper()
    assert kind.detail.endswith((".", ">."))


@pytest.mark.parametrize("kind", ALL)
def test_what_fills_the_sentence_is_the_data(kind: type[errors.ShopError]) -> None:
    data = {name: f"<{name}>" for name in places(kind.detail)}
    error = kind(**data)
    assert error.data == data
    assert all(value in error.detail for value in data.values())
    assert str(error) == error.detail


def test_what_may_be_tried_again_says_when() -> None:
    for kind in ALL:
        if kind.status == 503:
            assert kind.retry_after, kind.__name__


def test_a_conflict_is_409_whatever_its_code() -> None:
    assert {kind.status for kind in ALL if issubclass(kind, errors.Conflict)} == {409}


def test_the_unforeseen_says_nothing_of_itself() -> None:
    assert errors.ShopError().detail == errors.ShopError.detail
    assert (errors.ShopError.status, errors.ShopError.code) == (500, "internal_error")
