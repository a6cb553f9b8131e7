"""What every page has: its policy for the browser, its size, its filters, the colours that its reader chose."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from tests.html import Html
from tests.surfing import csrf_headers
from tests.walk import endpoints_of
from utils import pages, web
from utils.errors import Forbidden, NotFound, ShopError

REPORT = {
    "csp-report": {
        "document-uri": "http://shop.example/reset-password?token=secret#there",
        "effective-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/x.js?from=here",
        "source-file": "",
        "line-number": 3,
        "original-policy": "default-src 'none'",
    }
}
NOT_PAGES = {"/health", "/metrics", "/openapi.json", "/ready", "/static/<path:filename>"}


def policy_of(answer: Any) -> dict[str, str]:
    rules = answer.headers["Content-Security-Policy"].split("; ")
    return {name: rule for name, _, rule in (rule.partition(" ") for rule in rules)}


# --- the policy


@pytest.mark.parametrize("path", ["/", "/design", "/docs", "/nothing-here"])
def test_only_scripts_with_the_word_of_this_answer_run(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    nonce = policy_of(answer)["script-src"].removeprefix("'nonce-").removesuffix("'")
    scripts = [attributes for tag, attributes in Html(answer.text).found if tag == "script"]
    assert scripts
    assert [script["nonce"] for script in scripts] == [nonce] * len(scripts)
    assert nonce not in client.get(path).headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/design", "/nothing-here"])
def test_a_page_may_do_nothing_that_it_need_not(client: FlaskClient, path: str) -> None:
    policy = policy_of(client.get(path))
    assert policy.pop("script-src").startswith("'nonce-")
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "font-src": "'self'",
        "img-src": "'self' data: https:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "report-uri": "/csp-reports",
    }


def test_no_page_has_a_script_style_or_handler_in_its_text(client: FlaskClient) -> None:
    for path in ("/", "/design", "/docs", "/nothing-here"):
        for tag, attributes in Html(client.get(path).text).found:
            assert tag != "style"
            assert tag != "script" or attributes["src"]
            assert not [name for name in attributes if name.startswith("on") or name == "style"], (path, tag)


def test_every_page_of_the_shop_is_guarded(app: APIFlask, client: FlaskClient) -> None:
    rules = {endpoint.rule for endpoint in endpoints_of(app, under="/") if not endpoint.rule.startswith("/api")}
    open_to_all = [rule for rule in rules - NOT_PAGES if "<" not in rule]
    assert "/" in open_to_all
    for path in open_to_all:
        assert "Content-Security-Policy" in client.get(path).headers, path


def test_json_and_files_carry_none_of_the_weight_of_pages(client: FlaskClient) -> None:
    for path in ("/api/products", "/api/nothing-here", "/health", "/static/duka.css"):
        assert "Content-Security-Policy" not in client.get(path).headers


def test_a_page_that_came_safely_must_come_safely_again(client: FlaskClient) -> None:
    assert "Strict-Transport-Security" not in client.get("/").headers
    answer = client.get("/", base_url="https://shop.example")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


# --- what browsers report


def test_what_a_browser_reports_is_logged_without_secrets(
    client: FlaskClient, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    answer = client.post("/csp-reports", json=REPORT, headers={"Content-Type": "application/csp-report"})
    assert answer.status_code == 204
    line = next(line for line in log_lines() if line["event"] == "page broke its policy")
    assert line["page"] == "http://shop.example/reset-password"
    assert line["directive"] == "script-src-elem"
    assert line["blocked"] == "https://evil.example/x.js"
    assert "secret" not in str(line)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"csp-report": 1}', b'{"csp-report": {}}'])
def test_what_is_no_report_is_refused(client: FlaskClient, body: bytes) -> None:
    assert client.post("/csp-reports", data=body).status_code == 400


def test_a_report_is_short(client: FlaskClient) -> None:
    assert client.post("/csp-reports", data=b" " * 20_000).status_code == 413


def test_a_browser_that_reports_without_end_is_not_listened_to(limited_client: FlaskClient) -> None:
    statuses = [limited_client.post("/csp-reports", data=b"{").status_code for _ in range(31)]
    assert statuses == [400] * 30 + [429]


# --- size


def test_a_page_comes_compressed_to_who_can_read_it(client: FlaskClient) -> None:
    packed = client.get("/design", headers={"Accept-Encoding": "gzip, br"})
    plain = client.get("/design")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert len(packed.data) < len(plain.data) / 2
    assert b"What pages are made of" in gzip.decompress(packed.data)


def test_the_size_of_a_page_does_not_tell_what_it_holds(client: FlaskClient) -> None:
    sizes = {len(client.get("/design", headers={"Accept-Encoding": "gzip"}).data) for _ in range(12)}
    assert len(sizes) > 4


def test_answers_of_the_api_go_out_as_they_are(client: FlaskClient) -> None:
    assert "Content-Encoding" not in client.get("/openapi.json", headers={"Accept-Encoding": "gzip"}).headers


# --- files


def address_of(client: FlaskClient, name: str) -> str:
    return next(found for found in re.findall(r'(?:href|src)="([^"]+)"', client.get("/").text) if name in found)


def test_a_file_is_kept_for_a_year_under_an_address_that_its_content_makes(client: FlaskClient) -> None:
    address = address_of(client, "duka.css")
    answer = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == (config.ROOT / "static" / "duka.css").read_bytes()
    assert client.get("/static/duka.css?v=0123").headers["Cache-Control"] == "public, max-age=3600"


def test_a_file_that_the_browser_has_is_not_sent_again(client: FlaskClient) -> None:
    headers = {"Accept-Encoding": "gzip"}
    tag = client.get("/static/duka.css", headers=headers).headers["ETag"]
    again = client.get("/static/duka.css", headers={**headers, "If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/static/none.css", "/static/../config.py", "/static/vendor", "/static/%2e%2e/app.py"]
)
def test_what_is_not_under_static_is_not_found(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"Accept-Encoding": "gzip"}).status_code == 404


def test_no_script_keeps_the_page_waiting(client: FlaskClient) -> None:
    for path in ("/", "/design", "/docs"):
        for tag, attributes in Html(client.get(path).text).found:
            assert tag != "script" or "defer" in attributes or attributes.get("type") == "module", path


# --- colours


def test_the_chosen_colours_come_back_with_every_page(client: FlaskClient) -> None:
    assert "data-theme" not in client.get("/").text
    answer = client.post("/appearance", data={"theme": "dark", "next": "/design?x=1"}, headers=csrf_headers(client))
    assert (answer.status_code, answer.location) == (303, "/design?x=1")
    assert '<html lang="en-KE" data-theme="dark">' in client.get("/").text
    client.post("/appearance", data={"theme": "auto", "next": "/"}, headers=csrf_headers(client))
    assert "data-theme" not in client.get("/").text


def test_colours_that_nobody_offers_are_refused_and_never_shown(client: FlaskClient) -> None:
    answer = client.post("/appearance", data={"theme": '"><script>'}, headers=csrf_headers(client))
    assert answer.status_code == 422
    client.set_cookie("theme", '"><script>')
    assert "data-theme" not in client.get("/").text


@pytest.mark.parametrize(
    "next_address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example",
        "javascript:alert(1)",
        "",
        "\n/x",
    ],
)
def test_the_way_back_leads_to_the_shop_only(client: FlaskClient, next_address: str) -> None:
    answer = client.post("/appearance", data={"theme": "dark", "next": next_address}, headers=csrf_headers(client))
    assert answer.location == "/"


# --- filters


def test_money_is_written_as_people_in_kenya_do() -> None:
    assert pages.money(Decimal("1499")) == "KSh\N{NO-BREAK SPACE}1,499.00"


def test_times_are_those_of_nairobi() -> None:
    evening = datetime.fromisoformat("2026-11-20T21:05:00")
    assert (pages.when(evening), pages.when_date(evening)) == ("21 Nov 2026, 00:05", "21 Nov 2026")


# --- errors


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFound(what="product"), "The search above knows"),
        (Forbidden(permission="orders:manage"), "log in with another account"),
        (web.TooManyRequests(), "Wait a minute"),
        (ShopError(), "our fault, not yours"),
    ],
)
def test_an_error_is_a_page_that_says_what_to_do_next(app: APIFlask, error: ShopError, said: str) -> None:
    with app.test_request_context("/"):
        app.preprocess_request()
        answer = web.problem(error)
    page = Html(answer.get_data(as_text=True))
    assert answer.status_code == error.status
    assert said in page.words
    assert page.tags("form", role="search")
    assert page.tags("a", href="/", **{"class": "button"})
