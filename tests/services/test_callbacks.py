"""The callback inbox and settlement: whatever comes, in whatever order, money is booked once and never lost."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

import config
from orders import expiry_services
from orders import services as orders
from orders.schemas import Order
from payments import callback_services, query_services, services
from payments import settle_services as settlement
from payments.schemas import Payment
from tests import daraja as scripted
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import User, make_order, make_product, make_user
from tests.threads import at_once
from utils import db
from utils.idempotency import Claim

RECEIPT = "NLJ7RT61SV"


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def order(buyer: User) -> Order:
    return make_order(buyer, (make_product(price="100.00").variant, 1))


@pytest.fixture
def push(buyer: User, order: Order) -> Callable[..., Payment]:
    def run(order_id: int = order.id, phone: str = "254712345678") -> Payment:
        return services.start_stk_push(
            order_id=order_id, phone_number=phone, user_id=buyer.id, manages=False, claim=Claim()
        )

    return run


@pytest.fixture
def payment(push: Callable[..., Payment]) -> Payment:
    return push()


def paid(payment: Payment, **changes: Any) -> str:
    return success_body(payment.checkout_request_id, **changes)


def test_a_success_settles_the_payment_and_moves_the_order_on(payment: Payment) -> None:
    assert scripted.call_back(payment.id, paid(payment)) == "settled"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["receipt"], row["settled_amount"]) == ("succeeded", RECEIPT, 100)
    assert (row["order_status"], row["payment_status"], row["paid"]) == ("processing", "paid", 100)


def test_a_failure_frees_the_order_for_another_try(payment: Payment, push: Callable[..., Payment]) -> None:
    assert scripted.call_back(payment.id, failure_body(payment.checkout_request_id)) == "failed"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["result_code"], row["payment_status"]) == ("failed", "1032", "unpaid")
    assert push().status == "pending"


def test_second_identical_callback_changes_nothing(payment: Payment) -> None:
    assert scripted.call_back(payment.id, paid(payment)) == "settled"
    before = scripted.payment_row(payment.id)
    assert scripted.call_back(payment.id, paid(payment)) == "repeated"
    assert scripted.payment_row(payment.id) == before


def test_two_identical_callbacks_applied_at_once_are_booked_once(payment: Payment) -> None:
    for _ in range(2):
        callback_services.receive(kind="stk", payment_id=payment.id, body=paid(payment), address="")

    def apply_one() -> int:
        return callback_services.apply_due(limit=1)

    assert at_once(apply_one, apply_one) == [1, 1]
    callback_services.apply_due()
    assert sorted(scripted.outcomes(payment.id)) == ["repeated", "settled"]
    assert scripted.payment_row(payment.id)["paid"] == 100


def test_one_callback_applied_by_two_workers_is_booked_once(payment: Payment) -> None:
    """The first one's lease ran out while it was still at it."""
    callback_services.receive(kind="stk", payment_id=payment.id, body=paid(payment), address="")
    (callback,) = callback_services.lease_due(limit=1)

    def apply() -> str:
        return callback_services.apply(callback=callback)

    results = at_once(apply, apply)
    assert sum(result == "settled" for result in results) == 1
    assert scripted.payment_row(payment.id)["paid"] == 100


def test_a_callback_before_the_pushs_own_answer_is_settled_and_the_answer_fills_in_the_rest(
    daraja: Daraja, push: Callable[..., Payment], order: Order
) -> None:
    def pay_first(_body: dict[str, Any]) -> scripted.Answer:
        payment_id = db.reading().fetch_value("SELECT id FROM payments")
        assert scripted.call_back(payment_id, success_body("ws_CO_quick")) == "settled"
        return scripted.accepted("ws_CO_quick")

    daraja.pushes.append(pay_first)
    payment = push()
    assert (payment.status, payment.receipt, payment.checkout_request_id) == ("succeeded", RECEIPT, "ws_CO_quick")


