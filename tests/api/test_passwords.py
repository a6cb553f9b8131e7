"""Passwords and addresses: forgotten, reset, changed, verified; one-time tokens and what they end."""

from __future__ import annotations

import email
import email.policy
import functools
import hashlib
import re
import threading
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from auth import handlers, one_time_services, passwords, session_services, tokens
from tests import factories
from tests.api.test_auth import NEW, bearer, close_account, log_in
from tests.conftest import Clock
from tests.threads import at_once
from utils import db, outbox

MakeUser = Callable[..., factories.User]
BETTER = "maji-ya-baridi"


def deliver() -> list[Any]:
    """Do the worker's part; return the mails it wrote."""
    folder = config.current().INSTANCE_DIR / "mail"
    before = set(folder.glob("*.eml"))
    outbox.deliver_due(handlers.HANDLERS)
    new = sorted(set(folder.glob("*.eml")) - before)
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in new]


def token_in(mail: Any) -> str:
    return re.search(r"token=(\S+)", mail.get_content()).group(1)


def ask_for_reset(client: FlaskClient, user: factories.User) -> str:
    assert client.post("/api/auth/forgot-password", json={"email": user.email}).status_code == 202
    (mail,) = deliver()
    assert mail["To"] == user.email
    return token_in(mail)


def reset(client: FlaskClient, token: str, password: str = BETTER) -> Any:
    return client.post("/api/auth/reset-password", json={"token": token, "password": password})


def try_log_in(client: FlaskClient, user: factories.User, password: str) -> int:
    return client.post("/api/auth/login", json={"username": user.username, "password": password}).status_code


# --- forgotten


def test_a_forgotten_password_is_set_anew_with_the_mailed_token(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    token = ask_for_reset(client, user)
    assert reset(client, token).status_code == 202
    assert (try_log_in(client, user, BETTER), try_log_in(client, user, user.password)) == (200, 401)
    (told,) = deliver()
    assert (told["To"], told["Subject"]) == (user.email, "Your password was changed")


def test_known_and_unknown_addresses_are_answered_alike_for_the_same_work(
    client: FlaskClient, make_user: MakeUser, count_statements: Callable[..., int]
) -> None:
    user, closed = make_user(), make_user()
    close_account(user_id=closed.id)
    for path in ("/api/auth/forgot-password", "/api/auth/verify-email"):
        answers: list[Any] = []

        def ask(address: str, path: str = path, answers: list[Any] = answers) -> None:
            answers.append(client.post(path, json={"email": address}))

        for address in (user.email, closed.email, "nobody@example.com"):
            assert count_statements(functools.partial(ask, address)) == 1
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.data for answer in answers}) == 1
    assert [mail["To"] for mail in deliver()] == [user.email] * 2


def test_a_reset_ends_every_session_and_any_lock(client: FlaskClient, make_user: MakeUser) -> None:
    user, other = make_user(), make_user()
    sessions, others = [log_in(client, user) for _ in range(2)], log_in(client, other)
    token = ask_for_reset(client, user)
    for _ in range(6):
        try_log_in(client, user, "not-the-password")
    assert try_log_in(client, user, user.password) == 429

    reset(client, token)

    for pair in sessions:
        assert client.get("/api/profile", headers=bearer(pair["access_token"])).get_json()["code"] == "token_revoked"
        assert client.post("/api/auth/refresh", headers=bearer(pair["refresh_token"])).status_code == 401
    assert client.get("/api/profile", headers=bearer(others["access_token"])).status_code == 200
    assert try_log_in(client, user, BETTER) == 200


