"""Settings of the shop, typed and checked once at the start.

They come from the environment or from `.env`; readme.txt lists them. A bad value stops the start with one line
that names the setting and says what to do. Read the settings in force with `config.current()`.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import ClassVar, Literal

from click import ClickException
from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

ROOT = Path(__file__).resolve().parent
INSTANCE = ROOT / "instance"
SIMULATOR_PORT_OFFSET = 10_000
SHORTEST_SECRET = 32
WORDS_REFUSED_IN_CALLBACKS = re.compile("mpesa|safaricom|query|sql|cmd|exe", re.IGNORECASE)

# The simulator takes these, and only it does; production refuses to start with them.
SIMULATOR_CREDENTIALS = {
    "MPESA_CONSUMER_KEY": "simulator-key",
    "MPESA_CONSUMER_SECRET": "simulator-secret",
    "MPESA_SHORTCODE": "174379",
    "MPESA_PASSKEY": "simulator-passkey",
    "MPESA_INITIATOR_NAME": "simulator-initiator",
    "MPESA_INITIATOR_PASSWORD": "simulator-initiator-password",
}

# Without an initiator the shop takes money, but cannot send any back through M-Pesa.
MAY_STAY_UNSET = {"MPESA_INITIATOR_NAME", "MPESA_INITIATOR_PASSWORD"}
INITIATOR = ("MPESA_INITIATOR_NAME", "MPESA_INITIATOR_PASSWORD", "MPESA_CERTIFICATE")


class ConfigError(ClickException):
    """A setting that the shop cannot start with; the message is one line for the operator."""


class Settings(BaseModel):
    """What every environment shares."""

    model_config = ConfigDict(frozen=True, str_strip_whitespace=True)

    BCRYPT_COST: ClassVar[int] = 12  # a quarter of a second; not a setting, so that nobody makes it weak

    SHOP_ENV: Literal["development", "testing", "production"]
    SECRET_KEY: str
    JWT_SECRET_KEY: str
    PREVIOUS_SECRET_KEYS: str = ""
    JWT_PREVIOUS_SECRET_KEYS: str = ""
    DATABASE_URL: str
    REDIS_URL: str = ""
    HOST: str = "127.0.0.1"
    PORT: int = Field(5000, ge=1, le=65535)
    CORS_ORIGINS: str = ""
    TRUSTED_PROXIES: int = Field(0, ge=0, le=10)
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    RATELIMIT_ENABLED: bool = True
    SMTP_URL: str = ""
    DATABASE_POOL_SIZE: int = Field(32, ge=1, le=1000)
    ACCESS_TOKEN_SECONDS: int = Field(900, ge=30)
    REFRESH_TOKEN_SECONDS: int = Field(30 * 86_400, ge=60)
    TOTP_REQUIRED_FOR_STAFF: bool = False
    ORDER_PAYMENT_WINDOW_SECONDS: int = Field(1800, ge=60)
    INSTANCE_DIR: Path = INSTANCE

    MPESA_BASE_URL: str
    MPESA_CONSUMER_KEY: str
    MPESA_CONSUMER_SECRET: str
    MPESA_SHORTCODE: str = Field(pattern=r"^\d{5,7}$")
    MPESA_PASSKEY: str
    MPESA_TRANSACTION_TYPE: Literal["CustomerPayBillOnline", "CustomerBuyGoodsOnline"] = "CustomerPayBillOnline"
    MPESA_PARTY_B: str = Field("", pattern=r"^(\d{5,7})?$")
    MPESA_INITIATOR_NAME: str = ""
    MPESA_INITIATOR_PASSWORD: str = ""
    MPESA_CERTIFICATE: str = ""
    MPESA_CALLBACK_BASE_URL: str
    MPESA_CALLBACK_SECRET: str
    MPESA_ALLOWED_IPS: str = ""
    MPESA_MAX_AMOUNT: int = Field(250_000, ge=1)
    MPESA_CONFIRM_BY_QUERY: bool = False
    MPESA_QUERY_AFTER_SECONDS: float = Field(25, gt=0)
    REFUND_ON_CANCEL: bool = True

    @property
    def is_production(self) -> bool:
        return self.SHOP_ENV == "production"

    @property
    def previous_secret_keys(self) -> list[str]:
        return _by_commas(self.PREVIOUS_SECRET_KEYS)

    @property
    def jwt_previous_secret_keys(self) -> list[str]:
        return _by_commas(self.JWT_PREVIOUS_SECRET_KEYS)

    @property
    def party_b(self) -> str:
        """Return who receives the money: the till for CustomerBuyGoodsOnline, else the paybill itself."""
        return self.MPESA_PARTY_B or self.MPESA_SHORTCODE

    @property
    def callback_addresses(self) -> str:
        """Return from where callbacks are taken; unset, from the provider's own addresses where a proxy tells us."""
        unset = "official" if self.is_production and self.TRUSTED_PROXIES else "any"
        return self.MPESA_ALLOWED_IPS or unset

    @property
    def uses_simulator(self) -> bool:
        """Tell whether the provider is the bundled simulator: nobody else takes its credentials."""
        simulated = SIMULATOR_CREDENTIALS["MPESA_CONSUMER_KEY"]
        return simulated == self.MPESA_CONSUMER_KEY

    @field_validator("LOG_LEVEL", mode="before")
    @classmethod
    def _upper(cls, value: str) -> str:
        return str(value).upper()

    @field_validator("MPESA_BASE_URL", "MPESA_CALLBACK_BASE_URL")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("MPESA_CALLBACK_BASE_URL")
    @classmethod
    def _accepted_by_safaricom(cls, value: str) -> str:
        if found := WORDS_REFUSED_IN_CALLBACKS.search(value):
            raise ValueError(f"must not contain {found.group().lower()!r}; Safaricom refuses such addresses")
        return value

    @field_validator("MPESA_ALLOWED_IPS")
    @classmethod
    def _addresses(cls, value: str) -> str:
        entries = _by_commas(value)
        for entry in entries:
            try:
                if entry not in ("official", "any"):
                    ip_network(entry)
            except ValueError:
                raise ValueError(f"holds {entry!r}; use addresses, networks, official or any, with commas") from None
        return ",".join(entries)

    @field_validator("DATABASE_URL")
    @classmethod
    def _mysql_url(cls, value: str) -> str:
        if not value.startswith("mysql://"):
            raise ValueError("must look like mysql://user:password@host:3306/name")
        return value


