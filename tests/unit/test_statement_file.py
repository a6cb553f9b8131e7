"""Reading the provider's own statement. No database."""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal

import pytest

from payments.statement_file import Line, NotAStatement, Unreadable, read

HEADER = (
    "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,"
    "Balance Confirmed,Reason Type,Other Party Info,Linked Transaction ID,A/C No."
)


def lines_of(*rows: str, header: str = HEADER) -> list[Line | Unreadable]:
    return list(read("\n".join([header, *rows]).splitlines(keepends=True)))


def only_line(row: str) -> Line:
    (line,) = lines_of(row)
    assert isinstance(line, Line), line
    return line


def row_of(**changes: str) -> str:
    cells = {
        "receipt": "SKL1A2B3C4",
        "time": "20-11-2026 02:30:15",
        "status": "Completed",
        "paid_in": '"1,499.00"',
        "withdrawn": "",
        "reason": "Pay Bill Online",
    } | changes
    return (
        f"{cells['receipt']},{cells['time']},{cells['time']},Pay Bill from 2547***678 - JANE,{cells['status']},"
        f"{cells['paid_in']},{cells['withdrawn']},90.00,true,{cells['reason']},254712***678 - JANE WANJIKU,,QR7KXW"
    )


def test_a_line_is_read_with_its_thousands_and_its_time_of_east_africa() -> None:
    assert only_line(row_of()) == Line(
        number=2,
        receipt="SKL1A2B3C4",
        completed_at=datetime.fromisoformat("2026-11-19 23:30:15"),
        status="Completed",
        amount=Decimal("1499.00"),
        is_charge=False,
        account="QR7KXW",
    )


@pytest.mark.parametrize("withdrawn", ["500.00", "-500.00", '"-500.00"'])
def test_money_out_is_below_zero_however_it_is_written(withdrawn: str) -> None:
    assert only_line(row_of(paid_in="", withdrawn=withdrawn)).amount == -500


@pytest.mark.parametrize("time", ["31/12/2026 23:59:59", "2026-12-31 23:59:59", "31-12-2026 23:59:59"])
def test_a_time_that_a_spreadsheet_wrote_again_is_read_too(time: str) -> None:
    assert only_line(row_of(time=time)).completed_at == datetime.fromisoformat("2026-12-31 20:59:59")


@pytest.mark.parametrize(("status", "moved"), [("Completed", True), ("COMPLETED", True), ("Failed", False)])
def test_only_what_is_completed_has_moved(status: str, moved: bool) -> None:
    assert only_line(row_of(status=status)).moved is moved


def test_a_charge_is_known_by_its_reason() -> None:
    assert only_line(row_of(reason="Business Payment Charge")).is_charge
    assert not only_line(row_of(reason="Charger shop")).is_charge


def test_what_stands_above_the_table_and_empty_lines_are_passed_over() -> None:
    above = ["\ufeffStatement,ORG_600000_Utility", "Organization Name:,Duka", "Short Code:,600000", "", "Receipt No.,x"]
    found = lines_of(HEADER, row_of(), "", ",,,,,,,,,,,,", row_of(receipt="SKL1A2B3C5"), header="\n".join(above))
    assert [(line.number, line.receipt) for line in found if isinstance(line, Line)] == [
        (7, "SKL1A2B3C4"),
        (10, "SKL1A2B3C5"),
    ]


def test_columns_are_found_by_name_wherever_they_stand() -> None:
    header = "WITHDRAWN,Paid  In, Transaction Status ,Completion Time,Receipt No"
    (line,) = lines_of(",20,Completed,20-11-2026 00:00:00,SKL1A2B3C4", header=header)
    assert isinstance(line, Line)
    assert (line.receipt, line.amount) == ("SKL1A2B3C4", 20)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"receipt": "Total"}, "'Total' is no receipt number"),
        ({"time": "20-11-2026"}, "'20-11-2026' is no time; write it as 31-12-2026 23:59:59"),
        ({"time": "31-02-2026 00:00:00"}, "'31-02-2026 00:00:00' is no time; write it as 31-12-2026 23:59:59"),
        ({"paid_in": '"1,49.00"'}, "'1,49.00' is no amount; write it as 1,499.00"),
        ({"withdrawn": "NaN"}, "'NaN' is no amount; write it as 1,499.00"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_is_wrong_with_it(changes: dict[str, str], reason: str) -> None:
    assert lines_of(row_of(), row_of(**changes))[1] == Unreadable(3, reason)


def test_a_line_cut_short_is_told_and_the_next_is_read() -> None:
    cut, whole = lines_of("SKL1A2B3C4,20-11", row_of())
    assert isinstance(cut, Unreadable)
    assert isinstance(whole, Line)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "%PDF-1.4 \x00\x01"])
def test_another_file_is_told_what_was_looked_for(text: str) -> None:
    with pytest.raises(NotAStatement, match="no line names the columns Receipt No"):
        list(read(text.splitlines(keepends=True)))


def test_a_cell_that_never_ends_is_told_with_its_line() -> None:
    before = csv.field_size_limit(1000)  # the whole process's: another reader may have set it higher
    try:
        with pytest.raises(NotAStatement, match="line 3 is no CSV: field larger"):
            lines_of(row_of(), '"' + "x" * 2000)
    finally:
        csv.field_size_limit(before)
