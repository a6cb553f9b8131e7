"""Settings: a bad one stops the start with one line that names it; production takes nothing weak."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import config

STRONG = "abcdefghij0123456789-ABCDEFGHIJ-klmnopqrst"
PRODUCTION = {
    "SHOP_ENV": "production",
    "SECRET_KEY": STRONG + "1",
    "JWT_SECRET_KEY": STRONG + "2",
    "MPESA_CALLBACK_SECRET": STRONG + "3",
    "DATABASE_URL": "mysql://shop:pw@db.example/shop",
    "MPESA_BASE_URL": "https://api.example",
    "MPESA_CONSUMER_KEY": "real-key",
    "MPESA_CONSUMER_SECRET": "real-secret",
    "MPESA_SHORTCODE": "600123",
    "MPESA_PASSKEY": "real-passkey",
    "MPESA_CALLBACK_BASE_URL": "https://shop.example",
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., config.Settings]:
    """Load development settings from these values alone, secrets in a folder of the test's own."""

    def run(**values: str) -> config.Settings:
        base = {"SHOP_ENV": "development", "DATABASE_URL": "mysql://duka@/duka", "INSTANCE_DIR": str(tmp_path)}
        return config.load({**base, **values})

    return run


def complaint(values: dict[str, str]) -> str:
    with pytest.raises(config.ConfigError) as told:
        config.load(values)
    line = str(told.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("LOG_LEVEL", "LOUD"),
        ("DATABASE_URL", "postgres://x/y"),
        ("DATABASE_POOL_SIZE", "0"),
        ("TRUSTED_PROXIES", "-1"),
        ("RATELIMIT_ENABLED", "perhaps"),
        ("ACCESS_TOKEN_SECONDS", "1"),
        ("ORDER_PAYMENT_WINDOW_SECONDS", "5"),
        ("MPESA_BASE_URL", "api.example"),
        ("MPESA_CALLBACK_BASE_URL", "shop.example"),
        ("MPESA_SHORTCODE", "12"),
        ("MPESA_PARTY_B", "till"),
        ("MPESA_TRANSACTION_TYPE", "Gift"),
        ("MPESA_MAX_AMOUNT", "0"),
        ("MPESA_ALLOWED_IPS", "official, safaricom"),
        ("MPESA_ALLOWED_IPS", "196.201.214.0/99"),
        ("MPESA_QUERY_AFTER_SECONDS", "0"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting(load: Callable[..., Any], name: str, value: str) -> None:
    with pytest.raises(config.ConfigError) as told:
        load(**{name: value})
    assert str(told.value).startswith(f"Bad settings: {name} ")
    assert "\n" not in str(told.value)


def test_two_bad_values_are_told_together(load: Callable[..., Any]) -> None:
    with pytest.raises(config.ConfigError) as told:
        load(PORT="0", LOG_LEVEL="LOUD")
    assert "PORT " in str(told.value)
    assert "LOG_LEVEL " in str(told.value)


def test_an_unknown_environment_is_told_with_the_known_ones() -> None:
    assert complaint({"SHOP_ENV": "prod"}) == "SHOP_ENV is 'prod'; use one of: development, testing, production"


def test_development_needs_nothing_and_uses_the_simulator(load: Callable[..., Any]) -> None:
    settings = load(PORT="5050")
    assert settings.MPESA_BASE_URL == "http://127.0.0.1:15050"
    assert settings.MPESA_CALLBACK_BASE_URL == "http://127.0.0.1:5050"
    assert settings.model_dump().items() >= config.SIMULATOR_CREDENTIALS.items()
    assert settings.MPESA_CONFIRM_BY_QUERY is False


def test_own_credentials_are_not_mixed_with_the_simulators(load: Callable[..., Any]) -> None:
    with pytest.raises(config.ConfigError, match="MPESA_CONSUMER_SECRET is missing"):
        load(MPESA_CONSUMER_KEY="mine")


def test_words_are_read_as_people_write_them(load: Callable[..., Any]) -> None:
    settings = load(LOG_LEVEL="debug", RATELIMIT_ENABLED="0", MPESA_BASE_URL="https://api.example/")
    assert (settings.LOG_LEVEL, settings.RATELIMIT_ENABLED) == ("DEBUG", False)
    assert settings.MPESA_BASE_URL == "https://api.example"


def test_the_money_goes_to_the_till_when_there_is_one(load: Callable[..., Any]) -> None:
    assert load(MPESA_SHORTCODE="600123").party_b == "600123"
    assert load(MPESA_SHORTCODE="600123", MPESA_PARTY_B="700456").party_b == "700456"


# --- production


def test_production_starts_with_everything_set_and_confirms_by_query() -> None:
    settings = config.load(PRODUCTION)
    assert settings.is_production
    assert settings.MPESA_CONFIRM_BY_QUERY is True


@pytest.mark.parametrize("name", [name for name in PRODUCTION if name != "SHOP_ENV"])
def test_production_guesses_nothing(name: str) -> None:
    without = {key: value for key, value in PRODUCTION.items() if key != name}
    assert complaint(without) == f"Bad settings: {name} is missing"


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY", "MPESA_CALLBACK_SECRET"])
@pytest.mark.parametrize("weak", ["secret", "x" * 64, "ab" * 20, STRONG[:31]])
def test_production_refuses_a_weak_secret_and_says_how_to_make_one(name: str, weak: str) -> None:
    line = complaint({**PRODUCTION, name: weak})
    assert line.startswith(f"Bad settings: {name} must be at least 32 random characters")
    assert "secrets.token_urlsafe" in line
    assert weak not in line.replace("secrets.token_urlsafe", "").replace("import secrets", "")


@pytest.mark.parametrize("name", ["PREVIOUS_SECRET_KEYS", "JWT_PREVIOUS_SECRET_KEYS"])
def test_previous_keys_are_as_strong_as_present_ones(name: str) -> None:
    settings = config.load({**PRODUCTION, name: f"{STRONG}8, {STRONG}9"})
    kept = {"PREVIOUS_SECRET_KEYS": settings.previous_secret_keys}
    kept["JWT_PREVIOUS_SECRET_KEYS"] = settings.jwt_previous_secret_keys
    assert kept[name] == [STRONG + "8", STRONG + "9"]
    assert complaint({**PRODUCTION, name: f"{STRONG}8,weak"}).startswith(f"Bad settings: {name} must be at least 32")


def test_production_takes_callbacks_over_https_only() -> None:
    line = complaint({**PRODUCTION, "MPESA_CALLBACK_BASE_URL": "http://shop.example"})
    assert line == "Bad settings: MPESA_CALLBACK_BASE_URL must be https in production; Safaricom calls nothing else"


@pytest.mark.parametrize("name", sorted(config.SIMULATOR_CREDENTIALS.keys() - {"MPESA_SHORTCODE"}))
def test_production_refuses_the_simulators_credentials(name: str) -> None:
    line = complaint({**PRODUCTION, name: config.SIMULATOR_CREDENTIALS[name]})
    assert line == f"Bad settings: {name} is missing; take it from the Daraja portal"


# --- secrets that are made and kept

SECRETS = ["SECRET_KEY", "JWT_SECRET_KEY", "MPESA_CALLBACK_SECRET"]


def test_secrets_are_made_at_the_first_start_and_kept(load: Callable[..., Any], tmp_path: Path) -> None:
    first, second = load(), load()
    for name in SECRETS:
        assert getattr(first, name) == getattr(second, name)
        assert len(getattr(first, name)) >= config.SHORTEST_SECRET
    assert len({getattr(first, name) for name in SECRETS}) == 3
    kept = sorted((tmp_path / "secrets").iterdir())
    assert [path.name for path in kept] == sorted(name.lower() for name in SECRETS)
    assert {oct(path.stat().st_mode & 0o777) for path in kept} == {"0o600"}
    assert oct((tmp_path / "secrets").stat().st_mode & 0o777) == "0o700"


def test_two_processes_that_start_at_once_share_their_secrets(tmp_path: Path) -> None:
    code = (
        "import sys, config; sys.stdin.readline();"
        "s = config.load({'DATABASE_URL': 'mysql://duka@/duka', 'INSTANCE_DIR': sys.argv[1]});"
        "print(s.SECRET_KEY, s.JWT_SECRET_KEY, s.MPESA_CALLBACK_SECRET)"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            cwd=config.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=30)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert said[0] == said[1] != ""


def test_settings_are_put_back_after_an_override(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_current", load())

    def fail_inside() -> None:
        with config.override(PORT=1):
            assert config.current().PORT == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert config.current().PORT == 5000


def test_settings_before_their_time_are_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_current", None)
    with pytest.raises(config.ConfigError, match="no settings yet"):
        config.current()


def test_two_shops_on_a_machine_have_two_simulators() -> None:
    ports = [config.simulator_port(port) for port in (1, 5000, 5001, 55535, 55536, 65535)]
    assert len(set(ports)) == len(ports)
    assert all(1 <= port <= 65535 for port in ports)


@pytest.mark.parametrize("name", config.INITIATOR)
def test_production_takes_a_whole_initiator_or_none(name: str) -> None:
    whole = {**PRODUCTION, **dict.fromkeys(config.INITIATOR, "real")}
    assert config.load(whole).MPESA_INITIATOR_NAME == "real"
    line = complaint({key: value for key, value in whole.items() if key != name})
    assert line.startswith(f"Bad settings: {name} is missing; an initiator needs ")


def test_only_the_simulators_credentials_lead_to_the_simulator() -> None:
    assert config.load({"SHOP_ENV": "testing", "DATABASE_URL": "mysql://nobody@localhost/none"}).uses_simulator
    assert not config.load(PRODUCTION).uses_simulator
