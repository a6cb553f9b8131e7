"""Money on the desk: given back once, put to its order, decided by a person; and what waits is shown."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from admin import kept_services
from orders import reading_services
from orders.schemas import Order
from payments import refund_reading_services
from payments.refund_schemas import RefundQuery
from tests.c2b import confirm, payment_with
from tests.daraja import Daraja
from tests.factories import make_order, make_product, make_user, settle
from tests.refunds import refund_row, tell_outbox
from tests.views.desk import Desk


@pytest.fixture
def desk(client: FlaskClient, daraja: Daraja) -> Desk:
    return Desk(client)


@pytest.fixture
def order(desk: Desk) -> Order:
    return make_order(make_user(), (make_product(price="300.00").variant, 1), method="mock")


@pytest.fixture
def payment_id(order: Order) -> int:
    paid = settle(order.id, method="mock")
    tell_outbox()
    return paid


def refunds_of(payment_id: int) -> list[str]:
    found = refund_reading_services.list_refunds(query=RefundQuery(payment_id=payment_id), user_id=None)
    return [f"{refund.amount:.0f}" for refund in found.items]


# --- payments and refunds


def test_a_payment_is_shown_with_what_is_left_of_it(desk: Desk, order: Order, payment_id: int) -> None:
    desk.open(f"/admin/payments/{payment_id}")
    for shown in (order.number, "KSh\u00a0300.00", "succeeded"):
        assert shown in desk.page.text


def test_a_part_is_given_back_with_its_reason(desk: Desk, payment_id: int) -> None:
    desk.open(f"/admin/payments/{payment_id}")
    desk.send(f"/admin/payments/{payment_id}/refund", amount="100", reason="one came broken")
    assert "The refund is on its way." in desk.page.text
    assert "one came broken" in desk.page.text
    assert refunds_of(payment_id) == ["100"]


def test_an_empty_amount_gives_all_of_it_back_and_no_form_is_left(desk: Desk, payment_id: int) -> None:
    desk.open(f"/admin/payments/{payment_id}")
    desk.send(f"/admin/payments/{payment_id}/refund", amount="", reason="changed their mind")
    assert refunds_of(payment_id) == ["300"]
    assert all("/refund" not in form.action for form in desk.page.forms)


def test_the_same_form_sent_twice_gives_back_once(desk: Desk, payment_id: int) -> None:
    desk.open(f"/admin/payments/{payment_id}")
    form = desk.page.form_to(f"/admin/payments/{payment_id}/refund")
    sent = {**form.fields, "amount": "100", "reason": "broken"}
    answers = [desk.client.post(form.action, data=sent).status_code for _ in range(3)]
    assert answers == [303] * 3
    assert refunds_of(payment_id) == ["100"]


def test_a_form_that_was_sent_says_so_when_it_is_changed_and_sent_again(desk: Desk, payment_id: int) -> None:
    desk.open(f"/admin/payments/{payment_id}")
    form = desk.page.form_to(f"/admin/payments/{payment_id}/refund")
    desk.client.post(form.action, data={**form.fields, "amount": "100", "reason": "broken"})
    answer = desk.client.post(form.action, data={**form.fields, "amount": "200", "reason": "broken"})
    assert answer.status_code == 422
    assert refunds_of(payment_id) == ["100"]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"amount": "301"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "1.50"}, "amount"),
        ({"amount": "much"}, "amount"),
        ({"reason": ""}, "reason"),
    ],
)
def test_what_cannot_be_given_back_is_told_beside_its_field(
    desk: Desk, payment_id: int, typed: dict[str, str], field: str
) -> None:
    page = f"/admin/payments/{payment_id}"
    answer = desk.post(page, f"{page}/refund", **{"amount": "10", "reason": "broken", **typed})
    assert (answer.status_code, f'id="{field}-wrong"' in answer.text) == (422, True)
    assert refunds_of(payment_id) == []


def test_a_refund_that_waits_for_a_person_is_decided(desk: Desk) -> None:
    order = make_order(make_user(), (make_product(price="300.00").variant, 1))
    payment_id = settle(order.id)  # without a receipt nothing can be reversed, and without a phone nothing sent
    tell_outbox()
    desk.open(f"/admin/payments/{payment_id}")
    desk.send(f"/admin/payments/{payment_id}/refund", amount="", reason="broken")
    refund = refund_reading_services.list_refunds(query=RefundQuery(payment_id=payment_id), user_id=None).items[0]
    assert refund.status == "review"
    assert f"/admin/refunds/{refund.id}" in desk.open("/admin/review").text
    desk.open(f"/admin/refunds/{refund.id}")
    desk.send(f"/admin/refunds/{refund.id}/settle", status="succeeded", receipt="RKLBACK001", note="handed over")
    assert refund_row(refund.id)["status"] == "succeeded"
    assert "went back" not in desk.page.text
    tell_outbox()


def test_lists_of_money_filter_and_export_all_of_it(
    desk: Desk, payment_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.payment_services.AT_A_TIME", 1)
    assert confirm("RENT", receipt="RKLWAITS01") == "unallocated"
    assert "RKLWAITS01" in desk.open("/admin/payments?receipt=rklwaits01&status=review").text
    assert "No payment fits" in desk.open("/admin/payments?receipt=NOTHING123").text
    rows = list(csv.DictReader(io.StringIO(desk.client.get("/admin/payments.csv").text)))
    assert {int(row["id"]) for row in rows} == {payment_id, payment_with("RKLWAITS01")["id"]}
    desk.open(f"/admin/payments/{payment_id}")
    desk.send(f"/admin/payments/{payment_id}/refund", amount="10", reason="=1+1")
    assert "=1+1" in desk.open("/admin/refunds?status=succeeded").text
    assert "'=1+1" in desk.client.get("/admin/refunds.csv").text


def test_lists_of_money_are_sorted_by_time_and_by_amount(
    desk: Desk, payment_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.payment_services.AT_A_TIME", 1)
    assert confirm("RENT", receipt="RKLLITTLE1", amount="20.00") == "unallocated"
    payments = [payment_id, payment_with("RKLLITTLE1")["id"]]
    for amount in ("10", "200"):
        desk.open(f"/admin/payments/{payment_id}")
        desk.send(f"/admin/payments/{payment_id}/refund", amount=amount, reason="broken")
    refunds = [
        one.id for one in refund_reading_services.list_refunds(query=RefundQuery(sort="amount"), user_id=None).items
    ]
    assert refunds == sorted(refunds)
    for what, ids, rising in (("payments", payments, False), ("refunds", refunds, True)):
        by_amount = {"amount": ids if rising else ids[::-1], "-amount": ids[::-1] if rising else ids}
        for sort, order in {"": ids[::-1], "oldest": ids, **by_amount, "sideways": ids[::-1]}.items():
            listed = desk.open(f"/admin/{what}?sort={sort}").text
            assert sorted(ids, key=lambda one: listed.index(f'/admin/{what}/{one}"')) == order, (what, sort)
            rows = csv.DictReader(io.StringIO(desk.client.get(f"/admin/{what}.csv?sort={sort}").text))
            assert [int(row["id"]) for row in rows] == order, (what, sort)


# --- money without a home


def test_money_is_put_to_the_order_that_it_is_likely_meant_for(desk: Desk) -> None:
    order = make_order(make_user(), (make_product(price="300.00").variant, 1))
    mistyped = order.number[:-1] + ("W" if order.number[-1] == "Y" else "Y")
    assert confirm(mistyped, receipt="RKLWAITS02", amount="300.00") == "unallocated"
    lost = payment_with("RKLWAITS02")["id"]
    assert f"Put it to {order.number}" in desk.open("/admin/unallocated").text
    desk.send(f"/admin/unallocated/{lost}", order_number=order.number)
    assert f"The money is with order {order.number} now." in desk.page.text
    assert "All money has a home" in desk.page.text
    assert reading_services.get_order(order_id=order.id, user_id=0, sees_all=True).payment_status == "paid"
    tell_outbox()


def test_money_that_cannot_go_there_stays_with_the_reason_beside_it(desk: Desk, order: Order, payment_id: int) -> None:
    assert confirm("RENT", receipt="RKLWAITS03") == "unallocated"
    lost = payment_with("RKLWAITS03")["id"]
    for number in ("NOSUCHNUMB", order.number, ""):
        answer = desk.post("/admin/unallocated", f"/admin/unallocated/{lost}", order_number=number)
        assert (answer.status_code, f'id="number-{lost}-wrong"' in answer.text) == (422, True), number
    assert payment_with("RKLWAITS03")["status"] == "review"


def test_what_waits_is_shown_with_the_checks_as_last_found(desk: Desk, count_statements: Callable[..., int]) -> None:
    assert "Nothing waits" in desk.open("/admin/review").text
    assert confirm("RENT", receipt="RKLWAITS04") == "unallocated"
    kept_services.take_due_figures()
    assert "RKLWAITS04" in desk.open("/admin/review").text
    assert count_statements(lambda: desk.client.get("/admin/review")) == 8


def test_support_looks_and_moves_nothing(client: FlaskClient, payment_id: int) -> None:
    assert confirm("RENT", receipt="RKLWAITS05") == "unallocated"
    desk = Desk(client, "support")
    for path in (f"/admin/payments/{payment_id}", "/admin/unallocated", "/admin/review", "/admin/refunds"):
        desk.open(path)
        assert desk.answer.status_code == 200
        assert [form.action for form in desk.page.forms if form.action.startswith("/admin")] == []
