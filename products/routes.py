"""JSON endpoints of the catalogue: products, variants and their stock, categories."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from auth.decorators import current_user, permission_required
from products import category_services, facet_services, page_services, schemas, search_services, services
from products import stock_services as stock
from utils import web

bp = APIBlueprint("products", __name__, url_prefix="/api", tag="Catalogue")

CAN_WRITE = permission_required("products:write")


@bp.get("/products")
@bp.input(schemas.ProductQuery, location="query", arg_name="query")
@bp.output(schemas.ProductList)
def list_products(query: schemas.ProductQuery) -> Response:
    """List what is for sale: filtered, sorted, paged by key."""
    filters = search_services.filters_of(
        category=query.category,
        q=query.q,
        min_price=query.min_price,
        max_price=query.max_price,
        in_stock=query.in_stock,
        options={name: request.args.getlist(f"{schemas.OPTION_PREFIX}{name}") for name in query.option_names()},
    )
    page = search_services.list_texts(filters=filters, sort=query.sort, limit=query.limit, cursor=query.cursor)
    members = f'{{"items":[{",".join(page.items)}],"next_cursor":{json.dumps(page.next_cursor)}'
    extras: dict[str, Any] = {}
    if query.count:
        extras["total"], extras["total_capped"] = search_services.count_products(filters=filters)
    if query.facets:
        extras["facets"] = facet_services.count_facets(filters=filters)
    if extras:
        members += "," + schemas.ListExtras.model_construct(**extras).model_dump_json(exclude_unset=True)[1:-1]
    return Response(members + "}", mimetype=web.JSON)


@bp.get("/products/<key>")
@bp.output(schemas.ProductDetail)
def get_product(key: str) -> Response:
    """Show a product by id or slug; 304 while it is what the client has seen."""
    response = _product(key)
    if request.if_none_match:
        response.make_conditional(request)
    return response


@bp.post("/products")
@CAN_WRITE
@bp.input(schemas.NewProduct, location="json", arg_name="body")
@bp.output(schemas.ProductDetail, status_code=201)
def create_product(body: schemas.NewProduct) -> Response:
    """Make a product, with one variant or with those that are sent."""
    product_id = services.create_product(fields=body.given(), actor_id=current_user().id)
    response = _product(product_id, 201)
    response.headers["Location"] = f"/api/products/{product_id}"
    return response


@bp.route("/products/<int:product_id>", methods=["PUT", "PATCH"])
@CAN_WRITE
@bp.input(schemas.ProductFields, location="json", arg_name="body")
@bp.output(schemas.ProductDetail)
def change_product(product_id: int, body: schemas.ProductFields) -> Response:
    """Change what is sent and leave the rest."""
    services.change_product(
        product_id=product_id, fields=body.given(), actor_id=current_user().id, versions=_versions_expected()
    )
    return _product(product_id)


@bp.delete("/products/<int:product_id>")
@CAN_WRITE
@bp.output({}, status_code=204)
def delete_product(product_id: int) -> Response:
    """Take a product out of sale; past orders keep it."""
    services.delete_product(product_id=product_id, actor_id=current_user().id, versions=_versions_expected())
    return Response(status=204)


@bp.route("/variants/<int:variant_id>/stock", methods=["PUT", "PATCH"])
@CAN_WRITE
@bp.input(schemas.StockIn, location="json", arg_name="body")
@bp.output(schemas.StockOut)
def set_stock(variant_id: int, body: schemas.StockIn) -> Response:
    """Set what can be sold of a variant, if it is what you expected."""
    left = stock.set_stock(
        variant_id=variant_id,
        stock=body.stock,
        expected=body.expected,
        reason=body.reason,
        actor_id=current_user().id,
    )
    return web.answer(schemas.StockOut(**left))


@bp.get("/variants/<int:variant_id>/movements")
@CAN_WRITE
@bp.input(schemas.PageQuery, location="query", arg_name="query")
@bp.output(schemas.MovementList)
def list_movements(variant_id: int, query: schemas.PageQuery) -> Response:
    """List how a variant's stock came to be, newest first."""
    page = stock.list_movements(variant_id=variant_id, limit=query.limit, cursor=query.cursor)
    return web.answer(schemas.MovementList.model_construct(items=page.items, next_cursor=page.next_cursor))


@bp.get("/categories")
@bp.output(schemas.CategoryTree)
def list_categories() -> Response:
    """Show the whole tree, with how many products stand in and below each category."""
    return web.answer(schemas.CategoryTree.model_construct(items=category_services.list_categories()))


@bp.get("/categories/<slug>")
@bp.output(schemas.CategoryDetail)
def get_category(slug: str) -> Response:
    """Show a category with its parent and children."""
    return _category(category_services.get_category(slug=slug))


@bp.post("/categories")
@CAN_WRITE
@bp.input(schemas.CategoryIn, location="json", arg_name="body")
@bp.output(schemas.CategoryDetail, status_code=201)
def create_category(body: schemas.CategoryIn) -> Response:
    """Make a category, at the top or below a parent."""
    return _category(category_services.create_category(**body.model_dump(), actor_id=current_user().id), 201)


@bp.route("/categories/<slug>", methods=["PUT", "PATCH"])
@CAN_WRITE
@bp.input(schemas.CategoryChange, location="json", arg_name="body")
@bp.output(schemas.CategoryDetail)
def change_category(slug: str, body: schemas.CategoryChange) -> Response:
    """Rename a category or move it with all below it."""
    changes = body.model_dump(exclude_unset=True)
    return _category(category_services.change_category(slug=slug, changes=changes, actor_id=current_user().id))


@bp.delete("/categories/<slug>")
@CAN_WRITE
@bp.output({}, status_code=204)
def delete_category(slug: str) -> Response:
    """Delete a category in which nothing stands."""
    category_services.delete_category(slug=slug, actor_id=current_user().id)
    return Response(status=204)


def _product(key: int | str, status: int = 200) -> Response:
    """Answer with a product. Its ETag is its version, which edits count and If-Match looks at, and a hash of all
    that the client sees: stock and related products change without an edit."""
    version, text = page_services.write_product(key=str(key))
    response = Response(text, status, mimetype=web.JSON)
    response.set_etag(f"{version}-{hashlib.blake2b(response.get_data(), digest_size=12).hexdigest()}")
    return response


def _versions_expected() -> list[int] | None:
    """Return the versions that If-Match allows, None when it is not sent or allows any."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    tags = [re.fullmatch(r"(\d{1,18})-[0-9a-f]{24}", tag) for tag in request.if_match.as_set(include_weak=True)]
    return [int(tag[1]) for tag in tags if tag]


def _category(category: Any, status: int = 200) -> Response:
    return web.answer(schemas.CategoryDetail.model_construct(category), status)
