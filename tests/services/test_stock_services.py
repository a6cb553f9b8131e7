"""Stock never goes below zero, and its movements always add up to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from products import stock_services as stock
from products.stock_services import StockLine
from tests import factories
from tests.threads import at_once
from utils import db
from utils.errors import BadCursor, NotFound, OutOfStock, StaleStock

MakeProduct = Callable[..., factories.Product]


@db.in_transaction
def take(tx: db.Tx, order_id: int, *lines: tuple[int, int]) -> None:
    stock.take_tx(tx, order_id=order_id, lines=[StockLine(*line) for line in lines], actor_id=None)


@db.in_transaction
def give_back(tx: db.Tx, order_id: int) -> None:
    stock.give_back_tx(tx, order_id=order_id, reason="order cancelled", actor_id=None)


def stock_of(variant_id: int) -> int:
    return db.reading().fetch_value("SELECT stock FROM variants WHERE id = %(id)s", {"id": variant_id})


def reasons_of(variant_id: int) -> list[tuple[str, int]]:
    return [(row["reason"], row["delta"]) for row in stock.list_movements(variant_id=variant_id).items]


def test_taking_lowers_the_stock_and_records_it(make_product: MakeProduct) -> None:
    variant = make_product(stock=10).variant
    take(7, (variant.id, 3))
    assert stock_of(variant.id) == 7
    assert reasons_of(variant.id) == [("order", -3), ("initial", 10)]


def test_out_of_stock_names_every_short_line_and_takes_nothing(make_product: MakeProduct) -> None:
    enough, short, gone = (make_product(stock=pieces).variant for pieces in (5, 2, 0))
    with pytest.raises(OutOfStock) as refused:
        take(7, (gone.id, 1), (enough.id, 5), (short.id, 3))
    assert refused.value.data["items"] == [
        {"variant_id": short.id, "requested": 3, "available": 2},
        {"variant_id": gone.id, "requested": 1, "available": 0},
    ]
    assert [stock_of(variant.id) for variant in (enough, short, gone)] == [5, 2, 0]
    assert reasons_of(enough.id) == [("initial", 5)]


def test_a_variant_that_does_not_exist_is_out_of_stock(make_product: MakeProduct) -> None:
    with pytest.raises(OutOfStock) as refused:
        take(7, (10**12, 1))
    assert refused.value.data["items"] == [{"variant_id": 10**12, "requested": 1, "available": 0}]


def test_giving_back_twice_gives_back_once(make_product: MakeProduct) -> None:
    first, second = (make_product(stock=5).variant for _ in range(2))
    take(7, (first.id, 2), (second.id, 5))
    give_back(7)
    give_back(7)
    assert [stock_of(first.id), stock_of(second.id)] == [5, 5]
    assert reasons_of(second.id) == [("order cancelled", 5), ("order", -5), ("initial", 5)]


def test_fifty_pieces_go_to_fifty_of_many_buyers(make_product: MakeProduct) -> None:
    variant = make_product(stock=50).variant
    results = at_once(*(lambda order_id=n: take(order_id, (variant.id, 1)) for n in range(1, 81)))
    assert results.count(None) == 50
    assert sum(isinstance(result, OutOfStock) for result in results) == 30
    assert stock_of(variant.id) == 0


def test_buyers_who_name_two_variants_in_opposite_order_all_get_them(make_product: MakeProduct) -> None:
    first, second = (make_product(stock=40).variant for _ in range(2))
    lines = [(first.id, 1), (second.id, 1)]
    results = at_once(*(lambda n=n: take(n, *(lines if n % 2 else reversed(lines))) for n in range(1, 41)))
    assert results == [None] * 40
    assert [stock_of(first.id), stock_of(second.id)] == [0, 0]


def test_setting_records_the_difference_and_setting_the_same_records_nothing(make_product: MakeProduct) -> None:
    variant = make_product(stock=10).variant
    assert stock.set_stock(variant_id=variant.id, stock=4, reason="counted", actor_id=None) == {
        "variant_id": variant.id,
        "stock": 4,
    }
    stock.set_stock(variant_id=variant.id, stock=4, reason="counted again", actor_id=None)
    assert reasons_of(variant.id) == [("counted", -6), ("initial", 10)]


def test_setting_with_a_wrong_expectation_tells_the_stock_and_changes_nothing(make_product: MakeProduct) -> None:
    variant = make_product(stock=10).variant
    with pytest.raises(StaleStock) as refused:
        stock.set_stock(variant_id=variant.id, stock=4, expected=9, reason="counted", actor_id=None)
    assert refused.value.data == {"stock": 10}
    assert stock_of(variant.id) == 10


def test_of_rivals_who_expect_the_same_stock_one_wins(make_product: MakeProduct) -> None:
    variant = make_product(stock=10).variant
    results = at_once(
        *(
            lambda n=n: stock.set_stock(variant_id=variant.id, stock=n, expected=10, reason="counted", actor_id=None)
            for n in range(11, 19)
        )
    )
    assert sum(isinstance(result, StaleStock) for result in results) == 7


def test_setting_an_unknown_variant_is_not_found(make_product: MakeProduct) -> None:
    with pytest.raises(NotFound):
        stock.set_stock(variant_id=10**12, stock=1, reason="counted", actor_id=None)


def test_movements_are_paged_newest_first(make_product: MakeProduct) -> None:
    variant = make_product(stock=10).variant
    for order_id in range(1, 6):
        take(order_id, (variant.id, 1))
    seen, cursor = [], None
    while True:
        page = stock.list_movements(variant_id=variant.id, limit=2, cursor=cursor)
        seen += [row["order_id"] for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [5, 4, 3, 2, 1, None]
    with pytest.raises(BadCursor):
        stock.list_movements(variant_id=variant.id, cursor="nonsense")
