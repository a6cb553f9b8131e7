"""Bad weather for the Daraja simulator: how likely each misfortune is, and which ones come.

Owns the odds and the draws. A draw depends on the seed, the misfortune, whom it concerns (a phone, mostly) and how
often that was asked, never on the time or the order of threads: the same shop under the same seed meets the same storm.
Locks: the counters, for the length of one draw.
"""

import hashlib
import threading
from collections import Counter
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Storm:
    """The odds of each misfortune, from 0 to 1."""

    seed: int
    # a request to the provider; "taken" means that the call does its work although its answer is spoilt
    firewall: float = 0.01
    spike_arrest: float = 0.03
    internal_error: float = 0.02
    internal_error_taken: float = 0.02
    empty_answer: float = 0.01
    empty_answer_taken: float = 0.01
    hung: float = 0.005
    hung_taken: float = 0.01
    token_lost: float = 0.02
    late_answer: float = 0.03  # callback or Result come before it
    # a query of a finished prompt
    query_in_progress: float = 0.10
    query_unlucky: float = 0.10
    # what is posted to the shop
    lost: float = 0.10
    lost_only_news: float = 0.0  # money paid by hand, or a call whose answer was lost: there is nothing to ask after
    duplicated: float = 0.10
    delayed: float = 0.10
    overtaken: float = 0.15
    validation_timeout: float = 0.05
    queue_timeout: float = 0.05


NONE: dict[str, Any] = {odds.name: 0.0 for odds in fields(Storm) if odds.name != "seed"}
CALM = Storm(seed=0, **NONE)

LONGEST_DELAY_SECONDS = 60  # simulated, as all times here
LONGEST_OVERTAKING_SECONDS = 4  # longer than a payer takes from prompt to PIN: the next callback may come first


class Weather:
    """Draw which misfortunes come."""

    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._drawn: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def strikes(self, misfortune: str, subject: str) -> bool:
        """Tell whether a misfortune comes upon the subject this time."""
        odds: float = getattr(self._storm, misfortune)
        return odds > 0 and self._draw(misfortune, subject) < odds

    def delays(self, subject: str, *, only_news: bool) -> tuple[float, ...]:
        """Choose after how many seconds a message is posted: once, several times, or never."""
        if self.strikes("lost_only_news" if only_news else "lost", subject):
            return ()
        first = 0.0
        if self.strikes("delayed", subject):
            first = LONGEST_DELAY_SECONDS * self._draw("delay", subject)
        elif self.strikes("overtaken", subject):
            first = LONGEST_OVERTAKING_SECONDS * self._draw("delay", subject)
        if self.strikes("duplicated", subject):
            return first, first + LONGEST_OVERTAKING_SECONDS * self._draw("delay", subject)
        return (first,)

    def _draw(self, kind: str, subject: str) -> float:
        with self._lock:
            self._drawn[kind, subject] += 1
            count = self._drawn[kind, subject]
        digest = hashlib.sha256(f"{self._storm.seed}/{kind}/{subject}/{count}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64
