"""Runs the invariants of sql/checks.sql: each is a named SELECT that must return nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass

import config
from utils import db

FILE = config.ROOT / "sql" / "checks.sql"
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that found rows: its name, what it claims, and the first rows."""

    name: str
    claim: str
    rows: list[db.Row]


def read_checks() -> list[tuple[str, str, str]]:
    """Return (name, claim, SELECT) of each check: `-- name: claim`, then the statement up to its semicolon."""
    found = re.findall(r"^-- (\w+): (.+)\n((?:(?!^-- ).*\n)+?.*);$", FILE.read_text(), re.M)
    return [(name, claim, statement.strip()) for name, claim, statement in found]


def run(reader: db.Reader) -> list[Finding]:
    """Run every check and return those that found something."""
    findings = []
    for name, claim, statement in read_checks():
        rows = reader.fetch_all(f"{statement} LIMIT {SHOWN}")
        if rows:
            findings.append(Finding(name, claim, rows))
    return findings
