"""Lockout: who guesses at one account's password waits, longer each time, whichever process he asks.

Owns `login_locks`, one row for an account, or for a name that no account has, so that both are refused alike. An
attempt is counted before its password is looked at, and struck out when it was right: of any number of guesses at
the same moment no more than `FREE` are ever compared. Locks the row of its subject, and nothing else.
"""

from __future__ import annotations

import hashlib
import math
from datetime import timedelta

from auth import security_events
from utils import clock, db
from utils.errors import AccountLocked

FREE = 5  # wrong passwords until the first wait
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
FORGOTTEN_AFTER = timedelta(days=1)


def subject_of(*, user_id: int | None, login: str) -> str:
    """Return under which name attempts are counted; an unknown name is counted like a known one."""
    if user_id is not None:
        return f"user:{user_id}"
    return f"name:{hashlib.sha256(login.casefold().encode()).hexdigest()}"


def wait_after(failures: int) -> timedelta | None:
    """Return how long nobody may try after so many failures; None while they are free."""
    if failures < FREE:
        return None
    doublings = min(failures - FREE, 20)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


@db.in_transaction
def claim_attempt(tx: db.Tx, *, subject: str) -> int:
    """Count an attempt as failed, before the password is looked at; return how many there are now.

    Raises AccountLocked while the wait of an earlier one lasts.
    """
    now = clock.now()
    tx.execute(
        """
        INSERT INTO login_locks (subject, failures, tried_at)
        VALUES (%(subject)s, 0, %(now)s)
            ON DUPLICATE KEY UPDATE tried_at = %(now)s
        """,
        {"subject": subject, "now": now},
    )
    locked = tx.require_one(
        """
        SELECT failures, locked_until
          FROM login_locks
         WHERE subject = %(subject)s
        """,
        {"subject": subject},
        missing=AssertionError("the row that this transaction holds"),
    )
    if locked["locked_until"] is not None and locked["locked_until"] > now:
        raise AccountLocked.for_seconds(math.ceil((locked["locked_until"] - now).total_seconds()))
    failures: int = locked["failures"] + 1
    wait = wait_after(failures)
    tx.execute_one(
        """
        UPDATE login_locks
           SET failures = %(failures)s,
               locked_until = %(until)s
         WHERE subject = %(subject)s
           AND failures = %(counted)s
        """,
        {
            "subject": subject,
            "failures": failures,
            "counted": locked["failures"],
            "until": now + wait if wait else None,
        },
    )
    return failures


@db.in_transaction
def tell_owner(tx: db.Tx, *, user_id: int) -> None:
    """Have the owner told that the account has just been locked."""
    security_events.record_tx(tx, "account.locked", user_id=user_id, by_owner=False)


def clear_tx(tx: db.Tx, *, user_id: int) -> None:
    """Forget the failures of somebody who has proved to be the owner."""
    tx.execute(
        """
        DELETE FROM login_locks
         WHERE subject = %(subject)s
        """,
        {"subject": subject_of(user_id=user_id, login="")},
    )


@db.in_transaction
def delete_old_locks(tx: db.Tx) -> int:
    """Forget failures that are long past; the worker calls it every hour. Return how many rows went."""
    return tx.execute(
        """
        DELETE FROM login_locks
         WHERE tried_at < %(before)s
         ORDER BY tried_at, subject
         LIMIT 1000
        """,
        {"before": clock.now() - FORGOTTEN_AFTER},
    )
