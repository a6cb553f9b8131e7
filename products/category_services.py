"""Categories: a tree with slugs.

Owns the table categories, together with category_path_services, which makes rows. Who moves one first
writes the tree's first row, and so has the shape of the whole tree to himself until COMMIT: two moves at once cannot
make a cycle between them.
"""

from __future__ import annotations

from typing import Any

from products import category_path_services as paths
from products import change_services
from utils import audit, clock, db
from utils.errors import CategoryCycle, CategoryInUse, InvalidFields, NotFound, SlugTaken

COLUMNS = {
    "name": "name = %(name)s",
    "slug": "slug = %(slug)s",
    "parent_id": "parent_id = %(parent_id)s",
    "updated_at": "updated_at = %(updated_at)s",
}


def list_categories() -> list[dict[str, Any]]:
    """Return the tree: top categories by name, each with its children and how many products stand in and below it."""
    return _grow(_read_all())


def get_category(*, slug: str) -> dict[str, Any]:
    """Return a category with its parent's slug, breadcrumbs and children. Raises NotFound."""
    rows = _read_all()
    _grow(rows)
    by_id = {row["id"]: row for row in rows}
    node = next((row for row in rows if row["slug"] == slug), None)
    if node is None:
        raise NotFound(what="category")
    crumbs = [node]
    while crumbs[0]["parent_id"] is not None:
        crumbs.insert(0, by_id[crumbs[0]["parent_id"]])
    return node | {
        "parent": crumbs[-2]["slug"] if len(crumbs) > 1 else None,
        "breadcrumbs": [{"slug": crumb["slug"], "name": crumb["name"]} for crumb in crumbs],
    }


def list_breadcrumbs(*, category_id: int | None) -> list[db.Row]:
    """Return the way from the top to a category, slug and name of each step."""
    if category_id is None:
        return []
    return db.reading().fetch_all(
        """
        WITH RECURSIVE above AS (
             SELECT c.parent_id, c.slug, c.name, 0 AS steps
               FROM categories c
              WHERE c.id = %(id)s
              UNION ALL
             SELECT c.parent_id, c.slug, c.name, a.steps + 1
               FROM above a
               JOIN categories c ON c.id = a.parent_id)
        SELECT a.slug, a.name
          FROM above a
         ORDER BY a.steps DESC
        """,
        {"id": category_id},
    )


def create_category(
    *, name: str, slug: str | None = None, parent: str | None = None, actor_id: int | None = None
) -> dict[str, Any]:
    """Make a category. Raises SlugTaken for a slug that was asked for, InvalidFields for an unknown parent."""
    return get_category(slug=_create(name=name, slug=slug, parent=parent, actor_id=actor_id))


@db.in_transaction
def _create(tx: db.Tx, *, name: str, slug: str | None, parent: str | None, actor_id: int | None) -> str:
    parent_id = None if parent is None else _find_parent_id_tx(tx, parent)
    if parent_id is not None and len(_line_of(_parents_tx(tx), parent_id)) >= paths.DEEPEST:
        raise InvalidFields(fields={"parent": f"a tree has {paths.DEEPEST} levels at most"})
    slug = slug or paths.free_slug_tx(tx, name, parent)
    with db.naming({"uq_categories_slug": SlugTaken}):
        paths.insert_tx(tx, name=name, slug=slug, parent_id=parent_id)
    audit.record_tx(
        tx,
        action="category.created",
        actor_id=actor_id,
        target=f"category:{slug}",
        after=_told({"name": name, "slug": slug, "parent_id": parent_id}),
    )
    return slug


def change_category(*, slug: str, changes: dict[str, Any], actor_id: int | None = None) -> dict[str, Any]:
    """Rename or move a category: `changes` holds some of name, slug, parent.

    Raises NotFound, SlugTaken, InvalidFields for an unknown parent, CategoryCycle for one that stands below it.
    """
    return get_category(slug=_change(slug=slug, changes=changes, actor_id=actor_id))


@db.in_transaction
def _change(tx: db.Tx, *, slug: str, changes: dict[str, Any], actor_id: int | None) -> str:
    if "parent" in changes:
        _lock_tree_tx(tx)
    category = _require_tx(tx, slug)
    values = {name: value for name, value in changes.items() if name != "parent"}
    if "parent" in changes:
        values["parent_id"] = _place_tx(tx, category["id"], changes["parent"])
    if any(category[name] != value for name, value in values.items()):
        with db.naming({"uq_categories_slug": SlugTaken}):
            tx.execute_one(
                "UPDATE categories {set} WHERE id = %(id)s",
                {"id": category["id"]},
                set=db.set_clause(COLUMNS, values | {"updated_at": clock.now()}),
            )
        _mark_products_tx(tx, category["id"])
        change_services.tell_tx(tx, product_id=None)
        audit.record_tx(
            tx,
            action="category.changed",
            actor_id=actor_id,
            target=f"category:{slug}",
            before=_told(category),
            after=_told(category | values),
        )
    return str(values.get("slug", slug))


