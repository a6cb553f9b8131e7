"""Accounts and sessions below HTTP: races, cleaning up, the first admin."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from apiflask import APIFlask
from click.testing import Result

import config
from auth import services, session_services
from tests import factories
from tests.conftest import Clock
from tests.threads import at_once
from utils import db
from utils.errors import EmailTaken, UsernameTaken


def test_of_many_who_want_one_name_at_once_one_gets_it(app: APIFlask) -> None:
    rivals = [
        lambda number=number: services.register_user(
            username="wanjiku", email=f"w{number}@example.com", password=factories.PASSWORD
        )
        for number in range(5)
    ]
    results = at_once(*rivals)
    assert [type(result) for result in results if isinstance(result, Exception)] == [UsernameTaken] * 4
    assert db.reading().fetch_value("SELECT COUNT(*) FROM users") == 1


def test_of_many_who_want_one_address_at_once_one_gets_it_and_a_session(app: APIFlask) -> None:
    rivals = [
        lambda number=number: services.sign_up(
            username=f"wanjiku{number}",
            email="wanjiku@example.com",
            password=factories.PASSWORD,
            phone_number=None,
            device="",
            address="",
        )
        for number in range(5)
    ]
    results = at_once(*rivals)
    assert [type(result) for result in results if isinstance(result, Exception)] == [EmailTaken] * 4
    assert db.reading().fetch_value("SELECT COUNT(*) FROM sessions") == 1


def test_the_worker_forgets_refresh_tokens_that_are_too_old_to_be_used(
    make_user: Callable[..., factories.User], frozen_clock: Clock
) -> None:
    user = make_user()
    session_services.open_session(user_id=user.id, device="", address="")
    frozen_clock.forward(seconds=config.current().REFRESH_TOKEN_SECONDS)
    assert session_services.delete_expired_refresh_tokens() == 0
    session_services.open_session(user_id=user.id, device="", address="")
    frozen_clock.forward(seconds=1)
    assert session_services.delete_expired_refresh_tokens() == 1
    assert db.reading().fetch_value("SELECT COUNT(*) FROM refresh_tokens") == 1


# --- flask create-admin


@pytest.fixture
def create_admin(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(*arguments: str, password: str | None = None, typed: str | None = None) -> Result:
        monkeypatch.delenv("ADMIN_PASSWORD", raising=False)
        if password is not None:
            monkeypatch.setenv("ADMIN_PASSWORD", password)
        return app.test_cli_runner().invoke(args=["create-admin", *arguments], input=typed)

    return run


def test_create_admin_makes_an_account_that_may_do_everything(create_admin: Callable[..., Result]) -> None:
    result = create_admin("boss", "Boss@EXAMPLE.com", password="kazi-ni-kazi")
    assert (result.exit_code, result.output) == (0, "boss may now log in and do everything.\n")
    opened = services.log_in(login="boss@example.com", password="kazi-ni-kazi", device="", address="")
    assert opened["user"]["role"] == "admin"
    told = db.reading().require_one("SELECT action, new_values FROM audit_log", missing=AssertionError())
    assert (told["action"], told["new_values"]) == ("user.created", '{"role": "admin"}')
    permissions = db.reading().fetch_all("SELECT name FROM permissions ORDER BY name")
    assert opened["user"]["permissions"] == [permission["name"] for permission in permissions]


def test_create_admin_asks_for_the_password_twice_and_does_not_show_it(create_admin: Callable[..., Result]) -> None:
    result = create_admin("boss", "boss@example.com", typed="kazi-ni-kazi\nkazi-ni-kazi\n")
    assert result.exit_code == 0
    assert "kazi" not in result.output
    assert services.log_in(login="boss", password="kazi-ni-kazi", device="", address="")


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (("boss", "boss@example.com"), "short", "Error: password: String should have at least 8 characters\n"),
        (("bo", "boss@example.com"), "kazi-ni-kazi", "Error: username: "),
        (("boss", "nowhere"), "kazi-ni-kazi", "Error: email: "),
        (("taken", "boss@example.com"), "kazi-ni-kazi", "Error: This user name is taken.\n"),
        (("boss", "taken@example.com"), "kazi-ni-kazi", "Error: An account with this e-mail address exists.\n"),
    ],
)
def test_create_admin_says_in_one_line_what_does_not_do(
    create_admin: Callable[..., Result],
    make_user: Callable[..., factories.User],
    arguments: tuple[str, str],
    password: str,
    said: str,
) -> None:
    make_user(username="taken")
    result = create_admin(*arguments, password=password)
    assert result.exit_code == 1
    assert result.output.startswith(said)
    assert result.output.count("\n") == 1