def test_a_failure_before_the_pushs_own_answer_stays_a_failure(daraja: Daraja, push: Callable[..., Payment]) -> None:
    def fail_first(_body: dict[str, Any]) -> scripted.Answer:
        payment_id = db.reading().fetch_value("SELECT id FROM payments")
        assert scripted.call_back(payment_id, failure_body("ws_CO_quick")) == "failed"
        return scripted.accepted("ws_CO_quick")

    daraja.pushes.append(fail_first)
    payment = push()
    assert (payment.status, payment.checkout_request_id) == ("failed", "ws_CO_quick")
    assert scripted.payment_row(payment.id)["payment_status"] == "unpaid"


def test_a_success_wins_over_an_earlier_failure(payment: Payment) -> None:
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    assert scripted.call_back(payment.id, paid(payment)) == "settled"
    assert scripted.payment_row(payment.id)["payment_status"] == "paid"


def test_a_failure_never_undoes_a_success(payment: Payment) -> None:
    scripted.call_back(payment.id, paid(payment))
    assert scripted.call_back(payment.id, failure_body(payment.checkout_request_id)) == "repeated"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["payment_status"]) == ("succeeded", "paid")


def test_money_that_comes_after_expiry_takes_the_order_up_again(
    payment: Payment, order: Order, frozen_clock: Any
) -> None:
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    frozen_clock.forward(hours=1)
    expiry_services.expire_due_orders()
    assert scripted.call_back(payment.id, paid(payment)) == "settled"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["receipt"], row["settled_amount"]) == ("succeeded", RECEIPT, 100)
    assert (row["order_status"], row["payment_status"], row["paid"]) == ("processing", "paid", 100)


@pytest.mark.parametrize("amount", [99, 101, 1.5, 0])
def test_another_amount_goes_to_review_and_never_to_the_order(payment: Payment, amount: float) -> None:
    assert scripted.call_back(payment.id, paid(payment, amount=amount)) == "review"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["settled_amount"]) == ("review", Decimal(str(amount)))
    assert (row["order_status"], row["payment_status"], row["paid"]) == ("pending", "review", 0)


def test_the_success_of_another_prompt_goes_to_review(payment: Payment) -> None:
    assert scripted.call_back(payment.id, success_body("ws_CO_elsewhere")) == "review"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["checkout_request_id"]) == ("review", payment.checkout_request_id)


def test_the_failure_of_another_prompt_is_not_believed(payment: Payment) -> None:
    assert scripted.call_back(payment.id, failure_body("ws_CO_elsewhere")) == "mismatch"
    assert scripted.payment_row(payment.id)["status"] == "sent"
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id))


def test_a_receipt_that_paid_another_order_does_not_pay_this_one(
    payment: Payment, buyer: User, push: Callable[..., Payment]
) -> None:
    scripted.call_back(payment.id, paid(payment))
    other = make_order(buyer, (make_product(price="100.00").variant, 1))
    second = push(other.id)
    assert scripted.call_back(second.id, paid(second)) == "review"
    row = scripted.payment_row(second.id)
    assert (row["receipt"], row["paid"], row["payment_status"]) == (None, 0, "review")
    assert RECEIPT in row["review_reason"]


def test_a_success_under_the_token_of_another_payment_books_no_money_there(
    payment: Payment, buyer: User, push: Callable[..., Payment]
) -> None:
    """It names a prompt of which the query tells too: booked here, that money would be in the books twice."""
    other = push(make_order(buyer, (make_product(price="100.00").variant, 1)).id)
    assert scripted.call_back(other.id, paid(payment)) == "review"
    row = scripted.payment_row(other.id)
    assert (row["receipt"], row["settled_amount"], row["payment_status"]) == (None, None, "review")
    assert RECEIPT in row["review_reason"]
    query_services.apply_answer(payment_id=payment.id, result=scripted.query_result("0"))
    assert scripted.call_back(payment.id, paid(payment)) == "receipt_filled"
    assert scripted.call_back(other.id, paid(other, receipt="NLJ7RT61SW")) == "review"
    assert scripted.call_back(other.id, paid(payment, receipt="NLJ7RT61SX")) == "repeated"
    booked = db.reading().fetch_value("SELECT SUM(settled_amount) AS s FROM payments")
    assert booked == 200


