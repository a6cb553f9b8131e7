"""The second factor: begun, confirmed, asked for, used once, taken away; recovery codes; required of staff."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pyotp
import pytest
from apiflask import APIFlask
from cryptography.fernet import InvalidToken
from flask.testing import FlaskClient

import config
from auth import handlers, passwords, sealing
from tests import factories
from tests.api.test_auth import bearer, log_in
from tests.conftest import Clock
from tests.threads import at_once
from utils import clock, db, outbox

MakeUser = Callable[..., factories.User]


@pytest.fixture
def moment(frozen_clock: Clock) -> Clock:
    """The shop's clock, stopped at the middle of a step."""
    seconds = frozen_clock.moment.replace(tzinfo=UTC).timestamp() % 30
    frozen_clock.forward(seconds=45 - seconds)
    return frozen_clock


def code_of(secret: str, *, later: int = 0) -> str:
    return pyotp.TOTP(secret).at(clock.now().replace(tzinfo=UTC), counter_offset=later)


def enter(client: FlaskClient, user: factories.User, totp: str | None = None, password: str = "") -> Any:
    body = {"username": user.username, "password": password or user.password}
    return client.post("/api/auth/login", json=body if totp is None else {**body, "totp": totp})


def begin(client: FlaskClient, headers: dict[str, str]) -> dict[str, Any]:
    answer = client.post("/api/auth/totp", headers=headers)
    assert answer.status_code == 201
    begun: dict[str, Any] = answer.get_json()
    return begun


def confirm(client: FlaskClient, headers: dict[str, str], code: str) -> Any:
    return client.post("/api/auth/totp/confirm", json={"code": code}, headers=headers)


def switch_on(client: FlaskClient, user: factories.User, moment: Clock) -> tuple[str, list[str], dict[str, str]]:
    """Return the secret, the recovery codes and the headers of the session that stands; a new step has begun."""
    headers = bearer(log_in(client, user)["access_token"])
    secret = begin(client, headers)["secret"]
    codes = confirm(client, headers, code_of(secret)).get_json()["recovery_codes"]
    moment.forward(seconds=30)
    return secret, codes, headers


def mails() -> list[str]:
    outbox.deliver_due(handlers.HANDLERS)
    return sorted(path.name.partition("-")[0] for path in (config.current().INSTANCE_DIR / "mail").glob("*.eml"))


# --- switched on


def test_the_secret_is_told_in_three_forms(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    begun = begin(client, bearer(log_in(client, user)["access_token"]))
    read = pyotp.parse_uri(begun["uri"])
    assert (read.secret, read.issuer, read.name) == (begun["secret"], "Duka", user.email)
    assert ElementTree.fromstring(begun["qr_svg"]).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 (our own)


def test_what_is_begun_counts_only_when_it_is_confirmed(client: FlaskClient, make_user: MakeUser) -> None:
    user = make_user()
    headers = bearer(log_in(client, user)["access_token"])
    first, second = begin(client, headers)["secret"], begin(client, headers)["secret"]
    assert enter(client, user).status_code == 200
    answer = confirm(client, headers, code_of(first))
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "code")
    assert confirm(client, headers, code_of(second)).status_code == 200
    assert client.get("/api/profile", headers=headers).get_json()["totp_enabled"] is True
    assert enter(client, user).get_json()["code"] == "totp_required"


