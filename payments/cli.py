"""`flask payments …`: open prompts asked after, statements of the ledger, the ledger against the provider's."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click
from flask.cli import with_appcontext

import config
from payments import (
    c2b_services,
    callback_tokens,
    daraja,
    metrics_services,
    reconcile_services,
    statement_file,
    statement_services,
)
from payments import token_services as tokens
from payments.daraja_answers import ProviderError
from payments.statement_file import Line, Unreadable
from payments.statement_match_services import Match
from payments.statement_services import Entry
from utils import clock, money, trace

COLUMNS = ("account", "time", "what", "reference", "receipt", "order", "debit", "credit", "balance")
WIDTHS = (17, 19, 16, 26, 12, 9, 14, 14, 14)
TOLD_EVERY = 100_000
RECONCILED = "{:>10} {:<12} {:>12} {:>16} {:<8} {}"
DAY = click.DateTime(["%Y-%m-%d"])


@click.group("payments")
def payments_group() -> None:
    """Look after the shop's money."""


@payments_group.command("reconcile")
@click.option("--all", "everything", is_flag=True, help="Ask after all of them, not only those whose time has come.")
@with_appcontext
def reconcile(everything: bool) -> None:
    """Ask the provider now how the open prompts ended, and tell what came of each.

    Exits with 1 when something stays odd: money that does not fit, a prompt that nobody can tell the end of after a
    day, or a ledger that holds other than the payments say.
    """
    outcomes: Counter[str] = Counter()
    odd = 0
    click.echo(RECONCILED.format("payment", "order", "amount", "age", "was", "now"))
    for asked in reconcile_services.ask_open(only_due=not everything):
        outcomes[asked.outcome] += 1
        odd += asked.is_odd
        age, mark = str(timedelta(seconds=int(asked.age.total_seconds()))), "  <-- look at it" * asked.is_odd
        amount = money.text(asked.amount)
        line = RECONCILED.format(asked.payment_id, asked.order_number, amount, age, asked.status, asked.outcome)
        click.echo(line + mark)
    drift = metrics_services.read_drift()
    told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    click.echo(
        f"{outcomes.total()} asked after{': ' + told if told else ''}. Ledger less payments: {money.text(drift)}."
    )
    if odd or drift:
        raise SystemExit(1)


@payments_group.command("statement")
@click.option("--from", "first", type=DAY, required=True, help="The first day, as 2026-01-31.")
@click.option("--to", "last", type=DAY, required=True, help="The last day; it is part of the statement.")
@click.option("--format", "form", type=click.Choice(["table", "csv"]), default="table", show_default=True)
@with_appcontext
def statement(first: datetime, last: datetime, form: str) -> None:
    """Tell what every account of the ledger held, what moved it, and what it holds; days are East Africa's."""
    if last < first:
        raise click.ClickException(f"--to {last:%Y-%m-%d} lies before --from {first:%Y-%m-%d}.")
    since, until = statement_services.days(first.date(), last.date())
    rows = (_cells(entry) for entry in statement_services.list_entries(since=since, until=until))
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *rows])
    else:
        for row in [COLUMNS, *rows]:
            click.echo(_line(row))


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.account,
        f"{entry.at.replace(tzinfo=UTC).astimezone(clock.EAST_AFRICA):%Y-%m-%d %H:%M:%S}" if entry.at else "",
        entry.what,
        entry.reference,
        entry.receipt,
        entry.order,
        *(_amount(amount) for amount in (entry.debit, entry.credit, entry.balance)),
    )


def _amount(amount: Decimal | None) -> str:
    return "" if amount is None else money.text(amount)


def _line(cells: Iterable[str]) -> str:
    """Set a line in columns: words to the left, amounts to the right."""
    texts = zip(cells, WIDTHS, COLUMNS, strict=True)
    set_cells = (f"{cell:>{width}}" if name in COLUMNS[-3:] else f"{cell:<{width}}" for cell, width, name in texts)
    return " ".join(set_cells).rstrip()


@payments_group.command("match")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--book", is_flag=True, help="Then book the money that only they know and that came for an account.")
@with_appcontext
def match(file: Path, book: bool) -> None:
    """Compare our receipts with FILE, the organisation statement that the M-Pesa portal exports as CSV.

    Tells what only they know, only we know, and what both tell differently; exits with 1 when there is anything.
    """
    comparison = Match()
    unknown_money = []
    with file.open(encoding="utf-8", errors="replace", newline="") as text:  # a name may be written in any alphabet
        try:
            for difference in comparison.compare(_with_progress(statement_file.read(text))):
                place = f"line {difference.line}" if difference.line else "-"
                click.echo(f"{difference.kind:<15} {difference.receipt:<12} {place:<12} {difference.told}")
                if difference.unknown_money is not None:
                    unknown_money.append(difference.unknown_money)
        except statement_file.NotAStatement as error:
            raise click.ClickException(f"{file}: {error}.") from None
    found = ", ".join(f"{count} {kind}" for kind, count in sorted(comparison.differences.items()))
    click.echo(f"{comparison.agreed} lines agree; {found or 'nothing differs'}.")
    if comparison.charges:
        click.echo(f"The provider's charges, which the ledger does not hold: {money.text(comparison.charges)}.")
    for line in unknown_money if book else []:
        with trace.span():
            outcome = c2b_services.book_from_statement(receipt=line.receipt, amount=line.amount, account=line.account)
        click.echo(f"{'booked':<15} {line.receipt:<12} {line.account:<12} {outcome}")
    if found:
        raise SystemExit(1)


def _with_progress(lines: Iterable[Line | Unreadable]) -> Iterator[Line | Unreadable]:
    for count, line in enumerate(lines, start=1):
        yield line
        if count % TOLD_EVERY == 0:
            click.echo(f"{count} lines read", err=True)


@payments_group.command("register-c2b")
@with_appcontext
def register_c2b() -> None:
    """Tell the provider where it asks about money that is paid by hand, and where it tells of it."""
    shortcode = config.current().MPESA_SHORTCODE
    try:
        is_new = tokens.with_token(
            lambda token: daraja.register_c2b(
                token=token,
                validation_url=callback_tokens.c2b_url(door="validation"),
                confirmation_url=callback_tokens.c2b_url(door="confirmation"),
            )
        )
    except ProviderError as error:
        raise click.ClickException(f"The provider did not register the addresses of {shortcode}: {error}.") from error
    if is_new:
        click.echo(f"The provider tells us now of what is paid to {shortcode} by hand.")
    else:
        click.echo(f"{shortcode} has its addresses already. Only the provider can change them: ask its support.")
