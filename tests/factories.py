"""Rows that tests start from, written straight into the tables and committed."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from auth import address_services, notification_services
from auth.address_schemas import AddressIn
from orders import checkout_services
from orders import services as orders
from orders.schemas import Order, OrderIn
from payments import attempt_services as attempts
from payments import settle_services as settlement
from products import change_services
from utils import clock, db, idempotency

_numbers = itertools.count(1)

PASSWORD = "correct-horse-battery"
# bcrypt of PASSWORD at the lowest cost, so that a log-in in a test takes no tenth of a second
PASSWORD_HASH = "$2b$04$DyjNgBgRAqurUnchqwdP6e3NeGyhCTI60/4GgjXC.jJZ6ndVn8PHi"


@dataclass(frozen=True)
class User:
    id: int
    username: str
    email: str
    password: str = PASSWORD


@dataclass(frozen=True)
class Variant:
    id: int
    sku: str
    price: Decimal
    stock: int


@dataclass(frozen=True)
class Product:
    id: int
    slug: str
    name: str
    variants: list[Variant] = field(default_factory=list)

    @property
    def variant(self) -> Variant:
        return self.variants[0]


@db.in_transaction
def make_user(
    tx: db.Tx, *, role: str = "customer", username: str | None = None, phone_number: str | None = None
) -> User:
    number = next(_numbers)
    name = username or f"user{number}"
    user_id = tx.insert(
        """
        INSERT INTO users (username, email, password_hash, phone_number, role_id, created_at, updated_at)
        SELECT %(username)s, %(email)s, %(hash)s, %(phone)s, r.id, %(now)s, %(now)s
          FROM roles r
         WHERE r.name = %(role)s
        """,
        {
            "username": name,
            "email": f"{name}@example.com",
            "hash": PASSWORD_HASH,
            "phone": phone_number,
            "role": role,
            "now": clock.now(),
        },
    )
    return User(user_id, name, f"{name}@example.com")


@db.in_transaction
def make_product(
    tx: db.Tx,
    *,
    name: str | None = None,
    price: str = "100.00",
    stock: int = 10,
    category_id: int | None = None,
    variants: list[dict[str, Any]] | None = None,
) -> Product:
    """Make a product with one variant, or with those given as `{"options": {"Size": "M"}, "price": …, "stock": …}`."""
    number = next(_numbers)
    name = name or f"Product {number}"
    wanted = variants or [{}]
    prices = [Decimal(str(variant.get("price", price))) for variant in wanted]
    now = clock.now()
    product_id = tx.insert(
        """
        INSERT INTO products
            (slug, name, description, category_id, price, price_max, created_at, updated_at)
        VALUES
            (%(slug)s, %(name)s, '<p>Good.</p>', %(category_id)s, %(low)s, %(high)s, %(now)s, %(now)s)
        """,
        {
            "slug": f"product-{number}",
            "name": name,
            "category_id": category_id,
            "low": min(prices),
            "high": max(prices),
            "now": now,
        },
    )
    change_services.tell_tx(tx, product_id=product_id)
    made = []
    for position, variant in enumerate(wanted, start=1):
        options = variant.get("options", {})
        sku = variant.get("sku", f"SKU-{number}-{position}")
        pieces = variant.get("stock", stock)
        variant_id = tx.insert(
            """
            INSERT INTO variants
                (product_id, position, sku, options, options_key, price, stock, created_at, updated_at)
            VALUES
                (%(product_id)s, %(position)s, %(sku)s, %(options)s, %(key)s, %(price)s, %(stock)s, %(now)s, %(now)s)
            """,
            {
                "product_id": product_id,
                "position": position,
                "sku": sku,
                "options": json.dumps(options),
                "key": hashlib.sha256(json.dumps(options).casefold().encode()).hexdigest(),
                "price": prices[position - 1],
                "stock": pieces,
                "now": now,
            },
        )
        if pieces:
            tx.insert(
                """
                INSERT INTO stock_movements (variant_id, delta, reason, request_id, created_at)
                VALUES (%(variant_id)s, %(delta)s, 'initial', '-', %(now)s)
                """,
                {"variant_id": variant_id, "delta": pieces, "now": now},
            )
        tx.insert_many(
            "INSERT INTO variant_options (variant_id, name, value) VALUES (%(variant_id)s, %(name)s, %(value)s)",
            [{"variant_id": variant_id, "name": key, "value": value} for key, value in options.items()],
        )
        made.append(Variant(variant_id, sku, prices[position - 1], pieces))
    return Product(product_id, f"product-{number}", name, made)


ADDRESS = {
    "label": "Home",
    "recipient_name": "Wanjiku Kamau",
    "phone_number": "0712 345 678",
    "line1": "Moi Avenue 12",
    "town": "Thika",
    "county": "Kiambu",
}


def make_address(user: User, **fields: Any) -> dict[str, Any]:
    """Save an address by the shop's own verb."""
    address = AddressIn.model_validate({**ADDRESS, **fields})
    return address_services.create_address(user_id=user.id, **address.model_dump())


