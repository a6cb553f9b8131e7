"""The shop as bin/run opens it, for a browser to walk through: web server, worker and simulator as real processes.

It has the demo catalogue, a database of its own and an instance folder of its own. The simulator plays its stories at
SPEED times the usual pace. `at_hand` lets the test's own process look into that database and use tests/factories.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import config
from tests.conftest import database
from tests.flows.test_serve import Shop, read_until_open
from utils import db, trace

SPEED = 3
SETTINGS = {
    "FLASK_MPESA_SIMULATOR_SPEED": str(SPEED),  # the command's --speed
    "MPESA_QUERY_AFTER_SECONDS": "1",
    "RATELIMIT_ENABLED": "0",
    "LOG_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class OpenShop:
    """Where the shop is, where its simulator is, and its settings."""

    url: str
    simulator_url: str
    settings: config.Settings

    @property
    def mails(self) -> Path:
        return self.settings.INSTANCE_DIR / "mail"

    def password(self, role: str) -> str:
        """Return the password of the demo shop's `admin` or `customer` (wanjiku)."""
        return (self.settings.INSTANCE_DIR / "secrets" / f"demo_{role}_password").read_text()


@contextmanager
def open_shop(server_url: str, folder: Path, *, name: str) -> Iterator[OpenShop]:
    """Open a shop on a new database of the suite's server; close it and drop the database at the end."""
    with database(server_url, f"duka_{name}_{os.getpid()}") as url:
        shop = Shop(url, folder)
        shop.environment |= SETTINGS
        with shop.open() as process:
            read_until_open(process)
            settings = config.load({name: value for name, value in shop.environment.items() if value})
            yield OpenShop(f"http://127.0.0.1:{shop.port}", settings.MPESA_BASE_URL, settings)
            process.terminate()
            process.communicate()


@contextmanager
def at_hand(settings: config.Settings) -> Iterator[None]:
    """Have these settings in force and their database open in this process for the length of a `with` block."""
    before = config.use(config.current()), config.use(settings)
    db.release()
    db.open_pool(settings.DATABASE_URL, 4)
    try:
        with trace.span():
            yield
    finally:
        db.release()
        config.use(before[0])
        db.open_pool(before[0].DATABASE_URL, before[0].DATABASE_POOL_SIZE)
