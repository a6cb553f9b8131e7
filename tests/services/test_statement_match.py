"""`flask payments match`: the provider's statement against our ledger."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from click.testing import Result

from orders import services as orders
from payments import cli, statement_match_services, statement_services
from payments import ledger_services as ledger
from tests.conftest import Clock
from tests.factories import insert_refund_tx, make_order, make_product, make_user, settle
from utils import clock, db

COLUMNS = [
    *("Receipt No.", "Completion Time", "Initiation Time", "Details", "Transaction Status", "Paid In", "Withdrawn"),
    *("Balance", "Balance Confirmed", "Reason Type", "Other Party Info", "Linked Transaction ID", "A/C No."),
]
ABOVE = [
    ["Account Holder:", "DUKA LIMITED"],
    ["Short Code:", "600000"],
    ["Account:", "Utility Account"],
    ["Time Period:", "From 20-11-2099 00:00:00 To 21-11-2099 00:00:00"],
    [],
]
NOON = datetime.fromisoformat("2099-11-20 09:00:00")


@pytest.fixture(autouse=True)
def paid(app: APIFlask, frozen_clock: Clock) -> None:
    """Three payments of a day to come (so that no event of theirs has waited long), over when they are compared."""
    frozen_clock.moment = NOON
    for place, price in enumerate(("1499.00", "250.00", "12000.00"), start=1):
        order = make_order(make_user(), (make_product(price=price).variant, 1))
        settle(order.id, receipt=f"SKL000000{place}")
        frozen_clock.forward(minutes=1)
    frozen_clock.forward(hours=24)


def rows_of_ledger() -> list[dict[str, str]]:
    """Return the statement that a provider would write who has the same books as we."""
    since, until = statement_services.days(NOON.date(), NOON.date())
    rows, balance = [], Decimal(0)
    for movement in statement_services.list_movements(since=since, until=until):
        amount = movement["amount"]
        balance += amount
        at = movement["created_at"].replace(tzinfo=UTC).astimezone(clock.EAST_AFRICA)
        rows.append(row_of(movement["receipt"], amount, at=at, balance=balance, account=movement["number"]))
    return rows


def row_of(receipt: str, amount: Any, *, at: datetime = NOON, **more: Any) -> dict[str, str]:
    paid_in, withdrawn = (f"{amount:,.2f}", "") if amount > 0 else ("", f"{amount:,.2f}")
    return {
        "Receipt No.": receipt,
        "Completion Time": f"{at:%d-%m-%Y %H:%M:%S}",
        "Initiation Time": f"{at:%d-%m-%Y %H:%M:%S}",
        "Details": "Pay Bill Online from 254712***678 - JANE ÑANJIKU",
        "Transaction Status": more.get("status", "Completed"),
        "Paid In": paid_in,
        "Withdrawn": withdrawn,
        "Balance": f"{more.get('balance', 0):,.2f}",
        "Balance Confirmed": "true",
        "Reason Type": more.get("reason", "Pay Bill Online"),
        "Other Party Info": "254712***678 - JANE ÑANJIKU",
        "Linked Transaction ID": "",
        "A/C No.": more.get("account", ""),
    }


@pytest.fixture
def match(app: APIFlask, tmp_path: Path) -> Callable[..., Result]:
    def run(rows: list[dict[str, str]], encoding: str = "utf-8") -> Result:
        path = tmp_path / "statement.csv"
        with path.open("w", newline="", encoding=encoding) as file:
            csv.writer(file).writerows(ABOVE)
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        return app.test_cli_runner().invoke(args=["payments", "match", str(path)])

    return run


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_a_statement_with_our_own_books_differs_in_nothing(match: Callable[..., Result], encoding: str) -> None:
    done = match(rows_of_ledger(), encoding)
    assert (done.exit_code, done.output) == (0, "3 lines agree; nothing differs.\n")


def without_the_second(rows: list[dict[str, str]]) -> None:
    del rows[1]


def with_a_stranger(rows: list[dict[str, str]]) -> None:
    rows.append(row_of("SKL9999999", Decimal(80)))


def with_money_out(rows: list[dict[str, str]]) -> None:
    rows.append(row_of("SKL9999998", Decimal(-80)))


def with_another_amount(rows: list[dict[str, str]]) -> None:
    rows[0]["Paid In"] = "1,498.00"


def with_the_direction_turned(rows: list[dict[str, str]]) -> None:
    rows[1] |= {"Paid In": "", "Withdrawn": "250.00"}


def with_a_failure(rows: list[dict[str, str]]) -> None:
    rows[2]["Transaction Status"] = "Failed"


def with_a_receipt_twice(rows: list[dict[str, str]]) -> None:
    rows.append(rows[0])


def with_a_broken_line(rows: list[dict[str, str]]) -> None:
    rows.append(rows[0] | {"Receipt No.": "SKL9999997", "Paid In": "much"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_the_second, "only ours       SKL0000002   -            250.00 by payment:"),
        (with_a_stranger, "only theirs     SKL9999999   line 10      Completed 80.00"),
        (with_money_out, "only theirs     SKL9999998   line 10      Completed -80.00"),
        (
            with_another_amount,
            "amount differs  SKL0000001   line 7       theirs Completed 1498.00, ours",
        ),
        (with_the_direction_turned, "amount differs  SKL0000002   line 8       theirs Completed -250.00, ours"),
        (with_a_failure, "status differs  SKL0000003   line 9       theirs Failed 12000.00, ours succeeded 12000.00"),
        (with_a_receipt_twice, "told twice      SKL0000001   line 10      an earlier line has the same receipt"),
        (with_a_broken_line, "unreadable                   line 10      'much' is no amount; write it as 1,499.00"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_of_difference_is_found(
    match: Callable[..., Result], change: Callable[[list[dict[str, str]]], None], told: str
) -> None:
    rows = rows_of_ledger()
    change(rows)
    done = match(rows)
    difference, summary = done.output.splitlines()
    assert difference.startswith(told)
    assert summary.endswith(f"1 {told[:15].strip()}.")
    assert done.exit_code == 1


def test_money_in_review_is_ours_too(match: Callable[..., Result], frozen_clock: Clock) -> None:
    frozen_clock.moment = NOON
    order = make_order(make_user(), (make_product(price="100.00").variant, 1))
    for receipt in ("SKL0000004", "SKL0000005"):
        settle(order.id, amount="100", receipt=receipt)
    frozen_clock.forward(hours=24)
    rows = rows_of_ledger()
    assert len(rows) == 5
    assert match(rows).exit_code == 0


def test_a_payment_that_has_no_receipt_yet_is_only_ours(match: Callable[..., Result], frozen_clock: Clock) -> None:
    rows = rows_of_ledger()
    frozen_clock.moment = NOON
    settle(make_order(make_user(), (make_product(price="100.00").variant, 1)).id)
    frozen_clock.forward(hours=24)
    assert match(rows).output.startswith("only ours       no receipt   -            100.00 by payment:")


def test_a_receipt_that_we_know_and_never_booked_differs_in_status(match: Callable[..., Result]) -> None:
    rows = rows_of_ledger()
    set_booking("SKL0000002", status="failed", kind="lost")
    done = match(rows)
    set_booking("SKL0000002", status="succeeded", kind="settled")
    assert "status differs  SKL0000002   line 8       theirs Completed 250.00, ours failed 0.00" in done.output


@db.in_transaction
def set_booking(tx: db.Tx, receipt: str, *, status: str, kind: str) -> None:
    tx.execute(
        """
        UPDATE payments p
          JOIN ledger_journals lj ON lj.payment_id = p.id
           SET p.status = %(status)s,
               lj.kind = %(kind)s
         WHERE p.receipt = %(receipt)s
        """,
        {"receipt": receipt, "status": status, "kind": kind},
    )


@db.in_transaction
def give_back(tx: db.Tx, receipt: str, amount: str, *, under: str) -> None:
    """Refund some of the payment with this receipt, under a receipt of its own."""
    payment = tx.require_one(
        "SELECT id, order_id, status FROM payments WHERE receipt = %(receipt)s",
        {"receipt": receipt},
        missing=LookupError(receipt),
    )
    tx.execute_one(
        "UPDATE payments SET refund_claimed = refund_claimed + %(amount)s WHERE id = %(id)s",
        {"id": payment["id"], "amount": amount},
    )
    order = orders.lock_order_tx(tx, order_id=payment["order_id"])
    tx.execute_one(
        "UPDATE orders SET refunded = %(amount)s, payment_status = 'partially_refunded' WHERE id = %(id)s",
        {"id": order["id"], "amount": amount},
    )
    refund_id = insert_refund_tx(tx, payment["id"], amount, receipt=under)
    ledger.post_refunded_tx(
        tx, order=order, payment=payment, refund_id=refund_id, method="reversal", amount=Decimal(amount)
    )


@pytest.fixture
def given_back(frozen_clock: Clock) -> None:
    """A refund of the same day."""
    frozen_clock.moment = NOON + timedelta(hours=1)
    give_back("SKL0000001", "1000.00", under="SKL000000R")
    frozen_clock.forward(hours=24)


def test_a_refund_agrees_with_the_money_that_they_withdrew(match: Callable[..., Result], given_back: None) -> None:
    rows = rows_of_ledger()
    assert (rows[3]["Receipt No."], rows[3]["Withdrawn"]) == ("SKL000000R", "-1,000.00")
    assert match(rows).output == "4 lines agree; nothing differs.\n"


def test_a_refund_that_they_do_not_know_is_only_ours(match: Callable[..., Result], given_back: None) -> None:
    assert match(rows_of_ledger()[:3]).output.startswith(
        "only ours       SKL000000R   -            -1000.00 by refund:"
    )


def test_a_refund_of_another_amount_differs(match: Callable[..., Result], given_back: None) -> None:
    rows = rows_of_ledger()
    rows[3]["Withdrawn"] = "999.00"
    assert "theirs Completed -999.00, ours succeeded -1000.00" in match(rows).output


def test_what_failed_at_both_ends_is_no_difference(match: Callable[..., Result]) -> None:
    failed = row_of("SKL9999999", Decimal(80), status="Failed")
    assert match([*rows_of_ledger(), failed]).exit_code == 0


def test_the_providers_charges_are_told_apart_from_our_money(match: Callable[..., Result]) -> None:
    charge = row_of("SKL0000001", Decimal("-15.27"), reason="Pay Bill Charge")
    done = match([*rows_of_ledger(), charge])
    assert done.exit_code == 0
    assert done.output.endswith("The provider's charges, which the ledger does not hold: 15.27.\n")


def test_money_of_other_days_is_not_missed(match: Callable[..., Result], frozen_clock: Clock) -> None:
    rows = rows_of_ledger()
    settle(make_order(make_user(), (make_product(price="100.00").variant, 1)).id, receipt="SKL0000009")
    assert match(rows).exit_code == 0


def test_of_a_day_that_is_not_over_only_the_time_before_the_export_is_compared(
    match: Callable[..., Result], frozen_clock: Clock
) -> None:
    frozen_clock.moment = datetime.fromisoformat("2099-11-20 09:30:00")
    rows = rows_of_ledger()
    settle(make_order(make_user(), (make_product(price="100.00").variant, 1)).id, receipt="SKL0000009")
    assert match(rows).exit_code == 0


def test_money_begun_the_day_before_says_where_to_look(match: Callable[..., Result], frozen_clock: Clock) -> None:
    rows = rows_of_ledger()
    begin_the_day_before("SKL0000001")
    assert "begun before the statement's first day" in match(rows[1:]).output


@db.in_transaction
def begin_the_day_before(tx: db.Tx, receipt: str) -> None:
    tx.execute_one(
        "UPDATE payments SET created_at = created_at - INTERVAL 1 DAY WHERE receipt = %(receipt)s", {"receipt": receipt}
    )


def test_a_long_statement_is_read_in_batches_and_tells_how_far_it_is(
    match: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_match_services, "AT_ONCE", 2)
    monkeypatch.setattr(cli, "TOLD_EVERY", 2)
    done = match([*rows_of_ledger(), row_of("SKL9999999", Decimal(80))])
    assert done.stderr == "2 lines read\n4 lines read\n"
    assert done.stdout.endswith("3 lines agree; 1 only theirs.\n")


def test_a_file_that_is_no_statement_is_told_in_one_line(app: APIFlask, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Milk, bread\n")
    done = app.test_cli_runner().invoke(args=["payments", "match", str(path)])
    assert done.exit_code == 1
    assert "no line names the columns Receipt No." in done.output
    assert done.output.count("\n") == 1


def test_a_statement_without_lines_has_nothing_to_compare(match: Callable[..., Result]) -> None:
    assert match([]).output == "0 lines agree; nothing differs.\n"
