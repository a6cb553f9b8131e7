"""The log: one JSON object a line, from LOG_LEVEL up, with nothing in it that must not be written."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from utils import log, trace

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR"]


@pytest.fixture
def log_at() -> Iterator[Callable[[str], Callable[[], list[dict[str, Any]]]]]:
    """Configure the log at a level; what that returns reads the lines."""
    stream = io.StringIO()

    def configure(level: str) -> Callable[[], list[dict[str, Any]]]:
        log.configure(level, stream)
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield configure
    log.configure("WARNING")


@pytest.mark.parametrize("level", LEVELS)
def test_lines_below_the_level_are_not_written(log_at: Callable[..., Any], level: str) -> None:
    lines = log_at(level)
    logger = log.get_logger("shop")
    for name in LEVELS:
        getattr(logger, name.lower())("something happened")
    assert [line["level"].upper() for line in lines()] == LEVELS[LEVELS.index(level) :]


@pytest.mark.parametrize("level", LEVELS)
def test_libraries_are_heard_from_warning_up_and_never_below_the_level(log_at: Callable[..., Any], level: str) -> None:
    lines = log_at(level)
    for name in LEVELS:
        logging.getLogger("some.library").log(logging.getLevelNamesMapping()[name], "it said %s", name)
    heard = [line["level"].upper() for line in lines()]
    assert heard == LEVELS[max(LEVELS.index(level), LEVELS.index("WARNING")) :]


def test_a_line_has_its_keys(log_at: Callable[..., Any]) -> None:
    lines = log_at("INFO")
    with trace.span("r-1"):
        log.get_logger("orders.services").info("order placed", order_id=7, duration_ms=1.5)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "order placed",
        "level": "info",
        "module": "orders.services",
        "request_id": "r-1",
        "order_id": 7,
        "duration_ms": 1.5,
    }


def test_a_library_line_carries_the_request_id_too(log_at: Callable[..., Any]) -> None:
    lines = log_at("INFO")
    with trace.span("r-2"):
        logging.getLogger("some.library").warning("careful")
    assert (lines()[0]["request_id"], lines()[0]["event"]) == ("r-2", "careful")


def test_nothing_of_a_request_leaks_into_the_next(log_at: Callable[..., Any]) -> None:
    lines = log_at("INFO")
    with trace.span("r-3"):
        pass
    log.get_logger("shop").info("between requests")
    assert "request_id" not in lines()[0]


def test_what_is_noted_of_a_request_is_told_by_its_later_lines_alone(log_at: Callable[..., Any]) -> None:
    lines, logger = log_at("INFO"), log.get_logger("shop")
    trace.note(user_id=1)  # outside of a request it is nobody's
    with trace.span("r-4"):
        logger.info("before")
        trace.note(user_id=7)
        logger.info("after")
        logger.info("of another", user_id=8)
    with trace.span("r-5"):
        logger.info("next")
    assert [(line["request_id"], line.get("user_id")) for line in lines()] == [
        ("r-4", None),
        ("r-4", 7),
        ("r-4", 8),
        ("r-5", None),
    ]


def test_an_exception_is_one_line_with_its_story(log_at: Callable[..., Any]) -> None:
    lines = log_at("INFO")
    try:
        raise ValueError("first line\nsecond line, phone 0712345678")
    except ValueError:
        log.get_logger("shop").exception("request failed")
    (line,) = lines()
    assert "ValueError: first line\nsecond line" in line["exception"]
    assert "test_log.py" in line["exception"]
    assert "0712345678" not in line["exception"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("254712345678", "25471*****78"),
        ("+254 is 254112345678.", "+254 is 25411*****78."),
        ("call 0712345678 now", "call 071*****78 now"),
        (254712345678, "25471*****78"),
        (["254712345678"], ["25471*****78"]),
        ({"PhoneNumber": {"Value": 254712345678}}, {"PhoneNumber": {"Value": "25471*****78"}}),
        ("order 1234567890123", "order 1234567890123"),
        (20261120103000, 20261120103000),
        (174379, 174379),
    ],
)
def test_a_phone_number_is_masked_wherever_it_stands(log_at: Callable[..., Any], written: object, read: object) -> None:
    lines = log_at("INFO")
    log.get_logger("shop").info("told", fact=written)
    assert lines()[0]["fact"] == read


@pytest.mark.parametrize("key", sorted(log.SECRET_KEYS))
def test_a_secret_is_removed_by_its_key(log_at: Callable[..., Any], key: str) -> None:
    lines = log_at("INFO")
    log.get_logger("shop").info("told", **{key: "s3cret"}, deep={"list": [{key: "s3cret"}]})
    assert "s3cret" not in str(lines())
    assert lines()[0][key] == "[removed]"


def test_what_json_does_not_know_is_written_as_text(log_at: Callable[..., Any]) -> None:
    lines = log_at("INFO")
    log.get_logger("shop").info("told", thing=ValueError("odd"))
    assert lines()[0]["thing"] == "odd"
