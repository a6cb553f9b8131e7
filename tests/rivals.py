"""Rivals at the database that take no part in the shop's pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql

import config
from utils import db


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
