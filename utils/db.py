"""The database: one pooled connection per app context, strict verbs, named transactions, a retry runner.

The only module that begins, commits or rolls back. A business step is a function marked `@in_transaction`: it opens
the transaction, is given it as `tx`, and runs again as a whole when the server chose it as a deadlock's victim, so
nothing inside may call a provider or send a mail (`assert_no_transaction` guards the clients). Reads that need no
transaction go through `reading()`.

Values are bound by name, `%(name)s`; a name that is missing or unused raises. SQL that depends on the request is put
together only by `where`, `set_clause` and `in_list`, out of literal fragments; it enters a statement at a `{name}`.
"""

from __future__ import annotations

import functools
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from dbutils.pooled_db import PooledDB, PooledDedicatedDBConnection
from pymysql.constants import CLIENT, ER

from utils import log
from utils.errors import DatabaseBusy
from utils.fragments import Fragment as Fragment
from utils.fragments import Params as Params
from utils.fragments import StatementError as StatementError
from utils.fragments import in_list as in_list
from utils.fragments import set_clause as set_clause
from utils.fragments import where as where
from utils.verbs import Reader as Reader
from utils.verbs import Row as Row
from utils.verbs import SingleStatement, is_lost, raise_named
from utils.verbs import Tx as Tx

logger = log.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

CHARSET = "utf8mb4"
COLLATION = "utf8mb4_unicode_520_ci"  # the newest that MySQL and MariaDB share; tells emoji apart
SESSION = (
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', innodb_lock_wait_timeout = 5",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
# How often a transaction is tried in all that the server undid or refused: deadlock, lost certification (Group
# Replication; Galera says 1213), snapshot conflict (MariaDB), write conflict (TiDB) - and a lock that did not come,
# which has already cost its `innodb_lock_wait_timeout` each time.
TRIES = {ER.LOCK_DEADLOCK: 8, 3101: 8, ER.CHECKREAD: 8, 9007: 8, ER.LOCK_WAIT_TIMEOUT: 2}

# --- the pool and the context's connection

_pool: PooledDB | None = None
_committed_at = 0.0


@dataclass(slots=True)
class _Held:
    """What an app context holds of the database: its connection, and the name of the transaction it is in."""

    connection: PooledDedicatedDBConnection | None = None
    transaction: str | None = None


_held: ContextVar[_Held | None] = ContextVar("held", default=None)
_Opened = Callable[[_Held, str], AbstractContextManager[Tx]]


def connect_arguments(url: str) -> dict[str, Any]:
    """Read `mysql://user:password@host:port/name` or `…?unix_socket=/path` into PyMySQL's arguments."""
    parts = urlsplit(url)
    arguments: dict[str, Any] = {
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.lstrip("/")),
        "charset": CHARSET,
        "collation": COLLATION,
        "connect_timeout": 3,
    }
    query = parse_qs(parts.query)
    if "unix_socket" in query:
        return arguments | {"unix_socket": query["unix_socket"][0], "ssl_disabled": True}
    return arguments | {"host": parts.hostname or "127.0.0.1", "port": parts.port or 3306}


def open_pool(url: str, size: int) -> None:
    """Make the process's pool; connections are opened when first needed. A pool that stands is closed first."""
    global _pool
    close_pool()
    _pool = PooledDB(
        pymysql,
        maxconnections=size,
        maxcached=size,
        blocking=True,
        ping=0,  # a look at the server before each request costs more than to replace a dead connection when met
        reset=False,
        setsession=list(SESSION),
        isfatal=is_lost,
        autocommit=True,
        client_flag=CLIENT.FOUND_ROWS,
        read_timeout=30,
        write_timeout=30,
        **connect_arguments(url),
    )


def close_pool() -> None:
    """Close the pool and every idle connection in it."""
    global _pool
    if _pool is not None:
        _pool.close()
        _pool = None


def release() -> None:
    """Give the context's connection back to the pool; called at the end of every app context."""
    held = _held.get()
    if held is not None and held.connection is not None:
        held.connection.close()
        held.connection = None


def _current() -> _Held:
    held = _held.get()
    if held is None:
        held = _Held()
        _held.set(held)
    return held


def _connection(held: _Held) -> PooledDedicatedDBConnection:
    if held.connection is None:
        if _pool is None:
            raise StatementError("no pool: call db.open_pool() first, as app.create_app() does")
        try:
            held.connection = _pool.dedicated_connection()
        except pymysql.err.Error as error:
            raise_named(error)
    return held.connection


