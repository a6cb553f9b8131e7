"""Who may do what: every route of the application, tried by everybody, against the table in matrix.txt.

The table is the decision, this is its proof. What a request is about belongs to the owner, a customer; the other
customer is a stranger to it. The key is an admin's, with every scope. A route that is new, or lets in somebody else
than the table says, fails here, and stays failing until a line of matrix.txt says what is meant.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlsplit

from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import config
from auth import avatars, key_services, one_time_services, role_services, session_services
from auth.session_services import CurrentUser
from payments import callback_tokens
from payments import refund_services as refunds
from products import category_services
from tests.api.test_roles import actor_of
from tests.c2b import confirm, payment_with
from tests.factories import User, make_address, make_notification, make_order, make_product, make_user, settle
from tests.logins import log_in
from tests.surfing import csrf_headers
from tests.walk import Endpoint, Shop, endpoints_of
from utils.idempotency import Claim

TABLE = config.ROOT / "tests" / "matrix.txt"
ROLES = ("customer", "support", "manager", "admin")
WHO = ("guest", "customer", "owner", "support", "manager", "admin", "key")
ENDS_WITH = {401: "401", 403: "403", 404: "404"}
LOG_IN_PAGE = "/login"
SAFE = {"GET"}

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Scene:
    """A shop in which everything belongs to the owner, and how each of the others knocks."""

    shop: Shop
    headers: dict[str, dict[str, str]]
    role: str
    permission: str
    key_id: int
    lost_payment_id: int
    avatar: str

    def path(self, endpoint: Endpoint) -> str:
        """Return an address at which there is something."""
        if endpoint.rule in ADDRESSES:
            return ADDRESSES[endpoint.rule](self)
        here = {"role": self.role, "permission": self.permission, "key_id": str(self.key_id), "filename": "duka.css"}
        return endpoint.path(self.shop, **{name: here[name] for name in endpoint.arguments & here.keys()})


def _refund_door(door: str) -> Callable[[Scene], str]:
    return lambda scene: _path_of(
        callback_tokens.refund_url(door=door, call="reversal", refund_id=scene.shop.refund_id)
    )


def _c2b_door(door: str) -> Callable[[Scene], str]:
    return lambda scene: _path_of(callback_tokens.c2b_url(door=door))


def _path_of(url: str) -> str:
    return quote(urlsplit(url).path)


# Where the parts of a path cannot be told by their names alone.
ADDRESSES: dict[str, Callable[[Scene], str]] = {
    "/api/payments/callbacks/c2b/<token>/confirmation": _c2b_door("confirmation"),
    "/api/payments/callbacks/c2b/<token>/validation": _c2b_door("validation"),
    "/api/payments/callbacks/result/<token>": _refund_door("result"),
    "/api/payments/callbacks/timeout/<token>": _refund_door("timeout"),
    "/pictures/avatars/<name>": lambda scene: f"{avatars.ADDRESS}/{scene.avatar}-{avatars.SMALL}.webp",
    "/api/payments/unallocated/<int:payment_id>/allocate": lambda scene: (
        f"/api/payments/unallocated/{scene.lost_payment_id}/allocate"
    ),
}


def set_scene(client: FlaskClient) -> Scene:
    """Fill the shop once more: what one try has used up is there again for the next."""
    number = next(_numbers)
    people = {role: make_user(role=role) for role in ROLES}
    owner, admin = make_user(), actor_of(people["admin"])
    headers = {who: log_in(client, user) for who, user in (*people.items(), ("owner", owner))}
    every = [permission["name"] for permission in role_services.list_permissions()]
    key = key_services.create_key(owner=admin, name="till", scopes=every, expires_at=None)["key"]
    receipt = f"RKL{number:07}"
    assert confirm("RENT", receipt=receipt) == "unallocated"
    role = role_services.create_role(actor=admin, name=f"packer-{number}", description="", permissions=[])
    permission = role_services.create_permission(actor=admin, name=f"counter:{number}", description="")
    return Scene(
        shop=_shop_of(client, owner, headers["owner"], admin),
        headers={"guest": {}, **headers, "key": {"X-API-Key": key}},
        role=role["name"],
        permission=permission["name"],
        key_id=_key_of(owner)["id"],
        lost_payment_id=payment_with(receipt)["id"],
        avatar=avatars.store(dict.fromkeys(avatars.SIZES.values(), b"")),
    )


def _shop_of(client: FlaskClient, owner: User, headers: dict[str, str], admin: CurrentUser) -> Shop:
    product, edited = make_product(stock=100), make_product()
    order, paid_order = (make_order(owner, (product.variant, 1), method="mock") for _ in range(2))
    payment_id = settle(paid_order.id, method="mock")
    refund = refunds.start_refund(payment_id=payment_id, amount=None, reason="-", user_id=admin.id, claim=Claim())
    cart = client.post("/api/cart", json={"variant_id": product.variant.id}, headers=headers).get_json()
    return Shop(
        admin=owner,
        headers=headers,
        stranger={},
        product_id=product.id,
        variant_id=product.variant.id,
        item_id=cart["items"][0]["id"],
        address_id=make_address(owner)["id"],
        notification_id=make_notification(owner),
        order_id=order.id,
        paid_order_id=paid_order.id,
        payment_id=payment_id,
        refund_id=refund.id,
        edited=edited,
        session_id=session_services.open_session(user_id=owner.id, device="", address="")["session_id"],
        reset_token=one_time_services.make_token(purpose="reset_password", user_id=owner.id, email=owner.email),
        category=category_services.create_category(name="Kitchen")["slug"],
    )


def _key_of(owner: User) -> dict[str, int]:
    """Make a key for somebody who once held a permission."""
    held = replace(actor_of(owner), permissions=frozenset({"orders:read"}))
    return key_services.create_key(owner=held, name="old", scopes=["orders:read"], expires_at=None)


def knock(client: FlaskClient, scene: Scene, endpoint: Endpoint, who: str) -> TestResponse:
    answer = client.open(
        scene.path(endpoint),
        method=endpoint.method,
        headers=scene.headers[who] or csrf_headers(client),  # a guest is somebody who looks at the pages
        json=endpoint.good_body(scene.shop),
    )
    answer.close()
    return answer


def ending_of(answer: TestResponse) -> str:
    """Tell how far somebody got: `yes` is past the door, whatever is behind it."""
    if answer.status_code in (302, 303) and urlsplit(answer.location).path == LOG_IN_PAGE:
        return "401"
    return ENDS_WITH.get(answer.status_code, "yes")


def has_used_something_up(endpoint: Endpoint, answer: TestResponse) -> bool:
    return endpoint.method not in SAFE and answer.status_code < 400


def written(endpoint: Endpoint, endings: list[str]) -> str:
    columns = "".join(f"{ending:<10}" for ending in endings)
    return f"{endpoint.method:<8}{endpoint.rule:<62}{columns}".rstrip()


def lines_of_table() -> list[str]:
    return [line for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]


def everywhere(app: APIFlask) -> list[Endpoint]:
    return sorted(endpoints_of(app, under="/"), key=lambda endpoint: (endpoint.rule, endpoint.method))


def test_every_route_has_its_line_and_every_line_its_route(app: APIFlask) -> None:
    decided = [" ".join(line.split()[:2]) for line in lines_of_table()]
    assert decided == [endpoint.name for endpoint in everywhere(app)]


def test_every_role_has_its_column(app: APIFlask) -> None:
    assert [role["name"] for role in role_services.list_roles()] == list(ROLES)
    assert TABLE.read_text().splitlines()[-len(lines_of_table()) - 1].split() == ["#", *WHO]


def test_everybody_gets_as_far_as_the_table_says(app: APIFlask, client: FlaskClient) -> None:
    found = []
    scene = set_scene(client)
    for endpoint in everywhere(app):
        endings = []
        for who in WHO:
            answer = knock(client, scene, endpoint, who)
            endings.append(ending_of(answer))
            if has_used_something_up(endpoint, answer):
                scene = set_scene(client)
        found.append(written(endpoint, endings))
    difference = difflib.unified_diff(lines_of_table(), found, "decided", "found", lineterm="", n=0)
    assert "\n".join(difference) == ""
