"""Guessing: locked accounts, limits by address and account, and what the headers tell of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth import handlers, lockout_services
from tests import factories
from tests.api.test_auth import log_in
from tests.conftest import Clock
from tests.threads import at_once
from utils import db, outbox
from utils.errors import AccountLocked

MakeUser = Callable[..., factories.User]
WRONG = "not-the-password"


def guess(client: FlaskClient, name: str, password: str = WRONG) -> Any:
    return client.post("/api/auth/login", json={"username": name, "password": password})


# --- the lock of an account


def test_five_wrong_passwords_lock_the_account_and_the_right_one_waits_too(
    client: FlaskClient, make_user: MakeUser, frozen_clock: Clock
) -> None:
    user, neighbour = make_user(), make_user()
    assert [guess(client, user.username).status_code for _ in range(5)] == [401] * 5

    answer = guess(client, user.username, user.password)

    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert (answer.get_json()["code"], answer.headers["Retry-After"]) == ("account_locked", "30")
    assert guess(client, user.email.upper(), user.password).get_json()["code"] == "account_locked"
    assert log_in(client, neighbour)
    frozen_clock.forward(seconds=29.5)
    assert guess(client, user.username, user.password).headers["Retry-After"] == "1"
    frozen_clock.forward(seconds=0.5)
    assert log_in(client, user)


def test_an_unknown_name_is_locked_as_a_known_one_is(client: FlaskClient, frozen_clock: Clock) -> None:
    answers = [guess(client, name) for name in ("nobody", "NOBODY", "nobody", "Nobody", "nobody", "nobody")]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert (answers[-1].get_json()["code"], answers[-1].headers["Retry-After"]) == ("account_locked", "30")


def test_each_further_failure_doubles_the_wait_up_to_an_hour(
    client: FlaskClient, make_user: MakeUser, frozen_clock: Clock
) -> None:
    user = make_user()
    for _ in range(4):
        guess(client, user.username)
    waits = []
    for _ in range(9):
        assert guess(client, user.username).status_code == 401
        waits.append(int(guess(client, user.username).headers["Retry-After"]))
        frozen_clock.forward(seconds=waits[-1])
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_log_in_strikes_out_what_failed_before(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    for _ in range(3):
        for _ in range(4):
            assert guess(client, user.username).status_code == 401
        assert log_in(client, user)
    assert db.reading().fetch_all("SELECT subject FROM login_locks") == []


def test_of_many_guesses_at_the_same_moment_five_are_looked_at(app: APIFlask, make_user: MakeUser) -> None:
    user = make_user()
    answers = at_once(*[lambda: guess(app.test_client(), user.username)] * 8)
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 3
    assert db.reading().fetch_value("SELECT failures FROM login_locks") == 5


def test_an_attempt_is_counted_by_the_database_whoever_asks_it(app: APIFlask) -> None:
    """Nothing of it is kept in the process: as many threads as there are connections make one count."""
    attempts = at_once(*[lambda: lockout_services.claim_attempt(subject="user:1")] * 24)
    assert sorted(attempt for attempt in attempts if isinstance(attempt, int)) == [1, 2, 3, 4, 5]
    assert [type(attempt) for attempt in attempts if not isinstance(attempt, int)] == [AccountLocked] * 19


def test_the_owner_is_told_of_a_locked_account_and_nobody_of_an_unknown_name(
    client: FlaskClient, make_user: MakeUser
) -> None:
    user = make_user()
    for _ in range(8):
        guess(client, user.username)
        guess(client, "nobody")
    told = db.reading().fetch_all("SELECT topic, payload FROM outbox_events WHERE topic LIKE 'account.%%'")
    assert told == [{"topic": "account.locked", "payload": f'{{"user_id": {user.id}}}'}]
    outbox.deliver_due(handlers.HANDLERS)
    (mail,) = (config.current().INSTANCE_DIR / "mail").glob("account.locked-*.eml")
    assert f"To: {user.email}" in mail.read_text()


def test_failures_of_yesterday_are_forgotten(client: FlaskClient, frozen_clock: Clock) -> None:
    guess(client, "nobody")
    frozen_clock.forward(hours=23)
    guess(client, "somebody")
    assert lockout_services.delete_old_locks() == 0
    frozen_clock.forward(hours=2)
    assert lockout_services.delete_old_locks() == 1


# --- limits by address and account


def test_trying_at_one_account_is_slowed_down_and_nobody_elses_log_in(
    limited_client: FlaskClient, make_user: MakeUser
) -> None:
    user, neighbour = make_user(), make_user()
    codes = [guess(limited_client, user.username).get_json()["code"] for _ in range(10)]
    assert codes == ["invalid_credentials"] * 5 + ["account_locked"] * 5

    answer = guess(limited_client, user.username.upper())

    assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
    assert answer.get_json()["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["Retry-After"]) <= 61
    assert answer.headers["RateLimit-Remaining"] == "0"
    assert log_in(limited_client, neighbour)


def test_what_is_not_a_login_does_not_count_as_one(limited_client: FlaskClient, make_user: MakeUser) -> None:
    for _ in range(12):
        assert limited_client.post("/api/auth/login", json=[]).status_code == 422
    assert log_in(limited_client, make_user())


def test_headers_tell_the_limit_and_only_a_refusal_says_when_to_come_again(
    limited_client: FlaskClient, make_user: MakeUser
) -> None:
    user = make_user()
    answer = guess(limited_client, user.username, user.password)
    assert answer.status_code == 200
    assert "Retry-After" not in answer.headers
    assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("10", "9")
    assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 61
    assert guess(limited_client, user.username, user.password).headers["RateLimit-Remaining"] == "8"


def test_the_wait_of_a_lock_is_not_taken_for_the_limits(
    limited_client: FlaskClient, make_user: MakeUser, frozen_clock: Clock
) -> None:
    user = make_user()
    for _ in range(5):
        guess(limited_client, user.username)
    assert guess(limited_client, user.username).headers["Retry-After"] == "30"


def test_what_has_no_limit_of_its_own_tells_none(limited_client: FlaskClient) -> None:
    assert "RateLimit" not in str(limited_client.get("/health").headers)
