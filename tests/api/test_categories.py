"""The category tree over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from products import category_services, services
from tests import factories
from tests.logins import Headers
from tests.threads import at_once
from utils import db
from utils.errors import CategoryCycle


@pytest.fixture
def staff(client: FlaskClient, make_user: Callable[..., factories.User]) -> Headers:
    user = make_user(role="manager")
    body = {"username": user.username, "password": user.password}
    token = client.post("/api/auth/login", json=body).get_json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def product_in(category: str) -> int:
    return services.create_product(fields={"name": "Tea", "price": 1, "category": category}, actor_id=None)


def make(name: str, parent: str | None = None) -> str:
    return category_services.create_category(name=name, parent=parent)["slug"]


def test_the_tree_counts_what_stands_in_and_below(
    client: FlaskClient, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    for category in ("Groceries", "Groceries > Flour", "Groceries > Flour"):
        product_in(category)
    make("Empty")
    flour = {"slug": "flour", "name": "Flour", "product_count": 2, "children": []}
    groceries = {"slug": "groceries", "name": "Groceries", "product_count": 3, "children": [flour]}
    empty = {"slug": "empty", "name": "Empty", "product_count": 0, "children": []}
    assert client.get("/api/categories").get_json() == {"items": [empty, groceries]}
    assert count_statements(lambda: client.get("/api/categories")) == 1
    assert client.get("/api/categories/flour").get_json() == flour | {
        "parent": "groceries",
        "breadcrumbs": [{"slug": "groceries", "name": "Groceries"}, {"slug": "flour", "name": "Flour"}],
    }


def test_a_category_is_made_renamed_moved_and_deleted(client: FlaskClient, staff: Headers) -> None:
    assert client.post("/api/categories", json={"name": "Food"}, headers=staff).status_code == 201
    made = client.post("/api/categories", json={"name": "Tea", "parent": "food"}, headers=staff)
    assert (made.status_code, made.get_json()["parent"]) == (201, "food")
    answer = client.patch("/api/categories/tea", json={"name": "Chai", "slug": "chai"}, headers=staff)
    assert [answer.get_json()[key] for key in ("name", "slug", "parent")] == ["Chai", "chai", "food"]
    assert client.put("/api/categories/chai", json={"parent": None}, headers=staff).get_json()["parent"] is None
    assert client.delete("/api/categories/chai", headers=staff).status_code == 204
    assert client.get("/api/categories/chai").status_code == 404


@pytest.mark.parametrize(
    ("body", "bad"),
    [
        ({}, {"name"}),
        ({"name": " ", "slug": "Bad Slug", "extra": 1}, {"name", "slug", "extra"}),
        ({"name": "a\x00"}, {"name"}),
        ({"name": "a", "parent": "nowhere"}, {"parent"}),
    ],
)
def test_bad_fields_are_named(client: FlaskClient, staff: Headers, body: dict[str, Any], bad: set[str]) -> None:
    answer = client.post("/api/categories", json=body, headers=staff)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.get_json()["errors"]} == bad


def test_a_slug_that_was_asked_for_must_be_free(client: FlaskClient, staff: Headers) -> None:
    make("Tea")
    answer = client.post("/api/categories", json={"name": "Other", "slug": "tea"}, headers=staff)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "slug_taken")
    assert client.post("/api/categories", json={"name": "Tea"}, headers=staff).get_json()["slug"] == "tea-2"


def test_a_category_in_use_stays(client: FlaskClient, staff: Headers) -> None:
    product_id = product_in("Food > Tea")
    for slug in ("tea", "food"):
        answer = client.delete(f"/api/categories/{slug}", headers=staff)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "category_in_use")
    services.delete_product(product_id=product_id, actor_id=None)
    assert client.delete("/api/categories/tea", headers=staff).status_code == 204


def test_a_category_cannot_stand_below_itself(client: FlaskClient, staff: Headers) -> None:
    make("B", make("A"))
    for parent in ("a", "b"):
        answer = client.put("/api/categories/a", json={"parent": parent}, headers=staff)
        assert (answer.status_code, answer.get_json()["code"]) == (409, "category_cycle")


@pytest.mark.parametrize("attempt", range(3))
def test_two_moves_at_once_make_no_cycle(app: Any, attempt: int) -> None:
    below_a, below_b = make("A1", make("A")), make("B1", make("B"))
    results = at_once(
        lambda: category_services.change_category(slug="a", changes={"parent": below_b}),
        lambda: category_services.change_category(slug="b", changes={"parent": below_a}),
    )
    assert sum(isinstance(result, CategoryCycle) for result in results) == 1


def test_the_tree_is_at_most_ten_levels_deep(client: FlaskClient, staff: Headers) -> None:
    slug = make("L1")
    for level in range(2, 11):
        slug = make(f"L{level}", slug)
    assert client.post("/api/categories", json={"name": "L11", "parent": slug}, headers=staff).status_code == 422
    make("B", make("A"))
    assert client.put("/api/categories/a", json={"parent": "l9"}, headers=staff).status_code == 422
    assert client.put("/api/categories/b", json={"parent": "l9"}, headers=staff).status_code == 200


def test_the_same_new_category_named_by_many_products_at_once_is_made_once(app: Any) -> None:
    results = at_once(*[lambda: product_in("New")] * 6)
    assert all(isinstance(result, int) for result in results)
    assert db.reading().fetch_value("SELECT COUNT(*) AS n FROM categories") == 1


def test_only_staff_may_write(client: FlaskClient) -> None:
    make("Tea")
    for method, path in (("POST", ""), ("PUT", "/tea"), ("DELETE", "/tea")):
        assert client.open(f"/api/categories{path}", method=method, json={}).status_code == 401
