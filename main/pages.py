"""The pages that belong to no feature: the shelf, by category or by words, and the API's document."""

from __future__ import annotations

from typing import Annotated

from apiflask import APIBlueprint
from flask import render_template, url_for
from pydantic import BaseModel, Field, StringConstraints

from products import category_services, schemas, search_services

bp = APIBlueprint("pages", __name__, enable_openapi=False)

SHOWN = 24
API_VIEWER = "vendor/swagger-ui-dist-5.35.0"


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
    next_url = url_for("pages.home", **here, cursor=page.next_cursor)
    return render_template(
        "home.html", categories=categories, heading=heading, products=products, next_url=next_url, **here
    )


@bp.get("/docs")
def docs() -> str:
    """Show the API, to read and to try."""
    return render_template("docs.html", viewer=API_VIEWER)
