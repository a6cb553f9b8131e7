"""Finding products: filters, sorts, pages by key, full text, facets. Reads only.

A page is one statement, and none while it is kept. Sorts run along an index that ends in the id, and a page starts
where the cursor says,
so that page 1 000 costs what page 1 costs; only a search sorts what it found.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from products import change_services, kept, shelf_services, texts
from products.kept import List
from utils import db, paging
from utils.errors import BadCursor

SKU_SCORE = 1_000_000_000  # above every score of words: who types a SKU wants that one

FILTERS = {
    "deleted_at": "p.deleted_at <=> %(deleted_at)s",  # bound to NULL: what is for sale
    "category": """p.category_id IN (
       WITH RECURSIVE below AS (
            SELECT c.id
              FROM categories c
             WHERE c.slug = %(category)s
             UNION ALL
            SELECT c.id
              FROM below b
              JOIN categories c ON c.parent_id = b.id)
       SELECT b.id
         FROM below b)""",
    "min_price": "p.live_price >= %(min_price)s",
    "max_price": "p.live_price <= %(max_price)s",
    "in_stock": """EXISTS (
       SELECT 1
         FROM variants v
        WHERE v.product_id = p.id
          AND v.deleted_at IS NULL
          AND v.stock >= %(in_stock)s)""",
    # {"names": 2, "pairs": [["Size", "M"], ["Colour", "Red"]], "stock": 1}: one variant that has all of it
    "options": """p.id IN (
       SELECT v.product_id
         FROM JSON_TABLE(%(options)s, '$.pairs[*]'
                         COLUMNS (name VARCHAR(60) PATH '$[0]', value VARCHAR(120) PATH '$[1]')) wanted
         JOIN variant_options vo
           ON vo.name = CONVERT(wanted.name USING utf8mb4) COLLATE utf8mb4_unicode_520_ci
          AND vo.value = CONVERT(wanted.value USING utf8mb4) COLLATE utf8mb4_unicode_520_ci
         JOIN variants v
           ON v.id = vo.variant_id
          AND v.deleted_at IS NULL
          AND v.stock >= JSON_EXTRACT(%(options)s, '$.stock')
        GROUP BY v.id, v.product_id
       HAVING COUNT(*) = JSON_EXTRACT(%(options)s, '$.names'))""",
}

# Where a page begins: the first condition lets the index begin there, the second is exact. Before the first row,
# `living_…` is bound to the lowest value there is, which leaves out the deleted, whose column is NULL.
AFTER = {
    "newest_id": "p.id < %(newest_id)s",
    "living_price": "p.live_price >= %(living_price)s",
    "price_from": "p.live_price >= %(price_from)s",
    "price_id": "(p.live_price > %(price_from)s OR (p.live_price = %(price_from)s AND p.id > %(price_id)s))",
    "price_to": "p.live_price <= %(price_to)s",
    "price_down_id": "(p.live_price < %(price_to)s OR (p.live_price = %(price_to)s AND p.id < %(price_down_id)s))",
    "living_name": "p.live_name >= %(living_name)s",
    "name_from": "p.live_name >= %(name_from)s",
    "name_id": "(p.live_name > %(name_from)s OR (p.live_name = %(name_from)s AND p.id > %(name_id)s))",
    "living_rating": "p.live_rating >= %(living_rating)s",
    "rating_to": "p.live_rating <= %(rating_to)s",
    "rating_id": "(p.live_rating < %(rating_to)s OR (p.live_rating = %(rating_to)s AND p.id < %(rating_id)s))",
}
AFTER_FOUND = {
    "score_to": "hit.score <= %(score_to)s",
    "score_id": "(hit.score < %(score_to)s OR p.id < %(score_id)s)",
}

SORTS = {
    "newest": "p.id DESC",
    "price": "p.live_price, p.id",
    "-price": "p.live_price DESC, p.id DESC",
    "name": "p.live_name, p.id",
    "rating": "p.live_rating DESC, p.id DESC",  # without a review 0, so last
}
SORTS_FOUND = {"relevance": "hit.score DESC, p.id DESC"}
# The version stands in no index. Without it MySQL would read all ids, out of its smallest index, and sort them.
FOUND = "p.id, p.version"
# What a page is cut by besides the id: the key of its cursor.
KEYS = {
    "newest": "",
    "price": ", p.live_price AS sort_key",
    "-price": ", p.live_price AS sort_key",
    "name": ", p.live_name AS sort_key",
    "rating": ", p.live_rating AS sort_key",
}
KEYS_FOUND = {"relevance": ", hit.score AS sort_key"}

# What a search finds, each product with its score: by words of name and description, or of the name alone when it
# has no word that a full-text index holds; and whatever has just this SKU.
FOUND_BY_WORDS = """
       (SELECT found.id, MAX(found.score) AS score
          FROM (SELECT f.id,
                       CAST(1000 * MATCH (f.name, f.description) AGAINST (%(words)s IN BOOLEAN MODE) AS SIGNED)
                       + CASE WHEN CONCAT(' ', f.name) LIKE %(pattern)s THEN 1000000 ELSE 0 END AS score
                  FROM products f
                 WHERE MATCH (f.name, f.description) AGAINST (%(words)s IN BOOLEAN MODE)
                 UNION ALL
                SELECT v.product_id, %(sku_score)s
                  FROM variants v
                 WHERE v.live_sku = %(sku)s) found
         GROUP BY found.id) hit
  JOIN products p ON p.id = hit.id
