"""What a product may be made of, and what an edit leaves as it was."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from products import drafts
from products.drafts import Draft, Image, Variant
from utils.errors import InvalidFields

SHIRT = Draft(
    name="Shirt",
    options=["Size"],
    compare_at_price=Decimal(200),
    images=[Image("/a.svg"), Image("/b.svg")],
    variants=[
        Variant(id=1, price=Decimal(100), stock=3, sku="M", options={"Size": "M"}),
        Variant(id=2, price=Decimal(120), stock=4, sku="L", options={"Size": "L"}),
    ],
)
PLAIN = Draft(name="Tea", variants=[Variant(id=1, price=Decimal(100), stock=3)])


def problems_of(make: Any, *args: Any) -> dict[str, str]:
    with pytest.raises(InvalidFields) as refused:
        make(*args)
    return refused.value.fields


def test_without_variants_there_is_one() -> None:
    draft = drafts.new_draft({"name": "Tea", "price": Decimal(5), "stock": 7, "sku": "T"})
    assert draft.variants == [Variant(price=Decimal(5), stock=7, sku="T")]


def test_a_variant_takes_the_products_price_and_stock_where_it_names_none() -> None:
    draft = drafts.new_draft({"name": "Tea", "price": Decimal(5), "stock": 7, "variants": [{"options": {"Pack": "1"}}]})
    assert (draft.variants[0].price, draft.variants[0].stock, draft.options) == (Decimal(5), 7, ["Pack"])


def test_options_stand_in_the_order_of_the_product() -> None:
    variants = [{"options": {"Size": "M", "Colour": "Red"}}]
    draft = drafts.new_draft({"name": "S", "price": Decimal(5), "options": ["Colour", "Size"], "variants": variants})
    assert list(draft.variants[0].options) == ["Colour", "Size"]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"price"}),
        ({"price": Decimal(5), "compare_at_price": Decimal(5)}, {"compare_at_price"}),
        ({"variants": [{"options": {"Size": "M"}}]}, {"variants.0.price"}),
        ({"price": Decimal(5), "variants": [{"id": 4}]}, {"variants.0.id"}),
        ({"price": Decimal(5), "sku": "A", "variants": [{}]}, {"sku"}),
        ({"price": Decimal(5), "variants": [{}, {}]}, {"variants.1.options"}),
        ({"price": Decimal(5), "options": ["Size"]}, {"variants.0.options"}),
        ({"price": Decimal(5), "options": ["Size", "SIZE"], "variants": [{}]}, {"options", "variants.0.options"}),
        (
            {
                "price": Decimal(5),
                "variants": [{"sku": "a", "options": {"S": "M"}}, {"sku": "A", "options": {"S": "m"}}],
            },
            {"variants.1.options", "variants.1.sku"},
        ),
    ],
)
def test_what_does_not_fit_together_is_named_all_at_once(fields: dict[str, Any], bad: set[str]) -> None:
    assert problems_of(drafts.new_draft, {"name": "Tea", **fields}).keys() == bad


def test_an_empty_edit_changes_nothing() -> None:
    assert drafts.changed_draft(SHIRT, {}) == SHIRT


def test_an_edit_changes_adds_and_drops_variants() -> None:
    edited = drafts.changed_draft(
        SHIRT, {"variants": [{"id": 2, "price": Decimal(90)}, {"options": {"Size": "S"}, "price": Decimal(80)}]}
    )
    assert [(v.id, v.price, v.stock, v.sku) for v in edited.variants] == [
        (2, Decimal(90), 4, "L"),
        (None, Decimal(80), 0, None),
    ]


def test_the_price_of_a_plain_product_is_its_variants() -> None:
    assert drafts.changed_draft(PLAIN, {"price": Decimal(9)}).variants[0].price == Decimal(9)


@pytest.mark.parametrize(
    ("draft", "fields", "bad"),
    [
        (PLAIN, {"stock": 4}, {"stock"}),
        (SHIRT, {"price": Decimal(101)}, {"price"}),
        (SHIRT, {"sku": "X"}, {"sku"}),
        (SHIRT, {"compare_at_price": Decimal(99)}, {"compare_at_price"}),
        (SHIRT, {"variants": [{"id": 1, "stock": 4}]}, {"variants.0.stock"}),
        (SHIRT, {"variants": [{"id": 1}, {"id": 1}]}, {"variants.1.id", "variants.1.options", "variants.1.price"}),
        (SHIRT, {"images": [{"url": "/x.svg"}], "image_url": "/y.svg"}, {"image_url"}),
    ],
)
def test_an_edit_that_cannot_be_is_refused(draft: Draft, fields: dict[str, Any], bad: set[str]) -> None:
    assert problems_of(drafts.changed_draft, draft, fields).keys() == bad


def test_stock_may_be_sent_back_as_it_was_read() -> None:
    assert drafts.changed_draft(PLAIN, {"stock": 3}) == PLAIN
    assert drafts.changed_draft(SHIRT, {"stock": 7, "variants": [{"id": 1, "stock": 3}, {"id": 2}]}) == SHIRT


@pytest.mark.parametrize(
    ("address", "expected"),
    [("/c.svg", ["/c.svg", "/b.svg"]), ("/a.svg", ["/a.svg", "/b.svg"]), (None, ["/b.svg"])],
)
def test_image_url_is_the_first_picture(address: str | None, expected: list[str]) -> None:
    assert [image.url for image in drafts.changed_draft(SHIRT, {"image_url": address}).images] == expected
