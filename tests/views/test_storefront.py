"""The pages of the catalogue: front, lists and products, as they are without a script."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient

from products import category_services, services
from products import stock_services as stock
from tests import factories
from tests.html import Html

Count = Callable[[Callable[[], Any]], int]


def make(name: str, price: int | str = 100, **fields: Any) -> int:
    return services.create_product(fields={"name": name, "price": price, **fields}, actor_id=None)


def look(client: FlaskClient, path: str, status: int = 200) -> Html:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    return Html(answer.text)


def shown(page: Html) -> list[str]:
    return [link.removeprefix("/products/") for link in page.links() if link.startswith("/products/")]


@pytest.fixture
def shelf(app: Any) -> None:
    """Three bags and a lamp."""
    make(
        "Plain bag", 400, category="Fashion > Bags", options=["Size"], variants=[{"options": {"Size": "M"}, "stock": 3}]
    )
    make(
        "Small bag", 900, category="Fashion > Bags", options=["Size"], variants=[{"options": {"Size": "S"}, "stock": 1}]
    )
    make("Empty bag", 1500, category="Fashion > Bags", stock=0)
    make("Lamp", 2000, category="Light", stock=9)


# --- the front


def test_the_front_shows_the_shelves_and_what_is_new(client: FlaskClient, shelf: None) -> None:
    page = look(client, "/")
    assert {"/categories/fashion", "/categories/bags", "/categories/light"} <= {*page.links()}
    assert shown(page) == ["lamp", "empty-bag", "small-bag", "plain-bag"]


def test_an_empty_shop_has_a_front_too(client: FlaskClient) -> None:
    assert "The first delivery is on its way" in look(client, "/").words


# --- lists


def test_a_category_shows_what_is_in_and_below_it(client: FlaskClient, shelf: None) -> None:
    page = look(client, "/categories/fashion")
    assert shown(page) == ["empty-bag", "small-bag", "plain-bag"]
    assert "3 products" in page.words
    assert "/categories/bags" in page.links()
    assert look(client, "/categories/bags").links().count("/categories/fashion") == 1


def test_what_there_is_not_is_a_page_with_a_way_on(client: FlaskClient) -> None:
    for path in ("/categories/none", "/products/none", "/products/7", "/nothing"):
        page = look(client, path, 404)
        assert page.tags("form", role="search")
        assert "/" in page.links()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=bag&sort=price", ["plain-bag", "small-bag", "empty-bag"]),
        ("q=bag&in_stock=1&sort=-price", ["small-bag", "plain-bag"]),
        ("min_price=500&max_price=1600&sort=name", ["empty-bag", "small-bag"]),
        ("option.Size=M&option.Size=S&sort=name", ["plain-bag", "small-bag"]),
        ("option.Size=M", ["plain-bag"]),
        ("category=fashion&max_price=500", ["plain-bag"]),
        ("q=nothing-of-this-name", []),
    ],
)
def test_a_list_is_narrowed_and_sorted_by_its_address(
    client: FlaskClient, shelf: None, query: str, names: list[str]
) -> None:
    assert shown(look(client, f"/search?{query}")) == names


@pytest.mark.parametrize(
    "query",
    [
        "utm_source=x&limit=1&facets=1",
        "min_price=&max_price=&sort=&in_stock=",
        "min_price=cheap&max_price=NaN",
        "min_price=-1",
        "sort=relevance",
        "sort=backwards",
        "in_stock=maybe",
        "option.=x",
        f"option.{'x' * 70}=y",
        "category=%00",
        f"q={'x' * 300}",
    ],
)
def test_what_cannot_be_read_in_an_address_is_left_out(client: FlaskClient, shelf: None, query: str) -> None:
    assert len(shown(look(client, f"/search?{query}"))) == 4


def test_a_price_from_above_to_below_is_turned_round(client: FlaskClient, shelf: None) -> None:
    assert shown(look(client, "/search?min_price=1000&max_price=500")) == ["small-bag"]


def test_a_cursor_that_is_not_ours_is_told(client: FlaskClient) -> None:
    assert "cursor" in look(client, "/search?cursor=nonsense", 400).words


def test_the_next_page_goes_on_with_the_same_wishes(client: FlaskClient) -> None:
    for number in range(30):
        make(f"Cup {number:02}", 100 + number, stock=1)
    first = look(client, "/search?q=cup&sort=-price&in_stock=1")
    (more,) = [link["href"] or "" for link in first.tags("a", rel="next")]
    assert {("q", "cup"), ("sort", "-price"), ("in_stock", "1")} <= {*parse_qsl(urlsplit(more).query)}
    second = look(client, more)
    assert shown(first) + shown(second) == [f"cup-{number:02}" for number in reversed(range(30))]
    assert "/search?q=cup&in_stock=1&sort=-price" in second.links()
    assert not second.tags("a", rel="next")


def test_each_wish_can_be_taken_back_alone(client: FlaskClient, shelf: None) -> None:
    chips = look(client, "/search?q=bag&in_stock=1&option.Size=M&option.Size=S").tags("a", **{"class": "chip"})
    assert [parse_qsl(urlsplit(chip["href"] or "").query) for chip in chips] == [
        [("q", "bag"), ("option.Size", "M"), ("option.Size", "S")],
        [("q", "bag"), ("in_stock", "1"), ("option.Size", "S")],
        [("q", "bag"), ("in_stock", "1"), ("option.Size", "M")],
    ]


def test_a_category_is_taken_back_by_its_name(client: FlaskClient, shelf: None) -> None:
    assert "Remove: Bags" in look(client, "/search?q=bag&category=bags").words


def test_the_form_keeps_what_is_looked_for_and_shows_what_is_chosen(client: FlaskClient, shelf: None) -> None:
    page = look(client, "/search?q=bag&category=fashion&option.Size=M&sort=name")
    assert page.tags("input", type="hidden", name="q", value="bag")
    assert page.tags("input", type="hidden", name="category", value="fashion")
    (size,) = page.tags("input", name="option.Size", value="M")
    assert "checked" in size
    assert "selected" in page.tags("option", value="name")[0]


def test_what_was_typed_is_only_text(client: FlaskClient, shelf: None) -> None:
    answer = client.get("/search", query_string={"q": '"><script>alert(1)</script>', "option.<b>": "<i>"})
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text


# --- products


def test_a_product_is_bought_by_a_form_that_needs_no_script(client: FlaskClient, app: Any) -> None:
    make(
        "Shuka",
        options=["Colour"],
        variants=[
            {"options": {"Colour": "Red"}, "price": 1200, "stock": 4},
            {"options": {"Colour": "Blue"}, "price": 1300, "stock": 0},
        ],
    )
    red, blue = client.get("/api/products/shuka").get_json()["variants"]
    page = look(client, "/products/shuka")
    assert page.tags("form", method="post", action="/cart")
    assert page.tags("input", name="quantity")
    choices = page.tags("input", type="radio", name="variant_id")
    assert [choice["value"] for choice in choices] == [str(red["id"]), str(blue["id"])]
    assert "checked" in choices[0]
    assert "disabled" in choices[1]


def test_a_product_of_one_kind_asks_for_none(client: FlaskClient) -> None:
    product = factories.make_product(stock=3)
    page = look(client, f"/products/{product.slug}")
    assert page.tags("input", type="hidden", name="variant_id", value=str(product.variant.id))
    assert page.tags("input", name="quantity", max="3")
    assert "Only 3 left" in page.words


def test_what_is_sold_out_cannot_be_put_into_a_cart(client: FlaskClient) -> None:
    product = factories.make_product(stock=0)
    page = look(client, f"/products/{product.slug}")
    assert "disabled" in page.tags("button", **{"class": "button buy-button"})[0]
    assert "Sold out" in page.words


def test_an_id_leads_to_the_name(client: FlaskClient) -> None:
    product = factories.make_product()
    answer = client.get(f"/products/{product.id}")
    assert (answer.status_code, answer.location) == (301, f"/products/{product.slug}")


def test_the_way_to_a_product_is_shown(client: FlaskClient, shelf: None) -> None:
    page = look(client, "/products/plain-bag")
    crumbs = [link for link in page.links() if link.startswith("/categories/")]
    assert crumbs == ["/categories/fashion", "/categories/bags"]
    assert {"small-bag", "empty-bag"} <= {*shown(page)}


def test_search_engines_read_price_and_stock(client: FlaskClient) -> None:
    make(
        "Shuka </script>",
        vendor="Olkeri",
        description="<p>Warm &amp; red.</p>",
        images=[{"url": "/static/demo/maasai-shuka.svg", "alt": "A shuka"}],
        options=["Colour"],
        variants=[
            {"options": {"Colour": "Red"}, "price": 1200, "stock": 4, "sku": "SH-R"},
            {"options": {"Colour": "Blue"}, "price": 1300, "stock": 0},
        ],
    )
    answer = client.get("/products/shuka-script")
    (found,) = re.findall(r'<script type="application/ld\+json"[^>]*>(.*?)</script>', answer.text)
    told = json.loads(found)
    assert (told["@type"], told["name"], told["brand"]["name"]) == ("Product", "Shuka </script>", "Olkeri")
    assert told["description"] == "Warm & red."
    assert told["image"] == ["http://localhost/static/demo/maasai-shuka.svg"]
    red, blue = told["offers"]
    assert (red["price"], red["priceCurrency"], red["sku"]) == ("1200.00", "KES", "SH-R")
    assert [offer["availability"].rpartition("/")[2] for offer in (red, blue)] == ["InStock", "OutOfStock"]
    page = Html(answer.text)
    assert page.tags("meta", property="og:image", content="http://localhost/static/demo/maasai-shuka.svg")
    assert page.tags("link", rel="canonical", href="http://localhost/products/shuka-script")


def test_pictures_keep_their_place_before_they_come(client: FlaskClient) -> None:
    for number in range(8):
        make(f"Cup {number}", image_url="/static/demo/enamel-mugs.svg")
    pictures = look(client, "/search").tags("img", **{"class": "picture"})
    assert len(pictures) == 8
    assert all(picture["width"] and picture["height"] for picture in pictures)
    assert all(picture["loading"] == "lazy" for picture in pictures)
    whole = look(client, "/products/cup-0").tags("img", **{"class": "picture"})
    assert "loading" not in whole[0]


# --- what it costs


def test_the_pages_of_the_catalogue_cost_few_statements(
    client: FlaskClient, shelf: None, count_statements: Count
) -> None:
    costs = {
        "/": 2,
        "/search": 2,
        "/search?q=bag": 5,
        "/categories/fashion": 6,
        "/products/plain-bag": 1,
        "/design": 0,
        "/docs": 0,
    }
    for path in costs:
        client.get(path)  # what is kept of each product is read at the first time
    assert {path: count_statements(lambda path=path: client.get(path)) for path in costs} == costs


def test_a_category_of_many_costs_no_more_than_one_of_few(client: FlaskClient, count_statements: Count) -> None:
    category = category_services.create_category(name="Cups")
    counts = []
    for _ in range(2):
        for _ in range(10):
            make("Cup", category=category["slug"])
        client.get("/categories/cups")
        counts.append(count_statements(lambda: client.get("/categories/cups")))
    assert counts[0] == counts[1]


def test_a_card_is_never_older_than_its_product(client: FlaskClient) -> None:
    product_id = make("Cup", 100, stock=9)
    assert "KSh 100 .00" in look(client, "/").words
    services.change_product(product_id=product_id, fields={"price": 120}, actor_id=None)
    assert "KSh 120 .00" in look(client, "/").words
    variant = client.get(f"/api/products/{product_id}").get_json()["variants"][0]
    stock.set_stock(variant_id=variant["id"], stock=2, expected=None, reason="counted", actor_id=None)
    assert "Only 2 left" in look(client, "/").words
    stock.set_stock(variant_id=variant["id"], stock=0, expected=None, reason="counted", actor_id=None)
    assert "Sold out" in look(client, "/").words