"""
FOUND_BY_NAME = """
       (SELECT found.id, MAX(found.score) AS score
          FROM (SELECT f.id, 0 AS score
                  FROM products f
                 WHERE CONCAT(' ', f.name) LIKE %(pattern)s
                 UNION ALL
                SELECT v.product_id, %(sku_score)s
                  FROM variants v
                 WHERE v.live_sku = %(sku)s) found
         GROUP BY found.id) hit
  JOIN products p ON p.id = hit.id
"""
ALL_PRODUCTS = "products p"


@dataclass(frozen=True, slots=True)
class Order:
    """How a sort goes on behind a row, its conditions in AFTER and how its key is read, and what it begins with."""

    after: tuple[str, ...]
    read: tuple[Callable[[str], Any], ...]
    lowest: Mapping[str, Any] = field(default_factory=dict)


def _read_number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**63:
        raise BadCursor
    return number


ORDERS = {
    "newest": Order(("newest_id",), (_read_number,)),
    "price": Order(("price_from", "price_id"), (paging.read_amount, _read_number), {"living_price": 0}),
    "-price": Order(("price_to", "price_down_id"), (paging.read_amount, _read_number), {"living_price": 0}),
    "name": Order(("name_from", "name_id"), (paging.read_name, _read_number), {"living_name": ""}),
    "rating": Order(("rating_to", "rating_id"), (paging.read_amount, _read_number), {"living_rating": 0}),
    "relevance": Order(("score_to", "score_id"), (_read_number, _read_number)),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What to show: `values` for FILTERS, and what a search binds, empty without one."""

    values: Mapping[str, Any]
    words: str
    search: Mapping[str, Any]
    asks_for_stock: bool

    @property
    def key(self) -> Hashable:
        """What tells these filters from others."""
        return *self.values.items(), *self.search.items()


def filters_of(
    *,
    category: str | None = None,
    q: str = "",
    min_price: Decimal | None = None,
    max_price: Decimal | None = None,
    in_stock: bool = False,
    options: Mapping[str, Sequence[str]] | None = None,
) -> Filters:
    """Write the filters of a request as what the statements bind. Several values of one option mean any of them."""
    wanted = {
        "category": category,
        "min_price": min_price,
        "max_price": max_price,
        "in_stock": 1 if in_stock and not options else None,
        "options": _options_wanted(options, in_stock) if options else None,
    }
    values = {"deleted_at": None} | {name: value for name, value in wanted.items() if value is not None}
    if not q:
        return Filters(values, "", {}, in_stock)
    words = texts.full_text_query(q)
    search = {"pattern": texts.name_pattern(q), "sku": q, "sku_score": SKU_SCORE} | ({"words": words} if words else {})
    return Filters(values, words, search, in_stock)


