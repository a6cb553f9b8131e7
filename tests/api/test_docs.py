"""The OpenAPI document is valid, complete and true; the page that shows it needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

import config
from tests.factories import make_product, make_user

Json = dict[str, Any]


@pytest.fixture
def document(client: FlaskClient) -> Json:
    answer = client.get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found: Json = answer.get_json()
    return found


def operations_of(document: Json) -> Iterator[tuple[str, Json]]:
    for path, item in document["paths"].items():
        yield from ((f"{method.upper()} {path}", operation) for method, operation in item.items())


def references_in(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else ())
        for value in node.values():
            yield from references_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from references_in(value)


def follow(document: Json, node: Json) -> Json:
    while "$ref" in node:
        path, node = node["$ref"].removeprefix("#/").split("/"), document
        for name in path:
            node = node[name]
    return node


# --- valid and complete


def test_the_document_is_valid_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to(document: Json) -> None:
    references = set(references_in(document))
    for reference in references:
        assert follow(document, {"$ref": reference})
    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert schemas <= references


def test_every_api_route_is_in_the_document_and_nothing_else(app: APIFlask, document: Json) -> None:
    served = {
        f"{method} " + re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {name for name, _ in operations_of(document)} == served
    assert len(served) > 20


def test_every_operation_says_what_it_does_and_answers(document: Json) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    ids = [operation["operationId"] for _, operation in operations_of(document)]
    assert len(ids) == len(set(ids))
    for name, operation in operations_of(document):
        assert re.fullmatch(r"[A-Z].*\.", operation["summary"]), name
        assert set(operation["tags"]) <= tags, name
        good = {status: answer for status, answer in operation["responses"].items() if status < "4"}
        assert good, name
        for status, answer in good.items():
            assert status == "204" or "text/csv" in answer["content"] or answer["content"]["application/json"]["schema"]


def test_every_error_is_problem_json(document: Json) -> None:
    for name, operation in operations_of(document):
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        assert {"429", "503"} <= errors.keys(), name
        for status, answer in errors.items():
            (kind,) = follow(document, answer)["content"].items()
            assert kind == ("application/problem+json", {"schema": {"$ref": "#/components/schemas/Problem"}}), (
                name,
                status,
            )


def test_money_goes_in_as_a_number_or_a_string_and_out_as_a_string(document: Json) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Order"]["properties"]["total"]["type"] == "string"
    price = json.dumps(schemas["NewProduct"]["properties"]["price"])
    assert '"type": "number"' in price
    assert '"type": "string"' in price


def test_the_key_is_asked_for_wherever_an_order_or_a_payment_is_made(document: Json) -> None:
    with_key = {
        name
        for name, operation in operations_of(document)
        if any(follow(document, parameter)["name"] == "Idempotency-Key" for parameter in operation["parameters"])
    }
    assert with_key >= {
        "POST /api/orders",
        "POST /api/payments/stkpush",
        "POST /api/payments/{order_id}/mock",
        "POST /api/transactions/{payment_id}/refund",
    }
    assert {name.partition(" ")[0] for name in with_key} == {"POST"}


# --- true


def test_who_must_log_in_according_to_the_document_is_refused_without_a_token(
    client: FlaskClient, document: Json
) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for name, operation in operations_of(document):
        method, path = name.split(" ")
        who = operation.get("security", [])
        answer = client.open(re.sub(r"\{\w+\}", "1", path), method=method)
        assert (answer.status_code == 401) == bool(who and {} not in who), name


def test_who_lacks_the_permission_of_the_document_is_refused(client: FlaskClient, document: Json) -> None:
    user = make_user()
    answer = client.post("/api/auth/login", json={"username": user.username, "password": user.password})
    headers = {"Authorization": f"Bearer {answer.get_json()['access_token']}"}
    guarded = [
        name
        for name, operation in operations_of(document)
        if any(one.get("bearer") for one in operation.get("security", []))
    ]
    assert guarded
    for name in guarded:
        method, path = name.split(" ")
        answer = client.open(re.sub(r"\{\w+\}", "1", path), method=method, headers=headers)
        assert answer.get_json()["code"] == "forbidden", name


@pytest.fixture
def send(client: FlaskClient, document: Json) -> Callable[..., Any]:
    """Send a request and hold its answer against the document."""
    checker = Draft202012Validator.FORMAT_CHECKER

    def run(method: str, template: str, *, path: str = "", **options: Any) -> Any:
        answer = client.open(path or template, method=method, **options)
        promised = follow(document, document["paths"][template][method.lower()]["responses"][str(answer.status_code)])
        if answer.status_code != 204:
            schema = promised["content"][answer.mimetype]["schema"]
            whole = {**schema, "components": document["components"]}
            Draft202012Validator(whole, format_checker=checker).validate(answer.get_json())
        return answer.get_json()

    return run


def test_a_walk_through_the_shop_answers_as_the_document_says(send: Callable[..., Any]) -> None:
    product = make_product(name="Kikoi", variants=[{"options": {"Size": "M"}, "stock": 5}, {"options": {"Size": "L"}}])
    admin = make_user(role="admin")
    body: Json = {"username": "wanjiku", "email": "wanjiku@example.com", "password": "maji-ya-moto"}
    tokens = send("POST", "/api/auth/register", json=body)
    send("POST", "/api/auth/register", json=body)  # taken
    send("POST", "/api/auth/login", json={"username": "wanjiku", "password": "no"})
    buyer = {"Authorization": f"Bearer {tokens['access_token']}"}
    entered = send("POST", "/api/auth/login", json={"username": admin.username, "password": admin.password})
    staff = {"Authorization": f"Bearer {entered['access_token']}"}

    send("GET", "/api/profile", headers=buyer)
    send("PUT", "/api/profile", headers=buyer, json={"phone_number": "0712345678"})
    send("GET", "/api/products", path="/api/products?facets=1&count=1")
    send("GET", "/api/products", path="/api/products?cursor=nonsense")
    send("GET", "/api/products/{key}", path=f"/api/products/{product.slug}")
    send("GET", "/api/products/{key}", path="/api/products/nothing")
    send("POST", "/api/categories", headers=staff, json={"name": "Cloth"})
    send("GET", "/api/categories")
    made = send("POST", "/api/products", headers=staff, json={"name": "Tea", "price": "120.50", "category": "cloth"})
    send("PUT", "/api/products/{product_id}", path=f"/api/products/{made['id']}", headers=staff, json={"price": 130})

    line = {"variant_id": product.variants[0].id, "quantity": 2}
    send("POST", "/api/cart", headers=buyer, json=line)
    send("POST", "/api/cart", headers=buyer, json={**line, "quantity": 900})  # out of stock
    cart = send("GET", "/api/cart", headers=buyer)
    send("PUT", "/api/cart/{item_id}", path=f"/api/cart/{cart['items'][0]['id']}", headers=buyer, json={"quantity": 1})

    address = {"line1": "Moi Avenue 1", "town": "Nairobi", "county": "Nairobi"}
    order = send("POST", "/api/orders", headers=buyer, json={"shipping_address": address})
    send("POST", "/api/orders", headers=buyer, json={"shipping_address": address})  # the cart is empty
    send("POST", "/api/orders", headers=buyer, json={"quantity": "many"})
    here = {"path": f"/api/orders/{order['id']}"}
    send("GET", "/api/orders/{order_id}", **here, headers=buyer)
    send("GET", "/api/orders", path="/api/orders?count=1", headers=buyer)
    send("POST", "/api/payments/{order_id}/mock", path=f"/api/payments/{order['id']}/mock", headers=buyer)
    send("PUT", "/api/orders/{order_id}", **here, headers=staff, json={"status": "shipped", "tracking_number": "T-1"})
    send("GET", "/api/orders/{order_id}/events", path=f"{here['path']}/events", headers=buyer)
    paid = send("GET", "/api/transactions", path="/api/transactions?count=1", headers=buyer)["items"][0]
    refund = {"path": f"/api/transactions/{paid['id']}/refund"}
    torn = {"reason": "it came torn"}
    given = send("POST", "/api/transactions/{payment_id}/refund", **refund, headers=staff, json=torn)
    send("POST", "/api/transactions/{payment_id}/refund", **refund, headers=staff, json=torn)  # nothing is left
    send("GET", "/api/refunds", path="/api/refunds?count=1", headers=buyer)
    here = {"path": f"/api/refunds/{given['id']}"}
    send("GET", "/api/refunds/{refund_id}", **here, headers=buyer)
    decision = {"status": "failed", "note": "not in review"}
    send("POST", "/api/refunds/{refund_id}/settle", path=f"{here['path']}/settle", headers=staff, json=decision)

    account = send("GET", "/api/users", path="/api/users?q=wanjiku&count=1", headers=staff)["items"][0]
    here = {"path": f"/api/users/{account['id']}", "headers": staff}
    send("GET", "/api/users/{user_id}", **here)
    send("POST", "/api/roles", headers=staff, json={"name": "packer", "permissions": ["orders:read"]})
    send("PUT", "/api/users/{user_id}", **here, json={"role": "packer"})
    send("DELETE", "/api/roles/{role}", path="/api/roles/packer", headers=staff)  # in use
    send("GET", "/api/roles", headers=staff)
    send("GET", "/api/permissions", headers=staff)
    send("POST", "/api/api-keys", headers=staff, json={"name": "till", "scopes": ["orders:read"]})
    send("GET", "/api/api-keys", headers=staff)
    send("GET", "/api/admin/audit-log", path="/api/admin/audit-log?count=1", headers=staff)
    send("DELETE", "/api/users/{user_id}", **here)  # an order is under way

    secret = {"password": body["password"]}
    send("POST", "/api/auth/forgot-password", json={"email": body["email"]})
    send("POST", "/api/auth/verify-email", json={"email": body["email"]})
    send("POST", "/api/auth/verify-email", json={"token": "none-of-ours"})
    send("POST", "/api/auth/reset-password", json={"token": "none-of-ours", **secret})
    change = {"current_password": body["password"], "new_password": "maji-ya-baridi"}
    send("POST", "/api/auth/change-password", headers=buyer, json=change)
    send("POST", "/api/auth/change-password", headers=buyer, json=change)  # that is not the password any more
    send("POST", "/api/auth/totp/confirm", headers=buyer, json={"code": "123456"})  # not begun
    send("POST", "/api/auth/totp", headers=buyer)
    send("DELETE", "/api/auth/totp", headers=buyer, json=secret)  # not the password
    send("DELETE", "/api/auth/totp", headers=buyer, json={"password": "maji-ya-baridi"})
    send("DELETE", "/api/users/{user_id}/totp", path=f"/api/users/{account['id']}/totp", headers=staff)
    session = send("GET", "/api/auth/sessions", headers=staff)["items"][0]
    here = {"path": f"/api/auth/sessions/{session['id']}"}
    send("DELETE", "/api/auth/sessions/{session_id}", **here, headers=buyer)  # somebody else's
    send("POST", "/api/auth/refresh", headers={"Authorization": f"Bearer {tokens['refresh_token']}"})
    send("POST", "/api/auth/logout", headers=buyer)
    send("GET", "/api/profile", headers=buyer)  # refused


# --- the page


class Page(HTMLParser):
    """What a page loads, and what it says in scripts of its own."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "link", "img"):
            source = values.get("src") or (values.get("href") if tag == "link" else None)
            self.loaded += [source] if source else []
            self.inline += tag == "script" and not source
        self.inline += sum(name.startswith("on") for name in values)


def test_the_page_loads_only_what_the_shop_serves_itself(client: FlaskClient) -> None:
    page = Page(client.get("/docs").text)
    assert len(page.loaded) == 4
    assert page.inline == 0
    for address in page.loaded:
        assert address.startswith("/static/")
        answer = client.get(address)
        assert answer.status_code == 200
        answer.close()


def test_the_page_shows_the_document_of_this_shop(client: FlaskClient) -> None:
    assert 'data-document="/openapi.json"' in client.get("/docs").text


def test_what_is_not_ours_stands_with_its_licence_and_calls_nobody() -> None:
    folders = [path for path in (config.ROOT / "static" / "vendor").iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        assert re.fullmatch(r"[a-z-]+-\d+\.\d+\.\d+", folder.name)
        assert (folder / "LICENSE").exists()
        for sheet in folder.glob("*.css"):
            assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", sheet.read_text())
