"""The inbox of callbacks: each is kept when it is answered, alone or in a crowd."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from payments import callback_services, services
from payments.schemas import Payment
from tests.daraja import Daraja
from tests.factories import make_order, make_product, make_user
from tests.threads import at_once
from utils import db
from utils.errors import NotFound
from utils.idempotency import Claim


@pytest.fixture
def payment(daraja: Daraja) -> Payment:
    buyer = make_user()
    order = make_order(buyer, (make_product().variant, 1))
    return services.start_stk_push(
        order_id=order.id, phone_number="254712345678", user_id=buyer.id, manages=False, claim=Claim()
    )


def test_a_callback_for_a_payment_that_is_not_there_is_not_found(daraja: Daraja) -> None:
    with pytest.raises(NotFound):
        callback_services.receive(kind="stk", payment_id=4711, body="{}", address="")


def test_of_callbacks_that_come_at_once_each_is_kept_and_only_the_false_one_refused(
    payment: Payment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    insert = callback_services._inbox._write
    monkeypatch.setattr(callback_services._inbox, "_write", lambda rows: (sizes.append(len(rows)), insert(rows)))

    def bring(payment_id: int, body: str) -> Callable[[], None]:
        return lambda: callback_services.receive(kind="stk", payment_id=payment_id, body=body, address="")

    for _ in range(30):  # until a crowd with the false one in its midst was written together
        bodies = [f'{{"n": {number}}}' for number in range(12)]
        told = at_once(*[bring(payment.id, body) for body in bodies], bring(4711, "{}"))
        assert told[:-1] == [None] * 12
        assert isinstance(told[-1], NotFound)
    assert max(sizes) > 1
    kept = db.reading().fetch_all("SELECT body, COUNT(*) AS times FROM provider_callbacks GROUP BY body")
    assert {row["body"]: row["times"] for row in kept} == dict.fromkeys(bodies, 30)
    db.in_transaction(lambda tx: tx.execute("DELETE FROM provider_callbacks"))()