def _options_wanted(options: Mapping[str, Sequence[str]], in_stock: bool) -> str:
    pairs = [[name, value] for name, values in options.items() for value in dict.fromkeys(values)]
    return json.dumps({"names": len(options), "pairs": pairs, "stock": int(in_stock)}, ensure_ascii=False)


def list_products(
    *, filters: Filters | None = None, sort: str | None = None, limit: int = 20, cursor: str | None = None
) -> paging.Page[db.Row]:
    """Return a page of products in the shape of a list. Raises BadCursor."""
    page = list_texts(filters=filters, sort=sort, limit=limit, cursor=cursor)
    return paging.Page([shelf_services.show(text) for text in page.items], page.next_cursor)


def list_texts(
    *, filters: Filters | None = None, sort: str | None = None, limit: int = 20, cursor: str | None = None
) -> paging.Page[str]:
    """Return the same page, each product as a JSON object. Raises BadCursor.

    Without a sort, what was searched for comes by relevance and everything else with the newest first.
    """
    filters = filters or filters_of()
    sort = sort or ("relevance" if filters.search else "newest")
    read_at = change_services.look()
    reader = db.reading()
    lists = kept.lists_by_stock if filters.asks_for_stock else kept.lists
    place = (filters.key, sort, limit, cursor)
    page = lists.find(place)
    if page is None:
        page = lists.keep(place, _find_products(reader, filters, sort, limit, cursor), read_at=read_at)
    return paging.Page(shelf_services.read_texts(reader, page.ids, read_at=read_at), page.next_cursor)


def _find_products(reader: db.Reader, filters: Filters, sort: str, limit: int, cursor: str | None) -> List:
    values = {**filters.values, **_values_of_place(sort, cursor)}
    if filters.search:
        found = reader.fetch_all(
            "SELECT {found}{key}\nFROM {source}\n{where}\nORDER BY {order}\nLIMIT %(limit)s",
            {**filters.search, "limit": limit + 1},
            found=FOUND,
            key=(KEYS | KEYS_FOUND)[sort],
            source=FOUND_BY_WORDS if filters.words else FOUND_BY_NAME,
            where=db.where(FILTERS | AFTER | AFTER_FOUND, values),
            order=(SORTS | SORTS_FOUND)[sort],
        )
    else:
        found = reader.fetch_all(
            "SELECT {found}{key}\nFROM products p\n{where}\nORDER BY {order}\nLIMIT %(limit)s",
            {"limit": limit + 1},
            found=FOUND,
            key=KEYS[sort],
            where=db.where(FILTERS | AFTER, values),
            order=SORTS[sort],
        )
    page = paging.cut(found, limit, lambda row: _cursor_of(sort, row))
    return List(array("Q", [row["id"] for row in page.items]), page.next_cursor)


def count_products(*, filters: Filters) -> tuple[int, bool]:
    """Return how many there are, counted to COUNT_CAP at most, and whether there are more."""
    counted = db.reading().fetch_value(
        """
        SELECT COUNT(*) AS counted
          FROM (SELECT p.id
                  FROM {source}
                {where}
                 LIMIT %(most)s) one
        """,
        {**filters.search, "most": paging.COUNT_CAP + 1},
        source=source_of(filters),
        where=db.where(FILTERS, filters.values),
    )
    return min(counted, paging.COUNT_CAP), counted > paging.COUNT_CAP


def source_of(filters: Filters) -> str:
    """Return where the products of a request come from: all of them, or what a search found."""
    if not filters.search:
        return ALL_PRODUCTS
    return FOUND_BY_WORDS if filters.words else FOUND_BY_NAME


def _cursor_of(sort: str, row: db.Row) -> str:
    key = [row["sort_key"]] if "sort_key" in row else []
    return paging.encode(sort, *key, row["id"])


def _values_of_place(sort: str, cursor: str | None) -> Mapping[str, Any]:
    """Return what AFTER binds for the place where a page begins. Raises BadCursor."""
    order = ORDERS[sort]
    if not cursor:
        return order.lowest
    return dict(zip(order.after, paging.decode(cursor, sort, *order.read), strict=True))
