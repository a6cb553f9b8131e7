"""Whatever somebody puts into an address or a form of the desk: an answer, never a stack trace."""

from __future__ import annotations

import re

from apiflask import APIFlask
from flask.testing import FlaskClient

from tests.api.test_bad_input import POISONED_WORDS
from tests.test_matrix import set_scene
from tests.walk import endpoints_of

WORDS = [*POISONED_WORDS, "9999-12-31", "0001-01-01", "2026-02-30", "=1+1", "<script>alert(1)</script>", "💣,💣"]
FORM = re.compile(r'<form method="post" action="(/admin[^"]*)".*?</form>', re.S)
NAME = re.compile(r'<(?:input|select|textarea|button)[^>]*? name="([^"]+)"')
FINAL = ("/delete", "/cancel", "/revoke", "/end")  # they would take away what the next words are tried on
ANSWERS = {200, 303, 400, 404, 409, 413, 422}


def test_no_address_of_the_desk_breaks_a_page(app: APIFlask, client: FlaskClient) -> None:
    scene, wrong, sent = set_scene(client), [], 0
    for endpoint in endpoints_of(app, under="/admin"):
        for field in endpoint.query.model_fields if endpoint.query is not None else ():
            for word in WORDS:
                answer = client.get(
                    scene.path(endpoint), query_string={field: word}, headers=scene.headers["admin"], buffered=True
                )
                sent += 1
                if answer.status_code not in ANSWERS:
                    wrong.append((endpoint.name, field, word[:30], answer.status_code))
    assert sent > 500
    assert wrong == []


def test_no_form_of_the_desk_breaks_on_what_was_typed(app: APIFlask, client: FlaskClient) -> None:
    scene, wrong, sent = set_scene(client), [], 0
    headers = scene.headers["admin"]
    found: dict[str, set[str]] = {}
    for endpoint in endpoints_of(app, under="/admin"):
        if endpoint.method == "GET":
            text = client.get(scene.path(endpoint), headers=headers, buffered=True).text
            for form in FORM.finditer(text):
                found.setdefault(form[1], set()).update(NAME.findall(form[0]))
    assert len(found) > 15
    for action, names in found.items():
        for field in sorted(names - {"csrf_token"}) if not action.endswith(FINAL) else ():
            for word in WORDS:
                typed = dict.fromkeys(names, "1") | {field: word}
                status = client.post(action, data=typed, headers=headers).status_code
                sent += 1
                if status not in ANSWERS:
                    wrong.append((action, field, word[:30], status))
    assert sent > 500
    assert wrong == []
