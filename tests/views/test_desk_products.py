"""Products on the desk: made, changed with their variants, counted; a file previewed and imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from products import page_services, services, stock_services
from tests.factories import Product, make_product, stock_of
from tests.uploads import upload
from tests.views.desk import Desk
from tests.walk import rows

HEADER = "slug,name,description,vendor,category,compare_at_price,images,sku,options,price,stock"
FILE = f"{HEADER}\nchai,Chai,,,Drinks,,,CHAI,,250.00,10\nmkate,Mkate,,,Bread,,,MKATE,,0,1\n"


@pytest.fixture
def desk(client: FlaskClient) -> Desk:
    return Desk(client)


@pytest.fixture
def chai(desk: Desk) -> Product:
    return make_product(name="Chai", price="250.00", stock=10)


@pytest.fixture
def shirt(desk: Desk) -> Product:
    """A product with two sizes, made by the shop's own verb."""
    sizes: list[dict[str, Any]] = [{"options": {"Size": size}, "price": 900, "stock": 5, "sku": size} for size in "SL"]
    product_id = services.create_product(
        fields={"name": "Shirt", "options": ["Size"], "variants": sizes}, actor_id=desk.user.id
    )
    return Product(product_id, "shirt", "Shirt")


def product(product_id: int) -> dict[str, Any]:
    return page_services.get_product(key=str(product_id))


# --- finding and making


def test_products_are_found_by_name_and_by_sku(desk: Desk, chai: Product, shirt: Product) -> None:
    for q, shown, hidden in (
        ("chai", "Chai", "Shirt"),
        (chai.variant.sku, "Chai", "Shirt"),
        ("shirt", "Shirt", "Chai"),
    ):
        desk.open(f"/admin/products?q={q}")
        assert (shown in desk.page.text, hidden in desk.page.text) == (True, False), q


def test_a_plain_product_is_made_with_what_was_typed(desk: Desk) -> None:
    desk.open("/admin/products/new")
    desk.send(
        "/admin/products/new",
        **{"name": "Maji", "category": "Drinks", "variants.0.price": "60", "variants.0.stock": "24", "options": ""},
    )
    assert "Maji is in the shop." in desk.page.text
    made = product(int(desk.path.rpartition("/")[2]))
    assert (made["name"], made["stock"], str(made["price"]), made["category"]) == ("Maji", 24, "60.00", "drinks")


def test_what_is_wrong_with_a_new_product_stands_beside_its_field_and_nothing_is_lost(desk: Desk) -> None:
    answer = desk.post(
        "/admin/products/new",
        "/admin/products/new",
        **{"name": "", "description": "Cold", "variants.0.price": "free", "variants.0.stock": "24"},
    )
    assert answer.status_code == 422
    assert 'id="name-wrong"' in answer.text
    assert 'id="variants.0.price-wrong"' in answer.text
    assert 'value="24"' in answer.text
    assert "Cold</textarea>" in answer.text


def test_names_of_options_that_were_typed_become_columns(desk: Desk) -> None:
    typed = {"name": "Shirt", "options": "Size, Colour", "variants.0.price": "900"}
    answer = desk.post("/admin/products/new", "/admin/products/new", **typed)
    assert answer.status_code == 422
    assert 'name="variants.0.options.Colour"' in answer.text
    filled = {**typed, "variants.0.options.Size": "M", "variants.0.options.Colour": "Red"}
    assert desk.post("/admin/products/new", "/admin/products/new", **filled).status_code == 303


# --- changing


def test_a_form_that_is_sent_as_it_came_changes_nothing(desk: Desk, shirt: Product) -> None:
    before = product(shirt.id)
    desk.open(f"/admin/products/{shirt.id}")
    desk.send(f"/admin/products/{shirt.id}", name="Shirt", options="Size")
    assert "Saved." in desk.page.text
    assert product(shirt.id) == before


def test_variants_are_changed_added_and_dropped_together(desk: Desk, shirt: Product) -> None:
    desk.open(f"/admin/products/{shirt.id}")
    desk.send(
        f"/admin/products/{shirt.id}",
        **{
            "options": "Size",
            "variants.0.price": "850",
            "variants.1.drop": "1",
            "variants.2.options.Size": "XL",
            "variants.2.price": "990",
            "variants.2.stock": "3",
        },
    )
    assert "Saved." in desk.page.text
    found = [(one["options"]["Size"], str(one["price"]), one["stock"]) for one in product(shirt.id)["variants"]]
    assert found == [("S", "850.00", 5), ("XL", "990.00", 3)]


def test_an_edit_of_what_somebody_else_changed_is_told_and_changes_nothing(desk: Desk, chai: Product) -> None:
    desk.open(f"/admin/products/{chai.id}")
    services.change_product(product_id=chai.id, fields={"vendor": "Kericho"}, actor_id=None)
    desk.send(f"/admin/products/{chai.id}", name="Tea")
    assert desk.answer.status_code == 422
    assert "Somebody changed this since you read it" in desk.page.text
    assert product(chai.id)["name"] == "Chai"


