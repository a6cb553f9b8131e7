"""One's own picture over HTTP: sent, shown, replaced, taken away."""

from __future__ import annotations

import io
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

import config
from app import HANDLERS
from auth import avatar_services, avatars
from auth.avatar_routes import MOST_BYTES
from tests.factories import User, make_user
from tests.logins import Headers, log_in
from tests.pictures import BLUE, make_lying_png, make_picture, read_picture
from tests.threads import at_once
from utils import db, outbox
from utils.errors import NotFound

HERE = "/api/profile/avatar"


@pytest.fixture
def wanjiku(app: APIFlask) -> User:
    return make_user(username="wanjiku")


@pytest.fixture
def own(client: FlaskClient, wanjiku: User) -> Headers:
    return log_in(client, wanjiku)


def files() -> list[str]:
    return sorted(path.name for path in avatars.folder().glob("*")) if avatars.folder().exists() else []


def put(client: FlaskClient, headers: Headers, data: bytes, kind: str = "image/png") -> Any:
    return client.put(HERE, data=data, content_type=kind, headers=headers)


def in_form(data: bytes) -> bytes:
    head = b'--edge\r\nContent-Disposition: form-data; name="picture"; filename="me.png"\r\n\r\n'
    return head + data + b"\r\n--edge--\r\n"


def show(client: FlaskClient, address: str) -> tuple[int, str, bytes]:
    with client.get(address) as answer:
        return answer.status_code, answer.mimetype, answer.data


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


# --- sent and shown


def test_a_picture_is_shown_square_in_two_sizes(client: FlaskClient, own: Headers) -> None:
    assert client.get("/api/profile", headers=own).get_json()["avatar"] is None
    answer = put(client, own, make_picture("JPEG"), "image/jpeg")
    avatar = answer.get_json()["avatar"]
    assert (answer.status_code, set(avatar)) == (200, {"small", "large"})
    assert client.get("/api/profile", headers=own).get_json()["avatar"] == avatar
    for kind, size in avatars.SIZES.items():
        status, mimetype, data = show(client, avatar[kind])  # to anybody
        assert (status, mimetype) == (200, "image/webp")
        assert read_picture(data).size == (size, size)


def test_a_picture_comes_as_the_file_of_a_form_too(client: FlaskClient, own: Headers) -> None:
    form = {"picture": (io.BytesIO(make_picture("WEBP")), "../../me.svg", "image/svg+xml")}
    answer = client.put(HERE, data=form, content_type="multipart/form-data", headers=own)
    assert answer.status_code == 200
    assert len(files()) == 2


def test_browsers_keep_a_picture_for_good_and_take_it_for_nothing_else(client: FlaskClient, own: Headers) -> None:
    address = put(client, own, make_picture()).get_json()["avatar"]["small"]
    with client.get(address) as shown:
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert set(shown.headers["Cache-Control"].split(", ")) == {"public", "immutable", "max-age=31536000"}
        assert "Set-Cookie" not in shown.headers


@pytest.mark.parametrize(
    "name", ["x", "..%2f..%2fsecrets", "%2e%2e/duka.ini", "a" * 64 + "-95.webp", "a" * 64 + "-96.webp", "." * 64, "\0"]
)
def test_nothing_but_pictures_is_shown(client: FlaskClient, own: Headers, name: str) -> None:
    put(client, own, make_picture())
    (config.current().INSTANCE_DIR / "pictures" / "duka.ini").write_text("secret")
    assert client.get(f"{avatars.ADDRESS}/{name}").status_code == 404


# --- refused


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", (422, "invalid_fields")),
        (b"hello", (415, "unsupported_picture")),
        (b'{"picture": "x"}', (415, "unsupported_picture")),
        (b"<svg/>", (415, "unsupported_picture")),
        (make_picture("GIF"), (415, "unsupported_picture")),
        (make_picture()[:60], (422, "broken_picture")),
        (make_lying_png(50_000, 50_000), (422, "picture_too_large")),
        (make_picture() + b"\0" * MOST_BYTES, (413, "upload_too_large")),
        (make_picture() + b"\0" * 2 * MOST_BYTES, (413, "request_entity_too_large")),
    ],
    ids=["empty", "text", "json", "svg", "gif", "cut", "bomb", "large", "huge"],
)
@pytest.mark.parametrize("as_form", [False, True])
def test_what_cannot_be_a_picture_is_refused_and_changes_nothing(
    client: FlaskClient, own: Headers, data: bytes, refusal: tuple[int, str], as_form: bool
) -> None:
    put(client, own, make_picture())
    before, kept = client.get("/api/profile", headers=own).get_json(), files()
    if as_form:
        answer = put(client, own, in_form(data), "multipart/form-data; boundary=edge")
    else:
        answer = put(client, own, data)
    assert problem(answer) == refusal
    assert (client.get("/api/profile", headers=own).get_json(), files()) == (before, kept)


