"""Reading the end of a growing table: every row once, in whatever order it is committed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from utils.tail import LATEST, SPAN, Tail


@given(st.permutations(range(1, 30)), st.lists(st.booleans(), min_size=29, max_size=29))
def test_every_row_is_taken_once_in_whatever_order_rows_are_committed(order: list[int], looks: list[bool]) -> None:
    tail, committed, taken = Tail(0), set[int](), list[int]()
    for id_, is_look in zip(order, looks, strict=True):
        committed.add(id_)
        if is_look:
            taken += tail.take([one for one in committed if one > tail.after], now=0.0)
    taken += tail.take([one for one in committed if one > tail.after], now=0.0)
    assert sorted(taken) == list(range(1, 30))
    assert tail.after == 29


def test_a_gap_is_waited_for_and_then_given_up() -> None:
    tail = Tail(0)
    assert tail.take([1, 3], now=0.0) == {1, 3}
    assert tail.after == 1
    assert tail.take([3, 4], now=LATEST - 1) == {4}
    assert tail.after == 1
    assert tail.take([3, 4], now=LATEST + 1) == set()
    assert tail.after == 4  # 2 was undone; 4 stands behind 3
    assert tail.take([], now=3 * LATEST) == set()


def test_what_is_read_at_the_beginning_may_still_be_missing_below_the_last_row() -> None:
    assert Tail(5).after == 0
    tail = Tail(5 * SPAN)
    assert tail.after == 4 * SPAN
