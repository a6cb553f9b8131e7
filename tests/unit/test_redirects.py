"""Who must log in comes back to where he was, and to nobody else's site."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask

from utils import redirects


@pytest.mark.parametrize(
    ("method", "path", "came_from", "comes_back_to"),
    [
        ("GET", "/orders?status=paid&x=%2F%2Fevil", None, "/orders?status=paid&x=%2F%2Fevil"),
        ("GET", "/orders/caf%C3%A9", None, "/orders/caf%C3%A9"),
        ("POST", "/cart/checkout", "http://shop.example/cart?step=2", "/cart?step=2"),
        ("POST", "/cart/checkout", "http://evil.example/cart", "/"),
        ("POST", "/cart/checkout", None, "/"),
    ],
)
def test_who_must_log_in_comes_back_to_the_page(
    method: str, path: str, came_from: str | None, comes_back_to: str
) -> None:
    headers = {"Referer": came_from} if came_from else {}
    path, _, query = path.partition("?")
    with Flask(__name__).test_request_context(
        path, method=method, query_string=query, base_url="http://shop.example", headers=headers
    ):
        answer = redirects.to_log_in()
    assert answer.status_code == 303
    target = urlsplit(answer.headers["Location"])
    assert (target.netloc, target.path) == ("", "/login")
    assert parse_qs(target.query) == {"next": [comes_back_to]}


@pytest.mark.parametrize(
    ("page", "comes_back_to"),
    [("http://shop.example/admin/orders?q=KX", "/admin/orders?q=KX"), ("http://evil.example/admin/orders", "/")],
)
def test_a_script_that_wants_a_piece_of_a_page_is_told_to_leave_it(page: str, comes_back_to: str) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": page}
    with Flask(__name__).test_request_context("/admin/orders/piece", base_url="http://shop.example", headers=headers):
        answer = redirects.to_log_in()
    assert (answer.status_code, answer.headers.get("Location")) == (200, None)
    target = urlsplit(answer.headers["HX-Redirect"])
    assert (target.netloc, target.path, parse_qs(target.query)) == ("", "/login", {"next": [comes_back_to]})