class Development(Settings):
    """A shop on one's own machine: secrets made at the first start, the bundled Daraja simulator."""


class Testing(Settings):
    """The suite's shop."""

    BCRYPT_COST: ClassVar[int] = 4  # a millisecond

    RATELIMIT_ENABLED: bool = False


class Production(Settings):
    """A shop that takes real money: nothing is guessed, nothing is weak."""

    MPESA_CONFIRM_BY_QUERY: bool = True

    @field_validator("SECRET_KEY", "JWT_SECRET_KEY", "MPESA_CALLBACK_SECRET")
    @classmethod
    def _strong(cls, value: str) -> str:
        if len(value) < SHORTEST_SECRET or len(set(value)) < 10:
            raise ValueError(
                f"must be at least {SHORTEST_SECRET} random characters; make one with: "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
        return value

    @field_validator("PREVIOUS_SECRET_KEYS", "JWT_PREVIOUS_SECRET_KEYS")
    @classmethod
    def _strong_once(cls, value: str) -> str:
        for secret in _by_commas(value):
            cls._strong(secret)
        return value

    @field_validator("MPESA_CALLBACK_BASE_URL")
    @classmethod
    def _https(cls, value: str) -> str:
        if not value.startswith("https://"):
            raise ValueError("must be https in production; Safaricom calls nothing else")
        return value

    @model_validator(mode="after")
    def _real_credentials(self) -> Production:
        for name, simulated in SIMULATOR_CREDENTIALS.items():
            refused = {simulated} if name in MAY_STAY_UNSET else {simulated, ""}
            if name != "MPESA_SHORTCODE" and getattr(self, name) in refused:
                raise ValueError(f"{name} is missing; take it from the Daraja portal")
        return self

    @model_validator(mode="after")
    def _whole_initiator(self) -> Production:
        missing = [name for name in INITIATOR if not getattr(self, name)]
        if missing and len(missing) < len(INITIATOR):
            raise ValueError(f"{missing[0]} is missing; an initiator needs {', '.join(INITIATOR)}, or none of them")
        return self


ENVIRONMENTS: dict[str, type[Settings]] = {
    "development": Development,
    "testing": Testing,
    "production": Production,
}

_current: Settings | None = None


def current() -> Settings:
    """Return the settings in force. Raises ConfigError before `use()` was called."""
    if _current is None:
        raise ConfigError("no settings yet: call config.use(config.load()) first, as app.create_app() does")
    return _current


def use(settings: Settings) -> Settings:
    """Put these settings in force for the whole process."""
    global _current
    _current = settings
    return settings


@contextmanager
def override(**changes: object) -> Iterator[Settings]:
    """Change some of the settings in force for the length of a `with` block (tests, measurements)."""
    before = current()
    use(before.model_copy(update=changes))
    try:
        yield current()
    finally:
        use(before)


def environment() -> dict[str, str]:
    """Return `.env` overlaid by the process environment, empty values dropped."""
    merged = {**dotenv_values(ROOT / ".env"), **os.environ}
    return {name: value for name, value in merged.items() if value}


def load(values: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings. Raises ConfigError with one line that says what to mend."""
    given = dict(environment() if values is None else values)
    name = given.setdefault("SHOP_ENV", "development")
    if name not in ENVIRONMENTS:
        raise ConfigError(f"SHOP_ENV is {name!r}; use one of: {', '.join(ENVIRONMENTS)}")
    if name != "production":
        given = {**_defaults_for_one_machine(given), **given}
    try:
        return ENVIRONMENTS[name].model_validate(given)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None


def _defaults_for_one_machine(given: Mapping[str, str]) -> dict[str, str]:
    port = int(given["PORT"]) if given.get("PORT", "").isdigit() else 5000
    defaults = {
        "MPESA_CALLBACK_BASE_URL": f"http://127.0.0.1:{port}",
        "MPESA_BASE_URL": f"http://127.0.0.1:{simulator_port(port)}",
    }
    if not given.get("MPESA_CONSUMER_KEY"):
        defaults |= SIMULATOR_CREDENTIALS
    for secret in ("SECRET_KEY", "JWT_SECRET_KEY", "MPESA_CALLBACK_SECRET"):
        if secret not in given:
            defaults[secret] = kept_secret(Path(given.get("INSTANCE_DIR", INSTANCE)), secret.lower())
    return defaults


def simulator_port(port: int) -> int:
    """Return the simulator's port for a shop at `port`, so that two shops on a machine never share one."""
    return port + SIMULATOR_PORT_OFFSET if port + SIMULATOR_PORT_OFFSET <= 65535 else port - SIMULATOR_PORT_OFFSET


def kept_secret(folder: Path, name: str, length: int = 48) -> str:
    """Return a secret of `length` random bytes, made at the first start and kept, so that a restart changes nothing."""
    path = folder / "secrets" / name
    try:
        return path.read_text()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(length))
        try:
            os.link(draft, path)  # the first of several processes that start at once wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text()


def _by_commas(value: str) -> list[str]:
    return [entry.strip() for entry in value.split(",") if entry.strip()]


def _one_line(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        text = "is missing" if problem["type"] == "missing" else message
        parts.append(f"{name} {text}" if name else text)
    return "Bad settings: " + "; ".join(parts)
