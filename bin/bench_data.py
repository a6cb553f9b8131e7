"""The shop that bin/bench measures: 10 000 products and some hundred customers, written with multi-row INSERTs.

Everything hangs together as in a shop that grew: `flask db check` finds nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from utils import clock, db

PRODUCTS = 10_000
TOP_CATEGORIES, SUBCATEGORIES = 8, 5
CHUNK = 500
APART = 100_000_000
SEED = 20_260
PASSWORD = "correct-horse-battery"  # noqa: S105  (opens nothing but this shop, which ends with the run)
# bcrypt of PASSWORD at the lowest cost: hundreds of customers log in, and log-in is not what is measured
PASSWORD_HASH = "$2b$04$DyjNgBgRAqurUnchqwdP6e3NeGyhCTI60/4GgjXC.jJZ6ndVn8PHi"  # noqa: S105

# What checkout buys: as many variants as customers do not stand in each other's way at, at one price.
CHECKOUT_VARIANTS = 1_000
CHECKOUT_PRICE, CHECKOUT_STOCK = Decimal("1499.00"), 1_000_000
RUSH_STOCK = 50

WORDS = """
    sturdy woven sisal basket maize flour kettle enamel charcoal stove kikoi cotton blanket solar lantern shea
    butter honey mango dried tea leaves purple coffee roast beaded sandals leather belt school satchel rain jacket
    bicycle tube hammer galvanised bucket garden hoe seedling tray clay pot serving spoon lunch box vacuum flask
    radio
""".split()  # noqa: SIM905  (a list of literals would take fifty lines)
SIZES = ("S", "M", "L", "XL")


@dataclass(frozen=True)
class Shop:
    """What stands in the shop: which ids there are for what."""

    product_ids: list[int]
    checkout_variant_ids: list[int]
    rush_variant_ids: list[int]


def fill_shop(*, rushes: int, tell: Callable[[str], None]) -> Shop:
    """Make the catalogue, with `rushes` variants of 50 pieces for the rushes, and return what stands there."""
    chance = random.Random(SEED)
    _number_tables_apart()
    _insert_categories()
    single = CHECKOUT_VARIANTS + rushes
    for first in range(1, PRODUCTS + 1, CHUNK):
        numbers = range(first, min(first + CHUNK, PRODUCTS + 1))
        _insert_products([_product(number, chance, plain=number <= single) for number in numbers], rushes)
        tell(f"{numbers[-1]} of {PRODUCTS} products")
    _analyse()
    rows = db.reading().fetch_all(
        "SELECT v.id, v.stock FROM variants v WHERE v.product_id <= %(single)s ORDER BY v.id", {"single": single}
    )
    return Shop(
        product_ids=list(range(1, PRODUCTS + 1)),
        checkout_variant_ids=[row["id"] for row in rows if row["stock"] == CHECKOUT_STOCK],
        rush_variant_ids=[row["id"] for row in rows if row["stock"] == RUSH_STOCK],
    )


@db.in_transaction
def _number_tables_apart(tx: db.Tx) -> None:
    """Have each table count from a place of its own, so that no id in a statement is taken for another table's."""
    tables = tx.fetch_all(
        """
        SELECT t.table_name AS name
          FROM information_schema.tables t
         WHERE t.table_schema = DATABASE()
           AND t.auto_increment = 1
         ORDER BY t.table_name
        """
    )
    for place, table in enumerate(tables, start=1):
        tx.execute(f"ALTER TABLE {table['name']} AUTO_INCREMENT = {place * APART}")


def _product(number: int, chance: random.Random, *, plain: bool) -> dict[str, Any]:
    words = chance.sample(WORDS, 4)
    sizes = [None] if plain or chance.random() < 0.5 else list(SIZES[: chance.randint(2, 4)])
    price = CHECKOUT_PRICE if plain else Decimal(chance.randint(5_000, 2_000_000)) / 100
    return {
        "id": number,
        "slug": f"{'-'.join(words)}-{number}",
        "name": " ".join(words).capitalize(),
        "description": "".join(f"<p>{' '.join(chance.choices(WORDS, k=24)).capitalize()}.</p>" for _ in range(3)),
        "vendor": chance.choice(WORDS).capitalize(),
        "category_id": chance.randint(TOP_CATEGORIES + 1, TOP_CATEGORIES * (1 + SUBCATEGORIES)),
        "options": "[]" if sizes == [None] else '["Size"]',
        "price": price,
        "price_max": price + 200 * (len(sizes) - 1),
        "compare_at_price": price + 300 if chance.random() < 0.2 else None,
        "rating": Decimal(chance.randint(100, 500)) / 100 if chance.random() < 0.5 else None,
        "now": clock.now() - timedelta(seconds=PRODUCTS - number),
        "sizes": sizes,
        "images": chance.randint(1, 3),
    }


