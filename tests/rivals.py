"""Real threads for the tests of races, and rivals at the database that take no part in the shop's pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pymysql

import config
from utils import db, trace


def all_at_once(work: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each piece in a thread of its own, all let go at the same moment; an exception is its result."""
    barrier = threading.Barrier(len(work))

    def run(piece: Callable[[], Any]) -> Any:
        with trace.span():
            try:
                barrier.wait()
                return piece()
            except Exception as error:
                return error
            finally:
                db.release()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(run, work))


@contextmanager
def other_connection() -> Iterator[Any]:
    """Open a cursor on a connection of its own, as another program would."""
    connection = pymysql.connect(**db.connect_arguments(config.current().DATABASE_URL), autocommit=True)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def kill(connection_id: int) -> None:
    """End a connection from outside, as an operator or a restart does."""
    with other_connection() as cursor:
        cursor.execute("KILL %s", (connection_id,))
