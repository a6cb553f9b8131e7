"""The pages of the catalogue: the shelf, by category or by words."""

from __future__ import annotations

from typing import Annotated

from apiflask import APIBlueprint
from flask import render_template, url_for
from pydantic import BaseModel, Field, StringConstraints

from products import category_services, schemas, search_services

bp = APIBlueprint("shop", __name__, enable_openapi=False)

SHOWN = 24


class Shelf(BaseModel):
    """What is looked at; an unknown parameter of a page's address is nobody's mistake."""

    category: Annotated[str, Field(max_length=120)] | None = None
    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    cursor: Annotated[str, Field(max_length=1000)] | None = None


@bp.get("/")
@bp.input(Shelf, location="query", arg_name="shelf")
def home(shelf: Shelf) -> str:
    """Show a shelf of the shop."""
    categories = category_services.list_categories()
    filters = search_services.filters_of(category=shelf.category, q=shelf.q)
    page = search_services.list_products(filters=filters, limit=SHOWN, cursor=shelf.cursor)
    products = schemas.ProductList.model_construct(items=page.items, next_cursor=page.next_cursor)
    name = next((node["name"] for node in categories if node["slug"] == shelf.category), shelf.category)
    heading = f"“{shelf.q}”" if shelf.q else name or "Fresh on the shelf"
    here = shelf.model_dump(exclude_none=True, exclude={"cursor"})
    next_url = url_for("shop.home", **here, cursor=page.next_cursor)
    return render_template(
        "products/home.html", categories=categories, heading=heading, products=products, next_url=next_url, **here
    )
