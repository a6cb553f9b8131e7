"""Refunds over HTTP: shapes, codes, who may, the same key twice, and the doors for Results and timeout notices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from payments import callback_services, callback_tokens, result_services
from tests import refunds as given
from tests.daraja import Daraja
from tests.factories import User, make_order, make_product, make_user
from tests.logins import Headers, log_in
from utils import db, metrics

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}


@pytest.fixture
def staff(client: FlaskClient) -> Headers:
    return log_in(client, make_user(role="manager"))


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def payment_id(buyer: User) -> int:
    order = make_order(buyer, (make_product(price="100.00").variant, 1))
    return given.settle(order.id, receipt="NLJ7RT61SV")


@pytest.fixture
def give_back(client: FlaskClient, staff: Headers, payment_id: int) -> Callable[..., Any]:
    def run(key: str | None = None, **body: Any) -> Any:
        sent = {**staff, **({"Idempotency-Key": key} if key else {})}
        fields = {"reason": "one came broken", **body}
        return client.post(f"/api/transactions/{payment_id}/refund", json=fields, headers=sent)

    return run


def door(refund_id: int, call: str = "reversal", kind: str = "result") -> str:
    address = callback_tokens.refund_url(door=kind, call=call, refund_id=refund_id)
    return address[address.index("/api/") :]


def test_a_refund_has_the_shape_of_the_contract_and_hides_the_phone(
    give_back: Callable[..., Any], client: FlaskClient, staff: Headers, payment_id: int
) -> None:
    answer = give_back(amount="40")
    refund = answer.get_json()
    assert answer.status_code == 202
    assert refund["created_at"].endswith("Z")
    assert refund == {
        "id": refund["id"],
        "payment_id": payment_id,
        "order_id": refund["order_id"],
        "method": "b2c",
        "status": "pending",
        "amount": "40.00",
        "currency": "KES",
        "phone_number": "25471*****78",
        "receipt": None,
        "result_code": None,
        "result_desc": None,
        "reason": "one came broken",
        "review_reason": None,
        "created_at": refund["created_at"],
        "settled_at": None,
    }
    assert client.get(f"/api/refunds/{refund['id']}", headers=staff).get_json() == refund


def test_the_same_key_gives_the_first_answer_again_and_claims_nothing_more(give_back: Callable[..., Any]) -> None:
    first, second = give_back(key="k1", amount=40), give_back(key="k1", amount=40)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.get_json() == first.get_json()
    assert give_back(key="k1", amount=41).get_json()["code"] == "idempotency_mismatch"
    assert db.reading().fetch_value("SELECT COUNT(*) AS counted FROM refunds") == 1


def test_when_nothing_is_left_it_is_409_with_what_is_left(give_back: Callable[..., Any]) -> None:
    assert give_back().get_json()["amount"] == "100.00"
    answer = give_back()
    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["data"]) == (409, "nothing_to_refund", {"refundable": "0.00"})


@pytest.mark.parametrize("amount", ["100.01", "0.50", 1.5, 0, -1, 101, "NaN", "1e400", True, "", [], 10**30])
def test_a_bad_amount_is_422_and_named(give_back: Callable[..., Any], amount: object) -> None:
    answer = give_back(amount=amount)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.get_json()["errors"]] == ["amount"]


@pytest.mark.parametrize(
    "body", [{"reason": ""}, {"reason": None}, {"reason": "x" * 301}, {"phone_number": "0712345678"}]
)
def test_a_refund_needs_a_reason_and_goes_to_nobody_but_the_payer(
    give_back: Callable[..., Any], body: dict[str, Any]
) -> None:
    assert give_back(**body).status_code == 422


def test_a_payment_that_is_not_there_or_has_not_come(
    client: FlaskClient, staff: Headers, give_back: Callable[..., Any], daraja: Daraja
) -> None:
    def refund(payment_id: int) -> Any:
        return client.post(f"/api/transactions/{payment_id}/refund", json={"reason": "x"}, headers=staff)

    assert refund(4711).status_code == 404
    order = given.place()
    body = {"order_id": order.id, "phone_number": "0712345678"}
    opened = client.post("/api/payments/stkpush", json=body, headers=staff)
    if opened.status_code == 202:
        assert refund(opened.get_json()["id"]).get_json()["code"] == "nothing_to_refund"


def test_who_may_give_money_back(client: FlaskClient, payment_id: int) -> None:
    def ask_as(role: str) -> int:
        headers = log_in(client, make_user(role=role))
        body = {"amount": 10, "reason": "x"}
        return client.post(f"/api/transactions/{payment_id}/refund", json=body, headers=headers).status_code

    assert client.post(f"/api/transactions/{payment_id}/refund", json={}).status_code == 401
    assert [ask_as(role) for role in ("customer", "support", "manager", "admin")] == [403, 403, 202, 202]


def test_customers_see_their_own_refunds_and_staff_all(
    client: FlaskClient,
    staff: Headers,
    buyer: User,
    give_back: Callable[..., Any],
) -> None:
    refund = give_back(amount=5).get_json()
    assert "Then settle this refund by hand." in refund["review_reason"]
    mine, strangers = log_in(client, buyer), log_in(client, make_user())
    (own,) = client.get("/api/refunds", headers=mine).get_json()["items"]
    assert own == {**refund, "review_reason": None}  # what staff are to do is not for customers
    assert client.get(f"/api/refunds/{refund['id']}", headers=mine).get_json() == own
    assert client.get("/api/refunds", headers=strangers).get_json()["items"] == []
    assert client.get(f"/api/refunds/{refund['id']}", headers=strangers).status_code == 404
    assert client.get("/api/refunds", headers=staff).get_json()["items"] == [refund]
    assert client.get("/api/refunds").status_code == 401


def test_refunds_are_filtered_and_paged(
    client: FlaskClient, staff: Headers, give_back: Callable[..., Any], payment_id: int
) -> None:
    first, second, third = (give_back(amount=amount).get_json() for amount in (5, 20, 30))
    given.send(second["id"])
    given.tell(second["id"], given.result_body(receipt="SKE52PAWR9"), call="b2c")

    def ids(query: str) -> list[int]:
        items = client.get(f"/api/refunds?{query}", headers=staff).get_json()["items"]
        return [item["id"] for item in items]

    assert ids("") == [third["id"], second["id"], first["id"]]
    assert ids("status=review") == [first["id"]]
    assert ids("status=succeeded") == ids("receipt=ske52pawr9") == [second["id"]]
    assert ids("status=pending") == [third["id"]]
    assert ids(f"payment_id={payment_id}&order_id={first['order_id']}") == [third["id"], second["id"], first["id"]]
    assert ids("order_id=4711") == []
    page = client.get("/api/refunds?limit=2&count=1", headers=staff).get_json()
    assert (page["total"], page["total_capped"]) == (3, False)
    rest = client.get(f"/api/refunds?limit=2&cursor={page['next_cursor']}", headers=staff).get_json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == ([first["id"]], None)


def test_a_person_settles_a_refund_in_review_once(
    client: FlaskClient, staff: Headers, give_back: Callable[..., Any]
) -> None:
    refund = give_back(amount=5).get_json()
    here = f"/api/refunds/{refund['id']}/settle"
    decision = {"status": "succeeded", "receipt": "ske52pawr9", "note": "sent from the portal"}
    settled = client.post(here, json=decision, headers=staff).get_json()
    assert (settled["status"], settled["receipt"], settled["review_reason"]) == ("succeeded", "SKE52PAWR9", None)
    assert settled["result_desc"] == "sent from the portal"
    again = client.post(here, json=decision, headers=staff)
    assert (again.status_code, again.get_json()["code"]) == (409, "illegal_transition")
    pending = give_back(amount=20).get_json()
    assert client.post(f"/api/refunds/{pending['id']}/settle", json=decision, headers=staff).status_code == 409


def test_what_staff_do_with_refunds_is_in_the_audit_log(
    client: FlaskClient, give_back: Callable[..., Any], staff: Headers
) -> None:
    refund = give_back(amount=5).get_json()
    decision = {"status": "failed", "note": "not wanted"}
    client.post(f"/api/refunds/{refund['id']}/settle", json=decision, headers=staff)
    rows = db.reading().fetch_all("SELECT action, target FROM audit_log ORDER BY id")
    assert [(row["action"], row["target"]) for row in rows] == [
        ("refund.started", f"refund:{refund['id']}"),
        ("refund.settled", f"refund:{refund['id']}"),
    ]


def test_what_a_refund_waits_for_is_in_the_operators_queue(
    client: FlaskClient, staff: Headers, give_back: Callable[..., Any]
) -> None:
    refund = give_back(amount=5).get_json()
    (item,) = client.get("/api/payments/review", headers=staff).get_json()["items"]
    assert (item["kind"], item["id"], item["amount"]) == ("refund", refund["id"], "5.00")
    assert item["why"] == refund["review_reason"]
    assert f"/api/refunds/{refund['id']}/settle" in item["next"]


def test_money_on_its_way_back_waits_for_nobody(client: FlaskClient, staff: Headers, daraja: Daraja) -> None:
    odd = given.settle(given.place().id, came="70", receipt="NLJ7RT61SW")

    def kinds() -> list[str]:
        return [item["kind"] for item in client.get("/api/payments/review", headers=staff).get_json()["items"]]

    assert "payment" in kinds()
    given.refund(odd)
    assert "payment" not in kinds()


# --- the doors


@pytest.mark.parametrize("call", callback_tokens.REFUND_CALLS)
@pytest.mark.parametrize("kind", ["result", "timeout"])
def test_a_result_is_kept_word_for_word_before_it_is_answered(
    client: FlaskClient, give_back: Callable[..., Any], call: str, kind: str
) -> None:
    refund_id = give_back().get_json()["id"]
    body = given.result_body()
    answer = client.post(door(refund_id, call, kind), data=body)
    assert (answer.status_code, answer.get_json()) == (200, ACCEPTED)
    (kept,) = db.reading().fetch_all("SELECT kind, refund_id, refund_call, body, applied_at FROM provider_callbacks")
    assert kept == {"kind": kind, "refund_id": refund_id, "refund_call": call, "body": body, "applied_at": None}
    callback_services.apply_due()


def test_a_forged_token_is_404_counted_and_leaves_nothing(client: FlaskClient, give_back: Callable[..., Any]) -> None:
    refund_id = give_back().get_json()["id"]
    before = metrics.CALLBACKS_REFUSED.labels("result", "token")._value.get()
    good = door(refund_id)
    stk = callback_tokens.make_token(kind="stk", payment_id=refund_id)
    forged = [good[:-1] + ("0" if good[-1] != "0" else "1"), f"/api/payments/callbacks/result/{stk}"]
    forged.append(door(refund_id, kind="timeout").replace("/timeout/", "/result/"))
    for address in forged:
        answer = client.post(address, data=given.result_body())
        assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")
    assert metrics.CALLBACKS_REFUSED.labels("result", "token")._value.get() == before + len(forged)
    assert db.reading().fetch_value("SELECT COUNT(*) AS counted FROM provider_callbacks") == 0


def test_a_true_token_of_a_refund_that_is_not_there_is_404(client: FlaskClient, daraja: Daraja) -> None:
    assert client.post(door(4711), data=given.result_body()).status_code == 404


@pytest.mark.parametrize("kind", ["result", "timeout"])
def test_what_is_not_json_is_400_and_what_is_too_large_413(
    client: FlaskClient, give_back: Callable[..., Any], kind: str
) -> None:
    here = door(give_back().get_json()["id"], kind=kind)
    assert client.post(here, data=b"<html>").status_code == 400
    assert client.post(here, data=b'"' + b"x" * 65 * 1024 + b'"').status_code == 413
    assert db.reading().fetch_value("SELECT COUNT(*) AS counted FROM provider_callbacks") == 0


# --- cancelled


def test_a_customer_who_cancels_a_paid_order_reads_review_and_then_refunded(
    client: FlaskClient, buyer: User, payment_id: int
) -> None:
    mine = log_in(client, buyer)
    order_id = client.get(f"/api/transactions/{payment_id}", headers=mine).get_json()["order_id"]
    cancelled = client.post(f"/api/orders/{order_id}/cancel", json={}, headers=mine).get_json()
    assert (cancelled["status"], cancelled["payment_status"], cancelled["refunded"]) == ("cancelled", "review", "0.00")
    given.tell_outbox()
    (refund,) = client.get("/api/refunds", headers=mine).get_json()["items"]
    assert (refund["status"], refund["method"], refund["amount"]) == ("pending", "reversal", "100.00")
    given.send(refund["id"])
    given.tell(refund["id"], given.result_body(receipt="SKE52PAWR9"))
    shown = client.get(f"/api/orders/{order_id}", headers=mine).get_json()
    assert (shown["payment_status"], shown["refunded"]) == ("refunded", "100.00")
    events = client.get(f"/api/orders/{order_id}/events", headers=mine).get_json()["items"]
    assert [event["name"] for event in events][-3:] == ["order.cancelled", "order.review", "order.refunded"]
    assert events[-1]["reason"] == "100.00 sent back SKE52PAWR9"


# --- what it costs


def test_a_refund_costs_no_more_statements_than_it_must(
    count_statements: Callable[[Callable[[], Any]], int], payment_id: int
) -> None:
    staff = make_user(role="admin")
    # order id, order, payment; claim, refund; the answer, the audit log
    assert count_statements(lambda: given.refund(payment_id, user_id=staff.id)) == 7


def test_the_end_of_a_refund_costs_no_more_statements_than_it_must(
    count_statements: Callable[[Callable[[], Any]], int], payment_id: int
) -> None:
    refund_id = given.refund(payment_id).id
    given.send(refund_id)
    callback = {"refund_id": refund_id, "refund_call": "reversal", "body": given.result_body()}

    @db.in_transaction
    def apply(tx: db.Tx) -> None:
        result_services.apply_result_tx(tx, callback)

    # payment and order id, order, payment, refund; its conversation, its end; what its order had, journal, entries;
    # the order, its event, the outbox, what is true of it now and that written
    assert count_statements(apply) == 15
