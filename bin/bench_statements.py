"""The yardstick of checkout: the shop's own statements, recorded, and sent again without the shop.

Two checkouts of different customers are recorded at PyMySQL's cursor. What differs between the two recordings comes
from somewhere: from the customer, from the answer to an earlier statement, from the clock, or from chance; so each
such value is bound anew for every customer. `sql/checks.sql`, run at the end over what was written, proves it right.
"""

from __future__ import annotations

import random
import re
import string
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unittest.mock import patch

import pymysql
from pymysql.constants import CLIENT

from utils import clock, db

TRACE_COMMENT = re.compile(r" /\* [A-Za-z0-9._-]+ \*/\Z")
KINDS = (string.hexdigits[:16], string.ascii_uppercase + string.digits, string.printable)  # of what chance draws
Facts = Mapping[str, Any]


class CannotRepeat(RuntimeError):
    """The recordings do not fit each other, or a value in them comes from nowhere."""


@dataclass
class Sent:
    """A statement as the shop sent it, or BEGIN or COMMIT, and what it brought."""

    sql: str
    args: dict[str, Any] = field(default_factory=dict)
    new_id: int = 0
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    hit: int = 0


@contextmanager
def recording() -> Iterator[list[Sent]]:
    """Record all that goes over PyMySQL's connections during a `with` block."""
    sent: list[Sent] = []
    execute = pymysql.cursors.Cursor.execute

    def record(cursor: Any, query: str, args: Any = None) -> int:
        hit = execute(cursor, query, args)
        rows = list(cursor.fetchall())
        if rows:
            cursor.scroll(0, mode="absolute")
        sent.append(Sent(query, dict(args or {}), cursor.lastrowid, [tuple(row.values()) for row in rows], hit))
        return hit

    def also(name: str) -> Any:
        method = getattr(pymysql.connections.Connection, name)

        def run(connection: Any) -> None:
            method(connection)
            sent.append(Sent(name.upper()))

        return patch.object(pymysql.connections.Connection, name, run)

    with patch.object(pymysql.cursors.Cursor, "execute", record), also("begin"), also("commit"), also("rollback"):
        yield sent


# --- where a value comes from


@dataclass(frozen=True)
class Source:
    """One value of a statement: how to have it at the next run."""

    kind: str  # fact, new_id, cell, now, chance, text
    name: str = ""
    step: int = 0
    row: int = 0
    column: int = 0
    text: str = ""  # kind text: what surrounds it; kind chance: the letters it is made of
    length: int = 0
    within: Source | None = None


@dataclass(frozen=True)
class Step:
    """A statement to send: its fixed values, and where the others come from."""

    sql: str
    fixed: dict[str, Any]
    bound: list[tuple[str, Source]]
    rows: int
    hit: int


def learn_script(one: tuple[Facts, list[Sent]], other: tuple[Facts, list[Sent]]) -> list[Step]:
    """Compare two recordings and return the script of both. Raises CannotRepeat."""
    (facts, first), (other_facts, second) = one, other
    shapes = [[_plain(sent.sql) for sent in recording] for recording in (first, second)]
    if shapes[0] != shapes[1] or "ROLLBACK" in shapes[0]:
        raise CannotRepeat("two checkouts sent different statements")
    sources: list[tuple[Source, Any, Any]] = [
        (Source("fact", name=name), facts[name], other_facts[name]) for name in facts
    ]
    script = []
    for place, (a, b) in enumerate(zip(first, second, strict=True)):
        bound = [
            (name, _source(a.args[name], b.args[name], sources)) for name in a.args if a.args[name] != b.args[name]
        ]
        moving = {name for name, _ in bound}
        fixed = {name: value for name, value in a.args.items() if name not in moving}
        script.append(Step(_plain(a.sql), fixed, bound, len(a.rows), a.hit))
        if a.new_id:
            sources.append((Source("new_id", step=place), a.new_id, b.new_id))
        sources += [
            (Source("cell", step=place, row=row, column=column), value, b.rows[row][column])
            for row, values in enumerate(a.rows)
            for column, value in enumerate(values)
            if value != b.rows[row][column]
        ]
    return script


def _plain(sql: str) -> str:
    return TRACE_COMMENT.sub("", sql)


