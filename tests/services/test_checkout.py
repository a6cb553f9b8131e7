"""A cart becomes an order, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from apiflask import APIFlask

from cart import services as cart
from cart.owner_services import Owner
from orders import checkout_services
from orders.schemas import OrderIn
from tests.factories import User, Variant, make_order, make_product, make_user, stock_of
from tests.threads import at_once
from utils import db
from utils.errors import CartEmpty, OutOfStock, PriceChanged
from utils.idempotency import Claim

pytestmark = pytest.mark.usefixtures("app")


def fill_cart(user: User, *lines: tuple[Variant, int]) -> None:
    for variant, quantity in lines:
        cart.add_item(owner=Owner(user_id=user.id), choice={"variant_id": variant.id}, quantity=quantity)


def order_from_cart(user: User, **fields: Any) -> Any:
    request = OrderIn.model_validate({"shipping_address": "Moi Avenue 1", **fields})
    return checkout_services.place_order(
        buyer=checkout_services.Buyer(email=user.email, user_id=user.id), request=request, claim=Claim()
    )


def count(table: str) -> int:
    counted: int = db.reading().fetch_value(f"SELECT COUNT(*) AS counted FROM {table}")
    return counted


def test_the_cart_becomes_an_order_and_is_empty_afterwards() -> None:
    user, product = make_user(), make_product(price="249.50", stock=5)
    fill_cart(user, (product.variant, 3))
    order = order_from_cart(user)
    assert (order.subtotal, order.rounding, order.total) == (Decimal("748.50"), Decimal("0.50"), Decimal("749.00"))
    assert (order.status, order.payment_status) == ("pending", "unpaid")
    assert stock_of(product.variant) == 2
    with pytest.raises(CartEmpty):
        order_from_cart(user)


def test_the_price_is_the_one_of_this_moment_not_of_the_day_it_was_put_in_the_cart() -> None:
    user, product = make_user(), make_product(price="100.00")
    fill_cart(user, (product.variant, 1))
    _set_price(product.variant, "120.00")
    with pytest.raises(PriceChanged) as caught:
        order_from_cart(user, expected_total="100.00")
    assert caught.value.data == {"total": "120.00"}
    assert order_from_cart(user, expected_total="120").total == Decimal("120.00")


def test_the_order_keeps_name_and_price_when_the_product_changes() -> None:
    user, product = make_user(), make_product(name="Jiko", price="900.00")
    order = make_order(user, (product.variant, 1))
    _set_price(product.variant, "1.00")
    line = db.reading().fetch_one("SELECT name, unit_price FROM order_items WHERE order_id = %(id)s", {"id": order.id})
    assert line == {"name": "Jiko", "unit_price": Decimal("900.00")}


def test_every_short_line_is_named_and_nothing_is_taken() -> None:
    user = make_user()
    plenty, scarce, gone = make_product(stock=9), make_product(stock=1), make_product(stock=0)
    with pytest.raises(OutOfStock) as caught:
        make_order(user, (plenty.variant, 2), (scarce.variant, 2), (gone.variant, 1))
    assert caught.value.data["items"] == [
        {"variant_id": scarce.variant.id, "requested": 2, "available": 1},
        {"variant_id": gone.variant.id, "requested": 1, "available": 0},
    ]
    assert stock_of(plenty.variant) == 9
    assert (count("orders"), count("outbox_events")) == (0, 0)


def test_a_product_that_was_deleted_meanwhile_is_out_of_stock() -> None:
    user, product = make_user(), make_product()
    fill_cart(user, (product.variant, 1))
    _run("UPDATE products SET deleted_at = UTC_TIMESTAMP(6) WHERE id = %(id)s", id=product.id)
    with pytest.raises(OutOfStock) as caught:
        order_from_cart(user)
    assert caught.value.data["items"] == [{"variant_id": product.variant.id, "requested": 1, "available": 0}]


def test_an_order_without_a_cart_leaves_the_cart_alone() -> None:
    user, wanted, waiting = make_user(), make_product(), make_product()
    fill_cart(user, (waiting.variant, 2))
    make_order(user, (wanted.variant, 1))
    assert [item["variant_id"] for item in cart.get_cart(owner=Owner(user_id=user.id))["items"]] == [waiting.variant.id]


def test_cash_on_delivery_is_processed_at_once_and_never_expires() -> None:
    order = make_order(make_user(), (make_product().variant, 1), method="cod")
    assert (order.status, order.payment_status, order.expires_at) == ("processing", "unpaid", None)


def test_an_order_an_event_and_an_outbox_row_come_together() -> None:
    order = make_order(make_user(), (make_product().variant, 1))
    event = db.reading().fetch_one("SELECT order_id, name, to_status FROM order_events")
    assert event == {"order_id": order.id, "name": "order.placed", "to_status": "pending"}
    staged = db.reading().fetch_one("SELECT topic, payload FROM outbox_events")
    assert staged is not None
    assert (staged["topic"], json.loads(staged["payload"])) == ("order.placed", {"order_id": order.id})


def test_a_number_that_is_taken_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    user, product = make_user(), make_product()
    drawn = iter(["SAME", "SAME", "OTHER"])
    monkeypatch.setattr(checkout_services, "draw_number", lambda: next(drawn))
    assert [make_order(user, (product.variant, 1)).number for _ in range(2)] == ["SAME", "OTHER"]


def test_numbers_have_no_look_alikes_and_fit_the_mpesa_account() -> None:
    numbers = {checkout_services.draw_number() for _ in range(200)}
    assert len(numbers) == 200
    assert all(len(number) <= 12 and not set(number) & set("0O1IL5S2Z8UV") for number in numbers)


def test_the_last_piece_goes_to_one_of_many_who_want_it_at_once(app: APIFlask) -> None:
    product = make_product(stock=1)
    outcomes = _outcomes(*[partial(make_order, make_user(), (product.variant, 1)) for _ in range(12)])
    assert outcomes == ["OutOfStock"] * 11 + ["ok"]
    assert stock_of(product.variant) == 0


def test_two_tabs_that_order_the_same_cart_make_one_order() -> None:
    user, product = make_user(), make_product(stock=10)
    fill_cart(user, (product.variant, 2))
    outcomes = _outcomes(*[lambda: order_from_cart(user)] * 6)
    assert outcomes == ["CartEmpty"] * 5 + ["ok"]
    assert stock_of(product.variant) == 8


def test_orders_that_name_the_same_things_the_other_way_round_do_not_block_each_other() -> None:
    first, second = make_product(stock=100), make_product(stock=100)
    lines = [(first.variant, 1), (second.variant, 1)]
    orders = [partial(make_order, make_user(), *some) for some in [lines, lines[::-1]] * 8]
    assert _outcomes(*orders) == ["ok"] * 16
    assert (stock_of(first.variant), stock_of(second.variant)) == (84, 84)


def test_statements_of_an_order_of_three_lines(count_statements: Callable[[Callable[[], Any]], int]) -> None:
    user, products = make_user(), [make_product() for _ in range(3)]
    fill_cart(user, *((product.variant, 1) for product in products))
    # lock and read the cart; prices; order, lines, event, outbox; empty the cart; movements; one UPDATE a variant
    assert count_statements(lambda: order_from_cart(user)) == 13


def _outcomes(*steps: Callable[[], Any]) -> list[str]:
    """Run the steps at once; tell how each ended: `ok`, or the name of its error."""
    results = at_once(*steps)
    return sorted(type(result).__name__ if isinstance(result, Exception) else "ok" for result in results)


@db.in_transaction
def _run(tx: db.Tx, sql: str, **params: Any) -> None:
    tx.execute(sql, params)


def _set_price(variant: Variant, price: str) -> None:
    _run("UPDATE variants SET price = %(price)s WHERE id = %(id)s", price=price, id=variant.id)
    _run(
        """
        UPDATE products p
          JOIN variants v ON v.product_id = p.id
           SET p.price = %(price)s,
               p.price_max = %(price)s
         WHERE v.id = %(id)s
        """,
        price=price,
        id=variant.id,
    )
