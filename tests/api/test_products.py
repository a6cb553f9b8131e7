"""Products over HTTP: making, reading, changing and deleting them, and their stock."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from products import change_services
from tests import factories
from tests.logins import Headers, log_in
from tests.threads import at_once
from utils import db

MakeProduct = Callable[..., factories.Product]


@pytest.fixture
def staff(client: FlaskClient, make_user: Callable[..., factories.User]) -> Headers:
    return log_in(client, make_user(role="manager"))


def make(client: FlaskClient, staff: Headers, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/products", json={"name": "Shuka", "price": 1500, **fields}, headers=staff)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()


def sizes(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"options": {"Size": name}, "sku": name, **fields} for name in names]


def bad_fields(answer: Any) -> set[str]:
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    return {error["field"] for error in answer.get_json()["errors"]}


def test_a_product_comes_back_as_it_was_sent(client: FlaskClient, staff: Headers) -> None:
    made = make(
        client,
        staff,
        description="<p onclick='x'>Red</p><script>x</script>",
        options=["Size"],
        variants=[{"sku": "S-M", "options": {"Size": "M"}, "price": "1500.50", "stock": 3}, *sizes("L", price=1400)],
        compare_at_price=2000,
        category="Fashion > Wraps",
        images=[{"url": "/static/a.svg", "alt": "A shuka"}, {"url": "https://example.com/b.jpg"}],
    )
    answer = client.get(f"/api/products/{made['id']}")
    product = answer.get_json()
    assert product == made == client.get("/api/products/shuka").get_json()
    created_at, ids = product.pop("created_at"), [variant.pop("id") for variant in product["variants"]]
    assert created_at.endswith("Z")
    assert product.pop("updated_at") == created_at
    assert len(set(ids)) == 2
    product.pop("id")
    assert product == {
        "slug": "shuka",
        "name": "Shuka",
        "description": "<p>Red</p>",
        "vendor": "",
        "price": "1400.00",
        "price_max": "1500.50",
        "compare_at_price": "2000.00",
        "currency": "KES",
        "in_stock": True,
        "stock": 3,
        "category": "wraps",
        "image_url": "/static/a.svg",
        "images": [{"url": "/static/a.svg", "alt": "A shuka"}, {"url": "https://example.com/b.jpg", "alt": ""}],
        "options": ["Size"],
        "variants": [
            {"sku": "S-M", "options": {"Size": "M"}, "price": "1500.50", "stock": 3, "in_stock": True},
            {"sku": "L", "options": {"Size": "L"}, "price": "1400.00", "stock": 0, "in_stock": False},
        ],
        "rating": None,
        "review_count": 0,
        "breadcrumbs": [{"slug": "fashion", "name": "Fashion"}, {"slug": "wraps", "name": "Wraps"}],
        "related": [],
    }


def test_a_list_leaves_out_what_only_the_page_of_one_product_needs(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, category="Wraps", image_url="/static/a.svg", stock=2)
    only_whole = {"description", "vendor", "variants", "images", "breadcrumbs", "related", "updated_at"}
    assert client.get("/api/products").get_json() == {
        "items": [{name: value for name, value in made.items() if name not in only_whole}],
        "next_cursor": None,
    }


def test_related_products_are_of_the_same_category(client: FlaskClient, staff: Headers) -> None:
    first, second, _ = (make(client, staff, category=name) for name in ("Wraps", "Wraps", "Tea"))
    assert [one["id"] for one in client.get(f"/api/products/{first['id']}").get_json()["related"]] == [second["id"]]


def test_initial_stock_has_its_movement(client: FlaskClient, staff: Headers) -> None:
    variant = make(client, staff, stock=5)["variants"][0]
    (moved,) = client.get(f"/api/variants/{variant['id']}/movements", headers=staff).get_json()["items"]
    assert (moved["delta"], moved["reason"], moved["order_id"]) == (5, "initial", None)


def test_names_alike_get_slugs_that_differ_even_at_the_same_moment(client: FlaskClient, staff: Headers) -> None:
    def one() -> str:
        return make(client.application.test_client(), staff, name="Tea 🍵")["slug"]

    assert sorted(at_once(*[one] * 4)) == ["tea", "tea-2", "tea-3", "tea-4"]


def test_an_emoji_is_a_name_and_gets_a_slug(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, name="🥭")
    assert (made["name"], made["slug"]) == ("🥭", "product")


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({}, {"name"}),
        ({"name": "a\x00b", "price": -1, "colour": "red"}, {"name", "price", "colour"}),
        ({"name": "\ud800", "price": 1}, {"name"}),
        ({"name": "Tea", "price": 1.234}, {"price"}),
        ({"name": "Tea"}, {"price"}),
        ({"name": "Tea", "price": 0}, {"price"}),
        ({"name": "Tea", "price": True}, {"price"}),
        ({"name": "Tea", "price": None}, {"price"}),
        ({"name": "Tea", "price": 10**12}, {"price"}),
        ({"name": "Tea", "price": "ten"}, {"price"}),
        ({"name": "Tea", "price": 1, "stock": 10**30}, {"stock"}),
        ({"name": "Tea", "price": 1, "stock": -1}, {"stock"}),
        ({"name": "Tea", "price": 1, "stock": 1.5}, {"stock"}),
        ({"name": "Tea", "price": 1, "image_url": "javascript:alert(1)"}, {"image_url"}),
        ({"name": "Tea", "price": 1, "category": " > "}, {"category"}),
        ({"name": "Tea", "price": 1, "description": "\x00"}, {"description"}),
        ({"name": "Tea", "price": 1, "variants": []}, {"variants"}),
        ({"name": "Tea", "price": 1, "variants": [{"options": {"Size": "M", "Sizè": "L"}}]}, {"options"}),
        ([], {"json"}),
        ("tea", {"json"}),
    ],
)
def test_bad_fields_are_all_named_and_nothing_is_made(
    client: FlaskClient, staff: Headers, body: Any, bad: set[str]
) -> None:
    answer = client.post("/api/products", data=json.dumps(body), content_type="application/json", headers=staff)
    assert bad_fields(answer) == bad
    assert client.get("/api/products").get_json()["items"] == []


def test_a_sku_belongs_to_one_variant_of_the_shop(client: FlaskClient, staff: Headers) -> None:
    make(client, staff, sku="A-1")
    answer = client.post("/api/products", json={"name": "Tea", "price": 1, "sku": "a-1"}, headers=staff)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "sku_taken")


def test_only_staff_may_write(client: FlaskClient, make_user: Any, make_product: MakeProduct) -> None:
    product = make_product()
    customer = log_in(client, make_user())
    writes = [
        ("POST", "/api/products"),
        ("PUT", f"/api/products/{product.id}"),
        ("DELETE", f"/api/products/{product.id}"),
        ("PUT", f"/api/variants/{product.variant.id}/stock"),
        ("GET", f"/api/variants/{product.variant.id}/movements"),
    ]
    for method, path in writes:
        assert client.open(path, method=method, json={}).status_code == 401
        assert client.open(path, method=method, json={}, headers=customer).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_edit_changes_what_is_sent_and_leaves_the_rest(client: FlaskClient, staff: Headers, method: str) -> None:
    made = make(client, staff, category="Wraps", variants=sizes("M", "L"), image_url="/a.svg")
    answer = client.open(f"/api/products/{made['id']}", method=method, json={"name": "Kikoi"}, headers=staff)
    assert answer.get_json() == made | {"name": "Kikoi", "updated_at": answer.get_json()["updated_at"]}


def test_an_edit_that_changes_nothing_is_no_edit(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, category="Wraps", stock=3)
    before = client.get(f"/api/products/{made['id']}")
    same = {"name": "Shuka", "price": "1500", "stock": 3, "category": "Wraps", "variants": [{**made["variants"][0]}]}
    del same["variants"][0]["in_stock"]  # type: ignore[attr-defined]
    answer = client.put(f"/api/products/{made['id']}", json=same, headers=staff)
    assert (answer.status_code, answer.headers["ETag"]) == (200, before.headers["ETag"])


def test_variants_are_changed_added_swapped_and_dropped(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, variants=sizes("S", "M", "L", stock=1))
    small, medium, large = made["variants"]
    wanted = [
        {"id": large["id"], "sku": "M", "options": {"Size": "M"}, "price": 900},
        {"id": medium["id"], "sku": "L", "options": {"Size": "L"}},
        {"sku": "S", "options": {"Size": "S"}, "stock": 4},
    ]
    answer = client.put(f"/api/products/{made['id']}", json={"variants": wanted, "price": 2000}, headers=staff)
    after = answer.get_json()
    shown = [(v["sku"], v["options"]["Size"], v["price"], v["stock"]) for v in after["variants"]]
    assert shown == [("M", "M", "900.00", 1), ("L", "L", "1500.00", 1), ("S", "S", "2000.00", 4)]
    assert after["variants"][2]["id"] != small["id"]
    assert (after["price"], after["price_max"], after["stock"]) == ("900.00", "2000.00", 6)
    found = client.get("/api/products?option.Size=S&in_stock=1").get_json()["items"]
    assert [one["id"] for one in found] == [made["id"]]


def test_stock_is_not_changed_by_the_way(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, stock=3)
    answer = client.put(f"/api/products/{made['id']}", json={"stock": 4}, headers=staff)
    assert bad_fields(answer) == {"stock"}
    assert "/api/variants/" in answer.get_json()["errors"][0]["message"]


def test_a_second_editor_is_told_that_the_first_was_quicker(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, stock=3)
    path, etag = f"/api/products/{made['id']}", client.get(f"/api/products/{made['id']}").headers["ETag"]
    stock = {"stock": 2, "reason": "broken"}
    client.put(f"/api/variants/{made['variants'][0]['id']}/stock", json=stock, headers=staff)
    guarded = staff | {"If-Match": etag}
    assert client.put(path, json={"name": "Kikoi"}, headers=guarded).status_code == 200, "a sale is no edit"
    for method, body in (("PUT", {"name": "Leso"}), ("DELETE", None)):
        answer = client.open(path, method=method, json=body, headers=guarded)
        assert (answer.status_code, answer.get_json()["code"]) == (412, "precondition_failed")
    assert client.put(path, json={"name": "Leso"}, headers=staff | {"If-Match": '"nonsense"'}).status_code == 412
    assert client.put(path, json={"name": "Leso"}, headers=staff | {"If-Match": "*"}).status_code == 200


def test_what_was_seen_is_not_sent_again_until_anything_in_it_changes(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, stock=3, category="Wraps")
    path = f"/api/products/{made['id']}"

    def seen() -> Headers:
        return {"If-None-Match": client.get(path).headers["ETag"]}

    before = seen()
    answer = client.get(path, headers=before)
    assert (answer.status_code, answer.data) == (304, b"")
    client.put(f"/api/variants/{made['variants'][0]['id']}/stock", json={"stock": 2, "reason": "x"}, headers=staff)
    assert client.get(path, headers=before).status_code == 200
    before = seen()
    client.put("/api/categories/wraps", json={"name": "Wraps and shawls"}, headers=staff)
    assert client.get(path, headers=before).status_code == 200


def test_a_deleted_product_is_gone_from_the_shop_and_frees_its_names(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff, sku="A-1", stock=3)
    assert client.delete(f"/api/products/{made['id']}", headers=staff).status_code == 204
    assert client.delete(f"/api/products/{made['id']}", headers=staff).status_code == 404
    assert client.get("/api/products/shuka").status_code == 404
    assert client.put(f"/api/products/{made['id']}", json={"name": "x"}, headers=staff).status_code == 404
    assert client.get("/api/products").get_json()["items"] == []
    again = make(client, staff, sku="A-1")
    assert (again["slug"], again["id"] > made["id"]) == ("shuka", True)
    kept = db.reading().fetch_one("SELECT name, slug FROM products WHERE id = %(id)s", {"id": made["id"]})
    assert kept == {"name": "Shuka", "slug": "shuka"}


@pytest.mark.parametrize("key", ["nothing", "0", "99", "9" * 400, "é", "%00", "-1", "a b"])
def test_what_is_not_there_is_not_found(client: FlaskClient, key: str) -> None:
    assert client.get(f"/api/products/{key}").status_code == 404


def test_stock_is_set_if_it_is_what_was_expected(client: FlaskClient, staff: Headers) -> None:
    variant_id = make(client, staff, stock=5)["variants"][0]["id"]
    path = f"/api/variants/{variant_id}/stock"
    answer = client.put(path, json={"stock": 8, "expected": 4, "reason": "counted"}, headers=staff)
    assert (answer.status_code, answer.get_json()["code"], answer.get_json()["data"]) == (
        409,
        "stale_stock",
        {"stock": 5},
    )
    answer = client.put(path, json={"stock": 8, "expected": 5, "reason": "counted"}, headers=staff)
    assert answer.get_json() == {"variant_id": variant_id, "stock": 8}
    page = client.get(f"/api/variants/{variant_id}/movements?limit=1", headers=staff).get_json()
    assert (page["items"][0]["delta"], page["items"][0]["reason"]) == (3, "counted")
    rest = client.get(f"/api/variants/{variant_id}/movements?cursor={page['next_cursor']}", headers=staff).get_json()
    assert ([one["reason"] for one in rest["items"]], rest["next_cursor"]) == (["initial"], None)
    assert bad_fields(client.put(path, json={"stock": -1, "why": 1}, headers=staff)) == {"stock", "reason", "why"}


def test_reading_a_product_takes_a_look_for_changes_and_some_more_statements_when_it_is_new(
    client: FlaskClient, staff: Headers, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    first = make(client, staff, category="Wraps", variants=sizes("M", "L"), images=[{"url": "/a"}, {"url": "/b"}])
    make(client, staff, category="Wraps")
    for path, cost in ((f"/api/products/{first['id']}", 6), (f"/api/products/{first['slug']}", 6)):
        edited_elsewhere(first["id"])
        assert [count_statements(lambda path=path: client.get(path)) for _ in range(2)] == [cost, 1]


@db.in_transaction
def edited_elsewhere(tx: db.Tx, product_id: int) -> None:
    """Write a product as another process would."""
    tx.execute_one(
        "UPDATE products SET description = 'New', version = version + 1 WHERE id = %(id)s", {"id": product_id}
    )
    change_services.tell_tx(tx, product_id=product_id)


def test_what_another_process_changed_is_shown_at_once(client: FlaskClient, staff: Headers) -> None:
    made = make(client, staff)
    path = f"/api/products/{made['id']}"
    assert client.get(path).get_json()["description"] == ""
    edited_elsewhere(made["id"])
    assert client.get(path).get_json()["description"] == "New"
