"""The table of an order's states."""

from __future__ import annotations

import pytest

from orders import states
from utils.errors import IllegalTransition

EVERY = list(states.TRANSITIONS)


@pytest.mark.parametrize("current", EVERY)
@pytest.mark.parametrize("wanted", EVERY)
def test_only_what_the_table_names_is_allowed(current: str, wanted: str) -> None:
    if wanted in states.TRANSITIONS[current]:
        states.require_transition(current, wanted)
    else:
        with pytest.raises(IllegalTransition) as caught:
            states.require_transition(current, wanted)
        assert caught.value.data == {"current": current, "wanted": wanted}


def test_an_order_is_cancelled_only_before_it_leaves_the_house() -> None:
    assert {"pending", "processing"} == states.CANCELLABLE
