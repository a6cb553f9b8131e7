"""Facets: how many products of a filtered list stand in each category, price band and option. Reads only."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

from products import search_services as search
from products.search_services import FILTERS, Filters
from utils import db
from utils.money import CENT

# Where a price band begins, in KES; the statement below names the same.
BANDS = [Decimal(0), Decimal(500), Decimal(1000), Decimal(2000), Decimal(5000), Decimal(10_000), Decimal(50_000)]
MOST_VALUES = 200


def count_facets(*, filters: Filters) -> dict[str, Any]:
    """Return the counts by category, price band and option over all products that the filters let through."""
    return {
        "categories": _count_categories(filters),
        "prices": _count_prices(filters),
        "options": _count_options(filters),
    }


def _count_categories(filters: Filters) -> list[db.Row]:
    return db.reading().fetch_all(
        """
        SELECT c.slug, c.name, COUNT(*) AS count
          FROM {source}
          JOIN categories c ON c.id = p.category_id
        {where}
         GROUP BY c.id, c.slug, c.name
         ORDER BY count DESC, c.name, c.id
         LIMIT %(most)s
        """,
        {**filters.search, "most": MOST_VALUES},
        source=search.source_of(filters),
        where=db.where(FILTERS, filters.values),
    )


def _count_prices(filters: Filters) -> list[db.Row]:
    rows = db.reading().fetch_all(
        """
        SELECT INTERVAL(p.price, 0, 500, 1000, 2000, 5000, 10000, 50000) AS band, COUNT(*) AS count
          FROM {source}
        {where}
         GROUP BY band
         ORDER BY band
        """,
        filters.search,
        source=search.source_of(filters),
        where=db.where(FILTERS, filters.values),
    )
    ends = [*(start - CENT for start in BANDS[1:]), None]
    return [
        {"min_price": BANDS[row["band"] - 1], "max_price": ends[row["band"] - 1], "count": row["count"]} for row in rows
    ]


def _count_options(filters: Filters) -> list[dict[str, Any]]:
    rows = db.reading().fetch_all(
        """
        SELECT vo.name, vo.value, COUNT(DISTINCT p.id) AS count
          FROM {source}
          JOIN variants v ON v.product_id = p.id AND v.deleted_at IS NULL
          JOIN variant_options vo ON vo.variant_id = v.id
        {where}
         GROUP BY vo.name, vo.value
         ORDER BY vo.name, count DESC, vo.value
         LIMIT %(most)s
        """,
        {**filters.search, "most": MOST_VALUES},
        source=search.source_of(filters),
        where=db.where(FILTERS, filters.values),
    )
    return [
        {"name": name, "values": [{"value": row["value"], "count": row["count"]} for row in group]}
        for name, group in itertools.groupby(rows, key=lambda row: row["name"])
    ]
