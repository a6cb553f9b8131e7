"""The catalogue out and in over HTTP: what was exported imports as it was; a preview changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from admin import catalogue_routes
from tests import uploads
from tests.factories import make_product, make_user, stock_of
from tests.logins import Headers, log_in
from tests.walk import rows


@pytest.fixture
def manager(client: FlaskClient) -> Headers:
    return log_in(client, make_user(role="manager"))


@pytest.fixture
def upload(client: FlaskClient, manager: Headers) -> Callable[..., TestResponse]:
    def send(text: str | bytes, **query: object) -> TestResponse:
        content = text.encode() if isinstance(text, str) else text
        return client.post("/api/admin/products/import", query_string=query, headers=manager, **uploads.upload(content))

    return send


def full(*cells: str) -> str:
    """Write a file in the duka format with one row under its whole header."""
    header = "slug,name,description,vendor,category,compare_at_price,images,sku,options,price,stock"
    return header + "\n" + "\n".join(cells) + "\n"


TEA = "chai,Chai,,,Drinks,,,CHAI,,250.00,10"


def test_a_file_is_imported_and_every_product_told(client: FlaskClient, upload: Callable[..., TestResponse]) -> None:
    report = upload(full(TEA)).get_json()
    assert report["summary"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 0}
    assert report["products"] == [{"line": 2, "product": "chai", "rows": 1, "outcome": "new"}]
    assert client.get("/api/products/chai").get_json()["stock"] == 10


def test_the_same_file_again_changes_nothing(upload: Callable[..., TestResponse]) -> None:
    upload(full(TEA))
    before = rows()
    assert upload(full(TEA)).get_json()["summary"]["unchanged"] == 1
    changed = {table for table, checksum in rows().items() if before[table] != checksum}
    assert changed == {"audit_log"}


def test_a_preview_tells_what_an_import_would_and_changes_nothing(upload: Callable[..., TestResponse]) -> None:
    coffee_with_the_sku_of_tea = "kahawa,Kahawa,,,Drinks,,,chai,,300.00,5"
    text = full(TEA, "maji,Maji,,,Drinks,,,MAJI,,0,1", "mkate,,,,,,,,,10,1", coffee_with_the_sku_of_tea)
    before = rows()
    preview = upload(text, dry_run=1).get_json()
    assert rows() == before
    assert preview.pop("dry_run") is True
    done = upload(text).get_json()
    assert done.pop("dry_run") is False
    assert preview == done
    assert done["summary"] == {"new": 1, "changed": 0, "unchanged": 0, "refused": 3}
    assert {problem["line"] for problem in done["problems"]} == {3, 4, 5}


def test_whoever_imports_is_told_in_the_movements_and_the_audit_log(
    client: FlaskClient, upload: Callable[..., TestResponse], manager: Headers
) -> None:
    upload(full(TEA))
    variant = client.get("/api/products/chai").get_json()["variants"][0]
    (movement,) = client.get(f"/api/variants/{variant['id']}/movements", headers=manager).get_json()["items"]
    (entry,) = client.get("/api/admin/audit-log?action=catalogue.imported", headers=manager).get_json()["items"]
    assert movement["actor_id"] == entry["actor_id"]
    assert entry["after"] == {"new": 1, "rows": 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"a,b\n1,2\n", "must name the columns"),
        ("slug,name".encode("utf-16"), "UTF-16"),
        (b"\x89PNG\r\n\x1a\n", "must name the columns"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_to_do(
    upload: Callable[..., TestResponse], content: bytes, told: str
) -> None:
    answer = upload(content)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "unreadable_file")
    assert told in answer.get_json()["detail"]


def test_no_file_at_all_is_refused(client: FlaskClient, manager: Headers) -> None:
    answer = client.post("/api/admin/products/import", headers=manager)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["field"] == "file"


def test_a_large_file_comes_in_and_a_huge_one_does_not(
    client: FlaskClient, upload: Callable[..., TestResponse], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = full(*(f"p{n},P {n},{'x' * 12_000},,,,,,,10,1" for n in range(100)))
    assert len(many) > 1024 * 1024
    assert upload(many, dry_run=1).get_json()["summary"]["new"] == 100
    monkeypatch.setattr(catalogue_routes, "LARGEST_FILE", 1000)
    assert upload(many, dry_run=1).status_code == 413


def test_what_was_exported_imports_as_it_was(
    client: FlaskClient, upload: Callable[..., TestResponse], manager: Headers
) -> None:
    product = make_product(name="=cmd|' /C calc'!A0", price="99.50", stock=3)
    make_product(name="-20% Sukari", stock=5)
    text = client.get("/api/admin/products/export.csv", headers=manager).text
    assert "'=cmd|" in text
    assert "'-20% Sukari" in text
    report: dict[str, Any] = upload(text).get_json()
    assert report["summary"] == {"new": 0, "changed": 0, "unchanged": 2, "refused": 0}
    assert stock_of(product.variant) == 3