@db.in_transaction
def delete_category(tx: db.Tx, *, slug: str, actor_id: int | None = None) -> None:
    """Delete a category. Raises NotFound, and CategoryInUse while products or categories stand in it."""
    category = _require_tx(tx, slug)
    tx.execute(
        """
        UPDATE products
           SET category_id = NULL
         WHERE category_id = %(id)s
           AND deleted_at IS NOT NULL
        """,
        {"id": category["id"]},
    )
    with db.naming(
        {
            "fk_products_category_id": CategoryInUse,
            "fk_categories_parent_id": lambda: CategoryInUse("Other categories stand in this one. Move them first."),
        }
    ):
        tx.execute_one("DELETE FROM categories WHERE id = %(id)s", {"id": category["id"]})
    audit.record_tx(tx, action="category.deleted", actor_id=actor_id, target=f"category:{slug}", before=_told(category))


def _told(category: db.Row) -> db.Row:
    return {name: category[name] for name in ("name", "slug", "parent_id")}


# --- the tree


def _read_all() -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT c.id, c.parent_id, c.slug, c.name, COUNT(p.id) AS product_count
          FROM categories c
          LEFT JOIN products p
            ON p.category_id = c.id
           AND p.deleted_at IS NULL
         GROUP BY c.id, c.parent_id, c.slug, c.name
         ORDER BY c.name, c.id
        """
    )


def _grow(rows: list[db.Row]) -> list[db.Row]:
    """Hang each row on its parent, add the counts up, and return the top ones."""
    by_id = {row["id"]: row for row in rows}
    tops = []
    for row in rows:
        row.setdefault("children", [])
        if row["parent_id"] is None:
            tops.append(row)
        else:
            by_id[row["parent_id"]].setdefault("children", []).append(row)
    for top in tops:
        _add_up(top)
    return tops


def _add_up(node: db.Row) -> int:
    node["product_count"] += sum(_add_up(child) for child in node["children"])
    return int(node["product_count"])


def _lock_tree_tx(tx: db.Tx) -> None:
    tx.execute(
        """
        UPDATE categories
           SET updated_at = %(now)s
         ORDER BY id
         LIMIT 1
        """,
        {"now": clock.now()},
    )


def _parents_tx(tx: db.Tx) -> dict[int, int | None]:
    return {row["id"]: row["parent_id"] for row in tx.fetch_all("SELECT c.id, c.parent_id FROM categories c")}


def _line_of(parents: dict[int, int | None], category_id: int) -> list[int]:
    """Return a category and all above it, from below."""
    line: list[int] = []
    step: int | None = category_id
    while step is not None:
        line.append(step)
        step = parents[step]
    return line


def _place_tx(tx: db.Tx, category_id: int, parent: str | None) -> int | None:
    """Return the id of the parent below which the category may be put. Raises InvalidFields and CategoryCycle."""
    if parent is None:
        return None
    parent_id = _find_parent_id_tx(tx, parent)
    parents = _parents_tx(tx)
    line = _line_of(parents, parent_id)
    if category_id in line:
        raise CategoryCycle
    depths = [_line_of(parents, other) for other in parents]
    height = max(way.index(category_id) + 1 for way in depths if category_id in way)
    if len(line) + height > paths.DEEPEST:
        raise InvalidFields(fields={"parent": f"a tree has {paths.DEEPEST} levels at most"})
    return parent_id


def _mark_products_tx(tx: db.Tx, category_id: int) -> None:
    """Count an edit of every product in and below a category: they show its name and slug."""
    tx.execute(
        """
        UPDATE products
           SET version = version + 1,
               updated_at = %(now)s
         WHERE deleted_at IS NULL
           AND category_id IN (
               WITH RECURSIVE below AS (
                    SELECT c.id
                      FROM categories c
                     WHERE c.id = %(id)s
                     UNION ALL
                    SELECT c.id
                      FROM below b
                      JOIN categories c ON c.parent_id = b.id)
               SELECT b.id
                 FROM below b)
        """,
        {"id": category_id, "now": clock.now()},
    )


# --- rows


def _require_tx(tx: db.Tx, slug: str) -> db.Row:
    return tx.require_one(
        """
        SELECT c.id, c.parent_id, c.slug, c.name
          FROM categories c
         WHERE c.slug = %(slug)s
           FOR UPDATE
        """,
        {"slug": slug},
        missing=NotFound(what="category"),
    )


def _find_parent_id_tx(tx: db.Tx, slug: str) -> int:
    found = tx.fetch_value("SELECT c.id FROM categories c WHERE c.slug = %(slug)s", {"slug": slug})
    if found is None:
        raise InvalidFields(fields={"parent": "there is no category with this slug"})
    return int(found)
