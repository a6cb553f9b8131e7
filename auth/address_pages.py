"""Pages of one's own address book."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, flash

from auth import address_services
from auth.address_schemas import AddressIn
from auth.decorators import current_user, login_required
from utils import counties, db, forms, redirects
from utils.errors import TooManyAddresses

bp = APIBlueprint("address_pages", __name__, url_prefix="/account/addresses", enable_openapi=False)

COUNTIES = [("", "Choose …"), *((county, county) for county in sorted(counties.COUNTIES))]


def _show_address(errors: forms.Errors, address: db.Row | None = None) -> Response:
    return forms.show("account/address.html", errors, address=address, counties=COUNTIES)


def _back(said: str) -> Response:
    flash(said, "good")
    return redirects.to_page("address_pages.list_addresses")


@bp.get("")
@login_required
def list_addresses() -> Response:
    """Show the book."""
    addresses = address_services.list_addresses(user_id=current_user().id)
    return forms.show("account/addresses.html", {}, addresses=addresses, most=address_services.MOST_ADDRESSES)


@bp.get("/new")
@login_required
def show_new() -> Response:
    """Ask for a new address."""
    return _show_address({})


@bp.post("")
@login_required
def create_address() -> Response:
    """Save a new address."""
    form, errors = forms.parse(AddressIn)
    if form is not None:
        with forms.noting(errors, {TooManyAddresses: forms.WHOLE}):
            address_services.create_address(user_id=current_user().id, **form.model_dump())
            return _back("Saved.")
    return _show_address(errors)


@bp.get("/<int:address_id>")
@login_required
def show_address(address_id: int) -> Response:
    """Show an address, to be changed."""
    return _show_address({}, address_services.get_address(user_id=current_user().id, address_id=address_id))


@bp.post("/<int:address_id>")
@login_required
def change_address(address_id: int) -> Response:
    """Change an address."""
    user_id = current_user().id
    address = address_services.get_address(user_id=user_id, address_id=address_id)
    form, errors = forms.parse(AddressIn)
    if form is None:
        return _show_address(errors, address)
    changes = form.model_dump(exclude=set() if form.is_default else {"is_default"})
    address_services.change_address(user_id=user_id, address_id=address_id, changes=changes)
    return _back("Saved.")


@bp.post("/<int:address_id>/default")
@login_required
def make_default(address_id: int) -> Response:
    """Make an address the one that is offered first."""
    changes = {"is_default": True}
    address_services.change_address(user_id=current_user().id, address_id=address_id, changes=changes)
    return _back("That address is offered first from now on.")


@bp.post("/<int:address_id>/delete")
@login_required
def delete_address(address_id: int) -> Response:
    """Delete an address."""
    address_services.delete_address(user_id=current_user().id, address_id=address_id)
    return _back("Deleted. Past orders keep the address that they went to.")
