"""One's own address book over HTTP. Other people's addresses are not there."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from auth import address_services
from auth.address_schemas import AddressChange, AddressIn, AddressList, SavedAddress
from auth.decorators import current_user, login_required
from utils import web

bp = APIBlueprint("addresses", __name__, url_prefix="/api/addresses", tag="Accounts")


@bp.get("")
@login_required
@bp.output(AddressList)
def list_addresses() -> Response:
    """List one's own addresses, the default one first."""
    rows = address_services.list_addresses(user_id=current_user().id)
    return web.answer(AddressList(items=[SavedAddress(**row) for row in rows]))


@bp.post("")
@login_required
@bp.input(AddressIn, location="json", arg_name="body")
@bp.output(SavedAddress, status_code=201)
def create_address(body: AddressIn) -> Response:
    """Save an address; the first one is the default."""
    return web.answer(
        SavedAddress(**address_services.create_address(user_id=current_user().id, **body.model_dump())), 201
    )


@bp.get("/<int:address_id>")
@login_required
@bp.output(SavedAddress)
def get_address(address_id: int) -> Response:
    """Read one of one's own addresses."""
    return web.answer(SavedAddress(**address_services.get_address(user_id=current_user().id, address_id=address_id)))


@bp.route("/<int:address_id>", methods=["PUT", "PATCH"])
@login_required
@bp.input(AddressChange, location="json", arg_name="body")
@bp.output(SavedAddress)
def change_address(address_id: int, body: AddressChange) -> Response:
    """Change an address; past orders keep the one that they were sent to."""
    changed = address_services.change_address(user_id=current_user().id, address_id=address_id, changes=body.changes())
    return web.answer(SavedAddress(**changed))


@bp.delete("/<int:address_id>")
@login_required
@bp.output({}, status_code=204)
def delete_address(address_id: int) -> Response:
    """Delete an address; when it was the default, the newest of the rest is it now."""
    address_services.delete_address(user_id=current_user().id, address_id=address_id)
    return Response(status=204)
