"""Writing together: everybody's row is written before he goes on, in few statements, and nobody spoils another's."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from tests.threads import at_once
from utils.together import Together


class Table:
    """Where rows go: tells who has come, and holds the first statement until it is let go."""

    def __init__(self, refused: int | None = None) -> None:
        self.statements: list[list[int]] = []
        self.refused = refused
        self.begun, self.go_on = threading.Event(), threading.Event()

    def write(self, rows: Sequence[int]) -> None:
        self.begun.set()
        assert self.go_on.wait(10)
        if self.refused in rows:
            raise ValueError(self.refused)
        self.statements.append(list(rows))


def crowd(table: Table, together: Together[int], size: int) -> list[object]:
    """Bring row 0, and while it is being written all others; return what each was told."""
    arrived = threading.Semaphore(0)

    def first() -> bool:
        return together.bring(0)

    def other(row: int) -> bool:
        assert table.begun.wait(10)
        arrived.release()
        return together.bring(row)

    def let_go() -> None:
        for _ in range(size - 1):
            assert arrived.acquire(timeout=10)
        while len(together._waiting) < size - 1:  # the last of them is between the two lines above
            threading.Event().wait(0.001)
        table.go_on.set()

    return at_once(first, *[lambda row=row: other(row) for row in range(1, size)], let_go)[:-1]


def test_who_comes_alone_is_written_at_once() -> None:
    table = Table()
    table.go_on.set()
    together = Together(table.write, most=10)
    assert [together.bring(row) for row in (1, 2)] == [True, True]
    assert table.statements == [[1], [2]]


def test_all_who_wait_are_written_with_the_next_statement() -> None:
    table = Table()
    assert crowd(table, Together(table.write, most=10), 8) == [True] * 8
    assert table.statements[0] == [0]
    assert sorted(table.statements[1]) == list(range(1, 8))


def test_a_crowd_beyond_the_most_takes_more_statements() -> None:
    table = Table()
    assert crowd(table, Together(table.write, most=3), 8) == [True] * 8
    assert [len(rows) for rows in table.statements] == [1, 3, 3, 1]
    assert sorted(row for rows in table.statements for row in rows) == list(range(8))


def test_when_a_statement_of_many_fails_each_is_told_to_write_alone() -> None:
    table = Table(refused=5)
    together = Together(table.write, most=10)
    assert crowd(table, together, 8) == [True] + [False] * 7
    assert together.bring(9)  # and nobody stands in the way afterwards


def test_who_fails_alone_hears_why() -> None:
    table = Table(refused=5)
    table.go_on.set()
    together = Together(table.write, most=10)
    with pytest.raises(ValueError, match="5"):
        together.bring(5)
    assert together.bring(6)