@pytest.mark.parametrize("end", ["reset", "closed"])
def test_a_log_in_with_the_old_password_does_not_outlive_the_new_one(
    client: FlaskClient, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    user = make_user()
    token = ask_for_reset(client, user)
    really = passwords.matches

    def be_overtaken(*given: Any) -> bool:
        """Compare, which takes a quarter of a second, and in it the owner is done."""
        found = really(*given)
        if end == "reset":
            assert reset(client, token).status_code == 202
        else:
            close_account(user_id=user.id)
        return found

    with monkeypatch.context() as slow:
        slow.setattr(passwords, "matches", be_overtaken)
        assert try_log_in(client, user, user.password) == 401
    assert db.reading().fetch_value("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL") == 0


def test_a_reset_token_works_once_and_only_the_newest_does(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    older, newer = ask_for_reset(client, user), ask_for_reset(client, user)
    assert reset(client, older).get_json()["code"] == "link_spent"
    assert reset(client, newer).status_code == 202
    answer = reset(client, newer, "another-password")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "link_spent")
    assert try_log_in(client, user, BETTER) == 200


def test_of_many_who_bring_one_token_at_once_one_gets_through(app: APIFlask, make_user: MakeUser) -> None:
    user = make_user()
    token = ask_for_reset(app.test_client(), user)
    answers = at_once(*[lambda n=n: reset(app.test_client(), token, f"kazi-ni-kazi-{n}") for n in range(6)])
    assert sorted(answer.status_code for answer in answers) == [202] + [422] * 5
    (winner,) = [n for n, answer in enumerate(answers) if answer.status_code == 202]
    assert try_log_in(app.test_client(), user, f"kazi-ni-kazi-{winner}") == 200


def test_a_reset_token_is_good_for_an_hour(client: FlaskClient, make_user: MakeUser, frozen_clock: Clock) -> None:
    token = ask_for_reset(client, make_user())
    frozen_clock.forward(hours=1)
    assert reset(client, token).get_json()["code"] == "link_spent"
    assert one_time_services.delete_expired_tokens() == 0
    frozen_clock.forward(seconds=1)
    assert one_time_services.delete_expired_tokens() == 1


def test_a_token_that_was_sent_to_the_old_address_is_good_for_nothing(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    token = ask_for_reset(client, user)
    client.put(
        "/api/profile",
        json={"email": "new@example.com"},
        headers=bearer(log_in(client, user)["access_token"]),
    )
    assert reset(client, token).get_json()["code"] == "link_spent"


def test_a_token_does_only_what_it_was_made_for(client: FlaskClient, make_user: MakeUser) -> None:
    token = ask_for_reset(client, make_user())
    assert client.post("/api/auth/verify-email", json={"token": token}).get_json()["code"] == "link_spent"
    assert reset(client, token).status_code == 202


def test_no_token_stands_in_the_database_or_the_outbox(client: FlaskClient, make_user: MakeUser) -> None:
    token = ask_for_reset(client, make_user())
    kept = db.reading().fetch_value("SELECT token_hash FROM account_tokens")
    assert kept == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(db.reading().fetch_all("SELECT payload, last_error FROM outbox_events"))


@pytest.mark.parametrize("password", ["short-p", "password123", "p" * 73, "Safaricom1"])
def test_a_bad_new_password_spends_no_token(client: FlaskClient, make_user: MakeUser, password: str) -> None:
    token = ask_for_reset(client, make_user())
    answer = reset(client, token, password)
    assert [error["field"] for error in answer.get_json()["errors"]] == ["password"]
    assert reset(client, token).status_code == 202


# --- changed


def change(client: FlaskClient, pair: dict[str, Any], present: str, password: str = BETTER) -> Any:
    body = {"current_password": present, "new_password": password}
    return client.post("/api/auth/change-password", json=body, headers=bearer(pair["access_token"]))


def test_a_changed_password_ends_all_other_sessions(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    here, there = log_in(client, user), log_in(client, user)
    assert change(client, here, user.password).status_code == 202
    assert client.get("/api/profile", headers=bearer(here["access_token"])).status_code == 200
    assert client.get("/api/profile", headers=bearer(there["access_token"])).get_json()["code"] == "token_revoked"
    assert (try_log_in(client, user, BETTER), try_log_in(client, user, user.password)) == (200, 401)
    assert [mail["Subject"] for mail in deliver()] == ["Your password was changed"]


def test_guesses_at_the_present_password_count_as_they_do_at_log_in(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    pair = log_in(client, user)
    for _ in range(5):
        answer = change(client, pair, "not-the-password")
        assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "current_password")
    assert change(client, pair, user.password).get_json()["code"] == "account_locked"
    assert try_log_in(client, user, user.password) == 429


def test_of_two_changes_at_once_one_is_told_that_it_came_late(app: APIFlask, make_user: MakeUser) -> None:
    user = make_user()
    pairs = [log_in(app.test_client(), user) for _ in range(2)]
    answers = at_once(*[lambda pair=pair: change(app.test_client(), pair, user.password) for pair in pairs])
    assert sorted(answer.status_code for answer in answers)[0] == 202
    assert sorted(answer.status_code for answer in answers)[1] in (401, 409, 422)


# --- verified


def verified(client: FlaskClient, pair: dict[str, Any]) -> bool:
    shown: bool = client.get("/api/profile", headers=bearer(pair["access_token"])).get_json()["email_verified"]
    return shown


def test_who_registers_verifies_the_address_with_the_mailed_token(client: FlaskClient) -> None:
    pair = client.post("/api/auth/register", json=NEW).get_json()
    (mail,) = deliver()
    assert (mail["To"], verified(client, pair)) == ("Wanjiku@example.com", False)
    assert client.post("/api/auth/verify-email", json={"token": token_in(mail)}).status_code == 202
    assert verified(client, pair)
    again = client.post("/api/auth/verify-email", json={"token": token_in(mail)})
    assert (again.status_code, again.get_json()["code"]) == (422, "link_spent")
    client.post("/api/auth/verify-email", json={"email": NEW["email"]})
    assert deliver() == []  # nothing is left to verify


def test_another_mail_may_be_asked_for(client: FlaskClient) -> None:
    pair = client.post("/api/auth/register", json=NEW).get_json()
    (first,) = deliver()
    client.post("/api/auth/verify-email", json={"email": NEW["email"].upper()})
    (second,) = deliver()
    assert client.post("/api/auth/verify-email", json={"token": token_in(first)}).status_code == 422
    assert client.post("/api/auth/verify-email", json={"token": token_in(second)}).status_code == 202
    assert verified(client, pair)


def test_a_new_address_is_verified_anew_and_the_same_one_is_not(client: FlaskClient) -> None:
    pair = client.post("/api/auth/register", json=NEW).get_json()
    client.post("/api/auth/verify-email", json={"token": token_in(deliver()[0])})
    headers = bearer(pair["access_token"])
    assert client.put("/api/profile", json={"email": NEW["email"]}, headers=headers).get_json()["email_verified"]
    assert deliver() == []
    assert not client.put("/api/profile", json={"email": "w@example.com"}, headers=headers).get_json()["email_verified"]
    warning, mail = deliver()
    assert (warning["To"], warning["Subject"]) == ("Wanjiku@example.com", "Your account has another e-mail address")
    assert mail["To"] == "w@example.com"
    client.post("/api/auth/verify-email", json={"token": token_in(mail)})
    assert verified(client, pair)


def test_statements_of_a_new_password_are_pinned(
    client: FlaskClient, make_user: MakeUser, count_statements: Callable[..., int]
) -> None:
    user = make_user()
    pair = log_in(client, user)
    assert count_statements(lambda: change(client, pair, user.password, user.password)) == 11
    deliver()
    token = ask_for_reset(client, user)
    assert count_statements(lambda: reset(client, token)) == 9


# --- a burst


def test_a_burst_of_log_ins_leaves_threads_for_everybody_else(
    app: APIFlask, make_user: MakeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is filled with log-ins that do not end: the next one is told to come again, others are served."""
    running, most, hold = [], [], threading.Event()
    everybody_waits = threading.Barrier(passwords.IN_LINE + 1)

    def slow(_password: bytes, _kept: bytes) -> bool:
        running.append(1)
        most.append(len(running))
        hold.wait(20)
        running.pop()
        return True

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    users = [make_user() for _ in range(passwords.IN_LINE + 1)]
    really = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda *given: (everybody_waits.wait(20), really(*given))[1])
    shopper = log_in_without_password(app, make_user())

    def next_one() -> Any:
        everybody_waits.wait(20)
        late = app.test_client().post(
            "/api/auth/login", json={"username": users[-1].username, "password": users[-1].password}
        )
        served = app.test_client().get("/api/profile", headers=shopper)
        hold.set()
        return late, served

    *burst, (late, served) = at_once(
        *[lambda user=user: try_log_in(app.test_client(), user, user.password) for user in users[:-1]], next_one
    )

    assert burst == [200] * passwords.IN_LINE
    assert max(most) <= passwords.AT_ONCE
    assert (late.status_code, late.get_json()["code"], late.headers["Retry-After"]) == (503, "too_many_at_once", "2")
    assert served.status_code == 200
    assert db.reading().fetch_all("SELECT subject FROM login_locks") == []  # nobody was counted as guessing


def log_in_without_password(app: APIFlask, user: factories.User) -> dict[str, str]:
    opened = session_services.open_session(user_id=user.id, device="", address="")
    with app.app_context():
        return bearer(tokens.make_pair(user_id=user.id, **opened)["access_token"])
