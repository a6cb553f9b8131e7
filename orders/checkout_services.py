"""Checkout: a cart becomes an order in one transaction, or nothing happens.

Writes orders, order_items and the first event; takes the stock through products, empties the cart through cart.
Locks the cart first and the variants last, just before COMMIT: the hot rows are held for as short as can be.
A page has a key of its own, under which at most one order is placed however often it is sent; who knows the key may
see the order, so it is kept as a hash.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, cast

import config
from auth import address_services as addresses
from cart import owner_services as carts
from cart import services as cart
from orders import pricing, services, states
from orders.pricing import NOTHING
from orders.schemas import Address, Order, OrderIn
from products import stock_services as stock
from utils import clock, db, idempotency, money, outbox
from utils.errors import CartEmpty, CheckoutSpent, DatabaseBusy, InvalidFields, NotFound, OutOfStock, PriceChanged

# No 0/O, 1/I/L, 5/S, 2/Z, U/V: the customer types it on a phone. 24 letters to the tenth: nobody guesses one.
NUMBER_ALPHABET = "34679ABCDEFGHJKMNPQRTWXY"
NUMBER_LENGTH = 10
NUMBER_DRAWS = 5
MOCK_NOT_HERE = {"payment_method": "mock is for development and tests only"}


class _NumberTaken(Exception):
    """Two orders drew the same number; the next draw settles it."""


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who orders: a customer, or else the guest who holds the token of the cart."""

    email: str
    user_id: int | None = None
    cart_token: str | None = None

    @property
    def cart(self) -> carts.Owner:
        return carts.Owner(user_id=self.user_id, token=self.cart_token)


@db.in_transaction
def place_order(
    tx: db.Tx, *, buyer: Buyer, request: OrderIn, claim: idempotency.Claim, checkout_key: str | None = None
) -> Order:
    """Turn the buyer's cart (or `request.items`) into an order and return it.

    Raises CartEmpty, OutOfStock with every short line, PriceChanged when the total is not `expected_total`, NotFound
    for an address that is not in the customer's book, CheckoutSpent when there is an order under this key, and
    InvalidFields. The answer is kept under the claim in this same transaction.
    """
    if request.payment_method == "mock" and config.current().is_production:
        raise InvalidFields(fields=MOCK_NOT_HERE)
    from_cart = request.items is None
    wanted = (
        cart.lock_items_tx(tx, owner=buyer.cart) if from_cart else [line.model_dump() for line in request.items or []]
    )
    if not wanted:
        raise CartEmpty
    lines = _price_lines_tx(tx, wanted)
    totals = pricing.price_order(line["line_total"] for line in lines)
    if request.expected_total is not None and request.expected_total != totals.total:
        raise PriceChanged(total=money.text(totals.total))

    address = _address_tx(tx, user_id=buyer.user_id, request=request)
    key = hash_key(checkout_key) if checkout_key else None
    row = _insert_order_tx(tx, buyer=buyer, key=key, request=request, address=address, totals=totals)
    order = Order.model_validate({**row, "items": lines})
    _insert_items_tx(tx, order_id=order.id, lines=lines)
    services.add_event_tx(tx, order_id=order.id, name="order.placed", to_status=order.status, actor_id=buyer.user_id)
    outbox.stage_tx(tx, "order.placed", order_id=order.id)
    if from_cart:
        cart.empty_tx(tx, owner=buyer.cart)
    idempotency.keep_tx(tx, claim, status_code=201, body=order.model_dump_json())
    stock.take_tx(
        tx,
        order_id=order.id,
        lines=[stock.StockLine(line["variant_id"], line["quantity"]) for line in lines],
        actor_id=buyer.user_id,
    )
    return order


def find_placed_order(*, checkout_key: str, user_id: int | None) -> int | None:
    """Return the id of the order that was placed under this key, by this customer or, with None, by a guest."""
    order_id: int | None = db.reading().fetch_value(
        """
        SELECT o.id
          FROM orders o
         WHERE o.checkout_key = %(key)s
           AND o.user_id <=> %(user_id)s
        """,
        {"key": hash_key(checkout_key), "user_id": user_id},
    )
    return order_id


def hash_key(checkout_key: str) -> str:
    """Return what is stored of a page's key: who reads the table cannot open guests' orders."""
    return hashlib.sha256(checkout_key.encode()).hexdigest()


