"""Applies sql/migrations in order, once each, by yoyo. Each file holds one DDL statement: MySQL commits at every one,
so a migration that fails leaves nothing half-done. One process migrates at a time; the lock dies with its connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

import pymysql
from click import ClickException

import config
from utils import db

FOLDER = config.ROOT / "sql" / "migrations"
LOCK_SECONDS = 120


class MigrationFailed(ClickException):
    """A migration was refused; the message names the file and the server's reason."""


def apply(url: str, tell: Callable[[str], None] = lambda line: None) -> int:
    """Bring the schema up to date and return how many migrations were applied.

    Raises MigrationFailed with the file's name; what was applied before it stays.
    """
    import yoyo  # here, because the web server never migrates, and is two MiB smaller without it

    with _locked(url):
        backend = yoyo.get_backend(_yoyo_url(url))
        try:
            wanted = list(backend.to_apply(yoyo.read_migrations(str(FOLDER))))
            for place, migration in enumerate(wanted, start=1):
                tell(f"migration {place} of {len(wanted)}: {migration.id}")
                try:
                    backend.apply_one(migration)
                except pymysql.err.Error as error:
                    raise MigrationFailed(f"{migration.id}: {error}") from error
            return len(wanted)
        finally:
            backend.connection.close()


def pending(reader: db.Reader) -> list[str]:
    """Return the migrations that are in the folder and not yet in the database."""
    known = {path.stem for path in FOLDER.glob("*.sql")}
    try:
        rows = reader.fetch_all("SELECT migration_id FROM _yoyo_migration")
    except pymysql.err.ProgrammingError:  # no such table: nothing was ever applied
        rows = []
    return sorted(known - {row["migration_id"] for row in rows})


@contextmanager
def _locked(url: str) -> Iterator[None]:
    arguments = db.connect_arguments(url)
    try:
        connection = pymysql.connect(**arguments)
    except pymysql.err.OperationalError as error:
        raise MigrationFailed(f"the database cannot be reached: {error.args[1]}") from error
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, %s)", (f"{arguments['database']}.migrate"[:64], LOCK_SECONDS))
            row: Any = cursor.fetchone()
            if not row or row[0] != 1:
                raise MigrationFailed("another process is migrating this database; wait for it to finish")
        yield
    finally:
        connection.close()


def _yoyo_url(url: str) -> str:
    arguments = db.connect_arguments(url)
    options = {"charset": arguments["charset"]}
    if "unix_socket" in arguments:
        options["unix_socket"] = arguments["unix_socket"]
    user = quote(arguments["user"], safe="") + ":" + quote(arguments["password"], safe="")
    place = f"{arguments['host']}:{arguments['port']}" if "host" in arguments else "localhost"
    return f"mysql://{user}@{place}/{quote(arguments['database'])}?{urlencode(options)}"