def make_notification(user: User, *, event_id: int | None = None, **told: Any) -> int:
    """Tell somebody something by the shop's own verb, and return the notification's id."""
    told = {"group": "orders", "topic": "order.placed", "title": "Your order", "text": "We have it.", **told}
    notification_services.notify(event_id=event_id or next(_numbers), user_id=user.id, **told)
    page = notification_services.list_notifications(user_id=user.id, unread=False, limit=1, cursor=None)
    made: int = page.items[0]["id"]
    return made


def make_order(user: User, *lines: tuple[Variant, int], method: str = "mpesa", **fields: Any) -> Order:
    """Place an order by the shop's own verb, without a cart."""
    request = OrderIn.model_validate(
        {
            "shipping_address": "Moi Avenue 1, Nairobi",
            "payment_method": method,
            "items": [{"variant_id": variant.id, "quantity": quantity} for variant, quantity in lines],
            **fields,
        }
    )
    buyer = checkout_services.Buyer(email=user.email, user_id=user.id)
    return checkout_services.place_order(buyer=buyer, request=request, claim=idempotency.Claim())


@db.in_transaction
def settle(
    tx: db.Tx, order_id: int, *, amount: str | None = None, receipt: str | None = None, method: str = "mpesa_stk"
) -> int:
    """Have an attempt over what the order still costs, or this amount, settled by the one settle function."""
    order = orders.lock_order_tx(tx, order_id=order_id)
    asked = order["total"] - order["paid"] if amount is None else Decimal(amount)
    payment_id = attempts.insert_tx(tx, order=order, method=method, amount=asked, phone_number=None, user_id=None)
    settlement.settle_tx(tx, payment_id=payment_id, success=settlement.Success(source="test", receipt=receipt))
    return payment_id


def insert_refund_tx(tx: db.Tx, payment_id: int, amount: str, *, receipt: str | None) -> int:
    """Write a refund down that the provider has carried out, and return its id; the ledger is the caller's."""
    return tx.insert(
        """
        INSERT INTO refunds
            (payment_id, order_id, method, status, amount, currency, receipt, reason, request_id,
             created_at, updated_at, settled_at)
        SELECT p.id, p.order_id, 'reversal', 'succeeded', %(amount)s, p.currency, %(receipt)s, 'test', '-',
               %(now)s, %(now)s, %(now)s
          FROM payments p
         WHERE p.id = %(payment_id)s
        """,
        {"payment_id": payment_id, "amount": amount, "receipt": receipt, "now": clock.now()},
    )


def stock_of(variant: Variant) -> int:
    """Return what can be sold of a variant now."""
    stock: int = db.reading().fetch_value("SELECT stock FROM variants WHERE id = %(id)s", {"id": variant.id})
    return stock
