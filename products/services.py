"""Products: making, changing and deleting them.

Owns the tables products and product_images; variants, stock and categories have modules of their own. An edit locks
the product's row, then its variants, compares what stands with what is wanted and writes the difference: an edit that
changes nothing writes nothing, so versions count real edits. A deleted product keeps its rows for past orders.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from products import category_path_services, drafts, texts, variant_services
from products import change_services as changes
from products.drafts import Draft, Image, Variant
from utils import audit, clock, db
from utils.errors import NotFound, PreconditionFailed, SlugTaken

SLUG_TRIES = 5


@db.in_transaction
def create_product(tx: db.Tx, *, fields: Mapping[str, Any], actor_id: int | None) -> int:
    """Make a product and return its id. Raises InvalidFields, SkuTaken."""
    draft = drafts.new_draft(fields)
    slug = texts.slug_of(draft.name, otherwise="product")
    product_id = create_product_tx(tx, draft=draft, slug=slug, actor_id=actor_id)
    _record_tx(tx, "product.created", product_id, actor_id, after=draft)
    return product_id


def create_product_tx(tx: db.Tx, *, draft: Draft, slug: str, actor_id: int | None) -> int:
    """Write a new product under the slug, or under the next free one with a number. Raises SkuTaken."""
    category_id = category_path_services.find_or_make_tx(tx, draft.category) if draft.category else None
    product_id = _insert_tx(tx, draft, slug, category_id)
    variant_services.write_variants_tx(
        tx, product_id=product_id, standing=[], wanted=draft.variants, reason="initial", actor_id=actor_id
    )
    _write_images_tx(tx, product_id, draft.images)
    changes.tell_tx(tx, product_id=product_id)
    return product_id


@db.in_transaction
def change_product(
    tx: db.Tx,
    *,
    product_id: int,
    fields: Mapping[str, Any],
    actor_id: int | None,
    versions: Sequence[int] | None = None,
) -> None:
    """Change the fields that are given. Raises NotFound, InvalidFields, SkuTaken.

    `versions` are those that the editor may have read: PreconditionFailed when the product is at another.
    """
    _lock_tx(tx, product_id, versions)
    current = read_draft_tx(tx, product_id=product_id)
    wanted = drafts.changed_draft(current, fields)
    if write_difference_tx(tx, product_id=product_id, current=current, wanted=wanted, reason="edit", actor_id=actor_id):
        _record_tx(tx, "product.changed", product_id, actor_id, before=current, after=wanted)


@db.in_transaction
def delete_product(tx: db.Tx, *, product_id: int, actor_id: int | None, versions: Sequence[int] | None = None) -> None:
    """Take a product out of sale; past orders keep it, its slug and SKUs are free.

    Raises NotFound and PreconditionFailed.
    """
    _lock_tx(tx, product_id, versions)
    current = read_draft_tx(tx, product_id=product_id)
    tx.execute_one(
        """
        UPDATE products
           SET deleted_at = %(now)s,
               updated_at = %(now)s,
               version = version + 1
         WHERE id = %(id)s
           AND deleted_at IS NULL
        """,
        {"id": product_id, "now": clock.now()},
    )
    variant_services.delete_variants_tx(tx, variant_ids=[variant.id for variant in current.variants if variant.id])
    changes.tell_tx(tx, product_id=product_id)
    _record_tx(tx, "product.deleted", product_id, actor_id, before=current)


def _record_tx(
    tx: db.Tx,
    action: str,
    product_id: int,
    actor_id: int | None,
    *,
    before: Draft | None = None,
    after: Draft | None = None,
) -> None:
    audit.record_tx(
        tx,
        action=action,
        actor_id=actor_id,
        target=f"product:{product_id}",
        before=asdict(before) if before else None,
        after=asdict(after) if after else None,
    )


def write_difference_tx(
    tx: db.Tx, *, product_id: int, current: Draft, wanted: Draft, reason: str, actor_id: int | None
) -> bool:
    """Make the product as wanted and return whether anything changed. Raises SkuTaken.

    The caller holds the product's row and read `current` under that lock.
    """
    category_id: int | None = None
    if wanted.category and wanted.category != current.category:
        category_id = category_path_services.find_or_make_tx(tx, wanted.category)
        wanted = replace(wanted, category=_slug_of_category_tx(tx, category_id))
    if wanted == current:
        return False
    columns = {name: new for name, new in _columns(wanted).items() if new != _columns(current)[name]}
    if wanted.category != current.category:
        columns["category_id"] = category_id
    tx.execute_one(
        "UPDATE products {set} WHERE id = %(id)s",
        {"id": product_id},
        set=db.set_clause(COLUMNS, columns | {"updated_at": clock.now(), "version": 1}),
    )
    if wanted.images != current.images:
        _write_images_tx(tx, product_id, wanted.images)
    variant_services.write_variants_tx(
        tx,
        product_id=product_id,
        standing=current.variants,
        wanted=wanted.variants,
        reason=reason,
        actor_id=actor_id,
    )
    changes.tell_tx(tx, product_id=product_id)
    return True


COLUMNS = {
    "name": "name = %(name)s",
    "description": "description = %(description)s",
    "vendor": "vendor = %(vendor)s",
    "category_id": "category_id = %(category_id)s",
    "options": "options = %(options)s",
    "price": "price = %(price)s",
    "price_max": "price_max = %(price_max)s",
    "compare_at_price": "compare_at_price = %(compare_at_price)s",
    "updated_at": "updated_at = %(updated_at)s",
    "version": "version = version + %(version)s",
}


def _columns(draft: Draft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "description": draft.description,
        "vendor": draft.vendor,
        "options": json.dumps(draft.options, ensure_ascii=False),
        "price": draft.price,
        "price_max": draft.price_max,
        "compare_at_price": draft.compare_at_price,
    }


def read_draft_tx(tx: db.Tx, *, product_id: int) -> Draft:
    """Lock the variants and return the product as it stands, as a draft. The caller holds its row."""
    variant_services.lock_variants_tx(tx, product_id=product_id)
    row = tx.require_one(
        """
        SELECT p.name, p.description, p.vendor, p.options, p.compare_at_price, c.slug AS category
          FROM products p
          LEFT JOIN categories c ON c.id = p.category_id
         WHERE p.id = %(id)s
        """,
        {"id": product_id},
        missing=NotFound(what="product"),
    )
    images = tx.fetch_all(
        "SELECT i.url, i.alt FROM product_images i WHERE i.product_id = %(id)s ORDER BY i.position", {"id": product_id}
    )
    variants = variant_services.list_variants(tx, product_id=product_id)
    for variant in variants:
        del variant["in_stock"]
    return Draft(
        **row | {"options": json.loads(row["options"])},
        images=[Image(**image) for image in images],
        variants=[Variant(**variant) for variant in variants],
    )


def _lock_tx(tx: db.Tx, product_id: int, versions: Sequence[int] | None) -> None:
    row = tx.require_one(
        """
        SELECT p.version
          FROM products p
         WHERE p.id = %(id)s
           AND p.deleted_at IS NULL
           FOR UPDATE
        """,
        {"id": product_id},
        missing=NotFound(what="product"),
    )
    if versions is not None and row["version"] not in versions:
        raise PreconditionFailed


def _insert_tx(tx: db.Tx, draft: Draft, slug: str, category_id: int | None) -> int:
    """Insert the row under a free slug; a rival who takes the same one at the same moment costs another look."""
    for attempt in range(SLUG_TRIES):
        taken = tx.fetch_all(
            """
            SELECT p.live_slug AS slug
              FROM products p
             WHERE p.live_slug = %(slug)s
                OR p.live_slug LIKE CONCAT(%(slug)s, '-%%')
            """,
            {"slug": slug},
        )
        try:
            with db.naming({"uq_products_live_slug": SlugTaken}):
                return tx.insert(
                    """
                    INSERT INTO products
                        (slug, name, description, vendor, category_id, options, price, price_max, compare_at_price,
                         created_at, updated_at)
                    VALUES
                        (%(slug)s, %(name)s, %(description)s, %(vendor)s, %(category_id)s, %(options)s, %(price)s,
                         %(price_max)s, %(compare_at_price)s, %(now)s, %(now)s)
                    """,
                    _columns(draft)
                    | {
                        "slug": texts.free_slug(slug, {row["slug"] for row in taken}),
                        "category_id": category_id,
                        "now": clock.now(),
                    },
                )
        except SlugTaken:
            if attempt == SLUG_TRIES - 1:
                raise
    raise SlugTaken


def _write_images_tx(tx: db.Tx, product_id: int, images: Sequence[Image]) -> None:
    tx.execute("DELETE FROM product_images WHERE product_id = %(id)s", {"id": product_id})
    tx.insert_many(
        """
        INSERT INTO product_images (product_id, position, url, alt)
        VALUES (%(product_id)s, %(position)s, %(url)s, %(alt)s)
        """,
        [
            {"product_id": product_id, "position": position, "url": image.url, "alt": image.alt}
            for position, image in enumerate(images, start=1)
        ],
    )


def _slug_of_category_tx(tx: db.Tx, category_id: int) -> str:
    return str(tx.fetch_value("SELECT c.slug FROM categories c WHERE c.id = %(id)s", {"id": category_id}))
