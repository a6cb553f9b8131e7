"""How somebody buys, step by step, and what the database holds of it afterwards."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from playwright.sync_api import Page, expect

from tests.factories import Product
from utils import db

GOES_PAST = re.compile(r"/orders/\d+")


def put_in_cart(page: Page, product: Product, quantity: int = 1) -> None:
    """Put pieces of a product with one kind into the cart, from its page."""
    page.goto(f"/products/{product.slug}")
    page.get_by_label("How many").fill(str(quantity))
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("heading", name="Your cart")).to_be_visible()


def fill_in(page: Page, phone: str, *, email: str | None = "achieng@example.com") -> None:
    """Fill the checkout page in; without an e-mail address it is a customer's."""
    page.goto("/checkout")
    if email:
        page.get_by_label("E-mail").fill(email)
    page.get_by_label("M-Pesa phone").fill(phone)
    page.get_by_label("Name", exact=True).fill("Achieng Otieno")
    page.get_by_label("Street, building or landmark").fill("Moi Avenue 12")
    page.get_by_label("Town or estate").fill("Kilimani")
    page.get_by_label("County").select_option("Nairobi")


def order(page: Page) -> int:
    """Send the checkout page; return the id of the order that it leads to."""
    page.get_by_role("button", name=re.compile("^Order for")).click()
    page.wait_for_url(GOES_PAST)
    return id_of(page)


def id_of(page: Page) -> int:
    found = re.search(r"/orders/(\d+)", page.url)
    assert found, page.url
    return int(found[1])


def see(page: Page, heading: str) -> None:
    """Wait until the page says so."""
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()


def facts_of(order_id: int) -> dict[str, Any]:
    """Return what the books hold of an order."""
    row = db.reading().fetch_one(
        """
        SELECT o.status, o.payment_status, o.paid, o.total,
               (SELECT COUNT(*) FROM payments p WHERE p.order_id = o.id) AS prompts
          FROM orders o
         WHERE o.id = %(id)s
        """,
        {"id": order_id},
    )
    db.release()
    assert row
    return row


def orders_of(product: Product) -> int:
    """Return how many orders there are for a product."""
    counted: int = db.reading().fetch_value(
        "SELECT COUNT(*) FROM order_items WHERE product_id = %(id)s", {"id": product.id}
    )
    db.release()
    return counted


def assert_paid(order_id: int, *, prompts: int = 1) -> None:
    facts = facts_of(order_id)
    assert facts == {
        "status": "processing",
        "payment_status": "paid",
        "paid": facts["total"],
        "total": facts["total"],
        "prompts": prompts,
    }


def assert_unpaid(order_id: int, *, prompts: int = 1) -> None:
    facts = facts_of(order_id)
    assert (facts["status"], facts["payment_status"], facts["paid"]) == ("pending", "unpaid", Decimal("0.00"))
    assert facts["prompts"] == prompts
