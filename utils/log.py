"""Structured logs on stderr: one JSON object a line, readable colours on a terminal.

The message is constant, the facts are keys. What must never be written is taken out here, whoever logs it:
passwords and tokens by key, whole phone numbers by shape.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from utils import trace
from utils.behind import Behind

SECRET_KEYS = {
    "password",
    "token",
    "access_token",
    "refresh_token",
    "authorization",
    "secret",
    "passkey",
    "body",
}
ENCODER = json.JSONEncoder(default=str)  # made once: json.dumps with a default makes one for every line
PHONE = re.compile(r"\b(254|0)([17]\d)\d{5}(\d{2})\b")
PLAIN = {float, bool, type(None)}  # hold no secret
SHORTEST_PHONE = len("0712345678")
PHONES_AS_NUMBERS = range(254_100_000_000, 254_800_000_000)


def add_facts_of_request(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Add what every line of the request at hand tells; what the line itself says goes first."""
    return {**trace.facts(), **event}


def take_out_secrets(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Blank secrets and mask phone numbers in every value of a line, however deep."""
    return {
        key: value if type(value) in PLAIN or key == "timestamp" else _clean(key, value) for key, value in event.items()
    }


def _clean(key: str, value: Any) -> Any:
    if key in SECRET_KEYS:
        return "[removed]"
    if isinstance(value, str):
        has_phone = len(value) >= SHORTEST_PHONE and PHONE.search(value)  # to look is quicker than to replace nothing
        return PHONE.sub(r"\1\2*****\3", value) if has_phone else value
    if isinstance(value, int):  # the provider writes phone numbers as numbers
        return _clean(key, str(value)) if value in PHONES_AS_NUMBERS else value
    if isinstance(value, Mapping):
        return {name: _clean(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", inner) for inner in value]
    return value


def _write_json(event: EventDict, **_options: object) -> str:
    return ENCODER.encode(event)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every log line of ours and of the libraries to the stream (stderr), from `level` up."""
    on_terminal = (stream or sys.stderr).isatty()
    out: Any = stream or (sys.stderr if on_terminal else _stderr())
    shared: list[Processor] = [
        add_facts_of_request,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        take_out_secrets,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer(serializer=_write_json)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(out),  # a line is one write: threads cannot tear it
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(
        handlers=[handler], level=max(logging.getLevelNamesMapping()[level], logging.WARNING), force=True
    )


@functools.cache
def _stderr() -> Behind:
    return Behind(cast(TextIO, sys.__stderr__))


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a module; its name is the key `module` of each line."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(module=name)  # "logger" is taken
    return logger
