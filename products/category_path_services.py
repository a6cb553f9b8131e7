"""Categories by the names on the way to them: found, or made where they are missing."""

from __future__ import annotations

from collections.abc import Sequence

from products import texts
from utils import clock, db
from utils.errors import InvalidFields, SlugTaken

DEEPEST = 10
LONGEST_SLUG = 120
LONGEST_NAME = 120


def list_paths() -> dict[int, list[str]]:
    """Return the names from the top down to each category, by its id."""
    found = db.reading().fetch_all("SELECT c.id, c.parent_id, c.name FROM categories c ORDER BY c.id")
    rows = {row["id"]: row for row in found}
    paths: dict[int, list[str]] = {}
    for category_id in rows:
        names: list[str] = []
        step = category_id
        while step is not None:
            names.insert(0, rows[step]["name"])
            step = rows[step]["parent_id"]
        paths[category_id] = names
    return paths


def find_or_make_tx(tx: db.Tx, category: str) -> int:
    """Return the id of a category given by slug, name, or a path of names (`Groceries > Flour`); make what is missing.

    A plain name is looked for on every level, a path from the top. Raises InvalidFields for a path that cannot be.
    """
    found = tx.fetch_value(
        """
        SELECT c.id
          FROM categories c
         WHERE c.slug = %(category)s
            OR c.name = %(category)s
         ORDER BY c.slug = %(category)s DESC, c.id
         LIMIT 1
        """,
        {"category": category},
    )
    return int(found) if found is not None else find_or_make_path_tx(tx, texts.split_path(category))["id"]


def find_or_make_path_tx(tx: db.Tx, names: Sequence[str]) -> db.Row:
    """Return id and slug of a category given by the names from the top down to it; make what is missing.

    Raises InvalidFields for a path that cannot be.
    """
    if not 1 <= len(names) <= DEEPEST or any(len(name) > LONGEST_NAME for name in names):
        raise InvalidFields(
            fields={"category": f"must be 1 to {DEEPEST} names of at most {LONGEST_NAME} characters, split by >"}
        )
    step = _find_child_tx(tx, names[0], None) or _make_child_tx(tx, names[0], None)
    for name in names[1:]:
        step = _find_child_tx(tx, name, step) or _make_child_tx(tx, name, step)
    return step


def _find_child_tx(tx: db.Tx, name: str, parent: db.Row | None) -> db.Row | None:
    return tx.fetch_one(
        """
        SELECT c.id, c.slug
          FROM categories c
         WHERE c.parent_id <=> %(parent_id)s
           AND c.name = %(name)s
         ORDER BY c.id
         LIMIT 1
        """,
        {"parent_id": parent["id"] if parent else None, "name": name},
    )


def _make_child_tx(tx: db.Tx, name: str, parent: db.Row | None) -> db.Row:
    """Make a category; a rival who made one with this slug at the same moment may have made this very one.

    So it is looked for once more after the slug is chosen: what was committed before made the slug another, and what
    is committed later meets the slug's constraint.
    """
    slug = free_slug_tx(tx, name, parent["slug"] if parent else None)
    if made := _find_child_tx(tx, name, parent):
        return made
    try:
        with db.naming({"uq_categories_slug": SlugTaken}):
            category_id = insert_tx(tx, name=name, slug=slug, parent_id=parent["id"] if parent else None)
    except SlugTaken:
        return _find_child_tx(tx, name, parent) or _make_child_tx(tx, name, parent)
    return {"id": category_id, "slug": slug}


def insert_tx(tx: db.Tx, *, name: str, slug: str, parent_id: int | None) -> int:
    """Write a new category and return its id."""
    return tx.insert(
        """
        INSERT INTO categories (parent_id, slug, name, created_at, updated_at)
        VALUES (%(parent_id)s, %(slug)s, %(name)s, %(now)s, %(now)s)
        """,
        {"parent_id": parent_id, "slug": slug, "name": name, "now": clock.now()},
    )


def free_slug_tx(tx: db.Tx, name: str, parent_slug: str | None) -> str:
    """Return a slug for a name: its own, else with the parent's before it, else with a number behind it."""
    own = texts.slug_of(name, otherwise="category")[: LONGEST_SLUG - 10].strip("-")
    longer = f"{parent_slug}-{own}"[: LONGEST_SLUG - 10].strip("-") if parent_slug else own
    rows = tx.fetch_all(
        """
        SELECT c.slug
          FROM categories c
         WHERE c.slug LIKE CONCAT(%(own)s, '%%')
            OR c.slug LIKE CONCAT(%(longer)s, '%%')
        """,
        {"own": own, "longer": longer},
    )
    taken = {row["slug"] for row in rows}
    return own if own not in taken else texts.free_slug(longer, taken)