def test_a_bad_cell_of_the_grid_is_told_beside_it(desk: Desk, shirt: Product) -> None:
    desk.open(f"/admin/products/{shirt.id}")
    desk.send(
        f"/admin/products/{shirt.id}",
        **{"options": "Size", "variants.0.drop": "1", "variants.1.price": "-5"},
    )
    assert desk.answer.status_code == 422
    assert 'id="variants.1.price-wrong"' in desk.answer.text


def test_a_product_is_taken_out_of_the_shop(desk: Desk, chai: Product) -> None:
    desk.open(f"/admin/products/{chai.id}")
    desk.send(f"/admin/products/{chai.id}/delete")
    assert "It is out of the shop." in desk.page.text
    assert desk.client.get(f"/admin/products/{chai.id}").status_code == 404


# --- counting


def test_a_count_is_set_with_its_reason(desk: Desk, chai: Product) -> None:
    desk.open(f"/admin/products/{chai.id}")
    desk.send(f"/admin/products/{chai.id}/stock/{chai.variant.id}", stock="7", reason="counted")
    assert "There are 7 now." in desk.page.text
    assert stock_of(chai.variant) == 7
    desk.open(f"/admin/variants/{chai.variant.id}/movements")
    assert "counted" in desk.page.text


def test_a_count_of_what_was_sold_meanwhile_is_told_with_what_stands_there_now(desk: Desk, chai: Product) -> None:
    desk.open(f"/admin/products/{chai.id}")
    stock_services.set_stock(variant_id=chai.variant.id, stock=9, reason="sold", actor_id=None)
    action = f"/admin/products/{chai.id}/stock/{chai.variant.id}"
    desk.send(action, stock="12", reason="delivery")
    assert desk.answer.status_code == 409
    assert "The stock is 9, not what you expected." in desk.page.text
    assert stock_of(chai.variant) == 9
    desk.send(action, stock="11", reason="delivery")
    assert stock_of(chai.variant) == 11


@pytest.mark.parametrize("typed", [{"stock": "-1"}, {"stock": "many"}, {"stock": ""}, {"reason": ""}])
def test_a_count_that_is_none_is_told(desk: Desk, chai: Product, typed: dict[str, str]) -> None:
    action = f"/admin/products/{chai.id}/stock/{chai.variant.id}"
    answer = desk.post(f"/admin/products/{chai.id}", action, **{"stock": "7", "reason": "counted", **typed})
    assert (answer.status_code, f'id="stock-{chai.variant.id}-wrong"' in answer.text) == (422, True)
    assert stock_of(chai.variant) == 10


# --- files


def preview(desk: Desk, content: bytes) -> Any:
    desk.open("/admin/products/import")
    form = desk.page.form_to("/admin/products/import/preview")
    return desk.client.post("/admin/products/import/preview", **upload(content, **form.fields))


def test_a_file_is_previewed_row_by_row_then_imported_as_it_was(desk: Desk) -> None:
    before = rows()
    answer = preview(desk, FILE.encode())
    assert answer.status_code == 200
    for shown in ("What goods.csv would do", "Rows that are not imported", "mkate"):
        assert shown in answer.text
    assert rows() == before

    desk.page = type(desk.page)(answer.text)
    desk.send("/admin/products/import")
    assert "What was done" in desk.page.text
    assert product_by_slug("chai")["stock"] == 10


def product_by_slug(slug: str) -> dict[str, Any]:
    return page_services.get_product(key=slug)


def test_a_large_file_comes_through_the_preview(desk: Desk) -> None:
    many = "\n".join([HEADER, *(f"p{n},P {n},{'x' * 12_000},,,,,,,10,1" for n in range(120)), ""]).encode()
    assert len(many) > 1024 * 1024
    desk.page = type(desk.page)(preview(desk, many).text)
    desk.send("/admin/products/import")
    assert "120 new" in desk.page.text
    assert desk.path == "/admin/products"


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "Choose a CSV file."), (b"a,b\n", "must name the columns"), (b"\xff\xfea", "UTF-16")]
)
def test_a_file_that_is_none_is_told_beside_the_field(desk: Desk, content: bytes, told: str) -> None:
    answer = preview(desk, content)
    assert (answer.status_code, told in answer.text, 'id="file-wrong"' in answer.text) == (422, True, True)


@pytest.mark.parametrize("packed", ["", "nonsense", "eJwDAAAAAAE=", "é"])
def test_a_preview_that_was_tampered_with_imports_nothing(desk: Desk, packed: str) -> None:
    desk.open("/admin/products/import")
    token = desk.page.form_to("/admin/products/import/preview").fields["csrf_token"]
    answer = desk.client.post("/admin/products/import", data={"csrf_token": token, "packed": packed})
    assert (answer.status_code, "Choose the file once more." in answer.text) == (422, True)


def test_the_pages_cost_what_they_did(
    desk: Desk, chai: Product, shirt: Product, count_statements: Callable[..., int]
) -> None:
    for path in ("/admin/products", f"/admin/products/{shirt.id}"):
        desk.client.get(path)
    assert count_statements(lambda: desk.client.get("/admin/products")) <= 3
    assert count_statements(lambda: desk.client.get(f"/admin/products/{shirt.id}")) <= 4
