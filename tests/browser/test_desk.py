"""The merchant's day in a browser: import, edit, count, ship, refund, allocate; every page of the desk, by axe."""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from admin import kept_services, rollup_services
from orders import services as orders
from orders.schemas import Order, OrderChange
from payments import attempt_services as attempts
from payments import settle_services as settlement
from products import page_services, stock_services
from tests.browser.axe import assert_accessible
from tests.browser.shop import OpenShop
from tests.c2b import confirm, payment_with
from tests.daraja import new_receipt
from tests.factories import User, Variant, make_order, make_product, make_user, settle
from tests.refunds import tell_outbox
from utils import clock, db

NOW = clock.now()
LogIn = Callable[[Page, str, str], None]
FILE = """slug,name,description,vendor,category,compare_at_price,images,sku,options,price,stock
{slug},{name},,,Drinks,,,{sku},,250.00,10
broken-{slug},,,,,,,,,,
"""


@pytest.fixture
def admin(shop: OpenShop) -> User:
    return User(0, "admin", "", shop.password("admin"))


@pytest.fixture
def desk(page: Page, admin: User, log_in: LogIn) -> Page:
    log_in(page, admin.username, admin.password)
    return page


@functools.cache
def mandazi() -> Variant:
    """One thing that all these customers buy."""
    return make_product(name="Mandazi, kumi", price="300.00", stock=500).variant


def place() -> Order:
    return make_order(make_user(), (mandazi(), 1), method="mock")


def paid() -> tuple[Order, int]:
    order = place()
    return order, settle(order.id, method="mock")


# --- the merchant's day


def test_a_catalogue_file_is_previewed_then_imported(desk: Page, tmp_path: Path) -> None:
    slug = f"chai-{new_receipt().lower()}"
    (tmp_path / "goods.csv").write_text(FILE.format(slug=slug, name=f"Chai {slug}", sku=slug.upper()))
    desk.goto("/admin/products")
    desk.get_by_role("link", name="Import CSV").click()
    desk.get_by_label("CSV file").set_input_files(tmp_path / "goods.csv")
    desk.get_by_role("button", name="Show what it would do").click()
    expect(desk.get_by_role("heading", name="What goods.csv would do")).to_be_visible()
    expect(desk.get_by_role("region", name="Rows that are not imported")).to_contain_text(f"broken-{slug}")
    assert_accessible(desk)
    desk.get_by_role("button", name="Import it").click()
    expect(desk.get_by_role("heading", name="What was done")).to_be_visible()
    assert page_services.get_product(key=slug)["stock"] == 10


@pytest.mark.parametrize("device", ["page", "plain"])
def test_a_product_is_edited_and_counted_with_and_without_javascript(
    shop: OpenShop, device: str, admin: User, request: pytest.FixtureRequest, log_in: LogIn
) -> None:
    desk: Page = request.getfixturevalue(device)
    log_in(desk, admin.username, admin.password)
    product = make_product(name=f"Maji {new_receipt()}", price="60.00", stock=10)
    desk.goto(f"/admin/products/{product.id}")
    desk.get_by_label("Price of variant 1").fill("65")
    desk.get_by_role("button", name="Save").click()
    expect(desk.get_by_text("Saved.")).to_be_visible()
    stock_services.set_stock(variant_id=product.variant.id, stock=9, reason="sold meanwhile", actor_id=None)
    desk.get_by_label(re.compile("^Counted of")).fill("12")
    desk.get_by_label(re.compile("^Why the stock of")).fill("delivery")
    desk.get_by_role("button", name="Set the stock").click()
    expect(desk.get_by_role("alert")).to_contain_text("The stock is 9, not what you expected.")
    desk.get_by_role("button", name="Set the stock").click()
    expect(desk.get_by_text("There are 12 now.")).to_be_visible()
    shown = page_services.get_product(key=str(product.id))
    assert (str(shown["price"]), shown["stock"]) == ("65.00", 12)