@db.in_transaction
def _insert_categories(tx: db.Tx) -> None:
    sql = """
        INSERT INTO categories (id, parent_id, slug, name, created_at, updated_at)
        VALUES (%(id)s, %(parent_id)s, %(slug)s, %(name)s, %(now)s, %(now)s)
        """
    now = clock.now()
    for first, last, parent in (
        (1, TOP_CATEGORIES, lambda _: None),
        (TOP_CATEGORIES + 1, TOP_CATEGORIES * (1 + SUBCATEGORIES), lambda id_: id_ % TOP_CATEGORIES + 1),
    ):
        ids = range(first, last + 1)
        names = {"now": now}
        tx.insert_many(
            sql,
            [{"id": id_, "parent_id": parent(id_), "slug": f"c-{id_}", "name": f"Aisle {id_}", **names} for id_ in ids],
        )


@db.in_transaction
def _insert_products(tx: db.Tx, products: Sequence[dict[str, Any]], rushes: int) -> None:
    tx.insert_many(
        """
        INSERT INTO products
            (id, slug, name, description, vendor, category_id, options, price, price_max, compare_at_price, rating,
             review_count, created_at, updated_at)
        VALUES (%(id)s, %(slug)s, %(name)s, %(description)s, %(vendor)s, %(category_id)s, %(options)s, %(price)s,
                %(price_max)s, %(compare_at_price)s, %(rating)s, %(review_count)s, %(now)s, %(now)s)
        """,
        [
            {**_without(product, "sizes", "images"), "review_count": 0 if product["rating"] is None else 3}
            for product in products
        ],
    )
    tx.insert_many(
        """
        INSERT INTO product_images (product_id, position, url, alt)
        VALUES (%(product_id)s, %(position)s, %(url)s, %(alt)s)
        """,
        [
            {
                "product_id": product["id"],
                "position": position,
                "url": f"/static/demo/{product['slug']}-{position}.webp",
                "alt": product["name"],
            }
            for product in products
            for position in range(1, product["images"] + 1)
        ],
    )
    _insert_variants(tx, [variant for product in products for variant in _variants(product, rushes)])


def _variants(product: dict[str, Any], rushes: int) -> list[dict[str, Any]]:
    checkout = CHECKOUT_VARIANTS + rushes >= product["id"]
    stock = RUSH_STOCK if product["id"] <= rushes else CHECKOUT_STOCK if checkout else product["id"] % 40
    options = [{} if size is None else {"Size": size} for size in product["sizes"]]
    return [
        {
            "id": product["id"] * 10 + place,
            "product_id": product["id"],
            "position": place + 1,
            "sku": f"SKU-{product['id']}-{place}",
            "options": json.dumps(chosen),
            "key": hashlib.sha256(json.dumps(chosen).casefold().encode()).hexdigest(),
            "price": product["price"] + 200 * place,
            "stock": stock,
            "now": product["now"],
        }
        for place, chosen in enumerate(options)
    ]


def _insert_variants(tx: db.Tx, variants: Sequence[dict[str, Any]]) -> None:
    tx.insert_many(
        """
        INSERT INTO variants
            (id, product_id, position, sku, options, options_key, price, stock, created_at, updated_at)
        VALUES (%(id)s, %(product_id)s, %(position)s, %(sku)s, %(options)s, %(key)s, %(price)s, %(stock)s, %(now)s,
                %(now)s)
        """,
        variants,
    )
    tx.insert_many(
        "INSERT INTO variant_options (variant_id, name, value) VALUES (%(variant_id)s, %(name)s, %(value)s)",
        [
            {"variant_id": variant["id"], "name": name, "value": value}
            for variant in variants
            for name, value in json.loads(variant["options"]).items()
        ],
    )
    tx.insert_many(
        """
        INSERT INTO stock_movements (variant_id, delta, reason, request_id, created_at)
        VALUES (%(variant_id)s, %(delta)s, 'initial', 'bench', %(now)s)
        """,
        [
            {"variant_id": variant["id"], "delta": variant["stock"], "now": variant["now"]}
            for variant in variants
            if variant["stock"]
        ],
    )


def _without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


@db.in_transaction
def _analyse(tx: db.Tx) -> None:
    """Refresh what the optimiser knows, as the server does by itself some seconds later."""
    for table in ("products", "variants", "variant_options", "product_images", "stock_movements", "categories"):
        tx.execute("ANALYZE TABLE {table}", table=table)


@db.in_transaction
def add_customers(tx: db.Tx, *, number: int) -> list[str]:
    """Make customers who can log in with PASSWORD and return their user names."""
    names = [f"customer{place}" for place in range(1, number + 1)]
    role_id = tx.fetch_value("SELECT r.id FROM roles r WHERE r.name = 'customer'")
    tx.insert_many(
        """
        INSERT INTO users (username, email, password_hash, role_id, created_at, updated_at)
        VALUES (%(username)s, %(email)s, %(hash)s, %(role_id)s, %(now)s, %(now)s)
        """,
        [
            {
                "username": name,
                "email": f"{name}@example.com",
                "hash": PASSWORD_HASH,
                "role_id": role_id,
                "now": clock.now(),
            }
            for name in names
        ],
    )
    return names
