"""Roles and permissions over HTTP: who may change what anybody may do, and how far."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from auth import role_services, session_services, user_services
from auth.session_services import CurrentUser
from tests.factories import User, make_user
from tests.logins import Headers, log_in
from tests.threads import at_once
from utils.errors import Forbidden, LastAdmin, RoleTaken

PACKER = {"name": "packer", "description": "Packs parcels", "permissions": ["orders:manage", "orders:read"]}


@pytest.fixture
def admin(app: APIFlask) -> User:
    return make_user(role="admin")


@pytest.fixture
def boss(client: FlaskClient, admin: User) -> Headers:
    return log_in(client, admin)


@pytest.fixture
def clerk(client: FlaskClient, boss: Headers) -> Headers:
    """Somebody who manages accounts and sees orders, and no more."""
    role = {"name": "clerk", "permissions": ["orders:read", "users:manage"]}
    assert client.post("/api/roles", json=role, headers=boss).status_code == 201
    return log_in(client, make_user(role="clerk"))


def actor_of(user: User) -> CurrentUser:
    opened = session_services.open_session(user_id=user.id, device="", address="")
    return session_services.get_current_user(user_id=user.id, session_id=opened["session_id"])


def told(answer: Any) -> tuple[int, object]:
    return answer.status_code, answer.get_json()["code"]


# --- roles


def test_the_shop_comes_with_four_roles(client: FlaskClient, boss: Headers) -> None:
    roles = {role["name"]: role for role in client.get("/api/roles", headers=boss).get_json()["items"]}
    assert list(roles) == ["customer", "support", "manager", "admin"]
    assert all(role["built_in"] for role in roles.values())
    assert roles["customer"]["permissions"] == []
    assert roles["admin"]["user_count"] == 1
    every = [permission["name"] for permission in client.get("/api/permissions", headers=boss).get_json()["items"]]
    assert roles["admin"]["permissions"] == every
    assert set(every) - set(roles["manager"]["permissions"]) == {"users:manage"}


def test_a_role_is_made_changed_given_and_deleted(client: FlaskClient, boss: Headers) -> None:
    made = client.post("/api/roles", json=PACKER, headers=boss)
    assert (made.status_code, made.get_json()) == (201, {**PACKER, "built_in": False, "user_count": 0})
    user = make_user()
    theirs = log_in(client, user)
    assert client.put(f"/api/users/{user.id}", json={"role": "packer"}, headers=boss).get_json()["role"] == "packer"
    assert client.get("/api/profile", headers=theirs).get_json()["permissions"] == PACKER["permissions"]

    change = {"name": "sender", "permissions": ["orders:read"]}
    changed = client.put("/api/roles/packer", json=change, headers=boss).get_json()
    assert changed == {**PACKER, **change, "built_in": False, "user_count": 1}
    assert client.get("/api/profile", headers=theirs).get_json()["permissions"] == ["orders:read"]
    assert client.get("/api/roles/packer", headers=boss).status_code == 404

    assert told(client.delete("/api/roles/sender", headers=boss)) == (409, "role_in_use")
    client.put(f"/api/users/{user.id}", json={"role": "customer"}, headers=boss)
    assert client.delete("/api/roles/sender", headers=boss).status_code == 204
    assert client.delete("/api/roles/sender", headers=boss).status_code == 404


def test_a_name_is_taken_once_whatever_its_case_and_a_repeated_post_changes_nothing(
    client: FlaskClient, boss: Headers
) -> None:
    assert client.post("/api/roles", json=PACKER, headers=boss).status_code == 201
    assert told(client.post("/api/roles", json=PACKER, headers=boss)) == (409, "role_taken")
    assert told(client.put("/api/roles/packer", json={"name": "manager"}, headers=boss)) == (409, "role_taken")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**PACKER, "name": "Packer"}, "name"),
        ({**PACKER, "name": "p"}, "name"),
        ({"permissions": []}, "name"),
        ({**PACKER, "permissions": ["orders"]}, "permissions"),
        ({**PACKER, "description": "a\nb"}, "description"),
        ({**PACKER, "built_in": True}, "built_in"),
    ],
)
def test_a_role_that_cannot_be_is_refused(client: FlaskClient, boss: Headers, body: dict[str, Any], field: str) -> None:
    answer = client.post("/api/roles", json=body, headers=boss)
    assert told(answer) == (422, "invalid_fields")
    assert answer.get_json()["errors"][0]["field"].startswith(field)


def test_built_in_roles_keep_their_names_and_stay(client: FlaskClient, boss: Headers) -> None:
    assert told(client.put("/api/roles/support", json={"name": "helper"}, headers=boss)) == (409, "built_in")
    assert told(client.delete("/api/roles/support", headers=boss)) == (409, "built_in")
    assert client.put("/api/roles/support", json={"description": "Listens"}, headers=boss).status_code == 200


@pytest.mark.parametrize("spelled", ["admin", "ADMIN", "ädmin"])
def test_the_role_admin_holds_everything_however_it_is_spelled(
    client: FlaskClient, boss: Headers, spelled: str
) -> None:
    less = {"permissions": ["users:manage"]}
    assert told(client.put(f"/api/roles/{spelled}", json=less, headers=boss)) == (409, "built_in")


# --- nobody grants more than they hold


def test_nobody_makes_a_role_that_may_do_more_than_they(client: FlaskClient, clerk: Headers) -> None:
    answer = client.post("/api/roles", json=PACKER, headers=clerk)
    assert told(answer) == (403, "forbidden")
    assert answer.get_json()["data"] == {"permission": "orders:manage"}
    fine = {"name": "viewer", "permissions": ["orders:read"]}
    assert client.post("/api/roles", json=fine, headers=clerk).status_code == 201


def test_nobody_gives_a_role_what_they_do_not_hold_nor_takes_it_from_one(client: FlaskClient, clerk: Headers) -> None:
    grown = {"permissions": ["orders:read", "payments:read", "payments:refund"]}
    assert told(client.put("/api/roles/support", json=grown, headers=clerk)) == (403, "forbidden")
    assert told(client.put("/api/roles/manager", json={"permissions": []}, headers=clerk)) == (403, "forbidden")
    grown_self = {"permissions": ["orders:read", "users:manage", "payments:refund"]}
    assert told(client.put("/api/roles/clerk", json=grown_self, headers=clerk)) == (403, "forbidden")


def test_nobody_gives_a_user_a_role_that_may_do_more_than_they(client: FlaskClient, clerk: Headers) -> None:
    user = make_user()
    for role in ("admin", "manager", "support"):
        answer = client.put(f"/api/users/{user.id}", json={"role": role}, headers=clerk)
        assert told(answer) == (403, "forbidden"), role
    assert client.get(f"/api/users/{user.id}", headers=clerk).get_json()["role"] == "customer"


def test_nobody_touches_an_account_that_may_do_more_than_they(client: FlaskClient, admin: User, clerk: Headers) -> None:
    for change in ({"email": "mine@example.com"}, {"role": "customer"}, {"disabled": True}):
        assert told(client.put(f"/api/users/{admin.id}", json=change, headers=clerk)) == (403, "forbidden"), change
    assert told(client.delete(f"/api/users/{admin.id}", headers=clerk)) == (403, "forbidden")


def test_powers_that_were_taken_a_moment_ago_count_no_more(app: APIFlask, admin: User) -> None:
    other = make_user(role="admin")
    stale = actor_of(other)
    user_services.change_user(actor=actor_of(admin), user_id=other.id, changes={"role": "customer"})
    with pytest.raises(Forbidden):
        role_services.create_role(actor=stale, name="mine", description="", permissions=["payments:refund"])


@pytest.mark.parametrize("role", ["customer", "support", "manager"])
def test_roles_and_permissions_are_for_those_who_manage_accounts(client: FlaskClient, role: str) -> None:
    theirs = log_in(client, make_user(role=role))
    for method, path in [
        ("GET", "/api/roles"),
        ("GET", "/api/roles/admin"),
        ("POST", "/api/roles"),
        ("PUT", "/api/roles/support"),
        ("DELETE", "/api/roles/support"),
        ("GET", "/api/permissions"),
        ("POST", "/api/permissions"),
        ("GET", "/api/users"),
    ]:
        assert client.open(path, method=method, json={}, headers=theirs).status_code == 403, (method, path)


# --- the last admin stays


def test_the_last_admin_stays(client: FlaskClient, admin: User, boss: Headers) -> None:
    here = f"/api/users/{admin.id}"
    assert told(client.put(here, json={"role": "manager"}, headers=boss)) == (409, "last_admin")
    assert told(client.put(here, json={"disabled": True}, headers=boss)) == (409, "last_admin")
    assert told(client.delete(here, headers=boss)) == (409, "last_admin")
    assert client.get("/api/roles", headers=boss).status_code == 200
    make_user(role="admin")
    assert client.put(here, json={"role": "manager"}, headers=boss).status_code == 200


@pytest.mark.parametrize("changes", [{"role": "customer"}, {"disabled": True}])
def test_of_two_admins_who_shut_each_other_out_at_once_one_stays(app: APIFlask, changes: dict[str, Any]) -> None:
    first, second = make_user(role="admin"), make_user(role="admin")
    actors = [actor_of(first), actor_of(second)]
    results = at_once(
        lambda: user_services.change_user(actor=actors[0], user_id=second.id, changes=changes),
        lambda: user_services.change_user(actor=actors[1], user_id=first.id, changes=changes),
    )
    assert [type(result) for result in results if isinstance(result, Exception)] == [Forbidden]
    left = user_services.list_users(q=None, role="admin", disabled=False, sort="newest", limit=10, cursor=None)
    assert len(left.items) == 1


@pytest.mark.parametrize("changes", [{"role": "customer"}, {"disabled": True}, None])
def test_of_two_admins_who_leave_at_once_one_stays(app: APIFlask, changes: dict[str, Any] | None) -> None:
    def leave(user: User, actor: CurrentUser) -> object:
        if changes is None:
            return user_services.anonymise_user(actor=actor, user_id=user.id)
        return user_services.change_user(actor=actor, user_id=user.id, changes=changes)

    first, second = make_user(role="admin"), make_user(role="admin")
    actors = [actor_of(first), actor_of(second)]
    results = at_once(lambda: leave(first, actors[0]), lambda: leave(second, actors[1]))
    assert [type(result) for result in results if isinstance(result, Exception)] == [LastAdmin]


def test_of_many_who_make_one_role_at_once_one_does(app: APIFlask, admin: User) -> None:
    actor = actor_of(admin)
    results = at_once(*[lambda: role_services.create_role(actor=actor, **PACKER) for _ in range(4)])
    assert [type(result) for result in results if isinstance(result, Exception)] == [RoleTaken] * 3


# --- permissions


def test_a_permission_is_made_held_by_admin_described_given_and_deleted(client: FlaskClient, boss: Headers) -> None:
    made = client.post("/api/permissions", json={"name": "counter:sell"}, headers=boss)
    assert (made.status_code, made.get_json()) == (201, {"name": "counter:sell", "description": "", "built_in": False})
    assert told(client.post("/api/permissions", json={"name": "counter:sell"}, headers=boss)) == (
        409,
        "permission_taken",
    )
    assert "counter:sell" in client.get("/api/profile", headers=boss).get_json()["permissions"]
    here = "/api/permissions/counter:sell"
    assert client.put(here, json={"description": "Sells"}, headers=boss).get_json()["description"] == "Sells"
    client.post("/api/roles", json={"name": "seller", "permissions": ["counter:sell"]}, headers=boss)
    assert told(client.delete(here, headers=boss)) == (409, "permission_in_use")
    client.delete("/api/roles/seller", headers=boss)
    assert client.delete(here, headers=boss).status_code == 204
    assert client.delete(here, headers=boss).status_code == 404
    assert told(client.delete("/api/permissions/orders:read", headers=boss)) == (409, "built_in")


def test_an_unknown_permission_cannot_be_given(client: FlaskClient, boss: Headers) -> None:
    answer = client.post("/api/roles", json={"name": "wizard", "permissions": ["spells:cast"]}, headers=boss)
    assert told(answer) == (403, "forbidden")  # nobody holds it


# --- told


def test_changes_of_powers_are_told_in_the_audit_log(client: FlaskClient, boss: Headers) -> None:
    user = make_user()
    client.post("/api/roles", json=PACKER, headers=boss)
    client.put("/api/roles/packer", json={"permissions": ["orders:read"]}, headers=boss)
    change = {"role": "packer", "email": "new@example.com"}
    client.put(f"/api/users/{user.id}", json=change, headers=boss)
    client.put(f"/api/users/{user.id}", json=change, headers=boss)  # changes nothing
    client.put("/api/roles/packer", json={"permissions": ["orders:read"]}, headers=boss)  # nor does this
    client.delete("/api/roles/packer", headers=boss)  # in use: did not happen
    entries = client.get("/api/admin/audit-log", headers=boss).get_json()["items"]
    assert [(entry["action"], entry["target"], entry["before"], entry["after"]) for entry in reversed(entries)] == [
        ("role.created", "role:packer", None, PACKER),
        ("role.changed", "role:packer", {"permissions": PACKER["permissions"]}, {"permissions": ["orders:read"]}),
        ("user.changed", f"user:{user.id}", {"role": "customer"}, {"role": "packer", "changed": ["email"]}),
    ]


def test_statements_of_powers_are_pinned(
    client: FlaskClient, boss: Headers, count_statements: Callable[[Callable[[], Any]], int]
) -> None:
    assert count_statements(lambda: client.get("/api/roles", headers=boss)) == 2
    assert count_statements(lambda: client.get("/api/permissions", headers=boss)) == 2
    assert count_statements(lambda: client.get("/api/users?q=user", headers=boss)) == 2
