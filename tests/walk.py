"""A walk over every JSON endpoint of the application: what each takes, and what a refusal must look like.

It goes by `app.url_map` and the models that the views declare, so a new endpoint is tried too. What it cannot know
is named in four tables: GOOD bodies, PLACES for the parts of a path, who may come in without a token (OPEN), and what
belongs to somebody (PRIVATE).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from apiflask import APIFlask
from flask.testing import FlaskClient
from pydantic import BaseModel
from werkzeug.test import TestResponse

from auth import one_time_services, session_services
from payments import callback_tokens
from tests.factories import (
    PASSWORD,
    Product,
    User,
    make_address,
    make_notification,
    make_order,
    make_product,
    make_user,
)
from tests.logins import log_in
from utils import db, web

MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors", "data"}
NEW = {"username": "newcomer", "email": "newcomer@example.com", "password": PASSWORD}

# A body that each model takes, so that a single field can be made bad.
GOOD: dict[str, Callable[[Shop], dict[str, Any]]] = {
    "AddressChange": lambda shop: {"label": "Shop", "county": "muranga"},
    "AddressIn": lambda shop: {
        "label": "Home",
        "recipient_name": "Wanjiku Kamau",
        "phone_number": "0712345678",
        "line1": "Moi Avenue 12",
        "line2": "2nd floor",
        "town": "Thika",
        "county": "Kiambu",
        "postal_code": "01000",
        "country": "KE",
        "is_default": True,
    },
    "AddressRequest": lambda shop: {"email": "nobody@example.com"},
    "AllocationIn": lambda shop: {"order_id": shop.order_id},
    "ApiKeyIn": lambda shop: {"name": "till", "scopes": ["orders:read"], "expires_at": "2099-01-01T00:00:00Z"},
    "CancelIn": lambda shop: {"reason": "changed my mind"},
    "CartAddition": lambda shop: {"variant_id": shop.variant_id, "quantity": 1},
    "CategoryChange": lambda shop: {"name": "Kitchen and table"},
    "CategoryIn": lambda shop: {"name": "Garden", "slug": "garden", "parent": shop.category},
    "LoginRequest": lambda shop: {"username": shop.admin.username, "password": PASSWORD},
    "NewProduct": lambda shop: {
        "name": "Kiondo basket",
        "description": "<p>Woven by hand.</p>",
        "vendor": "Kamba weavers",
        "price": "1499.00",
        "compare_at_price": "1999.00",
        "category": "Baskets",
        "options": ["Size"],
        "variants": [{"sku": "KIONDO-M", "options": {"Size": "M"}, "price": "1499.00", "stock": 3}],
        "images": [{"url": "/static/demo/kiondo-basket.svg", "alt": "A basket"}],
    },
    "OrderChange": lambda shop: {"tracking_number": "TRK-1", "note": "by bus"},
    "OrderIn": lambda shop: {
        "shipping_address": {"line1": "Moi Avenue 1", "town": "Nairobi", "county": "Nairobi"},
        "phone_number": "0712345678",
        "payment_method": "mpesa",
        "expected_total": "100.00",
        "note": "leave it at the gate",
        "items": [{"variant_id": shop.variant_id, "quantity": 1}],
    },
    "PreferencesIn": lambda shop: {"orders": {"by_mail": False}, "security": {"in_app": True, "by_mail": False}},
    "PermissionChange": lambda shop: {"description": "Sell at the counter"},
    "PermissionIn": lambda shop: {"name": "counter:sell", "description": "Sell at the counter"},
    "ProductFields": lambda shop: {"name": "Another name", "price": "120.00", "compare_at_price": "150.00"},
    "ProfileUpdate": lambda shop: {"phone_number": "0712345678"},
    "QuantityUpdate": lambda shop: {"quantity": 2},
    "RefundDecision": lambda shop: {"status": "failed", "note": "it never left"},
    "RefundIn": lambda shop: {"amount": "1.00", "reason": "one came broken"},
    "RegisterRequest": lambda shop: NEW,
    "RoleChange": lambda shop: {"description": "Packs parcels", "permissions": ["orders:read"]},
    "RoleIn": lambda shop: {"name": "packer", "description": "Packs parcels", "permissions": ["orders:read"]},
    "StockIn": lambda shop: {"stock": 7, "reason": "counted"},
    "PasswordChange": lambda shop: {"current_password": PASSWORD, "new_password": PASSWORD},
    "PasswordProof": lambda shop: {"password": PASSWORD},
    "PasswordReset": lambda shop: {"token": shop.reset_token, "password": "maji-ya-moto"},
    "VerificationRequest": lambda shop: {"email": "nobody@example.com"},
    "TotpCode": lambda shop: {"code": "123456"},
    "StkPushIn": lambda shop: {"order_id": shop.paid_order_id, "phone_number": "0712345678"},  # paid: nobody is called
    "UserChange": lambda shop: {"phone_number": "0712345678"},
}
PLACES: dict[str, Callable[[Shop], object]] = {
    "address_id": lambda shop: shop.address_id,
    "item_id": lambda shop: shop.item_id,
    "key_id": lambda shop: 10**12,
    "key": lambda shop: shop.edited.slug,
    "notification_id": lambda shop: shop.notification_id,
    "order_id": lambda shop: shop.order_id,
    "payment_id": lambda shop: shop.payment_id,
    "product_id": lambda shop: shop.edited.id,
    "refund_id": lambda shop: shop.refund_id,
    "session_id": lambda shop: shop.session_id,
    "permission": lambda shop: "counter:none",
    "role": lambda shop: "nobodys",
    "slug": lambda shop: shop.category,
    "token": lambda shop: callback_tokens.make_token(kind="stk", payment_id=shop.payment_id),
    "user_id": lambda shop: shop.admin.id,
    "variant_id": lambda shop: shop.edited.variant.id,
}
OPEN = {
    "GET /api/categories",
    "GET /api/categories/<slug>",
    "GET /api/products",
    "GET /api/products/<key>",
    "POST /api/auth/forgot-password",
    "POST /api/auth/login",
    "POST /api/auth/register",
    "POST /api/auth/reset-password",
    "POST /api/auth/signup",
    "POST /api/auth/verify-email",
    "POST /api/payments/callbacks/c2b/<token>/confirmation",
    "POST /api/payments/callbacks/c2b/<token>/validation",
    "POST /api/payments/callbacks/result/<token>",
    "POST /api/payments/callbacks/stk/<token>",
    "POST /api/payments/callbacks/timeout/<token>",
}
# The tables that a refusal may change: wrong passwords are counted, and the owner is told.
COUNTING = {
    name: {"audit_log", "login_locks", "outbox_events"}
    for name in ("DELETE /api/auth/totp", "POST /api/auth/change-password", "POST /api/auth/login")
}
PRIVATE = {
    "address_id",
    "item_id",
    "notification_id",
    "order_id",
    "payment_id",
    "product_id",
    "refund_id",
    "session_id",
    "user_id",
    "variant_id",
}


@dataclass(frozen=True)
class Shop:
    """Something of each kind, and somebody who may do everything."""

    admin: User
    headers: dict[str, str]
    stranger: dict[str, str]
    product_id: int
    variant_id: int
    item_id: int
    address_id: int
    notification_id: int
    order_id: int
    paid_order_id: int
    payment_id: int
    refund_id: int
    edited: Product
    session_id: int
    reset_token: str
    category: str


def open_shop(client: FlaskClient) -> Shop:
    """Fill an empty shop."""
    admin, buyer, product = make_user(role="admin"), make_user(), make_product(stock=10_000)
    headers = log_in(client, admin)
    order, paid_order = (make_order(admin, (product.variant, 1), method="mock") for _ in range(2))
    payment = client.post(f"/api/payments/{paid_order.id}/mock", headers=headers).get_json()
    refund = client.post(
        f"/api/transactions/{payment['id']}/refund", json={"amount": 1, "reason": "-"}, headers=headers
    )
    item = {"variant_id": product.variant.id}
    cart = client.post("/api/cart", json=item, headers=headers).get_json()
    return Shop(
        admin=admin,
        headers=headers,
        stranger=log_in(client, make_user()),
        product_id=product.id,
        variant_id=product.variant.id,
        item_id=cart["items"][0]["id"],
        address_id=make_address(admin)["id"],
        notification_id=make_notification(admin),
        order_id=order.id,
        paid_order_id=paid_order.id,
        payment_id=payment["id"],
        refund_id=refund.get_json()["id"],
        edited=make_product(),
        session_id=session_services.open_session(user_id=admin.id, device="", address="")["session_id"],
        reset_token=one_time_services.make_token(purpose="reset_password", user_id=buyer.id, email=buyer.email),
        category=client.post("/api/categories", json={"name": "Kitchen"}, headers=headers).get_json()["slug"],
    )


@dataclass(frozen=True)
class Endpoint:
    """A method at a path, with the models that its view declares."""

    method: str
    rule: str
    arguments: frozenset[str]
    body: type[BaseModel] | None
    query: type[BaseModel] | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.rule}"

    def path(self, shop: Shop, **replaced: str) -> str:
        path = self.rule
        for argument in self.arguments:
            place = replaced.get(argument) or quote(str(PLACES[argument](shop)))
            path = "/".join(place if part.endswith(f"{argument}>") else part for part in path.split("/"))
        return path

    def good_body(self, shop: Shop) -> dict[str, Any] | None:
        return None if self.body is None else GOOD[self.body.__name__](shop)


def endpoints_of(app: APIFlask, *, under: str = "/api") -> list[Endpoint]:
    """Return every endpoint whose path begins so."""
    found = []
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(under):
            spec = getattr(app.view_functions[rule.endpoint], "_spec", {})
            body = spec.get("body") if spec.get("content_type") == web.JSON else None
            query = next((model for model, location in spec.get("args", []) if location == "query"), None)
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            found += [Endpoint(method, rule.rule, frozenset(rule.arguments), body, query) for method in methods]
    return sorted(found, key=lambda endpoint: endpoint.name)


def json_text(fields: dict[str, Any], field: str, raw: str) -> bytes:
    """Write the body with one field replaced by JSON text as it stands."""
    return json.dumps({**fields, field: "@poison@"}).replace('"@poison@"', raw).encode()


def taken_types(schema: dict[str, Any]) -> set[str]:
    """Return what kinds of JSON a field takes."""
    parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return {"object" if "$ref" in part else part.get("type", "any") for part in parts}


def fields_of(endpoint: Endpoint) -> Iterator[tuple[str, set[str]]]:
    assert endpoint.body is not None
    for field, schema in endpoint.body.model_json_schema()["properties"].items():
        yield field, taken_types(schema)


class Walk:
    """Sends requests and gathers what is wrong with the answers, so that a test tells all of it at once."""

    def __init__(self, client: FlaskClient, shop: Shop) -> None:
        self.client = client
        self.shop = shop
        self.wrong: list[str] = []
        self.sent = 0
        self._rows = rows()

    def send(
        self,
        endpoint: Endpoint,
        *,
        expect: set[int] | None = None,
        code: str | None = None,
        path: str | None = None,
        headers: dict[str, str] | None = None,
        **request: Any,
    ) -> TestResponse:
        """Send a request; it must be refused with one of `expect`, or, without `expect`, refused well or granted."""
        target = path or endpoint.path(self.shop)
        sent = self.shop.headers if headers is None else headers
        answer = self.client.open(target, method=endpoint.method, headers=sent, **request)
        self.sent += 1
        told = f"{endpoint.method} {target[:150]} {str(request)[:150]} {str(headers or '')[:80]}"
        self._judge(told, answer, expect, code, COUNTING.get(endpoint.name, set()))
        return answer

    def _judge(
        self, told: str, answer: TestResponse, expect: set[int] | None, code: str | None, counting: set[str]
    ) -> None:
        status = answer.status_code
        if status >= 500 or (expect is not None and status not in expect):
            self.wrong.append(f"{told}: {status}, wanted {expect or 'no 5xx'}: {answer.text[:300]}")
        elif status >= 400:
            problem = answer.get_json(force=True)
            if answer.mimetype != web.PROBLEM or set(problem) != MEMBERS or problem["status"] != status:
                self.wrong.append(f"{told}: not a problem of the contract: {answer.mimetype} {answer.text[:300]}")
            elif code is not None and problem["code"] != code:
                self.wrong.append(f"{told}: {problem['code']}, wanted {code}")
            elif status == 422 and problem["code"] == "invalid_fields" and not problem["errors"]:
                self.wrong.append(f"{told}: names no field")
        now = rows()
        changed = [table for table in now if now[table] != self._rows[table] and table not in counting]
        if status >= 400 and changed:
            self.wrong.append(f"{told}: {status}, and yet {changed} changed")
        self._rows = now

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is None:
            assert self.sent, "nothing was sent: the walk found no endpoint of this kind"
            assert not self.wrong, f"{len(self.wrong)} of {self.sent}:\n" + "\n".join(self.wrong[:40])


def rows() -> dict[str, int]:
    """Return a checksum of each table."""
    reader = db.reading()
    tables = [
        next(iter(row.values()))
        for row in reader.fetch_all("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
    ]
    sums = reader.fetch_all("CHECKSUM TABLE " + ", ".join(sorted(tables)))
    db.release()
    return {row["Table"].rpartition(".")[2]: row["Checksum"] for row in sums}
