"""`flask db check` and the runner behind it. That each check can fail is proved in test_invariants.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from apiflask import APIFlask

from utils import checks, db, outbox


@pytest.fixture
def dead_events(app: APIFlask) -> Iterator[int]:
    """More broken rows than are shown."""
    number = checks.SHOWN + 5

    @db.in_transaction
    def break_it(tx: db.Tx) -> None:
        for place in range(number):
            outbox.stage_tx(tx, "order.paid", order_id=place)
        tx.execute("UPDATE outbox_events SET dead_at = created_at, last_error = 'no mail server'")

    @db.in_transaction
    def mend_it(tx: db.Tx) -> None:
        tx.execute("DELETE FROM outbox_events")

    break_it()
    yield number
    mend_it()


def test_a_sound_shop_passes_and_tells_how_much_was_looked_at(app: APIFlask) -> None:
    done = app.test_cli_runner().invoke(args=["db", "check"])
    assert (done.exit_code, done.output) == (0, f"{len(checks.read_checks())} checks hold, 0 are broken.\n")


def test_a_broken_shop_exits_with_1_and_shows_the_rows(app: APIFlask, dead_events: int) -> None:
    done = app.test_cli_runner().invoke(args=["db", "check"])
    assert done.exit_code == 1
    assert "BROKEN outbox_stuck: no event waits for an hour, and none was given up" in done.output
    assert "no mail server" in done.output
    assert done.output.endswith(f"{len(checks.read_checks()) - 1} checks hold, 1 are broken.\n")


def test_the_first_rows_are_enough(app: APIFlask, dead_events: int) -> None:
    (finding,) = checks.run(db.reading())
    assert (finding.name, len(finding.rows)) == ("outbox_stuck", checks.SHOWN)


def test_every_check_says_what_it_claims() -> None:
    for name, claim, statement in checks.read_checks():
        assert name.islower()
        assert len(claim.split()) >= 3
        assert statement.startswith("SELECT")
