"""What is kept of the catalogue in the process: dropped by what changed, never kept when it may be old."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import pytest

from products import kept
from products.kept import Kept, List, ProductPage


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    kept.forget()
    yield
    kept.forget()


def keep_everything(*products: int) -> None:
    now = kept.moment()
    for product in products:
        kept.texts.keep(product, "{}", read_at=now)
        kept.pages.keep(product, ProductPage(1, [], "{").pack(), read_at=now)
        kept.ids.keep(f"slug-{product}", product, read_at=now)
    kept.lists.keep("plain", List(array("Q", products), None), read_at=now)
    kept.lists_by_stock.keep("in stock", List(array("Q", products), None), read_at=now)


def test_a_sale_drops_the_product_and_lists_that_ask_for_stock() -> None:
    keep_everything(1, 2)
    kept.hear(edited=[], moved=[1])
    assert (kept.texts.find(1), kept.pages.find(1), kept.lists_by_stock.find("in stock")) == (None, None, None)
    assert all([kept.texts.find(2), kept.pages.find(2), kept.lists.find("plain"), kept.ids.find("slug-1")])


def test_an_edit_drops_whatever_may_name_the_product() -> None:
    keep_everything(1, 2)
    kept.hear(edited=[1], moved=[])
    assert (kept.texts.find(1), kept.pages.find(2), kept.lists.find("plain"), kept.ids.find("slug-2")) == (None,) * 4
    assert kept.texts.find(2) == "{}"


@pytest.mark.parametrize("changes", [{"edited": [7], "moved": []}, {"edited": [], "moved": [7]}])
def test_what_was_read_while_something_changed_is_not_kept(changes: dict[str, list[int]]) -> None:
    before = kept.moment()
    kept.hear(**changes)
    assert kept.texts.keep(1, "old?", read_at=before) == "old?"
    assert kept.texts.find(1) is None


def test_a_full_store_lets_go_what_it_has_kept_for_longest() -> None:
    store: Kept[int, str] = Kept(10, len)
    for number in (0, 1, 0, 2):
        store.keep(number, "four", read_at=kept.moment())
    assert [store.find(number) for number in range(3)] == ["four", None, "four"]
    store.drop(0)
    store.keep(3, "four", read_at=kept.moment())
    assert [store.find(number) for number in range(4)] == [None, None, "four", "four"]


def test_a_page_is_packed_small_and_unpacked_whole() -> None:
    page = ProductPage(7, [5, 3], '{"id":1,"name":"Chai ya tangawizi ☕","options":{},"price":"100.00"},' * 20)
    assert ProductPage.unpack(page.pack()) == page
    assert len(page.pack()) < len(page.text) / 4
    assert ProductPage.unpack(ProductPage(1, [], "\n").pack()) == ProductPage(1, [], "\n")
