"""Products on the desk: found, made, changed with all their variants, counted."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import Response, flash, render_template, request
from pydantic import Field, StringConstraints

from admin import desk, product_forms
from auth.decorators import current_user, permission_required
from products import page_services, schemas, search_services, services
from products import stock_services as stock
from utils import forms, redirects
from utils.errors import OptionsTaken, PreconditionFailed, SkuTaken, StaleStock

bp = desk.blueprint("products", __name__)

CAN_WRITE = permission_required("products:write")
SHOWN = 30
SORTS = {"newest": "Newest first", "name": "By name", "price": "Cheapest first", "-price": "Dearest first"}
NAMED = {SkuTaken: forms.WHOLE, OptionsTaken: forms.WHOLE, PreconditionFailed: forms.WHOLE}


class ProductsPage(desk.Query):
    """How the list is filtered: `q` are words of the name or the description, or a SKU."""

    q: Annotated[str, StringConstraints(max_length=200)] = ""
    sort: Annotated[Literal["newest", "name", "price", "-price"] | None, desk.one_of(SORTS)] = None


@bp.get("/products")
@CAN_WRITE
@bp.input(ProductsPage, location="query", arg_name="page")
def list_products(page: ProductsPage) -> str:
    """Show the products that were looked for."""
    found = search_services.list_products(
        filters=search_services.filters_of(q=page.q), sort=page.sort, limit=SHOWN, cursor=page.cursor
    )
    return render_template(
        "admin/products.html", page=page, products=found.items, next_cursor=found.next_cursor, sorts=SORTS
    )


@bp.get("/products/new")
@CAN_WRITE
def new_product() -> Response:
    """Show an empty form."""
    return _show_new({})


@bp.post("/products/new")
@CAN_WRITE
def create_product() -> Response:
    """Make a product, with one variant or several."""
    fields, errors = product_forms.read(request.form, model=schemas.NewProduct)
    if fields is not None:
        with forms.noting(errors, NAMED):
            product_id = services.create_product(fields=fields, actor_id=current_user().id)
            flash(f"{fields['name']} is in the shop.", "good")
            return redirects.to(f"/admin/products/{product_id}")
        errors = product_forms.placed(errors, request.form)
    return _show_new(errors)


def _show_new(errors: forms.Errors) -> Response:
    rows = product_forms.rows_of(request.form) or [{"options": {}}]
    names = product_forms.option_names(request.form)
    return forms.show("admin/product_new.html", errors, rows=_with_a_spare(rows), names=names)


@bp.get("/products/<int:product_id>")
@CAN_WRITE
def show_product(product_id: int) -> Response:
    """Show a product to be changed, with the stock of its variants."""
    return _show_product(product_id, {})


@bp.post("/products/<int:product_id>")
@CAN_WRITE
def change_product(product_id: int) -> Response:
    """Change a product and its variants, unless somebody else has since it was shown."""
    fields, errors = product_forms.read(request.form, model=schemas.ProductFields)
    version = request.form.get("version", "")
    if fields is not None:
        with forms.noting(errors, NAMED):
            services.change_product(
                product_id=product_id,
                fields=fields,
                actor_id=current_user().id,
                versions=[int(version)] if version.isascii() and version.isdecimal() else [],
            )
            flash("Saved.", "good")
            return redirects.to(request.path)
        errors = product_forms.placed(errors, request.form)
    return _show_product(product_id, errors, rows=_with_a_spare(product_forms.rows_of(request.form)))


@bp.post("/products/<int:product_id>/delete")
@CAN_WRITE
def delete_product(product_id: int) -> Response:
    """Take a product out of the shop; past orders keep it."""
    services.delete_product(product_id=product_id, actor_id=current_user().id)
    flash("It is out of the shop.", "good")
    return redirects.to("/admin/products")


@bp.post("/products/<int:product_id>/stock/<int:variant_id>")
@CAN_WRITE
def set_stock(product_id: int, variant_id: int) -> Response:
    """Set the stock of a variant, if what was shown still stands there; else tell what does."""
    counted, errors = forms.parse(_Count)
    if counted is not None:
        with forms.noting(errors, {StaleStock: "stale"}):
            stock.set_stock(variant_id=variant_id, actor_id=current_user().id, **counted.model_dump())
            flash(f"There are {counted.stock} now.", "good")
            return redirects.to(f"/admin/products/{product_id}#stock")
    response = _show_product(product_id, {f"stock-{variant_id}": " ".join(errors.values())}, counting=variant_id)
    response.status_code = 409 if "stale" in errors else 422
    return response


class _Count(schemas.StockIn):
    """A count as a form sends it: in text."""

    stock: Annotated[int, Field(ge=0, le=schemas.MOST_STOCK)]
    expected: Annotated[int, Field(ge=0, le=schemas.MOST_STOCK)] | None = None


@bp.get("/variants/<int:variant_id>/movements")
@CAN_WRITE
@bp.input(desk.Query, location="query", arg_name="page")
def list_movements(variant_id: int, page: desk.Query) -> str:
    """Show how the stock of a variant came to be."""
    found = stock.list_movements(variant_id=variant_id, limit=SHOWN, cursor=page.cursor)
    return render_template(
        "admin/movements.html", page=page, movements=found.items, next_cursor=found.next_cursor, variant_id=variant_id
    )


def _show_product(
    product_id: int, errors: forms.Errors, *, rows: list[product_forms.Row] | None = None, counting: int | None = None
) -> Response:
    product = page_services.get_product(key=str(product_id))
    typed = request.form if rows is not None else None
    return forms.show(
        "admin/product.html",
        errors,
        product=product,
        rows=rows if rows is not None else product_forms.grid_of(product),
        names=product_forms.option_names(typed) if typed is not None else product["options"],
        typed=typed,
        counting=counting,
    )


def _with_a_spare(rows: list[product_forms.Row]) -> list[product_forms.Row]:
    return rows if rows and not rows[-1].get("id") and not any(rows[-1].values()) else [*rows, {"options": {}}]
