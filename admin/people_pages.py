"""Accounts on the desk: customers and staff found, changed, shut out, and taken out for good."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import Response, flash, render_template, request
from pydantic import StringConstraints

from admin import desk, people_csv
from auth import admin_schemas, role_services, user_services
from auth.decorators import current_user, permission_required
from orders import reading_services
from orders import schemas as order_schemas
from utils import downloads, forms, redirects
from utils.errors import EmailTaken, Forbidden, LastAdmin, OrdersOpen, UsernameTaken

bp = desk.blueprint("people", __name__)

MANAGES = permission_required("users:manage")
SHOWN = 30
SORTS = {"newest": "Newest first", "oldest": "Oldest first", "name": "By name"}
ORDERS_SHOWN = 10
NAMED = {
    UsernameTaken: "username",
    EmailTaken: "email",
    Forbidden: forms.WHOLE,
    LastAdmin: forms.WHOLE,
    OrdersOpen: forms.WHOLE,
}


class PeoplePage(desk.Query):
    """How accounts are looked for: `q` is an e-mail address, a phone number, or how a name begins."""

    q: Annotated[str, StringConstraints(max_length=254)] = ""
    role: Annotated[str, StringConstraints(max_length=40)] | None = None
    state: Annotated[Literal["open", "shut out"] | None, desk.one_of(("open", "shut out"))] = None
    sort: Annotated[str | None, desk.one_of(SORTS)] = None

    def wanted(self) -> dict[str, Any]:
        """Return what the services look for; one letter is not looked for yet."""
        disabled = None if self.state is None else self.state == "shut out"
        q = self.q if len(self.q) > 1 else None
        return {"q": q, "role": self.role, "disabled": disabled, "sort": self.sort or "newest"}


class AccountForm(admin_schemas.UserChange):
    """An account as it is changed on the desk: all of it at once."""

    disabled: bool


@bp.get("/people")
@MANAGES
@bp.input(PeoplePage, location="query", arg_name="page")
def list_people(page: PeoplePage) -> str:
    """Show the accounts that were looked for."""
    found = user_services.list_users(**page.wanted(), limit=SHOWN, cursor=page.cursor)
    return render_template(
        "admin/people.html",
        page=page,
        people=found.items,
        next_cursor=found.next_cursor,
        roles=_role_names(),
        sorts=SORTS,
    )


@bp.get("/people.csv")
@MANAGES
@bp.input(PeoplePage, location="query", arg_name="page")
def export_people(page: PeoplePage) -> Response:
    """Write the accounts that were looked for as CSV, all of them."""
    return downloads.csv_file("people.csv", lambda: people_csv.write_people(**page.wanted()))


@bp.get("/people/<int:user_id>")
@MANAGES
def show_person(user_id: int) -> Response:
    """Show an account, with its last orders."""
    return _show_person(user_id, {})


def _show_person(user_id: int, errors: forms.Errors) -> Response:
    orders: list[order_schemas.Order] = []
    if current_user().may("orders:read"):
        query = order_schemas.OrderQuery(limit=ORDERS_SHOWN)
        orders = reading_services.list_orders(query=query, user_id=user_id).items
    return forms.show(
        "admin/person.html",
        errors,
        person=user_services.get_user(user_id=user_id),
        role_choices=[(name, name) for name in _role_names()],
        orders=orders,
    )


@bp.post("/people/<int:user_id>")
@MANAGES
def change_person(user_id: int) -> Response:
    """Change somebody's name, addresses and role, or shut them out."""
    change, errors = forms.parse(AccountForm)
    if change is not None:
        with forms.noting(errors, NAMED):
            user_services.change_user(actor=current_user(), user_id=user_id, changes=change.changes())
            flash("Saved.", "good")
            return redirects.to(request.path)
    return _show_person(user_id, errors)


@bp.post("/people/<int:user_id>/totp/end")
@MANAGES
def reset_totp(user_id: int) -> Response:
    """Take the second factor from somebody who has lost it."""
    errors: forms.Errors = {}
    with forms.noting(errors, NAMED):
        user_services.reset_totp(actor=current_user(), user_id=user_id)
        flash("They log in without a second factor until they set one up again.", "good")
        return redirects.to(f"/admin/people/{user_id}")
    return _show_person(user_id, errors)


@bp.post("/people/<int:user_id>/delete")
@MANAGES
def delete_person(user_id: int) -> Response:
    """Take the person out of an account, for good; its orders stay, without a name."""
    errors: forms.Errors = {}
    with forms.noting(errors, NAMED):
        user_services.anonymise_user(actor=current_user(), user_id=user_id)
        flash("The person is taken out; the orders stay.", "good")
        return redirects.to("/admin/people")
    return _show_person(user_id, errors)


def _role_names() -> list[str]:
    return [role["name"] for role in role_services.list_roles()]