def _price_lines_tx(tx: db.Tx, wanted: Sequence[db.Row]) -> list[dict[str, Any]]:
    """Return the lines at the prices of this moment. Raises OutOfStock naming what is not for sale any more."""
    quantities = {line["variant_id"]: line["quantity"] for line in wanted}
    rows = tx.fetch_all(
        """
        SELECT v.id AS variant_id, v.product_id, v.sku, v.options, v.price AS unit_price, p.name
          FROM variants v
          JOIN products p ON p.id = v.product_id
         WHERE v.id IN {ids}
           AND v.deleted_at IS NULL
           AND p.deleted_at IS NULL
         ORDER BY v.id
        """,
        ids=db.in_list("id", sorted(quantities)),
    )
    gone = sorted(set(quantities) - {row["variant_id"] for row in rows})
    if gone:
        raise OutOfStock(items=[{"variant_id": id_, "requested": quantities[id_], "available": 0} for id_ in gone])
    return [
        {
            **row,
            "quantity": quantities[row["variant_id"]],
            "line_total": row["unit_price"] * quantities[row["variant_id"]],
        }
        for row in rows
    ]


def _address_tx(tx: db.Tx, *, user_id: int | None, request: OrderIn) -> dict[str, Any]:
    """Return where the order goes, to be kept with it: what was written, or a copy out of the address book."""
    if request.shipping_address is not None:
        return request.shipping_address.model_dump(exclude_none=True)
    if user_id is None:
        raise NotFound(what="address")
    address_id = cast(int, request.address_id)  # OrderIn has one or the other
    saved = addresses.get_address_tx(tx, user_id=user_id, address_id=address_id)
    return Address.model_validate({name: saved[name] or None for name in Address.model_fields}).model_dump(
        exclude_none=True
    )


def _insert_order_tx(
    tx: db.Tx, *, buyer: Buyer, key: str | None, request: OrderIn, address: dict[str, Any], totals: pricing.Totals
) -> dict[str, Any]:
    """Insert the order under a fresh number and return its row. Raises CheckoutSpent."""
    now = clock.now()
    status = states.FIRST[request.payment_method]
    window = timedelta(seconds=config.current().ORDER_PAYMENT_WINDOW_SECONDS)
    row: dict[str, Any] = {
        **asdict(totals),
        "user_id": buyer.user_id,
        "checkout_key": key,
        "email": buyer.email,
        "phone_number": request.phone_number,
        "status": status,
        "payment_status": "unpaid",
        "payment_method": request.payment_method,
        "currency": money.CURRENCY,
        "shipping_address": json.dumps(address, ensure_ascii=False),
        "note": request.note,
        "created_at": now,
        "expires_at": now + window if status == "pending" else None,
    }
    for _ in range(NUMBER_DRAWS):
        row["number"] = draw_number()
        taken = {"uq_orders_number": _NumberTaken, "uq_orders_checkout_key": CheckoutSpent}
        with suppress(_NumberTaken), db.naming(taken):
            row["id"] = tx.insert(
                """
                INSERT INTO orders
                    (number, user_id, checkout_key, email, phone_number, status, payment_status, payment_method,
                     currency, subtotal, discount, shipping, rounding, tax_included, total,
                     shipping_address, note, created_at, updated_at, expires_at)
                VALUES
                    (%(number)s, %(user_id)s, %(checkout_key)s, %(email)s, %(phone_number)s, %(status)s,
                     %(payment_status)s, %(payment_method)s, %(currency)s, %(subtotal)s, %(discount)s, %(shipping)s,
                     %(rounding)s, %(tax_included)s, %(total)s, %(shipping_address)s, %(note)s, %(created_at)s,
                     %(created_at)s, %(expires_at)s)
                """,
                row,
            )
            return {**row, "paid": NOTHING, "refunded": NOTHING, "paid_at": None, "tracking_number": None}
    raise DatabaseBusy


def _insert_items_tx(tx: db.Tx, *, order_id: int, lines: Sequence[dict[str, Any]]) -> None:
    tx.insert_many(
        """
        INSERT INTO order_items
            (order_id, product_id, variant_id, sku, name, options, unit_price, quantity, line_total)
        VALUES
            (%(order_id)s, %(product_id)s, %(variant_id)s, %(sku)s, %(name)s, %(options)s,
             %(unit_price)s, %(quantity)s, %(line_total)s)
        """,
        [{"order_id": order_id, **line} for line in lines],
    )


def draw_number() -> str:
    """Draw an order number: what the customer types as the M-Pesa account, at most 12 characters (Daraja's limit)."""
    return "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(NUMBER_LENGTH))
