"""Statements of the ledger over days of East Africa: balances by account, and M-Pesa's money receipt by receipt.

Reads only, and only what is posted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from payments import ledger
from utils import clock, db

AT_ONCE = 1000
BY_RECEIPT = "mpesa_clearing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of a statement: a balance, or what moved it."""

    account: str
    what: str
    at: datetime | None = None
    reference: str = ""
    receipt: str = ""
    order: str = ""
    debit: Decimal | None = None
    credit: Decimal | None = None
    balance: Decimal | None = None


def days(first: date, last: date) -> tuple[datetime, datetime]:
    """Return the moments at which the first day begins and the last one ends, in UTC."""
    begin, end = (
        datetime.combine(day, time(), clock.EAST_AFRICA).astimezone(UTC).replace(tzinfo=None)
        for day in (first, last + timedelta(days=1))
    )
    return begin, end


def list_entries(*, since: datetime, until: datetime) -> Iterator[Entry]:
    """Yield, account by account, the opening balance, what moved it and the closing balance.

    What moved it is summed by kind of journal, but for M-Pesa's money, which is told receipt by receipt.
    """
    totals = _read_totals(since=since, until=until)
    for account in ledger.ACCOUNTS:
        rows = [row for row in totals if row["account"] == account]
        opening = sum((row["opening"] for row in rows), Decimal(0))
        yield Entry(account=account, what="opening balance", balance=opening)
        if account == BY_RECEIPT:
            yield from (_tell_movement(row) for row in list_movements(since=since, until=until))
        else:
            yield from (
                Entry(account=account, what=row["kind"], debit=row["debit"], credit=row["credit"])
                for row in rows
                if row["debit"] or row["credit"]
            )
        moved = sum((row["debit"] - row["credit"] for row in rows), Decimal(0))
        yield Entry(account=account, what="closing balance", balance=opening + moved)


def _tell_movement(row: db.Row) -> Entry:
    amount: Decimal = row["amount"]
    return Entry(
        account=BY_RECEIPT,
        what=row["kind"],
        at=row["created_at"],
        reference=row["reference"],
        receipt=row["receipt"] or "",
        order=row["number"] or "",
        debit=max(amount, Decimal(0)),
        credit=max(-amount, Decimal(0)),
    )


def list_movements(*, since: datetime, until: datetime) -> Iterator[db.Row]:
    """Yield what moved M-Pesa's money in a period, oldest first: a row a journal, with the provider's receipt."""
    after = {"at": since, "id": 0}
    while rows := _read_movements(after, until):
        yield from rows
        after = {"at": rows[-1]["created_at"], "id": rows[-1]["id"]}


# --- leaves


def _read_totals(*, since: datetime, until: datetime) -> list[db.Row]:
    """Return by account and kind what stood before the period, and what moved in it; one statement, one moment."""
    return db.reading().fetch_all(
        """
        SELECT le.account, lj.kind,
               SUM(CASE WHEN lj.created_at < %(since)s THEN le.amount ELSE 0 END) AS opening,
               SUM(CASE WHEN lj.created_at >= %(since)s AND le.amount > 0 THEN le.amount ELSE 0 END) AS debit,
               SUM(CASE WHEN lj.created_at >= %(since)s AND le.amount < 0 THEN -le.amount ELSE 0 END) AS credit
          FROM ledger_entries le
          JOIN ledger_journals lj ON lj.id = le.journal_id
         WHERE lj.created_at < %(until)s
         GROUP BY le.account, lj.kind
         ORDER BY le.account, lj.kind
        """,
        {"since": since, "until": until},
    )


def _read_movements(after: db.Row, until: datetime) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT lj.id, lj.created_at, lj.kind, lj.reference, le.amount, o.number,
               COALESCE(r.created_at, p.created_at) AS begun_at,
               CASE WHEN lj.refund_id IS NULL THEN p.receipt ELSE r.receipt END AS receipt
          FROM ledger_journals lj
          JOIN ledger_entries le ON le.journal_id = lj.id AND le.account = 'mpesa_clearing'
          JOIN payments p ON p.id = lj.payment_id
          LEFT JOIN refunds r ON r.id = lj.refund_id
          LEFT JOIN orders o ON o.id = lj.order_id
         WHERE lj.created_at >= %(at)s
           AND (lj.created_at > %(at)s OR lj.id > %(id)s)
           AND lj.created_at < %(until)s
         ORDER BY lj.created_at, lj.id
         LIMIT %(limit)s
        """,
        {**after, "until": until, "limit": AT_ONCE},
    )