def test_an_order_is_found_while_one_types_and_shipped(desk: Page) -> None:
    order, _ = paid()
    other, _ = paid()
    desk.goto("/admin/orders")
    expect(desk.get_by_role("link", name=other.number)).to_be_visible()
    desk.get_by_label("Number, phone, receipt or e-mail").press_sequentially(order.number[:6].lower(), delay=20)
    expect(desk.get_by_role("link", name=other.number)).not_to_be_visible()
    expect(desk.get_by_role("status")).to_have_text("One order")
    expect(desk).to_have_url(re.compile(f"q={order.number[:6].lower()}"))
    expect(desk.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)  # no list is on its way
    desk.get_by_role("link", name=order.number).click()
    desk.get_by_label("Tracking number").fill("G4S-77")
    desk.get_by_role("button", name="It is shipped").click()
    expect(desk.get_by_text("The order is shipped now.")).to_be_visible()
    expect(desk.get_by_role("button", name="It is delivered")).to_be_visible()


def test_many_orders_are_moved_along_and_each_is_told(desk: Page) -> None:
    (first, _), second = paid(), place()
    desk.goto("/admin/orders")
    for order in (first, second):
        desk.get_by_label(f"Choose {order.number}").check()
    desk.get_by_label("The chosen ones are").select_option("shipped")
    desk.get_by_role("button", name="Move them along").click()
    expect(desk.get_by_role("heading", name="1 of 2 are shipped now")).to_be_visible()
    expect(desk.get_by_role("listitem").filter(has_text=second.number).first).to_contain_text("cannot")
    assert_accessible(desk)


def test_a_payment_is_given_back_once_however_often_one_clicks(desk: Page) -> None:
    order, payment_id = paid()
    desk.goto(f"/admin/orders/{order.id}")
    desk.get_by_role("link", name="Give back").click()
    desk.get_by_label("Amount in shillings").fill("100")
    desk.get_by_label("Why").fill("one came broken")
    desk.get_by_role("button", name="Give it back").dblclick()
    expect(desk.get_by_text("The refund is on its way.")).to_be_visible()
    desk.goto(f"/admin/payments/{payment_id}")
    expect(desk.get_by_role("region", name="Refunds").get_by_role("listitem")).to_have_count(1)


def test_money_without_a_home_finds_its_order(desk: Page) -> None:
    order = make_order(make_user(), (mandazi(), 1))
    receipt = new_receipt()
    mistyped = order.number[:-1] + ("W" if order.number[-1] == "Y" else "Y")
    confirm(mistyped, amount="300.00", receipt=receipt)
    lost = payment_with(receipt)["id"]
    desk.goto("/admin/unallocated")
    assert_accessible(desk)
    desk.locator(f"#money-{lost}").locator("xpath=ancestor::section").get_by_role(
        "button", name=f"Put it to {order.number}"
    ).click()
    expect(desk.get_by_text(f"The money is with order {order.number} now.")).to_be_visible()


# --- every page


