"""The verbs of the database: strict reads and writes over one connection, each of one statement.

Values are bound by name, `%(name)s`; a name that is missing or unused raises. Known to the rest of the shop through
utils.db, which opens what they run in.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import DictCursor

from utils import log, trace
from utils.errors import DatabaseUnavailable, StaleRow
from utils.fragments import Fragment, Params, StatementError, names_in, put_together

logger = log.get_logger(__name__)

Row = dict[str, Any]

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
        return self._send(*put_together(sql, params, fragments))

    def _send(self, statement: str, bound: Mapping[str, Any]) -> DictCursor:
        """Send a statement and return its cursor, which holds the whole result."""
        tally = trace.tally()
        started = time.perf_counter()
        try:
            cursor: DictCursor = self._connection.cursor(DictCursor)
            cursor.execute(f"{statement} /* {trace.request_id()} */", bound or None)
            return cursor
        except pymysql.err.Error as error:
            raise_named(error)
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
        names = names_in(sql)
        params: dict[str, Any] = {}
        for place, row in enumerate(rows):
            if row.keys() != names:
                raise StatementError(f"row {place} names {sorted(row)}, the statement {sorted(names)}")
            params |= {f"{name}_{place}": value for name, value in row.items()}
        return self._send(_of_many_rows(sql, len(rows)), params).rowcount if rows else 0

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


@functools.lru_cache(maxsize=128)
def _of_many_rows(sql: str, number: int) -> str:
    """Write the statement for so many rows, the names of each with its number behind them."""
    head, _, one = sql.rpartition("VALUES")
    return head + "VALUES" + ",".join(re.sub(r"%\((\w+)\)s", rf"%(\g<1>_{place})s", one) for place in range(number))


class SingleStatement(Tx):
    """The verbs, for one use."""

    _is_used = False

    def _send(self, statement: str, bound: Mapping[str, Any]) -> DictCursor:
        if self._is_used:
            raise StatementError(f"a second statement in a verb of one statement: {statement}")
        self._is_used = True
        return super()._send(statement, bound)


def is_lost(error: BaseException) -> bool:
    """Tell whether an error says that the connection is gone."""
    return isinstance(error, pymysql.err.InterfaceError) or bool(error.args and error.args[0] in LOST)


def raise_named(error: pymysql.err.Error) -> NoReturn:
    """Raise a lost connection as DatabaseUnavailable, and any other error as it is."""
    if is_lost(error):
        logger.error("database away", code=error.args[0] if error.args else None)
        raise DatabaseUnavailable from error
    raise error
