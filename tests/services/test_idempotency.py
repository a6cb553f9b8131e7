"""Idempotency keys: one effect and one answer under a key, whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask import Response, g

from tests.conftest import Clock
from tests.threads import at_once
from utils import db, idempotency, outbox, web
from utils.errors import DatabaseUnavailable, IdempotencyInProgress, IdempotencyMismatch, OutOfStock, StaleRow

pytestmark = pytest.mark.usefixtures("app")

FIRST = {"scope": "user:7", "key": "k-1", "fingerprint": idempotency.fingerprint("POST", "/api/orders", b"{}")}


@db.in_transaction
def place(tx: db.Tx, claim: idempotency.Claim) -> None:
    """Have an effect and keep the answer with it, as a business verb does."""
    outbox.stage_tx(tx, "order.placed", order_id=1)
    idempotency.keep_tx(tx, claim, status_code=201, body='{"id":1}')


def claim_first(**changes: str) -> idempotency.Claim:
    found = idempotency.claim(**{**FIRST, **changes})
    assert isinstance(found, idempotency.Claim)
    return found


def count_effects() -> int:
    counted: int = db.reading().fetch_value("SELECT COUNT(*) AS counted FROM outbox_events")
    return counted


def test_the_same_request_again_gets_the_first_answer() -> None:
    place(claim_first())
    again = idempotency.claim(**FIRST)
    assert again == idempotency.Answer(201, "application/json", '{"id":1}')


def test_another_body_under_the_key_is_a_mismatch_while_running_and_after() -> None:
    other = {**FIRST, "fingerprint": idempotency.fingerprint("POST", "/api/orders", b'{"a":1}')}
    claimed = claim_first()
    with pytest.raises(IdempotencyMismatch):
        idempotency.claim(**other)
    place(claimed)
    with pytest.raises(IdempotencyMismatch):
        idempotency.claim(**other)


def test_the_fingerprint_tells_where_one_part_ends_and_the_next_begins() -> None:
    assert idempotency.fingerprint("a", "bc") != idempotency.fingerprint("ab", "c")


def test_the_same_key_of_somebody_else_is_another_key() -> None:
    place(claim_first())
    assert claim_first(scope="user:8").id


def test_keys_are_told_apart_by_case_and_accent() -> None:
    place(claim_first(key="résumé"))
    assert claim_first(key="resume").id
    assert claim_first(key="RÉSUMÉ").id


def test_a_second_request_while_the_first_runs_is_told_to_wait() -> None:
    claim_first()
    with pytest.raises(IdempotencyInProgress):
        idempotency.claim(**FIRST)


def test_of_many_at_once_one_has_the_claim() -> None:
    results = at_once(*[lambda: idempotency.claim(**FIRST)] * 6)
    assert sum(isinstance(result, idempotency.Claim) for result in results) == 1
    assert sum(isinstance(result, IdempotencyInProgress) for result in results) == 5


def test_the_claim_of_a_dead_process_is_taken_over_when_its_lease_is_out(frozen_clock: Clock) -> None:
    dead = claim_first()
    frozen_clock.forward(seconds=idempotency.LEASE.total_seconds())
    with pytest.raises(IdempotencyInProgress):
        idempotency.claim(**FIRST)
    frozen_clock.forward(seconds=0.001)
    heir = claim_first()
    assert (heir.id, heir.token == dead.token) == (dead.id, False)
    place(heir)
    assert count_effects() == 1


def test_a_process_that_lost_its_claim_cannot_commit(frozen_clock: Clock) -> None:
    slow = claim_first()
    frozen_clock.forward(minutes=2)
    heir = claim_first()
    for _ in range(2):  # while the heir runs, and when it has answered
        with pytest.raises(StaleRow):
            place(slow)
        assert count_effects() == 0
        idempotency.keep_refusal(claim=heir, status_code=409, body="{}", content_type="application/problem+json")


def test_of_many_heirs_one_takes_the_claim_over(frozen_clock: Clock) -> None:
    claim_first()
    frozen_clock.forward(minutes=2)
    results = at_once(*[lambda: idempotency.claim(**FIRST)] * 4)
    assert sum(isinstance(result, idempotency.Claim) for result in results) == 1


def test_an_effect_that_is_undone_takes_its_answer_with_it() -> None:
    claimed = claim_first()

    @db.in_transaction
    def fail_late(tx: db.Tx) -> None:
        outbox.stage_tx(tx, "order.placed", order_id=1)
        idempotency.keep_tx(tx, claimed, status_code=201, body="{}")
        raise OutOfStock

    with pytest.raises(OutOfStock):
        fail_late()
    with pytest.raises(IdempotencyInProgress):
        idempotency.claim(**FIRST)
    assert count_effects() == 0


def test_the_owner_of_a_claim_may_answer_better_later_or_take_the_answer_back() -> None:
    """A payment is answered `pending` before the provider is called, and then as the provider said."""
    claimed = claim_first()

    @db.in_transaction
    def keep(tx: db.Tx, body: str) -> None:
        idempotency.keep_tx(tx, claimed, status_code=202, body=body)

    for body in ('{"status":"created"}', '{"status":"sent"}'):
        keep(body)
        assert idempotency.claim(**FIRST) == idempotency.Answer(202, "application/json", body)

    @db.in_transaction
    def take_back(tx: db.Tx) -> None:
        idempotency.let_go_tx(tx, claim=claimed)

    take_back()
    assert claim_first().id


def test_a_key_that_was_let_go_is_free_again() -> None:
    idempotency.let_go(claim=claim_first())
    assert claim_first().id


def test_an_answer_that_was_committed_survives_a_failure_after_it() -> None:
    """The connection may die after the COMMIT and before we hear of it: the 503 must not free the key."""
    claimed = claim_first()
    place(claimed)
    idempotency.let_go(claim=claimed)
    idempotency.keep_refusal(claim=claimed, status_code=409, body="{}", content_type="application/problem+json")
    again = idempotency.claim(**FIRST)
    assert isinstance(again, idempotency.Answer)
    assert again.status_code == 201


def test_a_process_that_lost_its_claim_neither_frees_nor_answers_it(frozen_clock: Clock) -> None:
    slow = claim_first()
    frozen_clock.forward(minutes=2)
    heir = claim_first()
    idempotency.let_go(claim=slow)
    idempotency.keep_refusal(claim=slow, status_code=409, body="{}", content_type="application/problem+json")
    place(heir)
    assert count_effects() == 1


def test_an_answer_is_kept_for_a_day_and_forgotten_after_two(frozen_clock: Clock) -> None:
    place(claim_first())
    frozen_clock.forward(hours=24)
    assert idempotency.delete_expired_keys() == 0
    assert isinstance(idempotency.claim(**FIRST), idempotency.Answer)
    frozen_clock.forward(hours=24, seconds=1)
    assert idempotency.delete_expired_keys() == 1


def test_without_a_key_nothing_is_kept() -> None:
    place(idempotency.Claim())
    assert db.reading().fetch_all("SELECT id FROM idempotency_keys") == []


# --- the view around it


@pytest.fixture
def post(app: APIFlask) -> Callable[..., Response]:
    """Send a request through an idempotent view that does what the test says."""

    def send(view: Callable[[idempotency.Claim], Response], key: str = "k-1", data: str = "{}") -> Response:
        with app.test_request_context("/api/orders", method="POST", data=data, headers={"Idempotency-Key": key}):
            g.user_id = 7
            try:
                return web.idempotent(view)()
            finally:
                db.release()

    return send


def answer_once(claim: idempotency.Claim) -> Response:
    place(claim)
    return Response('{"id":1}', 201, mimetype="application/json")


def fail_with(error: Exception) -> Callable[[idempotency.Claim], Response]:
    def view(_claim: idempotency.Claim) -> Response:
        raise error

    return view


def test_a_replay_says_so_and_is_the_same_to_the_byte(post: Callable[..., Any]) -> None:
    first, again = post(answer_once), post(answer_once)
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert count_effects() == 1


def test_a_refusal_is_kept(post: Callable[..., Any]) -> None:
    with pytest.raises(OutOfStock):
        post(fail_with(OutOfStock(items=[])))
    again = post(answer_once)
    assert (again.status_code, again.mimetype) == (409, "application/problem+json")
    assert again.get_json()["code"] == "out_of_stock"
    assert count_effects() == 0


@pytest.mark.parametrize("error", [DatabaseUnavailable(), web.TooManyRequests(), ZeroDivisionError()])
def test_a_failure_or_a_limit_is_not_kept(post: Callable[..., Any], error: Exception) -> None:
    with pytest.raises(type(error)):
        post(fail_with(error))
    assert post(answer_once).status_code == 201


def test_a_verb_that_forgets_to_keep_its_answer_is_found_out(post: Callable[..., Any]) -> None:
    with pytest.raises(AssertionError, match="keep the answer"):
        post(lambda claim: Response("{}"))


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_1_to_255_characters(post: Callable[..., Any], key: str) -> None:
    with pytest.raises(web.InvalidFields):
        post(answer_once, key=key)
    assert post(answer_once, key="x" * 255).status_code == 201
