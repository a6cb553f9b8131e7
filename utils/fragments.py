"""Statements out of literal fragments: the only builders of SQL that depends on the request.

Values are bound by name, `%(name)s`; a fragment enters a statement at a `{name}`; a name that is missing or unused
raises. Known to the rest of the shop as `db.where`, `db.set_clause` and `db.in_list`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Params = Mapping[str, Any]


class StatementError(Exception):
    """A statement and its parameters do not fit each other: a mistake of ours, found at the first run."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of SQL made of literals, with the values it binds."""

    sql: str
    params: dict[str, Any] = field(default_factory=dict)


def where(fragments: Mapping[str, str], values: Params) -> Fragment:
    """Join the fragments named by `values` with AND; each binds its value under its own name."""
    chosen = [fragments[name] for name in values]
    return Fragment("WHERE " + "\n  AND ".join(chosen) if chosen else "", dict(values))


def set_clause(columns: Mapping[str, str], values: Params) -> Fragment:
    """Write `SET` for the columns named by `values`; `columns` maps a field to its literal assignment."""
    if not values:
        raise StatementError("an UPDATE without a column to set")
    return Fragment("SET " + ", ".join(columns[name] for name in values), dict(values))


def in_list(name: str, values: Sequence[Any]) -> Fragment:
    """Write the list of an `IN`, one bound value each."""
    if not values:
        raise StatementError(f"an empty IN list: {name}")
    params = {f"{name}_{place}": value for place, value in enumerate(values)}
    return Fragment("(" + ", ".join(f"%({key})s" for key in params) + ")", params)


@functools.lru_cache(maxsize=2048)
def names_in(sql: str) -> frozenset[str]:
    """Return the names of the values that a statement binds."""
    return frozenset(re.findall(r"%\((\w+)\)s", sql))


def put_together(
    sql: str, params: Params | None, fragments: Mapping[str, Fragment | str]
) -> tuple[str, dict[str, Any]]:
    """Return a statement with its fragments in their places, and all that it binds. Raises StatementError."""
    bound = dict(params or {})
    for name, fragment in fragments.items():
        if f"{{{name}}}" not in sql:
            raise StatementError(f"the statement has no place {{{name}}}")
        sql = sql.replace(f"{{{name}}}", fragment if isinstance(fragment, str) else fragment.sql)
        if isinstance(fragment, Fragment):
            if twice := bound.keys() & fragment.params.keys():
                raise StatementError(f"bound twice: {sorted(twice)}")
            bound |= fragment.params
    names = names_in(sql)
    if names != bound.keys():
        raise StatementError(
            f"missing parameters {sorted(names - bound.keys())}, unused {sorted(bound.keys() - names)}: {sql}"
        )
    return sql, bound
