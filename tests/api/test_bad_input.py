"""Everything that a client can get wrong, tried at every JSON endpoint that there is.

Each refusal must be problem+json of the right kind, and no row may have changed.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token, create_refresh_token

from tests.walk import GOOD, OPEN, PRIVATE, Endpoint, Shop, Walk, endpoints_of, fields_of, json_text, open_shop, rows
from utils import db, paging, web

MONEY = {"amount", "compare_at_price", "expected_total", "max_price", "min_price", "price"}
MALFORMED = [
    b"{",
    b'{"a":}',
    b'{"a": 1,}',
    b"{'a': 1}",
    b"<html>",
    b"\xff\xfe\x00{",
    b'{"a": "\xff"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 5_000,
    b"NaN",
    b'{"a": -Infinity}',
]
NOT_AN_OBJECT = [b"null", b"[]", b"[{}]", b'"text"', b"5", b"true", b"1e400", b"9" * 30]
UNKNOWN_FIELDS = [b'{"no_such_field": 1}', b'{"\\ud800": 1}', b'{"\\u0000": {}}', b'{"__proto__": []}', b'{"": ""}']
# Written into a body as they stand: JSON that Python reads into what nobody expects.
POISON = [
    "null",
    "true",
    "{}",
    "[]",
    "[[[]]]",
    '{"a": 1}',
    "[null]",
    "-1",
    "0",
    "1.5",
    "0.001",
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "-Infinity",
    str(10**30),
    "9" * 4_000,
    '""',
    '" "',
    '"\\ud800"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"😀😀😀"',
    '"\\u202e\\u200b"',
    '"NaN"',
    '"1e400"',
    '"1e-400"',
    '"-5"',
    '"' + "9" * 100 + '"',
    '"٣"',
    '"%s {0} %(id)s"',
    '"\'; DROP TABLE users; -- "',
    '"' + "x" * 100_000 + '"',
]
BAD_MONEY = ["-1", "-0.01", "0.001", '"0.001"', "1.005", "1e400", '"1e400"', '"NaN"', '"-Infinity"', str(10**30)]
CONTAINERS = {"{}": "object", '{"a": 1}': "object", "[]": "array", "[[[]]]": "array", "[null]": "array"}
BAD_PLACES = ["0", "-1", "1.5", "9" * 30, "9" * 5_000, "x" * 5_000, "😀", "%00", "%FF", "..", "' OR 1=1 -- ", "NaN"]
POISONED_WORDS = ["", "x", "-1", "0", "1.5", "1e400", "NaN", "9" * 30, "9" * 5_000, "x" * 10_000, "😀😀", "\0\0", "%_"]
BAD_CURSORS = ["x", "😀", "\x00", "A" * 5_000, base64.urlsafe_b64encode(b"[[[]]]").decode(), paging.encode("other", 1)]
BAD_KEYS = ["x", "", "-1", "1e400", "NaN", "9" * 40, "9" * 5_000, "\ud800", "\x00", "😀", "9999-99-99", "x" * 10_000]


@pytest.fixture
def endpoints(app: APIFlask) -> list[Endpoint]:
    return endpoints_of(app)


@pytest.fixture
def shop(client: FlaskClient) -> Shop:
    return open_shop(client)


@pytest.fixture
def walk(client: FlaskClient, shop: Shop) -> Walk:
    return Walk(client, shop)


# --- bodies


def test_the_good_bodies_are_good(endpoints: list[Endpoint], walk: Walk) -> None:
    fine = {200, 201, 202, 204, 401, 404, 409}
    with walk:
        for endpoint in endpoints:
            if endpoint.body:
                walk.send(endpoint, expect=fine, json=endpoint.good_body(walk.shop))


def test_a_body_that_is_no_json_is_400(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for body in MALFORMED if endpoint.body else ():
                walk.send(endpoint, expect={400}, code="malformed_request", data=body, content_type=web.JSON)


def test_a_form_is_415(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            if endpoint.body:
                walk.send(endpoint, expect={415}, data={"quantity": "1"})


def test_json_that_is_no_object_is_422(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for body in NOT_AN_OBJECT if endpoint.body else ():
                walk.send(endpoint, expect={422}, code="invalid_fields", data=body, content_type=web.JSON)


def test_an_unknown_field_is_422(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for body in UNKNOWN_FIELDS if endpoint.body else ():
                walk.send(endpoint, expect={422}, code="invalid_fields", data=body, content_type=web.JSON)


def test_a_body_of_ten_megabytes_is_413(endpoints: list[Endpoint], walk: Walk) -> None:
    huge = b'{"a": "' + b"x" * 10 * 1024 * 1024 + b'"}'
    with walk:
        for endpoint in endpoints:
            if endpoint.body:
                walk.send(endpoint, expect={413}, data=huge, content_type=web.JSON)


def test_a_list_or_an_object_in_the_place_of_a_value_is_422(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for field, taken in fields_of(endpoint) if endpoint.body else ():
                for raw, kind in CONTAINERS.items():
                    if not taken & {kind, "any"}:
                        body = json_text(endpoint.good_body(walk.shop) or {}, field, raw)
                        walk.send(endpoint, expect={422}, code="invalid_fields", data=body, content_type=web.JSON)


def test_money_is_never_negative_infinite_or_in_parts_of_a_cent(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for field, _ in fields_of(endpoint) if endpoint.body else ():
                for raw in BAD_MONEY if field in MONEY else ():
                    body = json_text(endpoint.good_body(walk.shop) or {}, field, raw)
                    walk.send(endpoint, expect={422}, code="invalid_fields", data=body, content_type=web.JSON)


def test_no_value_of_a_single_field_breaks_anything(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for field, _ in fields_of(endpoint) if endpoint.body else ():
                for raw in POISON:
                    body = json_text(endpoint.good_body(walk.shop) or {}, field, raw)
                    walk.send(endpoint, data=body, content_type=web.JSON)


# --- paths and queries


def test_a_path_to_nowhere_is_404(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for argument in endpoint.arguments:
                fine = {404, 405, 200} if endpoint.query else {404, 405}  # a list of what belongs to nobody is empty
                for place in BAD_PLACES:
                    path = endpoint.path(walk.shop, **{argument: place})
                    walk.send(endpoint, expect=fine, path=path, json=endpoint.good_body(walk.shop))


def test_an_unknown_parameter_is_422(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            if endpoint.query:
                walk.send(endpoint, expect={422}, code="invalid_fields", query_string={"no_such_parameter": "1"})


def test_a_bad_limit_is_422(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for limit in ("0", "101", "-1", "x", "1.5", "9" * 30, "1e400", "NaN") if endpoint.query else ():
                walk.send(endpoint, expect={422}, code="invalid_fields", query_string={"limit": limit})


def test_no_parameter_breaks_anything(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            for field in endpoint.query.model_fields if endpoint.query else ():
                for word in POISONED_WORDS:
                    walk.send(endpoint, query_string={field: word})


def test_a_bad_cursor_is_400(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            if endpoint.query and "cursor" in endpoint.query.model_fields:
                for cursor in BAD_CURSORS:
                    walk.send(endpoint, expect={400}, code="bad_cursor", query_string={"cursor": cursor})


def test_a_cursor_made_by_hand_breaks_nothing(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            if endpoint.query and "cursor" in endpoint.query.model_fields:
                answer = walk.send(endpoint, expect={200}, query_string={"limit": 1})
                cursor = (answer.get_json() or {}).get("next_cursor") or paging.encode("newest", 1)
                sort, *key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
                for place in range(len(key)):
                    for part in BAD_KEYS:
                        made = paging.encode(sort, *key[:place], part, *key[place + 1 :])
                        walk.send(endpoint, expect={200, 400}, query_string={"cursor": made})


# --- who asks


def bad_tokens(app: APIFlask, shop: Shop) -> dict[str, str]:
    """Return what may stand in the place of `Bearer <access token>`, by what is wrong with it."""
    good = shop.headers["Authorization"].removeprefix("Bearer ")
    head, claims, signature = good.split(".")
    read = json.loads(base64.urlsafe_b64decode(claims + "=="))

    def part(data: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    with app.app_context():
        session = {"sid": read["sid"]}
        expired = create_access_token(str(shop.admin.id), additional_claims=session, expires_delta=timedelta(-1))
        refresh = create_refresh_token(str(shop.admin.id), additional_claims=session)
    return {
        "nothing": "",
        "another scheme": "Basic YWRtaW46YWRtaW4=",
        "no token": "Bearer",
        "two tokens": f"Bearer {good} {good}",
        "no JWT": "Bearer x",
        "dots": "Bearer ...",
        "not ASCII": "Bearer é",
        "nested": "Bearer " + base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=") + ".x.x",
        "expired": f"Bearer {expired}",
        "a refresh token": f"Bearer {refresh}",
        "another signature": f"Bearer {head}.{claims}.{'A' * len(signature)}",
        "other claims": f"Bearer {head}.{part({**read, 'sub': '1'})}.{signature}",
        "no algorithm": f"Bearer {part({'alg': 'none', 'typ': 'JWT'})}.{claims}.",
    }


def test_a_bad_token_is_401_wherever_one_is_read(app: APIFlask, endpoints: list[Endpoint], walk: Walk) -> None:
    refused_everywhere = bad_tokens(app, walk.shop)
    with walk:
        for endpoint in endpoints:
            for why, token in refused_everywhere.items() if endpoint.name not in OPEN else ():
                if endpoint.name == "POST /api/auth/refresh" and why == "a refresh token":
                    continue
                if "/cart" in endpoint.rule and why in ("nothing", "another scheme"):
                    continue  # that is a guest
                headers = {"Authorization": token}
                walk.send(endpoint, expect={401}, headers=headers, json=endpoint.good_body(walk.shop))


def test_other_peoples_things_are_not_there(endpoints: list[Endpoint], walk: Walk) -> None:
    with walk:
        for endpoint in endpoints:
            if endpoint.arguments & PRIVATE:
                body = endpoint.good_body(walk.shop)
                walk.send(endpoint, expect={403, 404}, headers=walk.shop.stranger, json=body)


def test_an_empty_put_is_400_and_an_empty_post_names_the_fields_that_it_lacks(
    endpoints: list[Endpoint], walk: Walk
) -> None:
    with walk:
        for endpoint in endpoints:
            if endpoint.body and endpoint.method != "POST":
                walk.send(endpoint, expect={400}, code="malformed_request", data=b"")
            elif endpoint.body and endpoint.body.model_json_schema().get("required"):
                walk.send(endpoint, expect={422}, code="invalid_fields", data=b"")


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_an_idempotency_key_of_a_bad_length_is_422(client: FlaskClient, shop: Shop, walk: Walk, key: str) -> None:
    order = Endpoint("POST", "/api/orders", frozenset(), None, None)
    with walk:
        headers = {**shop.headers, "Idempotency-Key": key}
        walk.send(order, expect={422}, code="invalid_fields", headers=headers, json=GOOD["OrderIn"](shop))


@pytest.mark.parametrize("key", ["é", "ÿ" * 255, "a b", "%00", "' OR 1=1 -- "])
def test_a_strange_idempotency_key_is_a_key(client: FlaskClient, shop: Shop, key: str) -> None:
    headers = {**shop.headers, "Idempotency-Key": key}
    first, second = (client.post("/api/orders", json=GOOD["OrderIn"](shop), headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.get_json() == second.get_json()


def test_a_callback_that_is_no_json_is_400_and_a_large_one_413(client: FlaskClient, walk: Walk) -> None:
    callback = Endpoint("POST", "/api/payments/callbacks/stk/<token>", frozenset({"token"}), None, None)
    with walk:
        for body in (b"", b"{", b'{"Body":}', b"<html>", b"[" * 10_000, b"9" * 5_000):
            walk.send(callback, expect={400}, headers={}, data=body, content_type=web.JSON)
        walk.send(callback, expect={413}, headers={}, data=b'{"a": "' + b"x" * 64 * 1024 + b'"}')


# --- what was there a moment ago


@pytest.mark.parametrize("table", ["products", "variants"])
def test_what_is_deleted_while_it_lies_in_a_cart_cannot_be_ordered(client: FlaskClient, shop: Shop, table: str) -> None:
    @db.in_transaction
    def delete(tx: db.Tx) -> None:
        gone = {"products": shop.product_id, "variants": shop.variant_id}[table]
        tx.execute(f"UPDATE {table} SET deleted_at = created_at WHERE id = %(id)s", {"id": gone})

    delete()
    before = rows()
    body = {**GOOD["OrderIn"](shop), "items": None, "expected_total": None}
    answer = client.post("/api/orders", json=body, headers=shop.headers)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "out_of_stock")
    assert answer.get_json()["data"]["items"] == [{"variant_id": shop.variant_id, "requested": 1, "available": 0}]
    assert rows() == before
    assert client.get("/api/cart", headers=shop.headers).get_json()["items"][0]["in_stock"] is False


def test_a_body_that_may_be_empty_may_be_left_out(client: FlaskClient, shop: Shop) -> None:
    answer = client.post(f"/api/orders/{shop.order_id}/cancel", headers=shop.headers)
    assert (answer.status_code, answer.get_json()["status"]) == (200, "cancelled")
