"""`flask payments statement`: what the ledger held, what moved it, what it holds."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import pytest
from apiflask import APIFlask
from click.testing import Result

from payments import ledger, statement_services
from payments.statement_services import Entry
from tests.conftest import Clock
from tests.factories import make_order, make_product, make_user, settle
from utils import db

pytestmark = pytest.mark.usefixtures("app")


def place(price: str = "100.00") -> int:
    return make_order(make_user(), (make_product(price=price).variant, 1)).id


@pytest.fixture
def november(frozen_clock: Clock) -> None:
    """Money of three days: at the very end of the 19th, through the 20th, at the very beginning of the 21st.

    To come, so that no event of theirs has waited long.
    """
    moments = [
        (datetime.fromisoformat("2099-11-19 20:59:59"), "100.00", "SKL0000001", "mpesa_stk"),
        (datetime.fromisoformat("2099-11-19 21:00:00"), "200.40", "SKL0000002", "mpesa_stk"),
        (datetime.fromisoformat("2099-11-20 09:00:00"), "50.00", "SKL0000003", "mpesa_stk"),
        (datetime.fromisoformat("2099-11-20 09:00:00"), "70.00", None, "cod"),
        (datetime.fromisoformat("2099-11-20 20:59:59"), "1.00", None, "mpesa_stk"),
        (datetime.fromisoformat("2099-11-20 21:00:00"), "400.00", "SKL0000005", "mpesa_stk"),
    ]
    for moment, price, receipt, method in moments:
        frozen_clock.moment = moment
        settle(place(price), receipt=receipt, method=method)


def tell(first: int, last: int) -> list[Entry]:
    since, until = statement_services.days(date(2099, 11, first), date(2099, 11, last))
    return list(statement_services.list_entries(since=since, until=until))


def balances(entries: list[Entry], what: str) -> dict[str, Decimal | None]:
    return {entry.account: entry.balance for entry in entries if entry.what == what}


def test_a_day_is_east_africas(november: None) -> None:
    by_receipt = [(entry.receipt, entry.debit) for entry in tell(20, 20) if entry.reference]
    assert by_receipt == [("SKL0000002", 200), ("SKL0000003", 50), ("", 1)]


def test_opening_and_movements_make_the_closing_balance_of_every_account(november: None) -> None:
    entries = tell(20, 20)
    opening, closing = balances(entries, "opening balance"), balances(entries, "closing balance")
    assert opening.keys() == closing.keys() == ledger.ACCOUNTS.keys()
    for account in ledger.ACCOUNTS:
        moved = sum((entry.debit or 0) - (entry.credit or 0) for entry in entries if entry.account == account)
        assert (opening[account] or 0) + moved == closing[account]
    assert sum(filter(None, closing.values())) == 0
    assert (opening["mpesa_clearing"], closing["mpesa_clearing"], closing["cash_on_delivery"]) == (100, 351, 70)


def test_a_day_opens_with_what_the_day_before_closed_with(november: None) -> None:
    assert balances(tell(20, 20), "closing balance") == balances(tell(21, 21), "opening balance")
    assert balances(tell(19, 20), "closing balance") == balances(tell(20, 20), "closing balance")


def test_the_last_closing_balances_are_the_sums_of_the_ledger(november: None) -> None:
    rows = db.reading().fetch_all("SELECT account, SUM(amount) AS balance FROM ledger_entries GROUP BY account")
    held = {account: balance for account, balance in balances(tell(19, 21), "closing balance").items() if balance}
    assert held == {row["account"]: row["balance"] for row in rows if row["balance"]}


def test_movements_are_read_in_pages_and_each_is_told_once(november: None, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tell(19, 21)
    monkeypatch.setattr(statement_services, "AT_ONCE", 2)
    assert tell(19, 21) == whole
    assert sum(bool(entry.reference) for entry in whole) == 5


def run(app: APIFlask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["payments", "statement", *arguments])


def test_the_statement_is_a_table_to_read_and_a_csv_to_calculate_with(november: None, app: APIFlask) -> None:
    table = run(app, "--from", "2099-11-20", "--to", "2099-11-20")
    assert table.exit_code == 0
    (line,) = (line for line in table.output.splitlines() if "SKL0000003" in line)
    assert line.split()[:4] == ["mpesa_clearing", "2099-11-20", "12:00:00", "settled"]
    written = run(app, "--from", "2099-11-20", "--to", "2099-11-20", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(written.output)))
    assert len(rows) + 1 == len(table.output.splitlines())
    (row,) = (row for row in rows if row["receipt"] == "SKL0000003")
    assert (row["time"], row["debit"], row["credit"]) == ("2099-11-20 12:00:00", "50.00", "0.00")


def test_days_in_the_wrong_order_are_refused(app: APIFlask) -> None:
    done = run(app, "--from", "2099-11-20", "--to", "2099-11-19")
    assert (done.exit_code, done.output) == (1, "Error: --to 2099-11-19 lies before --from 2099-11-20.\n")


def test_a_shop_without_money_has_a_statement_of_noughts(app: APIFlask) -> None:
    assert set(balances(tell(1, 30), "closing balance").values()) == {Decimal(0)}
