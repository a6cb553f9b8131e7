"""The life of a payment, as data. The UPDATEs in the services repeat it in their WHERE.

Outside there are four states only: whether we wrote an attempt down, sent it, or do not know, it is `pending`.
"""

from __future__ import annotations

FIRST = "created"
TRANSITIONS: dict[str, set[str]] = {
    "created": {"sent", "unknown", "failed", "succeeded", "review"},
    "sent": {"unknown", "failed", "succeeded", "review"},  # unknown: nobody answered for a day
    "unknown": {"sent", "failed", "succeeded", "review"},
    "failed": {"succeeded", "review"},  # a success wins over an earlier failure
    "review": {"succeeded"},  # a person found the money its home
    "succeeded": set(),  # nothing undoes a success
}
OUTSIDE: dict[str, str] = {
    "created": "pending",
    "sent": "pending",
    "unknown": "pending",
    "succeeded": "succeeded",
    "failed": "failed",
    "review": "review",
}

_reached = {FIRST} | {state for following in TRANSITIONS.values() for state in following}
if not _reached == set(TRANSITIONS) == set(OUTSIDE):
    raise AssertionError(f"states that cannot be reached, lead nowhere or are not shown: {_reached ^ set(OUTSIDE)}")