def test_a_prompt_paid_twice_leaves_the_second_money_in_review(payment: Payment) -> None:
    scripted.call_back(payment.id, paid(payment))
    for _ in range(2):
        scripted.call_back(payment.id, paid(payment, receipt="NLJ7RT61SW"))
    assert scripted.outcomes(payment.id) == ["settled", "review", "repeated"]
    found = db.reading().fetch_one(
        "SELECT status, settled_amount, review_reason FROM payments WHERE receipt = 'NLJ7RT61SW'"
    )
    assert found is not None
    assert (found["status"], found["settled_amount"]) == ("review", 100)
    assert scripted.payment_row(payment.id)["paid"] == 100


def test_an_order_paid_by_two_prompts_keeps_the_second_money_in_review(
    payment: Payment, push: Callable[..., Payment]
) -> None:
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    second = push()
    scripted.call_back(second.id, paid(second))
    assert scripted.call_back(payment.id, paid(payment, receipt="NLJ7RT61SW")) == "review"
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["payment_status"], row["paid"]) == ("review", "paid", 100)
    assert row["review_reason"] == "the order was already paid: paid twice"


@pytest.mark.parametrize("odd", [{"receipt": None}, {"amount": None}, {"CallbackMetadata": None}])
def test_a_success_without_amount_or_receipt_is_believed_when_the_query_agrees(
    payment: Payment, daraja: Daraja, frozen_clock: Any, odd: dict[str, Any]
) -> None:
    callback_services.receive(kind="stk", payment_id=payment.id, body=paid(payment, **odd), address="")
    callback_services.apply_due()
    assert scripted.payment_row(payment.id)["status"] == "sent"
    daraja.queries.append(scripted.finished("0"))
    query_services.ask_due()
    assert scripted.payment_row(payment.id)["settled_amount"] == 100
    frozen_clock.forward(seconds=3)
    callback_services.apply_due()
    assert scripted.outcomes(payment.id) == ["repeated"]


def test_an_unknown_code_leaves_the_payment_open_and_has_the_provider_asked(payment: Payment, daraja: Daraja) -> None:
    assert scripted.call_back(payment.id, failure_body(payment.checkout_request_id, "7777")) == "unknown_code"
    assert scripted.payment_row(payment.id)["status"] == "sent"
    daraja.queries.append(scripted.finished("0"))
    assert query_services.ask_due() == 1
    assert scripted.payment_row(payment.id)["status"] == "succeeded"


@pytest.mark.parametrize("body", ["{}", "null", "5", '{"Body":{"stkCallback":{"ResultCode":null}}}'])
def test_a_body_that_is_no_callback_is_kept_and_not_tried_forever(payment: Payment, body: str) -> None:
    assert scripted.call_back(payment.id, body) == "unreadable"
    assert callback_services.apply_due() == 0
    kept = db.reading().fetch_one("SELECT body, due_at FROM provider_callbacks")
    assert kept == {"body": body, "due_at": None}
    assert scripted.payment_row(payment.id)["status"] == "sent"


def test_an_order_cancelled_under_an_open_prompt_keeps_the_late_money_in_review(
    payment: Payment, buyer: User, order: Order
) -> None:
    orders.cancel_order(order_id=order.id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    assert scripted.call_back(payment.id, paid(payment)) == "review"
    row = scripted.payment_row(payment.id)
    assert (row["order_status"], row["payment_status"]) == ("cancelled", "review")


# --- MPESA_CONFIRM_BY_QUERY


@pytest.fixture
def confirmed_by_query(payment: Payment) -> Any:
    with config.override(MPESA_CONFIRM_BY_QUERY=True):
        yield


def receive_and_apply(payment: Payment, body: str) -> None:
    callback_services.receive(kind="stk", payment_id=payment.id, body=body, address="")
    callback_services.apply_due()


def test_a_success_settles_only_when_the_query_agrees_and_then_with_its_receipt(
    payment: Payment, confirmed_by_query: None, daraja: Daraja, frozen_clock: Any
) -> None:
    receive_and_apply(payment, paid(payment))
    assert scripted.payment_row(payment.id)["status"] == "sent"
    daraja.queries.append(scripted.finished("0"))
    assert query_services.ask_due() == 1
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["receipt"], row["payment_status"]) == ("succeeded", RECEIPT, "paid")
    frozen_clock.forward(seconds=3)
    callback_services.apply_due()
    assert scripted.outcomes(payment.id) == ["repeated"]


