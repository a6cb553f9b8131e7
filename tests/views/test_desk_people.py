"""Accounts, roles, the audit log and keys on the desk."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from auth import role_services, user_services
from tests.api.test_roles import actor_of
from tests.factories import User, make_order, make_product, make_user
from tests.views.desk import Desk
from utils import clock


@pytest.fixture
def desk(client: FlaskClient) -> Desk:
    return Desk(client, "admin")


@pytest.fixture
def wanjiru(desk: Desk) -> User:
    return make_user(username="wanjiru", phone_number="254712345678")


# --- people


def test_people_are_found_by_what_is_known_of_them(desk: Desk, wanjiru: User) -> None:
    make_user(username="otieno")
    for q in ("wanj", "wanjiru@example.com", "0712345678"):
        desk.open(f"/admin/people?q={q}&role=customer&state=open")
        assert ("wanjiru" in desk.page.text, "otieno" in desk.page.text) == (True, False), q
    assert "Nobody fits" in desk.open("/admin/people?q=wanj&state=shut+out").text


def test_people_are_sorted_and_exported_as_they_are_listed(
    desk: Desk, wanjiru: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.people_csv.AT_A_TIME", 1)
    names = ["wanjiru", *(make_user(username=name).username for name in ("otieno", "akinyi"))]
    for sort, order in {"": names[::-1], "oldest": names, "name": sorted(names), "sideways": names[::-1]}.items():
        listed = desk.open(f"/admin/people?role=customer&sort={sort}").text
        assert sorted(names, key=lambda name: listed.index(f">{name}</a>")) == order, sort
        answer = desk.client.get(f"/admin/people.csv?role=customer&sort={sort}")
        assert [row["username"] for row in csv.DictReader(io.StringIO(answer.text))] == order, sort
        assert f"/admin/people.csv?role=customer&amp;sort={sort}".removesuffix("&amp;sort=") in listed


def test_an_export_of_people_holds_what_the_list_shows_and_no_secret(desk: Desk, wanjiru: User) -> None:
    make_user(username="=1+1")
    answer = desk.client.get("/admin/people.csv?role=customer&sort=oldest")
    assert (answer.content_type, answer.headers["Cache-Control"]) == ("text/csv; charset=utf-8", "no-store")
    first, second = csv.DictReader(io.StringIO(answer.text))
    since = first.pop("since")
    assert clock.iso(user_services.get_user(user_id=wanjiru.id)["created_at"]) == since
    assert first == {
        "id": str(wanjiru.id),
        "username": "wanjiru",
        "email": "wanjiru@example.com",
        "phone": "254712345678",
        "role": "customer",
        "shut_out": "no",
        "taken_out": "no",
    }
    assert second["username"] == "'=1+1"


def test_an_account_is_shown_with_its_orders_and_changed(desk: Desk, wanjiru: User) -> None:
    order = make_order(wanjiru, (make_product().variant, 1))
    assert order.number in desk.open(f"/admin/people/{wanjiru.id}").text
    desk.send(f"/admin/people/{wanjiru.id}", role="support", disabled="false")
    assert "Saved." in desk.page.text
    assert user_services.get_user(user_id=wanjiru.id)["role"] == "support"


def test_what_is_wrong_with_an_account_stands_beside_its_field(desk: Desk, wanjiru: User) -> None:
    page = f"/admin/people/{wanjiru.id}"
    for typed, field in (({"email": "nonsense"}, "email"), ({"username": desk.user.username}, "username")):
        answer = desk.post(page, page, role="customer", disabled="false", **typed)
        assert (answer.status_code, f'id="{field}-wrong"' in answer.text) == (422, True), typed
    assert user_services.get_user(user_id=wanjiru.id)["username"] == "wanjiru"


def test_somebody_is_shut_out_and_let_in_again(desk: Desk, wanjiru: User) -> None:
    for disabled in ("true", "false"):
        desk.open(f"/admin/people/{wanjiru.id}")
        desk.send(f"/admin/people/{wanjiru.id}", role="customer", disabled=disabled)
        assert bool(user_services.get_user(user_id=wanjiru.id)["disabled"]) == (disabled == "true")


def test_the_last_admin_stays_one(desk: Desk) -> None:
    page = f"/admin/people/{desk.user.id}"
    answer = desk.post(page, page, role="customer", disabled="false")
    assert (answer.status_code, "Nobody would be left who may do everything." in answer.text) == (422, True)


def test_a_person_is_taken_out_but_not_while_orders_are_under_way(desk: Desk, wanjiru: User) -> None:
    busy = make_user()
    make_order(busy, (make_product().variant, 1))
    refused = desk.post(f"/admin/people/{busy.id}", f"/admin/people/{busy.id}/delete")
    assert (refused.status_code, "There are orders under way." in refused.text) == (422, True)
    desk.open(f"/admin/people/{wanjiru.id}")
    desk.send(f"/admin/people/{wanjiru.id}/delete")
    assert "The person is taken out" in desk.page.text
    assert "taken out" in desk.open(f"/admin/people/{wanjiru.id}").text


def test_a_second_factor_is_taken_away_but_not_ones_own(desk: Desk, wanjiru: User) -> None:
    desk.open(f"/admin/people/{wanjiru.id}")
    desk.send(f"/admin/people/{wanjiru.id}/totp/end")
    assert "without a second factor" in desk.page.text
    own = f"/admin/people/{desk.user.id}"
    assert desk.post(own, f"{own}/totp/end").status_code == 422


# --- roles


def test_a_role_is_made_changed_and_deleted(desk: Desk) -> None:
    desk.open("/admin/roles")
    desk.send("/admin/roles", name="packer", description="Packs parcels", permissions="orders:read")
    assert "There is a role packer now." in desk.page.text
    form = desk.page.form_to("/admin/roles/packer")
    wanted = {"csrf_token": form.fields["csrf_token"], "name": "packer", "description": "Packs and sends"}
    desk.client.post("/admin/roles/packer", data={**wanted, "permissions": ["orders:read", "orders:manage"]})
    assert role_services.get_role(name="packer")["permissions"] == ["orders:manage", "orders:read"]
    desk.client.post("/admin/roles/packer", data=wanted)
    assert role_services.get_role(name="packer")["permissions"] == []
    desk.open("/admin/roles/packer")
    desk.send("/admin/roles/packer/delete")
    assert "The role packer is gone." in desk.page.text


def test_what_stands_against_a_role_is_told(desk: Desk) -> None:
    taken = desk.post("/admin/roles", "/admin/roles", name="manager")
    assert (taken.status_code, 'id="name-wrong"' in taken.text) == (422, True)
    bad = desk.post("/admin/roles", "/admin/roles", name="Not A Name")
    assert (bad.status_code, 'id="name-wrong"' in bad.text) == (422, True)
    role_services.create_role(actor=actor_of(desk.user), name="packer", description="", permissions=[])
    make_user(role="packer")
    used = desk.post("/admin/roles/packer", "/admin/roles/packer/delete")
    assert (used.status_code, "Accounts have this role." in used.text) == (422, True)


def test_the_role_admin_is_saved_as_it_is(desk: Desk) -> None:
    before = role_services.get_role(name="admin")
    form = desk.open("/admin/roles/admin") and desk.page.form_to("/admin/roles/admin")
    held = re.findall(r'name="permissions" value="([^"]+)"', desk.answer.text)
    answer = desk.client.post("/admin/roles/admin", data={**form.fields, "permissions": held, "description": "All"})
    assert answer.status_code == 303
    assert role_services.get_role(name="admin") == before | {"description": "All"}
    desk.client.post(
        "/admin/roles/admin", data={**form.fields, "permissions": held, "description": before["description"]}
    )


def test_a_permission_is_made_and_deleted(desk: Desk) -> None:
    desk.open("/admin/roles")
    desk.send("/admin/permissions", permission="counter:sell", description="Sell at the counter")
    assert "counter:sell" in desk.page.text
    again = desk.post("/admin/roles", "/admin/permissions", permission="counter:sell")
    assert (again.status_code, 'id="permission-wrong"' in again.text) == (422, True)
    desk.open("/admin/roles")
    desk.send("/admin/permissions/counter:sell/delete")
    assert "The permission counter:sell is gone." in desk.page.text


# --- the audit log


def test_the_log_is_found_by_who_what_and_when_and_exported(
    desk: Desk, wanjiru: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.audit_services.AT_A_TIME", 1)
    for disabled in ("true", "false"):
        desk.open(f"/admin/people/{wanjiru.id}")
        desk.send(f"/admin/people/{wanjiru.id}", role="customer", disabled=disabled)
    found = desk.open(f"/admin/audit-log?actor={desk.user.username}&target=user:{wanjiru.id}&since=2000-01-01").text
    assert found.count("user.changed</a>") == 2
    for nothing in ("actor=nobody-at-all", "until=2000-01-01", "action=order.eaten"):
        assert "Nothing fits" in desk.open(f"/admin/audit-log?{nothing}").text
    rows = list(csv.DictReader(io.StringIO(desk.client.get("/admin/audit-log.csv?action=user.changed").text)))
    assert [row["actor"] for row in rows] == [desk.user.username] * 2


def test_the_log_is_read_either_way(desk: Desk, wanjiru: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin.audit_services.AT_A_TIME", 1)
    monkeypatch.setattr("admin.audit_pages.SHOWN", 1)
    for role in ("support", "customer"):
        desk.open(f"/admin/people/{wanjiru.id}")
        desk.send(f"/admin/people/{wanjiru.id}", role=role, disabled="false")
    for sort, first in {"": "role: customer", "oldest": "role: support"}.items():
        shown = desk.open(f"/admin/audit-log?target=user:{wanjiru.id}&sort={sort}").text
        after = shown.partition("<tbody>")[2].partition("</tbody>")[0].rpartition("<pre")[2]
        assert first in after, sort
        rows = csv.DictReader(
            io.StringIO(desk.client.get(f"/admin/audit-log.csv?action=user.changed&sort={sort}").text)
        )
        ids = [int(row["id"]) for row in rows]
        assert (len(ids), ids) == (2, sorted(ids, reverse=not sort)), sort


# --- keys


def test_a_key_is_shown_once_and_revoked(desk: Desk) -> None:
    answer = desk.post("/admin/api-keys", "/admin/api-keys", name="till", scopes="orders:read", last_day="2099-12-31")
    key = re.search(r"duka_\d+_[\w-]{43}", answer.text)
    assert key is not None
    headers = {"X-API-Key": key[0]}
    assert desk.client.application.test_client().get("/api/orders", headers=headers).status_code == 200
    shown = desk.open("/admin/api-keys").text
    assert key[0] not in shown
    assert "till" in shown
    desk.send(f"/admin/api-keys/{key[0].split('_')[1]}/revoke")
    assert desk.client.application.test_client().get("/api/orders", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"scopes": ""}, "scopes"),
        ({"name": ""}, "name"),
        ({"last_day": "2001-01-01"}, "last_day"),
        ({"last_day": "soon"}, "last_day"),
    ],
)
def test_a_key_that_cannot_be_is_told_beside_its_field(desk: Desk, typed: dict[str, str], field: str) -> None:
    good = {"name": "till", "scopes": "orders:read", "last_day": ""}
    answer = desk.post("/admin/api-keys", "/admin/api-keys", **{**good, **typed})
    assert (answer.status_code, f'id="{field}-wrong"' in answer.text) == (422, True)


def test_each_reader_sees_the_sections_that_he_may_go_to(client: FlaskClient) -> None:
    wanted = {
        "support": ["Orders", "Payments", "Money without a home", "Refunds", "To review", "API keys"],
        "manager": ["Dashboard", "Orders", "Products", "Payments", "Money without a home", "Refunds", "To review",
                    "Audit log", "API keys"],
    }  # fmt: skip
    for role, sections in wanted.items():
        text = Desk(client, role).open("/admin/orders").text
        nav = text.partition('class="desk-nav"')[2].partition("</nav>")[0]
        assert re.findall(r">([^<>]+)</a>", nav) == sections


def test_the_lists_cost_the_same_however_long(desk: Desk, wanjiru: User, count_statements: Callable[..., int]) -> None:
    counts = {}
    for path in ("/admin/people", "/admin/people.csv", "/admin/roles", "/admin/audit-log", "/admin/api-keys"):
        counts[path] = count_statements(lambda path=path: desk.client.get(path).text)
    assert counts == {
        "/admin/people": 4,
        "/admin/people.csv": 2,
        "/admin/roles": 4,
        "/admin/audit-log": 3,
        "/admin/api-keys": 3,
    }
