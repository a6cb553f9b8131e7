"""Reconciliation: late money and expired orders, attempts without an end, `flask payments reconcile`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from apiflask import APIFlask

import config
from app import HANDLERS
from orders import expiry_services, mail_services
from orders import services as orders
from orders.schemas import Order
from payments import attempt_services, callback_services, query_services, services
from payments.schemas import Payment
from tests import daraja as scripted
from tests.conftest import Clock
from tests.daraja import Daraja, failure_body, success_body
from tests.factories import Product, User, make_order, make_product, make_user, stock_of
from tests.threads import at_once
from utils import db, outbox
from utils.errors import OrderInReview, OutOfStock
from utils.idempotency import Claim

ROUNDS = 5
SOLD = "the order had expired and its goods are sold: a refund is proposed"
CANCELLED = "the order is cancelled: a refund is proposed"


@pytest.fixture
def buyer(daraja: Daraja) -> User:
    return make_user()


@pytest.fixture
def product(app: APIFlask) -> Product:
    return make_product(price="100.00", stock=1)


@pytest.fixture
def order(buyer: User, product: Product) -> Order:
    return make_order(buyer, (product.variant, 1))


def push(buyer: User, order: Order) -> Payment:
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


@pytest.fixture
def payment(buyer: User, order: Order) -> Payment:
    return push(buyer, order)


def paid(payment: Payment, **changes: Any) -> str:
    return success_body(payment.checkout_request_id, **changes)


def summary(payment: Payment) -> tuple[Any, ...]:
    row = scripted.payment_row(payment.id)
    return row["status"], row["order_status"], row["payment_status"], row["paid"]


# --- late money


@pytest.fixture
def expired(payment: Payment, frozen_clock: Clock) -> Payment:
    """An attempt that failed, of an order that has expired since."""
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    frozen_clock.forward(hours=1)
    expiry_services.expire_due_orders()
    assert summary(payment) == ("failed", "cancelled", "unpaid", 0)
    return payment


def event_names(order: Order) -> list[str]:
    rows = db.reading().fetch_all("SELECT name FROM order_events WHERE order_id = %(id)s ORDER BY id", {"id": order.id})
    return [row["name"] for row in rows]


def test_late_money_revives_the_order_takes_its_goods_again_and_tells_so(
    expired: Payment, order: Order, product: Product
) -> None:
    assert stock_of(product.variant) == 1
    assert scripted.call_back(expired.id, paid(expired)) == "settled"
    assert summary(expired) == ("succeeded", "processing", "paid", 100)
    assert stock_of(product.variant) == 0
    assert event_names(order)[-4:] == ["order.expired", "order.revived", "order.paid", "order.processing"]
    topics = db.reading().fetch_all("SELECT topic FROM outbox_events ORDER BY id")
    assert [row["topic"] for row in topics][-3:] == ["order.revived", "order.paid", "order.processing"]
    letter = mail_services.write_letter(topic="order.revived", order_id=order.id)
    assert order.number in letter.subject
    assert "stands again" in letter.text


def test_word_of_the_expiry_that_is_told_after_the_revival_gives_nothing_back(expired: Payment) -> None:
    scripted.call_back(expired.id, paid(expired))
    while outbox.deliver_due(HANDLERS):
        pass
    assert summary(expired) == ("succeeded", "processing", "paid", 100)
    assert db.reading().fetch_value("SELECT COUNT(*) AS counted FROM refunds") == 0


def test_late_money_found_by_query_revives_the_order_too(expired: Payment) -> None:
    result = scripted.query_result("0")
    assert query_services.apply_answer(payment_id=expired.id, result=result) == "settled"
    assert summary(expired) == ("succeeded", "processing", "paid", 100)


def test_late_money_is_confirmed_by_query_before_it_revives_anything(expired: Payment, daraja: Daraja) -> None:
    with config.override(MPESA_CONFIRM_BY_QUERY=True):
        assert scripted.call_back(expired.id, paid(expired)) == "waiting"
        assert summary(expired) == ("failed", "cancelled", "unpaid", 0)
        daraja.queries.append(scripted.finished("0"))
        query_services.ask_due()
    assert summary(expired) == ("succeeded", "processing", "paid", 100)


def test_second_word_of_late_money_changes_nothing(expired: Payment, order: Order, product: Product) -> None:
    scripted.call_back(expired.id, paid(expired))
    before = event_names(order)
    assert scripted.call_back(expired.id, paid(expired)) == "repeated"
    assert (event_names(order), stock_of(product.variant)) == (before, 0)


def test_late_money_for_goods_that_are_sold_goes_to_review_with_a_refund_proposed(
    expired: Payment, order: Order, product: Product, buyer: User
) -> None:
    make_order(buyer, (product.variant, 1))
    before = event_names(order)
    assert scripted.call_back(expired.id, paid(expired)) == "review"
    assert summary(expired) == ("review", "cancelled", "review", 0)
    row = scripted.payment_row(expired.id)
    assert (row["receipt"], row["settled_amount"], row["review_reason"]) == ("NLJ7RT61SV", 100, SOLD)
    assert event_names(order) == [*before, "order.review"]
    assert stock_of(product.variant) == 0


def test_an_order_of_which_only_a_part_is_left_is_not_revived_in_part(buyer: User, frozen_clock: Clock) -> None:
    plenty, scarce = make_product(price="50.00", stock=9), make_product(price="50.00", stock=1)
    order = make_order(buyer, (plenty.variant, 1), (scarce.variant, 1))
    payment = push(buyer, order)
    scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
    frozen_clock.forward(hours=1)
    expiry_services.expire_due_orders()
    make_order(buyer, (scarce.variant, 1))
    assert scripted.call_back(payment.id, paid(payment)) == "review"
    assert (stock_of(plenty.variant), stock_of(scarce.variant)) == (9, 0)


@pytest.mark.parametrize("by", ["customer", "staff"])
def test_an_order_that_somebody_cancelled_is_not_revived(
    payment: Payment, order: Order, buyer: User, product: Product, by: str
) -> None:
    who = buyer if by == "customer" else make_user(role="manager")
    orders.cancel_order(order_id=order.id, user_id=who.id, manages=by == "staff", reason="", claim=Claim())
    assert scripted.call_back(payment.id, paid(payment)) == "review"
    assert summary(payment) == ("review", "cancelled", "review", 0)
    assert scripted.payment_row(payment.id)["review_reason"] == CANCELLED
    assert stock_of(product.variant) == 1


def test_a_wrong_amount_or_another_prompts_word_revives_nothing(expired: Payment, product: Product) -> None:
    assert scripted.call_back(expired.id, paid(expired, amount=1)) == "review"
    assert summary(expired) == ("review", "cancelled", "review", 0)
    assert stock_of(product.variant) == 1


def test_money_of_another_payment_revives_nothing(
    expired: Payment, order: Order, buyer: User, product: Product
) -> None:
    other = push(buyer, make_order(buyer, (make_product(price="100.00").variant, 1)))
    scripted.call_back(other.id, paid(other))
    assert scripted.call_back(expired.id, paid(expired)) == "review"
    assert summary(expired) == ("review", "cancelled", "review", 0)
    assert event_names(order)[-1] == "order.review"
    assert stock_of(product.variant) == 1


def test_an_order_under_review_is_revived_by_nothing_but_a_person(
    expired: Payment, buyer: User, product: Product
) -> None:
    scripted.call_back(expired.id, paid(expired, amount=1))
    assert scripted.call_back(expired.id, paid(expired, receipt="NLJ7RT61SW")) == "review"
    assert summary(expired) == ("review", "cancelled", "review", 0)
    assert stock_of(product.variant) == 1


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_late_money_and_another_buyer_one_gets_the_last_unit(
    expired: Payment, product: Product, round_: int
) -> None:
    callback_services.receive(kind="stk", payment_id=expired.id, body=paid(expired), address="")
    rival = make_user()
    _, bought = at_once(callback_services.apply_due, partial(make_order, rival, (product.variant, 1)))
    assert stock_of(product.variant) == 0
    if isinstance(bought, Order):
        assert summary(expired) == ("review", "cancelled", "review", 0)
        assert scripted.payment_row(expired.id)["review_reason"] == SOLD
    else:
        assert isinstance(bought, OutOfStock)
        assert summary(expired) == ("succeeded", "processing", "paid", 100)


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_of_two_orders_whose_money_comes_late_one_gets_the_last_unit(
    buyer: User, product: Product, frozen_clock: Clock, round_: int
) -> None:
    late = []
    for _ in range(2):
        payment = push(buyer, make_order(buyer, (product.variant, 1)))
        scripted.call_back(payment.id, failure_body(payment.checkout_request_id, 1037))
        frozen_clock.forward(hours=1)
        expiry_services.expire_due_orders()
        late.append(payment)
    for place, payment in enumerate(late):
        body = paid(payment, receipt=f"NLJ7RT61S{place}")
        callback_services.receive(kind="stk", payment_id=payment.id, body=body, address="")
    apply_one = partial(callback_services.apply_due, limit=1)
    at_once(apply_one, apply_one)
    callback_services.apply_due()
    assert sorted(summary(payment) for payment in late) == [
        ("review", "cancelled", "review", 0),
        ("succeeded", "processing", "paid", 100),
    ]
    assert stock_of(product.variant) == 0


def test_a_prompt_for_an_order_in_review_is_refused_with_the_reason(
    payment: Payment, buyer: User, order: Order
) -> None:
    scripted.call_back(payment.id, paid(payment, amount=1))
    with pytest.raises(OrderInReview, match="Do not pay again"):
        push(buyer, order)


# --- without an end


def ask_until_the_end(payment: Payment, frozen_clock: Clock) -> None:
    while (due_at := scripted.payment_row(payment.id)["query_due_at"]) is not None:
        frozen_clock.moment = max(due_at, frozen_clock.moment)
        query_services.ask_due()
    attempt_services.give_up_dead_prompts()


def test_an_attempt_without_an_answer_for_a_day_ends_as_unknown(payment: Payment, frozen_clock: Clock) -> None:
    ask_until_the_end(payment, frozen_clock)
    assert scripted.payment_row(payment.id)["status"] == "unknown"
    assert query_services.ask_due() == 0


def test_the_answer_to_the_last_question_still_counts(payment: Payment, daraja: Daraja, frozen_clock: Clock) -> None:
    frozen_clock.forward(hours=23, minutes=50)
    daraja.queries.append(scripted.finished("1032"))
    query_services.ask_due()
    assert scripted.payment_row(payment.id)["status"] == "failed"


def test_money_for_an_attempt_without_an_end_is_booked_whenever_it_comes(payment: Payment, frozen_clock: Clock) -> None:
    ask_until_the_end(payment, frozen_clock)
    frozen_clock.forward(days=3)
    expiry_services.expire_due_orders()
    assert scripted.call_back(payment.id, paid(payment)) == "settled"
    assert summary(payment) == ("succeeded", "processing", "paid", 100)


# --- flask payments reconcile


@pytest.fixture
def reconcile(app: APIFlask) -> Callable[..., tuple[int, list[str]]]:
    def run(*options: str) -> tuple[int, list[str]]:
        db.release()
        done = app.test_cli_runner().invoke(args=["payments", "reconcile", *options])
        return done.exit_code, done.output.splitlines()

    return run


def test_reconcile_asks_after_what_is_due_and_tells_what_it_found(
    payment: Payment, order: Order, daraja: Daraja, frozen_clock: Clock, reconcile: Callable[..., Any]
) -> None:
    assert reconcile()[1][1:] == ["0 asked after. Ledger less payments: 0.00."]
    frozen_clock.forward(seconds=26)
    daraja.queries.append(scripted.finished("0"))
    code, (_head, line, end) = reconcile()
    assert line.split() == [str(payment.id), order.number, "100.00", "0:00:26", "sent", "settled"]
    assert (code, end) == (0, "1 asked after: 1 settled. Ledger less payments: 0.00.")
    assert summary(payment)[0] == "succeeded"


def test_reconcile_all_asks_before_their_time_has_come(
    payment: Payment, daraja: Daraja, reconcile: Callable[..., Any]
) -> None:
    daraja.queries.append(scripted.finished("1032"))
    assert reconcile("--all")[1][-1] == "1 asked after: 1 failed. Ledger less payments: 0.00."


def test_reconcile_all_asks_once_more_after_what_had_no_end(
    payment: Payment, daraja: Daraja, frozen_clock: Clock, reconcile: Callable[..., Any]
) -> None:
    ask_until_the_end(payment, frozen_clock)
    frozen_clock.forward(hours=2)
    assert reconcile()[0] == 0
    code, lines = reconcile("--all")
    assert code == 1
    assert lines[1].endswith("unknown  open  <-- look at it")
    daraja.queries.append(scripted.finished("0"))
    code, lines = reconcile("--all")
    assert (code, lines[-1]) == (0, "1 asked after: 1 settled. Ledger less payments: 0.00.")


def test_reconcile_tells_of_pushes_that_were_never_answered(
    buyer: User, order: Order, daraja: Daraja, frozen_clock: Clock, reconcile: Callable[..., Any]
) -> None:
    daraja.pushes.append((500, ""))
    push(buyer, order)
    assert reconcile("--all")[1][-1] == "1 asked after: 1 no id. Ledger less payments: 0.00."
    frozen_clock.forward(hours=25)
    attempt_services.give_up_dead_prompts()
    code, lines = reconcile("--all")
    assert (code, lines[1].endswith("no id  <-- look at it")) == (1, True)


def test_reconcile_ends_with_1_when_money_does_not_fit(
    payment: Payment, buyer: User, order: Order, daraja: Daraja, reconcile: Callable[..., Any]
) -> None:
    orders.cancel_order(order_id=order.id, user_id=buyer.id, manages=False, reason="", claim=Claim())
    daraja.queries.append(scripted.finished("0"))
    code, lines = reconcile("--all")
    assert (code, lines[1].endswith("review  <-- look at it")) == (1, True)


def test_two_who_reconcile_at_once_put_each_question_once(
    payment: Payment, daraja: Daraja, reconcile: Callable[..., Any]
) -> None:
    row = {**scripted.payment_row(payment.id), "id": payment.id, "query_count": 0, "created_at": payment.created_at}
    claim = partial(query_services.claim_question, payment=row)
    assert sorted(at_once(claim, claim)) == [False, True]


def test_a_long_list_is_read_in_pages_and_each_attempt_asked_once(
    buyer: User, daraja: Daraja, monkeypatch: pytest.MonkeyPatch, reconcile: Callable[..., Any]
) -> None:
    monkeypatch.setattr("payments.reconcile_services.PAGE", 2)
    product = make_product(price="100.00", stock=9)
    for _ in range(5):
        push(buyer, make_order(buyer, (product.variant, 1)))
    assert reconcile("--all")[1][-1].startswith("5 asked after: 5 open.")
    assert daraja.count("query") == 5