def reading() -> Reader:
    """Return the reading verbs outside of a transaction. Raises StatementError inside one: use its `tx`."""
    held = _current()
    if held.transaction:
        raise StatementError(f"reading() inside the transaction {held.transaction}: use tx")
    return Reader(_connection(held))


def assert_no_transaction() -> None:
    """Raise StatementError inside a transaction: providers and mail are called after COMMIT only."""
    if (held := _held.get()) is not None and held.transaction:
        raise StatementError(f"an outside call inside the transaction {held.transaction}")


# --- transactions


def in_transaction(verb: Callable[Concatenate[Tx, P], R]) -> Callable[P, R]:
    """Make a verb that takes `tx` one that opens, names, retries and commits its own transaction.

    Raises StatementError when called inside another, DatabaseBusy when the retries are used up, and
    DatabaseUnavailable when the server is away. When it goes away during COMMIT the outcome is unknown to us;
    the caller's idempotency key or the state of the row tells it on the next try.
    """
    return _owning(verb, _transaction)


def in_one_statement(verb: Callable[Concatenate[Tx, P], R]) -> Callable[P, R]:
    """Make a verb that sends one statement a transaction: the server commits it before it answers.

    That saves BEGIN and COMMIT, two ways to the server and back. Raises as `in_transaction` does, and StatementError
    at a second statement. When the connection is lost the statement may have run and is sent again on another: it
    must be one that may stand there twice.
    """
    return _owning(verb, _statement)


def _owning(verb: Callable[Concatenate[Tx, P], R], opened: _Opened) -> Callable[P, R]:
    name = f"{verb.__module__}.{verb.__qualname__}"

    @functools.wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        held = _current()
        if held.transaction:
            raise StatementError(f"{name} opens a transaction inside {held.transaction}: call its _tx form")
        attempt = 0
        while True:
            attempt += 1
            try:
                with opened(held, name) as tx:
                    return verb(tx, *args, **kwargs)
            except pymysql.err.OperationalError as error:
                if error.args[0] not in TRIES:
                    raise
                if attempt == TRIES[error.args[0]]:
                    raise DatabaseBusy from error
                logger.info("transaction repeated", transaction=name, code=error.args[0], attempt=attempt)
                time.sleep(random.uniform(0.2, 1.0) * 0.004 * 2**attempt)  # noqa: S311 (jitter, not a secret)

    return run


@contextmanager
def _transaction(held: _Held, name: str) -> Iterator[Tx]:
    global _committed_at
    connection = _connection(held)
    _begin(connection)
    held.transaction = name
    try:
        yield Tx(connection)
        try:
            connection.commit()
            _committed_at = time.monotonic()
        except pymysql.err.Error as error:
            raise_named(error)
    except BaseException:
        # A dead connection cannot roll back, and needs not: the server has. The pool replaces it here.
        with suppress(pymysql.err.Error):
            connection.rollback()
        raise
    finally:
        held.transaction = None


@contextmanager
def _statement(held: _Held, name: str) -> Iterator[Tx]:
    global _committed_at
    tx = SingleStatement(_connection(held))
    held.transaction = name
    try:
        yield tx
        _committed_at = time.monotonic()
    finally:
        held.transaction = None


def committed_at() -> float:
    """Return when this process last committed a transaction, on the clock of `time.monotonic`; 0 before the first."""
    return _committed_at


def _begin(connection: PooledDedicatedDBConnection) -> None:
    """Begin, on a fresh connection when the server was restarted since this one was last used."""
    try:
        connection.begin()
    except pymysql.err.Error as error:
        if not is_lost(error):
            raise
        try:
            with suppress(pymysql.err.Error):
                connection.rollback()
            connection.begin()
        except pymysql.err.Error as second:
            raise_named(second)


def constraint_of(error: pymysql.err.IntegrityError) -> str | None:
    """Return the name of the constraint that a write violated: `uq_users_email`."""
    match = re.search(r"for key '(?:[^'.]*\.)?(\w+)'|CONSTRAINT `(\w+)`|Constraint '(\w+)'", str(error.args[1]), re.I)
    return next((name for name in match.groups() if name), None) if match else None


@contextmanager
def naming(errors: Mapping[str, Callable[[], Exception]]) -> Iterator[None]:
    """Turn the violation of a named constraint into a domain error; any other goes on."""
    try:
        yield
    except pymysql.err.IntegrityError as error:
        named = errors.get(constraint_of(error) or "")
        if named is None:
            raise
        raise named() from error
