"""The pages of the catalogue: the shop's front, its shelves, and each product."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, redirect, render_template, request, url_for

from auth.decorators import optional_login
from products import browsing, cards, category_services, product_parts, search_services
from products.browsing import Looking

bp = APIBlueprint("shop", __name__, enable_openapi=False)

FRESH = 12
SHOWN = 24


@bp.get("/")
@optional_login
def home() -> str:
    """Show the front of the shop: what kinds of things there are, and what is new."""
    return render_template(
        "products/home.html",
        categories=category_services.list_categories(),
        cards=cards.show(search_services.list_texts(limit=FRESH).items),
    )


@bp.get("/search")
@optional_login
@bp.input(Looking, location="query", arg_name="looking")
def search(looking: Looking) -> str:
    """Show what is found by words, or everything."""
    return _list(looking, category=looking.category)


@bp.get("/categories/<slug>")
@optional_login
@bp.input(Looking, location="query", arg_name="looking")
def show_category(slug: str, looking: Looking) -> str:
    """Show a shelf: a category with all below it."""
    return _list(looking, category=slug, shelf=category_services.get_category(slug=slug))


@bp.get("/products/<key>")
@optional_login
def show_product(key: str) -> str | Response:
    """Show a product; by its id, lead to the address that has its name."""
    parts = product_parts.show(key=key, host=request.host_url)
    if key != parts.slug:
        return redirect(url_for("shop.show_product", key=parts.slug), 301)  # type: ignore[return-value]
    return render_template("products/product.html", parts=parts)


def _list(looking: Looking, *, category: str | None, shelf: dict[str, Any] | None = None) -> str:
    options = browsing.options_of(looking, request.args.getlist)
    filters = browsing.filters_of(looking, options, category=category)
    page = search_services.list_texts(filters=filters, sort=looking.sort, limit=SHOWN, cursor=looking.cursor)
    total, is_capped = search_services.count_products(filters=filters)
    return render_template(
        "products/list.html",
        q=looking.q,
        looking=looking,
        options=options,
        here=browsing.here_of(request.path, looking, options),
        shelf=shelf,
        cards=cards.show(page.items),
        next_cursor=page.next_cursor,
        total=total,
        is_capped=is_capped,
        facets=browsing.count_facets(filters),
        sorts=browsing.sorts_of(looking),
    )