def test_nothing_is_confirmed_that_was_not_begun_and_nothing_twice(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    user = make_user()
    headers = bearer(log_in(client, user)["access_token"])
    assert confirm(client, headers, "123456").get_json()["code"] == "totp_not_begun"
    secret = begin(client, headers)["secret"]
    assert confirm(client, headers, code_of(secret)).status_code == 200
    assert confirm(client, headers, code_of(secret)).get_json()["code"] == "totp_enabled"
    answer = client.post("/api/auth/totp", headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "totp_enabled")
    assert enter(client, user, code_of(secret, later=1)).status_code == 200  # the old one still counts


def test_who_has_a_session_does_not_learn_by_confirming_what_a_code_is(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    secret, _, headers = switch_on(client, make_user(), moment)
    right, wrong = code_of(secret), f"{(int(code_of(secret)) + 1) % 1_000_000:06}"
    answers = [confirm(client, headers, code) for code in (right, wrong)]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in answers] == [(409, "totp_enabled")] * 2


def test_a_second_factor_ends_the_sessions_that_were_opened_without_it(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    user = make_user()
    elsewhere = log_in(client, user)
    _, _, here = switch_on(client, user, moment)
    assert client.get("/api/profile", headers=bearer(elsewhere["access_token"])).status_code == 401
    assert client.get("/api/profile", headers=here).status_code == 200
    assert mails() == ["account.totp_enabled"]


def test_a_log_in_without_a_code_does_not_outlive_the_moment_in_which_one_is_asked_for(
    client: FlaskClient, make_user: MakeUser, moment: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = make_user()
    headers = bearer(log_in(client, user)["access_token"])
    secret = begin(client, headers)["secret"]
    really = passwords.matches

    def be_overtaken(*given: Any) -> bool:
        """Compare, which takes a quarter of a second, and in it the owner switches the second factor on."""
        assert confirm(client, headers, code_of(secret)).status_code == 200
        return really(*given)

    with monkeypatch.context() as slow:
        slow.setattr(passwords, "matches", be_overtaken)
        assert enter(client, user).get_json()["code"] == "totp_required"
    assert db.reading().fetch_value("SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL") == 1


def test_secret_and_recovery_codes_are_not_kept_as_they_are(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    secret, codes, _ = switch_on(client, make_user(), moment)
    assert len(set(codes)) == 10
    tables = ("user_totp", "recovery_codes", "outbox_events", "audit_log")
    kept = str([db.reading().fetch_all(f"SELECT * FROM {table}") for table in tables])
    assert [told for told in (secret, *codes) if told in kept] == []


def test_what_was_sealed_is_opened_after_a_change_of_the_secret_key(app: APIFlask) -> None:
    old = config.current().SECRET_KEY
    sealed = sealing.seal("JBSWY3DPEHPK3PXP")
    with config.override(SECRET_KEY="another secret key", PREVIOUS_SECRET_KEYS=old):
        assert sealing.unseal(sealed) == "JBSWY3DPEHPK3PXP"
    with config.override(SECRET_KEY="another secret key"), pytest.raises(InvalidToken):
        sealing.unseal(sealed)


# --- asked for


def test_a_log_in_needs_password_and_code(client: FlaskClient, make_user: MakeUser, moment: Clock) -> None:
    user = make_user()
    secret, _, _ = switch_on(client, user, moment)
    for totp, password, code in (
        (None, "", "totp_required"),
        ("", "", "totp_required"),
        ("000000", "", "invalid_totp"),
        (code_of(secret), "not-the-password", "invalid_credentials"),
    ):
        answer = enter(client, user, totp, password)
        assert (answer.status_code, answer.get_json()["code"]) == (401, code)
    assert enter(client, user, code_of(secret)).status_code == 200


def test_a_code_works_once(client: FlaskClient, make_user: MakeUser, moment: Clock) -> None:
    user = make_user()
    secret, _, _ = switch_on(client, user, moment)
    code = code_of(secret)
    assert enter(client, user, code).status_code == 200
    assert enter(client, user, code).get_json()["code"] == "invalid_totp"
    assert enter(client, user, code_of(secret, later=-1)).get_json()["code"] == "invalid_totp"  # nor an older one
    moment.forward(seconds=30)
    assert enter(client, user, code_of(secret)).status_code == 200


def test_the_code_that_switched_it_on_is_spent(client: FlaskClient, make_user: MakeUser, moment: Clock) -> None:
    user = make_user()
    secret, _, _ = switch_on(client, user, moment)
    assert enter(client, user, code_of(secret, later=-1)).get_json()["code"] == "invalid_totp"


def test_of_many_log_ins_with_one_code_one_gets_in(app: APIFlask, make_user: MakeUser, moment: Clock) -> None:
    user = make_user()
    secret, codes, _ = switch_on(app.test_client(), user, moment)
    for code in (code_of(secret), codes[0]):
        answers = at_once(*[lambda code=code: enter(app.test_client(), user, code)] * 4)
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


def test_nobody_comes_in_with_the_code_of_somebody_elses_authenticator(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    user, other = make_user(), make_user()
    secret, _, _ = switch_on(client, user, moment)
    switch_on(client, other, moment)
    assert enter(client, other, code_of(secret)).get_json()["code"] == "invalid_totp"
    assert enter(client, user, code_of(secret)).status_code == 200  # nor was it spent by that


@pytest.mark.parametrize(("later", "status"), [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)])
def test_a_clock_may_be_half_a_minute_off(
    client: FlaskClient, make_user: MakeUser, moment: Clock, later: int, status: int
) -> None:
    user = make_user()
    secret, _, _ = switch_on(client, user, moment)
    moment.forward(minutes=5)
    assert enter(client, user, code_of(secret, later=later)).status_code == status


def test_guesses_at_the_code_lock_the_account(client: FlaskClient, make_user: MakeUser, moment: Clock) -> None:
    user = make_user()
    secret, _, _ = switch_on(client, user, moment)
    wrong = f"{(int(code_of(secret)) + 1) % 10**6:06}"
    assert [enter(client, user, wrong).status_code for _ in range(5)] == [401] * 5
    assert enter(client, user, code_of(secret)).get_json()["code"] == "account_locked"
    assert "account.locked" in mails()


def test_statements_of_the_second_factor_are_pinned(
    client: FlaskClient, make_user: MakeUser, moment: Clock, count_statements: Callable[..., int]
) -> None:
    user = make_user()
    headers = bearer(log_in(client, user)["access_token"])
    secret: list[str] = []
    assert count_statements(lambda: secret.append(begin(client, headers)["secret"])) == 3
    assert count_statements(lambda: confirm(client, headers, code_of(secret[0]))) == 8
    moment.forward(seconds=30)
    assert count_statements(lambda: enter(client, user, code_of(secret[0]))) == 10


# --- recovery codes


def test_a_recovery_code_opens_once_however_it_is_typed(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    user, other = make_user(), make_user()
    _, codes, _ = switch_on(client, user, moment)
    switch_on(client, other, moment)
    assert enter(client, other, codes[0]).get_json()["code"] == "invalid_totp"
    assert enter(client, user, codes[0].upper().replace("-", " ")).status_code == 200
    assert enter(client, user, codes[0]).get_json()["code"] == "invalid_totp"
    assert enter(client, user, codes[1]).status_code == 200
    outbox.deliver_due(handlers.HANDLERS)
    told = [path.read_text() for path in (config.current().INSTANCE_DIR / "mail").glob("account.recovery*.eml")]
    assert sorted("9 are left" in text for text in told) == [False, True]


# --- taken away


def test_the_password_takes_the_second_factor_away(client: FlaskClient, make_user: MakeUser, moment: Clock) -> None:
    user = make_user()
    _, _, headers = switch_on(client, user, moment)
    answer = client.delete("/api/auth/totp", json={"password": "not-the-password"}, headers=headers)
    assert (answer.status_code, answer.get_json()["errors"][0]["field"]) == (422, "password")
    for _ in range(2):  # the second time there is none, which is what was wanted
        assert client.delete("/api/auth/totp", json={"password": user.password}, headers=headers).status_code == 204
    assert enter(client, user).status_code == 200
    assert db.reading().fetch_value("SELECT COUNT(*) FROM recovery_codes") == 0
    assert mails().count("account.totp_ended") == 1


def test_an_anonymised_account_keeps_no_secret_and_no_address(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    user = make_user()
    _, _, headers = switch_on(client, user, moment)
    client.post("/api/auth/forgot-password", json={"email": user.email})
    outbox.deliver_due(handlers.HANDLERS)
    assert client.delete(f"/api/users/{user.id}", headers=headers).status_code == 204
    for table in ("user_totp", "recovery_codes", "account_tokens"):
        assert db.reading().fetch_value(f"SELECT COUNT(*) FROM {table}") == 0


# --- required of staff


def test_staff_without_a_second_factor_may_do_nothing_but_set_it_up(
    client: FlaskClient, make_user: MakeUser, moment: Clock
) -> None:
    staff, customer = make_user(role="manager"), make_user()
    with config.override(TOTP_REQUIRED_FOR_STAFF=True):
        headers = bearer(log_in(client, staff)["access_token"])
        answer = client.post("/api/categories", json={"name": "Cloth"}, headers=headers)
        assert (answer.status_code, answer.get_json()["code"]) == (403, "totp_setup_required")
        theirs = factories.make_order(customer, (factories.make_product().variant, 1))
        assert client.get(f"/api/orders/{theirs.id}", headers=headers).status_code == 404
        assert client.get("/api/profile", headers=headers).status_code == 200

        confirm(client, headers, code_of(begin(client, headers)["secret"]))

        assert client.post("/api/categories", json={"name": "Cloth"}, headers=headers).status_code == 201
        assert client.get(f"/api/orders/{theirs.id}", headers=headers).status_code == 200
        buyer = bearer(log_in(client, customer)["access_token"])
        assert client.post("/api/categories", json={"name": "x"}, headers=buyer).get_json()["code"] == "forbidden"