def test_a_success_that_the_query_denies_is_not_believed_and_ends_in_review(
    payment: Payment, confirmed_by_query: None, daraja: Daraja, frozen_clock: Any
) -> None:
    receive_and_apply(payment, paid(payment))
    daraja.queries.append(scripted.finished("1032"))
    query_services.ask_due()
    assert scripted.payment_row(payment.id)["status"] == "failed"
    for _ in range(40):
        frozen_clock.forward(seconds=61)
        callback_services.apply_due()
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["receipt"], row["payment_status"]) == ("review", RECEIPT, "review")


def test_a_genuine_success_outlives_a_query_that_is_down(
    payment: Payment, confirmed_by_query: None, daraja: Daraja, frozen_clock: Any
) -> None:
    receive_and_apply(payment, paid(payment))
    daraja.queries.extend(scripted.IN_PROGRESS)
    for _ in range(len(scripted.IN_PROGRESS)):
        frozen_clock.forward(seconds=61)
        callback_services.apply_due()
        query_services.ask_due()
    assert scripted.payment_row(payment.id)["status"] == "sent"
    daraja.queries.append(scripted.finished("0"))
    frozen_clock.forward(seconds=61)
    callback_services.apply_due()
    query_services.ask_due()
    assert scripted.payment_row(payment.id)["status"] == "succeeded"


def test_a_success_after_a_failure_is_asked_after_too(
    payment: Payment, confirmed_by_query: None, daraja: Daraja, frozen_clock: Any
) -> None:
    receive_and_apply(payment, failure_body(payment.checkout_request_id, 1037))
    receive_and_apply(payment, paid(payment))
    assert scripted.payment_row(payment.id)["status"] == "failed"
    daraja.queries.append(scripted.finished("0"))
    query_services.ask_due()
    assert scripted.payment_row(payment.id)["status"] == "succeeded"


def test_a_push_without_an_answer_is_confirmed_under_the_callbacks_id(
    daraja: Daraja, push: Callable[..., Payment]
) -> None:
    daraja.pushes.append((500, ""))
    payment = push()
    with config.override(MPESA_CONFIRM_BY_QUERY=True):
        receive_and_apply(payment, success_body("ws_CO_1"))
        daraja.queries.append(scripted.finished("0"))
        assert query_services.ask_due() == 1
    assert daraja.body_of("query")["CheckoutRequestID"] == "ws_CO_1"
    assert scripted.payment_row(payment.id)["status"] == "succeeded"


def test_another_amount_is_not_even_asked_after(payment: Payment, confirmed_by_query: None, daraja: Daraja) -> None:
    receive_and_apply(payment, paid(payment, amount=1))
    assert scripted.outcomes(payment.id) == ["review"]
    assert daraja.count("query") == 0


def test_a_forged_amount_in_the_inbox_does_not_spoil_what_the_query_tells(payment: Payment, daraja: Daraja) -> None:
    callback_services.receive(kind="stk", payment_id=payment.id, body=paid(payment, amount=1), address="")
    callback_services.receive(kind="stk", payment_id=payment.id, body=paid(payment), address="")
    query_services.apply_answer(payment_id=payment.id, result=scripted.query_result("0"))
    row = scripted.payment_row(payment.id)
    assert (row["status"], row["receipt"]) == ("succeeded", RECEIPT)


def test_a_settlement_costs_no_more_statements_than_it_must(
    payment: Payment, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    callback_services.receive(kind="stk", payment_id=payment.id, body=paid(payment), address="")
    (callback,) = callback_services.lease_due(limit=1)
    assert count_statements(lambda: callback_services.apply(callback=callback)) == 17  # four are the ledger's


def test_a_misfit_is_told_in_words() -> None:
    order = {"status": "pending", "paid": Decimal(0), "total": Decimal(100)}
    payment = {"checkout_request_id": "a", "amount": Decimal(100)}
    fits = settlement.Success(source="callback", amount=Decimal("100.00"), checkout_request_id="a")
    assert settlement.find_misfit(order, payment, fits) is None
    less = settlement.Success(source="callback", amount=Decimal(1))
    assert settlement.find_misfit(order, payment, less) == "1.00 came where 100.00 was asked for"