def test_a_picture_just_below_the_limit_is_taken(client: FlaskClient, own: Headers) -> None:
    data = make_picture()
    assert put(client, own, data + b"\0" * (MOST_BYTES - len(data))).status_code == 200


def test_only_uploads_may_be_larger_than_other_requests(client: FlaskClient, own: Headers) -> None:
    answer = client.put("/api/profile", data=b"x" * 2 * 1024 * 1024, content_type="application/json", headers=own)
    assert answer.status_code == 413


# --- replaced and taken away


def test_the_old_picture_goes_when_the_new_one_stands(client: FlaskClient, own: Headers) -> None:
    old = put(client, own, make_picture()).get_json()["avatar"]
    new = put(client, own, make_picture(colour=BLUE)).get_json()["avatar"]
    assert show(client, old["small"])[0] == 200  # until the worker comes by
    outbox.deliver_due(HANDLERS)
    assert (show(client, old["small"])[0], show(client, new["small"])[0]) == (404, 200)
    assert len(files()) == 2


def test_the_same_picture_sent_again_stays(client: FlaskClient, own: Headers) -> None:
    for _ in range(2):
        avatar = put(client, own, make_picture()).get_json()["avatar"]
        outbox.deliver_due(HANDLERS)
    assert show(client, avatar["large"])[0] == 200
    assert len(files()) == 2


def test_of_many_pictures_at_once_one_stands_and_no_other_file_is_left(
    client: FlaskClient, own: Headers, wanjiku: User
) -> None:
    data = [make_picture(colour=(shade, 0, 0)) for shade in range(0, 250, 50)]
    sent = [lambda picture=picture: avatar_services.set_avatar(user_id=wanjiku.id, picture=picture) for picture in data]
    assert at_once(*sent) == [None] * len(data)
    outbox.deliver_due(HANDLERS)
    avatar = client.get("/api/profile", headers=own).get_json()["avatar"]
    assert sorted(files()) == sorted(address.rpartition("/")[2] for address in avatar.values())


def test_a_picture_is_taken_away(client: FlaskClient, own: Headers) -> None:
    put(client, own, make_picture())
    assert client.delete(HERE, headers=own).status_code == 204
    assert client.delete(HERE, headers=own).status_code == 204
    assert client.get("/api/profile", headers=own).get_json()["avatar"] is None
    for _ in range(2):
        outbox.deliver_due(HANDLERS)
    assert files() == []


def test_a_picture_of_an_account_that_has_just_ended_leaves_no_file(
    client: FlaskClient, own: Headers, wanjiku: User
) -> None:
    client.delete(f"/api/users/{wanjiku.id}", headers=own)
    with pytest.raises(NotFound):
        avatar_services.set_avatar(user_id=wanjiku.id, picture=make_picture())
    assert files() == []


def test_the_picture_goes_with_the_account(client: FlaskClient, own: Headers, wanjiku: User) -> None:
    put(client, own, make_picture())
    assert client.delete(f"/api/users/{wanjiku.id}", headers=own).status_code == 204
    outbox.deliver_due(HANDLERS)
    assert files() == []
    assert db.reading().fetch_value("SELECT avatar FROM users WHERE id = %(id)s", {"id": wanjiku.id}) is None


def test_the_statements_of_each_request(client: FlaskClient, own: Headers, count_statements: Any) -> None:
    assert count_statements(lambda: put(client, own, make_picture())) == 4
    assert count_statements(lambda: put(client, own, make_picture())) == 5
    assert count_statements(lambda: client.delete(HERE, headers=own)) == 4
    assert count_statements(lambda: client.get(f"{avatars.ADDRESS}/{'a' * 64}-96.webp")) == 0