@pytest.fixture
def busy_shop(shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Some weeks of trade, and the addresses of all pages of the desk."""
    order, payment_id = trade_once(shop, monkeypatch)
    confirm("RENT", receipt=new_receipt())
    product = make_product(name="Kikombe", stock=2)
    forget_figures()
    rollup_services.roll_up()
    kept_services.take_due_figures()
    return [
        "/admin/dashboard",
        "/admin/orders",
        "/admin/orders?q=nothing-fits",
        f"/admin/orders/{order.id}",
        "/admin/products",
        "/admin/products/new",
        f"/admin/products/{product.id}",
        "/admin/products/import",
        f"/admin/variants/{product.variant.id}/movements",
        "/admin/payments",
        f"/admin/payments/{payment_id}",
        "/admin/unallocated",
        "/admin/refunds",
        "/admin/review",
        "/admin/people",
        "/admin/people/1",
        "/admin/roles",
        "/admin/roles/manager",
        "/admin/roles/admin",
        "/admin/audit-log",
        "/admin/api-keys",
    ]


GOODS = [
    ("Chai ya Kericho", "350.00"),
    ("Unga wa Ugali", "210.00"),
    ("Kikoi cha Lamu", "1250.00"),
    ("Taa ya sola", "2400.00"),
    ("Asali ya Baringo", "680.00"),
    ("Sufuria ya aluminium", "900.00"),
]
TRADED: dict[str, tuple[Order, int]] = {}


def trade_once(shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> tuple[Order, int]:
    """Sell something on each day of the last month, once for the whole run; return the last order and its payment."""
    if shop.url not in TRADED:
        draw = random.Random(4)
        goods = [make_product(name=name, price=price, stock=900).variant for name, price in GOODS]
        buyers = [make_user() for _ in range(3)]
        for day in range(29, -1, -1):
            for _ in range(draw.randint(2, 6) + (3 if day % 7 in (0, 6) else 0)):
                lines = [(variant, draw.randint(1, 3)) for variant in draw.sample(goods, draw.randint(1, 2))]
                shift(monkeypatch, days=day, minutes=10)
                order = make_order(draw.choice(buyers), *lines, method="mock", phone_number="0712345678")
                if draw.random() < 0.9:
                    payment_id = pay(order, draw.randint(9, 48), monkeypatch, day)
                    TRADED[shop.url] = order, payment_id
                    move_along(order, day)
                else:
                    fail(order)
        monkeypatch.undo()
        tell_outbox()
    return TRADED[shop.url]


def move_along(order: Order, days_old: int) -> None:
    """Ship what was bought three days ago, deliver what was bought a week ago."""
    for status, days in (("shipped", 3), ("delivered", 7)):
        if days_old >= days:
            orders.change_order(order_id=order.id, change=OrderChange.model_validate({"status": status}), actor_id=1)


def shift(monkeypatch: pytest.MonkeyPatch, **ago: float) -> None:
    moment = NOW - timedelta(**ago)
    monkeypatch.setattr(clock, "now", lambda: moment)


@db.in_transaction
def prompt(tx: db.Tx, order: Order) -> int:
    locked_order = orders.lock_order_tx(tx, order_id=order.id)
    return attempts.insert_tx(
        tx, order=locked_order, method="mpesa_stk", amount=order.total, phone_number="254712345678", user_id=None
    )


def pay(order: Order, seconds: int, monkeypatch: pytest.MonkeyPatch, day: int) -> int:
    payment_id = prompt(order)
    shift(monkeypatch, days=day, minutes=10, seconds=-seconds)
    settle_prompt(payment_id)
    return payment_id


@db.in_transaction
def settle_prompt(tx: db.Tx, payment_id: int) -> None:
    success = settlement.Success(source="test", receipt=new_receipt())
    settlement.settle_tx(tx, payment_id=payment_id, success=success)


@db.in_transaction
def fail(tx: db.Tx, order: Order) -> None:
    locked_order = orders.lock_order_tx(tx, order_id=order.id)
    payment_id = attempts.insert_tx(
        tx, order=locked_order, method="mpesa_stk", amount=order.total, phone_number="254712345678", user_id=None
    )
    attempts.fail_tx(tx, payment_id=payment_id, code="1032", description="Request cancelled by user")


@db.in_transaction
def forget_figures(tx: db.Tx) -> None:
    """Have every day and every costly figure looked up anew: what was traded is older than the last look."""
    tx.execute("DELETE FROM kept_figures")


def test_every_page_of_the_desk_is_accessible_and_fits_on_a_small_phone(
    shop: OpenShop, busy_shop: list[str], page: Page, phone: Page, admin: User, log_in: LogIn
) -> None:
    for opened in (page, phone):
        log_in(opened, admin.username, admin.password)
        for path in busy_shop:
            answer = opened.goto(path)
            assert answer is not None
            assert answer.status == 200, path
            assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"], path
            assert_accessible(opened)


def test_the_dashboard_draws_its_figures_and_tells_them_as_a_table(
    shop: OpenShop,
    busy_shop: list[str],
    desk: Page,
    plain: Page,
    admin: User,
    log_in: LogIn,
    picture: Callable[..., None],
) -> None:
    desk.goto("/admin/dashboard")
    expect(desk.locator(".chart canvas")).to_have_count(2)
    expect(desk.get_by_role("region", name="Best sellers").get_by_role("listitem").first).to_be_visible()
    desk.get_by_text("The same as a table").first.click()
    expect(desk.get_by_role("table", name="Sales by day").get_by_role("row")).to_have_count(31)
    assert_accessible(desk)
    desk.reload()
    expect(desk.locator(".chart canvas")).to_have_count(2)
    picture(desk, "dashboard", full_page=True)
    log_in(plain, admin.username, admin.password)
    plain.goto("/admin/dashboard")
    plain.get_by_text("The same as a table").first.click()
    expect(plain.get_by_role("table", name="Sales by day").get_by_role("row")).to_have_count(31)
