"""The cart's verbs: what adds up, what is refused, and two tabs at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cart import guest_services, services
from cart.owner_services import Owner
from tests.factories import Product, User
from tests.threads import at_once
from utils import db
from utils.errors import CartLineFull, NotFound, OutOfStock, VariantRequired

MakeUser = Callable[..., User]
MakeProduct = Callable[..., Product]


def add(owner: Owner, product: Product, quantity: int = 1) -> dict[str, Any]:
    cart, _ = services.add_item(owner=owner, choice={"variant_id": product.variant.id}, quantity=quantity)
    return cart


def quantities(owner: Owner) -> dict[int, int]:
    return {item["variant_id"]: item["quantity"] for item in services.get_cart(owner=owner)["items"]}


@db.in_transaction
def execute(tx: db.Tx, sql: str, params: dict[str, Any]) -> int:
    return tx.execute(sql, params)


@pytest.fixture
def owner(make_user: MakeUser) -> Owner:
    return Owner(user_id=make_user().id)


def new_guest(product: Product, quantity: int = 1) -> Owner:
    _, token = services.add_item(owner=Owner(), choice={"variant_id": product.variant.id}, quantity=quantity)
    return Owner(token=token)


def test_a_cart_is_shown_at_the_price_and_stock_of_now(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(price="99.50", stock=3)
    cart = add(owner, product, 2)
    item = cart["items"][0]
    assert cart == {"items": [item], "subtotal": Decimal("199.00"), "currency": "KES", "item_count": 2}
    assert item == {
        "id": item["id"],
        "product_id": product.id,
        "variant_id": product.variant.id,
        "sku": product.variant.sku,
        "name": product.name,
        "options": {},
        "quantity": 2,
        "unit_price": Decimal("99.50"),
        "subtotal": Decimal("199.00"),
        "in_stock": True,
        "price_changed": False,
        "available": 3,
        "seen_price": Decimal("99.50"),
        "slug": product.slug,
        "image_url": None,
    }
    execute(
        "UPDATE variants SET price = 120 WHERE id = %(id)s",
        {"id": product.variant.id},
    )
    execute("UPDATE products SET price = 120, price_max = 120 WHERE id = %(id)s", {"id": product.id})
    changed = services.get_cart(owner=owner)["items"][0]
    assert (changed["unit_price"], changed["subtotal"], changed["price_changed"]) == (120, 240, True)


def test_putting_a_thing_in_again_accepts_its_new_price(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(price="100.00")
    add(owner, product)
    execute("UPDATE variants SET price = 120 WHERE id = %(id)s", {"id": product.variant.id})
    execute("UPDATE products SET price = 120, price_max = 120 WHERE id = %(id)s", {"id": product.id})
    assert add(owner, product)["items"][0]["price_changed"] is False


def test_a_line_wants_at_most_what_there_is(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(stock=5)
    add(owner, product, 3)
    with pytest.raises(OutOfStock) as refused:
        add(owner, product, 3)
    assert refused.value.data == {"variant_id": product.variant.id, "requested": 6, "available": 5}
    assert quantities(owner) == {product.variant.id: 3}


def test_a_line_wants_at_most_999(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(stock=5000)
    add(owner, product, 999)
    with pytest.raises(CartLineFull):
        add(owner, product)
    assert quantities(owner) == {product.variant.id: 999}


def test_a_product_with_several_variants_wants_one_named(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(variants=[{"options": {"Size": "S"}}, {"options": {"Size": "M"}, "stock": 0}])
    small, medium = product.variants
    with pytest.raises(VariantRequired) as refused:
        services.add_item(owner=owner, choice={"product_id": product.id}, quantity=1)
    assert [(v["id"], v["options"], v["in_stock"]) for v in refused.value.data["variants"]] == [
        (small.id, {"Size": "S"}, True),
        (medium.id, {"Size": "M"}, False),
    ]
    execute("UPDATE variants SET deleted_at = created_at WHERE id = %(id)s", {"id": medium.id})
    cart, _ = services.add_item(owner=owner, choice={"product_id": product.id}, quantity=1)
    assert cart["items"][0]["variant_id"] == small.id


@pytest.mark.parametrize("table", ["products", "variants"])
def test_what_is_deleted_meanwhile_is_shown_and_cannot_be_had(
    owner: Owner, make_product: MakeProduct, table: str
) -> None:
    product = make_product()
    item = add(owner, product)["items"][0]
    row = {"products": product.id, "variants": product.variant.id}[table]
    execute(f"UPDATE {table} SET deleted_at = created_at WHERE id = %(id)s", {"id": row})
    assert services.get_cart(owner=owner)["items"] == [{**item, "in_stock": False, "available": 0}]
    with pytest.raises(NotFound):
        add(owner, product)
    with pytest.raises(OutOfStock):
        services.set_quantity(owner=owner, item_id=item["id"], quantity=1)
    assert services.remove_item(owner=owner, item_id=item["id"])["items"] == []


def test_quantity_is_set_and_0_takes_the_line_out(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(stock=5)
    item_id = add(owner, product)["items"][0]["id"]
    assert services.set_quantity(owner=owner, item_id=item_id, quantity=5)["item_count"] == 5
    with pytest.raises(OutOfStock):
        services.set_quantity(owner=owner, item_id=item_id, quantity=6)
    assert services.set_quantity(owner=owner, item_id=item_id, quantity=0)["items"] == []


def test_lines_of_another_cart_are_not_found(owner: Owner, make_user: MakeUser, make_product: MakeProduct) -> None:
    product = make_product()
    item_id = add(owner, product)["items"][0]["id"]
    add(stranger := Owner(user_id=make_user().id), product)
    for rival in (stranger, Owner(user_id=make_user().id), new_guest(product), Owner(token="unknown"), Owner()):
        with pytest.raises(NotFound):
            services.set_quantity(owner=rival, item_id=item_id, quantity=2)
        with pytest.raises(NotFound):
            services.set_quantity(owner=rival, item_id=item_id, quantity=0)
        with pytest.raises(NotFound):
            services.remove_item(owner=rival, item_id=item_id)
    services.clear_cart(owner=stranger)
    assert quantities(stranger) == {}
    assert quantities(owner) == {product.variant.id: 1}


def test_an_order_gets_the_lines_by_variant_and_empties_the_cart(owner: Owner, make_product: MakeProduct) -> None:
    first, second = make_product(), make_product()
    add(owner, second, 2)
    add(owner, first, 1)

    @db.in_transaction
    def order(tx: db.Tx) -> list[db.Row]:
        lines = services.lock_items_tx(tx, owner=owner)
        services.empty_tx(tx, owner=owner)
        return lines

    assert order() == [
        {"variant_id": first.variant.id, "quantity": 1},
        {"variant_id": second.variant.id, "quantity": 2},
    ]
    assert quantities(owner) == {}
    assert order() == []


def test_an_order_without_a_cart_finds_nothing_in_it(make_user: MakeUser) -> None:
    user = make_user()

    @db.in_transaction
    def order(tx: db.Tx) -> list[db.Row]:
        services.empty_tx(tx, owner=Owner(user_id=user.id))
        return services.lock_items_tx(tx, owner=Owner(user_id=user.id))

    assert order() == []


@pytest.mark.parametrize("has_cart", [False, True])
def test_no_piece_is_lost_when_many_tabs_add_at_once(owner: Owner, make_product: MakeProduct, has_cart: bool) -> None:
    one, other = make_product(stock=500), make_product(stock=500)
    if has_cart:
        add(owner, one)
    at_once(*[lambda product=product: add(owner, product, 2) for _ in range(6) for product in (one, other)])
    assert quantities(owner) == {one.variant.id: 12 + has_cart, other.variant.id: 12}


def test_tabs_at_once_never_want_more_than_there_is(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(stock=5)

    def try_to_add() -> bool:
        try:
            add(owner, product, 2)
        except OutOfStock:
            return False
        return True

    assert sum(at_once(*[try_to_add] * 8)) == 2
    assert quantities(owner) == {product.variant.id: 4}


def test_adding_while_ordering_loses_nothing(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(stock=500)
    add(owner, product)

    @db.in_transaction
    def order(tx: db.Tx) -> int:
        lines = services.lock_items_tx(tx, owner=owner)
        services.empty_tx(tx, owner=owner)
        return sum(line["quantity"] for line in lines)

    def add_one() -> int:
        add(owner, product)
        return 0

    ordered = sum(at_once(*[add_one] * 6, *[order] * 3))
    assert ordered + quantities(owner).get(product.variant.id, 0) == 7


# --- guests


def test_a_guests_token_is_long_and_kept_only_as_a_hash(make_product: MakeProduct) -> None:
    product = make_product()
    guest = new_guest(product)
    assert len(guest.token or "") >= 43
    stored = db.reading().fetch_value("SELECT token_hash FROM carts")
    assert stored != guest.token
    assert len(stored) == 64
    assert quantities(guest) == {product.variant.id: 1}


def test_a_guest_keeps_his_token_and_an_unknown_one_is_replaced(make_product: MakeProduct) -> None:
    product = make_product()
    guest = new_guest(product)
    choice: dict[str, object] = {"variant_id": product.variant.id}
    assert services.add_item(owner=guest, choice=choice, quantity=1)[1] is None
    _, token = services.add_item(owner=Owner(token="made-up"), choice=choice, quantity=1)
    assert token not in (None, "made-up", guest.token)
    assert services.get_cart(owner=Owner(token="made-up"))["items"] == []


def test_a_refused_first_piece_leaves_no_cart(make_product: MakeProduct) -> None:
    with pytest.raises(OutOfStock):
        new_guest(make_product(stock=0))
    assert db.reading().fetch_all("SELECT id FROM carts") == []


def test_a_login_counts_more_than_a_token(owner: Owner, make_product: MakeProduct) -> None:
    product, other = make_product(), make_product()
    guest = new_guest(product)
    both = Owner(user_id=owner.user_id, token=guest.token)
    add(both, other)
    assert quantities(both) == quantities(owner) == {other.variant.id: 1}
    assert quantities(guest) == {product.variant.id: 1}


def merge(guest: Owner, owner: Owner) -> None:
    assert guest.token is not None
    assert owner.user_id is not None
    guest_services.merge_guest_cart(token=guest.token, user_id=owner.user_id)


def test_a_guests_cart_adds_up_with_the_customers_as_far_as_stock_and_999_allow(
    owner: Owner, make_product: MakeProduct
) -> None:
    shared, scarce, many, new, gone = (
        make_product(stock=100),
        make_product(stock=5),
        make_product(stock=5000),
        make_product(),
        make_product(),
    )
    for product, quantity in ((shared, 2), (scarce, 4), (many, 600)):
        add(owner, product, quantity)
    guest = new_guest(shared, 3)
    for product, quantity in ((scarce, 4), (many, 600), (new, 7), (gone, 1)):
        add(guest, product, quantity)
    execute("UPDATE variants SET deleted_at = created_at WHERE id = %(id)s", {"id": gone.variant.id})
    before = {item["variant_id"]: item["id"] for item in services.get_cart(owner=owner)["items"]}
    merge(guest, owner)
    assert quantities(owner) == {
        shared.variant.id: 5,
        scarce.variant.id: 5,
        many.variant.id: 999,
        new.variant.id: 7,
    }
    after = {item["variant_id"]: item["id"] for item in services.get_cart(owner=owner)["items"]}
    assert before.items() <= after.items()
    assert quantities(guest) == {}
    assert db.reading().fetch_value("SELECT COUNT(*) FROM carts") == 1


@pytest.mark.parametrize("has_cart", [False, True])
def test_merging_again_or_in_two_tabs_adds_nothing(owner: Owner, make_product: MakeProduct, has_cart: bool) -> None:
    product, other = make_product(stock=100), make_product(stock=100)
    if has_cart:
        add(owner, product)
    guest = new_guest(product, 3)
    add(guest, other, 2)
    at_once(*[lambda: merge(guest, owner)] * 6)
    merge(guest, owner)
    assert quantities(owner) == {product.variant.id: 3 + has_cart, other.variant.id: 2}


def test_a_piece_put_in_while_the_carts_merge_is_in_one_of_them(owner: Owner, make_product: MakeProduct) -> None:
    product = make_product(stock=100)
    guest = new_guest(product)

    def add_as_guest() -> Owner:
        _, token = services.add_item(owner=guest, choice={"variant_id": product.variant.id}, quantity=1)
        return Owner(token=token) if token else guest

    _, *guests = at_once(lambda: merge(guest, owner), *[add_as_guest] * 5)
    carts = {owner, *guests}
    assert sum(quantities(cart).get(product.variant.id, 0) for cart in carts) == 6


def test_guests_carts_are_forgotten_after_30_days_and_customers_are_not(
    owner: Owner, make_product: MakeProduct, frozen_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = make_product(stock=100)
    add(owner, product)
    old, alive = [new_guest(product) for _ in range(5)], new_guest(product)
    frozen_clock.forward(days=29)
    add(alive, product)
    assert guest_services.delete_old_carts() == 0
    frozen_clock.forward(days=1, seconds=1)
    monkeypatch.setattr(guest_services, "BATCH", 3)
    assert [guest_services.delete_old_carts() for _ in range(3)] == [3, 2, 0]
    assert [quantities(guest) for guest in old] == [{}] * 5
    assert quantities(alive) == {product.variant.id: 2}
    assert quantities(owner) == {product.variant.id: 1}