def _source(a: Any, b: Any, sources: Sequence[tuple[Source, Any, Any]]) -> Source:
    for source, in_a, in_b in reversed(sources):
        if type(a) is type(in_a) and (a, b) == (in_a, in_b):
            return source
    if isinstance(a, datetime):
        return Source("now")
    if isinstance(a, str) and isinstance(b, str):
        for source, in_a, in_b in reversed(sources):
            if a.count(str(in_a)) == 1 and a.replace(str(in_a), str(in_b)) == b:
                return Source("text", text=a.replace("%", "%%").replace(str(in_a), "%s"), within=source)
        if len(a) == len(b):
            return Source("chance", text=next(kind for kind in KINDS if set(a + b) <= set(kind)), length=len(a))
    raise CannotRepeat(f"{a!r} and {b!r} come from nowhere")


# --- sending it again


def compile_source(source: Source) -> Callable[[Facts, list[Any]], Any]:
    """Return the quickest way to have the value: from the customer's facts and the answers so far."""
    name, step, row, column, text, length = (
        source.name, source.step, source.row, source.column, source.text, source.length,
    )  # fmt: skip
    if source.kind == "text" and source.within:
        inner = compile_source(source.within)
        return lambda facts, answers: text % inner(facts, answers)
    makers: dict[str, Callable[[Facts, list[Any]], Any]] = {
        "fact": lambda facts, answers: facts[name],
        "new_id": lambda facts, answers: answers[step],
        "cell": lambda facts, answers: answers[step][row][column],
        "now": lambda facts, answers: clock.now(),
        "chance": lambda facts, answers: "".join(random.choices(text, k=length)),
    }
    return makers[source.kind]


def compile_script(script: Sequence[Step]) -> list[Any]:
    """Return the script as `run_once` wants it."""
    return [
        (step.sql, step.fixed, [(name, compile_source(source)) for name, source in step.bound], step.hit)
        for step in script
    ]


@dataclass
class Repeated:
    """How often the script went through, and in how many seconds."""

    seconds: float
    checkouts: int
    repeated: int  # transactions that the server refused as a deadlock's victim
    busy: float  # of one core


def repeat_for(url: str, script: Sequence[Step], customers: Sequence[Sequence[Facts]], seconds: float) -> Repeated:
    """Send the script over one connection and thread for each list of customers, round and round, for `seconds`."""
    counts = [0] * len(customers)
    refused = [0] * len(customers)
    failures: list[BaseException] = []
    count_from = time.perf_counter() + 0.3
    stop_at = count_from + seconds
    compiled = compile_script(script)

    def work(place: int) -> None:
        try:
            connection = connect(url)
            with connection, connection.cursor() as cursor:
                turn = 0
                while (now := time.perf_counter()) < stop_at:
                    facts = customers[place][turn % len(customers[place])]
                    refused[place] += run_once(connection, cursor, compiled, facts)
                    counts[place] += count_from <= now
                    turn += 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(customers))]
    before = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    took = time.perf_counter() - count_from
    return Repeated(took, sum(counts), sum(refused), (time.process_time() - before) / took)


def connect(url: str) -> Any:
    """Open a connection as the shop does, without the shop."""
    connection = pymysql.connect(**db.connect_arguments(url), autocommit=True, client_flag=CLIENT.FOUND_ROWS)
    with connection.cursor() as cursor:
        for statement in db.SESSION:
            cursor.execute(statement)
    return connection


def run_once(connection: Any, cursor: Any, script: Sequence[Any], facts: Facts) -> int:
    """Send the script once and return how many transactions had to be repeated, as the shop repeats them."""
    answers: list[Any] = []
    transactions = {"BEGIN": connection.begin, "COMMIT": connection.commit}
    began = refused = 0
    while len(answers) < len(script):
        sql, fixed, bound, expected = script[len(answers)]
        try:
            if sql in transactions:
                began = len(answers)
                answers.append(transactions[sql]())
                continue
            args = {**fixed, **{name: value(facts, answers) for name, value in bound}}
            hit = cursor.execute(sql, args or None)
        except pymysql.err.OperationalError as error:
            if error.args[0] not in db.TRIES:
                raise
            connection.rollback()
            refused += 1
            del answers[began:]
            continue
        if hit != expected:
            raise CannotRepeat(f"{hit} rows where the shop had {expected}: {sql} {args}")
        answers.append(cursor.fetchall() or cursor.lastrowid)
    return refused
