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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql
from dbutils.pooled_db import PooledDB, PooledDedicatedDBConnection
from pymysql.constants import CLIENT, CR, ER
from pymysql.cursors import DictCursor

from utils import log, trace, wire
from utils.errors import DatabaseBusy, DatabaseUnavailable, StaleRow
from utils.fragments import Fragment as Fragment
from utils.fragments import Params as Params
from utils.fragments import StatementError as StatementError
from utils.fragments import in_list as in_list
from utils.fragments import names_in, put_together
from utils.fragments import set_clause as set_clause
from utils.fragments import where as where

logger = log.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Row = dict[str, Any]

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
# The connection is gone, or the server is on its way out: shutdown, killed (1927 MariaDB), idle too long (4031 MySQL).
LOST = {CR.CR_CONNECTION_ERROR, CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST}
LOST |= {CR.CR_SERVER_LOST_EXTENDED, ER.SERVER_SHUTDOWN, ER.CON_COUNT_ERROR, 1927, 4031}


class Reader:
    """The reading verbs, over the context's connection."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def fetch_all(self, sql: str, params: Params | None = None, **fragments: Fragment | str) -> list[Row]:
        """Return all rows, each a dict."""
        return list(self._run(sql, params, fragments).fetchall())

    def fetch_one(self, sql: str, params: Params | None = None, **fragments: Fragment | str) -> Row | None:
        """Return the one row, or None. Raises StatementError when there are more."""
        rows = self.fetch_all(sql, params, **fragments)
        if len(rows) > 1:
            raise StatementError(f"{len(rows)} rows where at most one was meant: {sql}")
        return rows[0] if rows else None

    def require_one(
        self, sql: str, params: Params | None = None, *, missing: Exception, **fragments: Fragment | str
    ) -> Row:
        """Return the one row. Raises `missing` when there is none."""
        row = self.fetch_one(sql, params, **fragments)
        if row is None:
            raise missing
        return row

    def fetch_value(self, sql: str, params: Params | None = None, **fragments: Fragment | str) -> Any:
        """Return the first column of the one row, or None."""
        row = self.fetch_one(sql, params, **fragments)
        return None if row is None else next(iter(row.values()))

    def _run(self, sql: str, params: Params | None, fragments: Mapping[str, Fragment | str]) -> DictCursor:
        """Send a statement and return its cursor, which holds the whole result."""
        statement, bound = put_together(sql, params, fragments)
        tally = trace.tally()
        started = time.perf_counter()
        try:
            cursor: DictCursor = self._connection.cursor(DictCursor)
            cursor.execute(f"{statement} /* {trace.request_id()} */", bound or None)
            return cursor
        except pymysql.err.Error as error:
            _raise_named(error)
        finally:
            tally.statements += 1
            tally.seconds += time.perf_counter() - started


class Tx(Reader):
    """The verbs of an open transaction."""

    def execute(self, sql: str, params: Params | None = None, **fragments: Fragment | str) -> int:
        """Run a writing statement and return how many rows it hit (found, whether or not they changed)."""
        return self._run(sql, params, fragments).rowcount

    def execute_one(self, sql: str, params: Params | None = None, **fragments: Fragment | str) -> None:
        """Run a statement that must hit exactly one row. Raises StaleRow when it hits none."""
        hit = self.execute(sql, params, **fragments)
        if hit == 0:
            raise StaleRow
        if hit > 1:
            raise StatementError(f"{hit} rows hit where one was meant: {sql}")

    def insert(self, sql: str, params: Params | None = None, **fragments: Fragment | str) -> int:
        """Insert one row and return its new id."""
        return self._run(sql, params, fragments).lastrowid

    def insert_many(self, sql: str, rows: Sequence[Params]) -> int:
        """Insert rows with one multi-row statement: `sql` ends in `VALUES (…)` for one of them."""
        head, _, one = sql.rpartition("VALUES")
        names = names_in(one)
        values: list[str] = []
        params: dict[str, Any] = {}
        for place, row in enumerate(rows):
            if set(row) != names:
                raise StatementError(f"row {place} names {sorted(row)}, the statement {sorted(names)}")
            values.append(re.sub(r"%\((\w+)\)s", rf"%(\g<1>_{place})s", one))
            params |= {f"{name}_{place}": value for name, value in row.items()}
        return self.execute(head + "VALUES" + ",".join(values), params) if rows else 0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Undo what the block did, and only that, when it raises; the error goes on. Attempts do not nest.

        An error of the server itself is left to whoever owns the transaction: a deadlock has undone all of it.
        """
        self.execute("SAVEPOINT attempt")
        try:
            yield
        except pymysql.err.Error:
            raise
        except Exception:
            self.execute("ROLLBACK TO SAVEPOINT attempt")
            raise
        self.execute("RELEASE SAVEPOINT attempt")


# --- the pool and the context's connection

_pool: PooledDB | None = None


@dataclass(slots=True)
class _Held:
    """What an app context holds of the database: its connection, and the name of the transaction it is in."""

    connection: PooledDedicatedDBConnection | None = None
    transaction: str | None = None


_held: ContextVar[_Held | None] = ContextVar("held", default=None)


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
        wire,
        maxconnections=size,
        maxcached=size,
        blocking=True,
        ping=0,  # a look at the server before each request costs more than to replace a dead connection when met
        reset=False,
        setsession=list(SESSION),
        isfatal=_is_lost,
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
            _raise_named(error)
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
                with _transaction(held, name) as tx:
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
    connection = _connection(held)
    _begin(connection)
    held.transaction = name
    try:
        yield Tx(connection)
        try:
            connection.commit()
        except pymysql.err.Error as error:
            _raise_named(error)
    except BaseException:
        # A dead connection cannot roll back, and needs not: the server has. The pool replaces it here.
        with suppress(pymysql.err.Error):
            connection.rollback()
        raise
    finally:
        held.transaction = None


def _begin(connection: PooledDedicatedDBConnection) -> None:
    """Begin, on a fresh connection when the server was restarted since this one was last used."""
    try:
        connection.begin()
    except pymysql.err.Error as error:
        if not _is_lost(error):
            raise
        try:
            with suppress(pymysql.err.Error):
                connection.rollback()
            connection.begin()
        except pymysql.err.Error as second:
            _raise_named(second)


def _is_lost(error: BaseException) -> bool:
    return isinstance(error, pymysql.err.InterfaceError) or bool(error.args and error.args[0] in LOST)


def _raise_named(error: pymysql.err.Error) -> NoReturn:
    if _is_lost(error):
        logger.error("database away", code=error.args[0] if error.args else None)
        raise DatabaseUnavailable from error
    raise error


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
