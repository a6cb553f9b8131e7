"""Address books: where somebody has things sent. Owns `addresses`.

Who has addresses has one default, never two (`uq_addresses_default_of`). Orders copy an address, so nothing here
touches one. Locks the account, and then writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils import clock, db
from utils.errors import DefaultNeeded, NotFound, TooManyAddresses

MOST_ADDRESSES = 20
FIELDS = {
    "label": "label = %(label)s",
    "recipient_name": "recipient_name = %(recipient_name)s",
    "phone_number": "phone_number = %(phone_number)s",
    "line1": "line1 = %(line1)s",
    "line2": "line2 = %(line2)s",
    "town": "town = %(town)s",
    "county": "county = %(county)s",
    "postal_code": "postal_code = %(postal_code)s",
    "country": "country = %(country)s",
    "updated_at": "updated_at = %(updated_at)s",
}


def list_addresses(*, user_id: int) -> list[db.Row]:
    """Return somebody's addresses, the default one first, then the newest."""
    return db.reading().fetch_all(
        """
        SELECT a.id, a.label, a.recipient_name, a.phone_number, a.line1, a.line2, a.town, a.county, a.postal_code,
               a.country, a.is_default, a.created_at
          FROM addresses a
         WHERE a.user_id = %(user_id)s
         ORDER BY a.is_default DESC, a.id DESC
        """,
        {"user_id": user_id},
    )


def get_address(*, user_id: int, address_id: int) -> db.Row:
    """Return an address. Raises NotFound for one that is somebody else's."""
    return _require_address(db.reading(), user_id, address_id)


def get_address_tx(tx: db.Tx, *, user_id: int, address_id: int) -> db.Row:
    """Return an address in your transaction. Raises NotFound for one that is somebody else's."""
    return _require_address(tx, user_id, address_id)


@db.in_transaction
def create_address(tx: db.Tx, /, *, user_id: int, is_default: bool, **fields: Any) -> db.Row:
    """Add an address and return it; the first one of a book is its default. Raises TooManyAddresses."""
    _lock_owner_tx(tx, user_id)
    saved = tx.fetch_value("SELECT COUNT(*) FROM addresses a WHERE a.user_id = %(user_id)s", {"user_id": user_id})
    if saved >= MOST_ADDRESSES:
        raise TooManyAddresses(limit=MOST_ADDRESSES)
    address_id = tx.insert(
        """
        INSERT INTO addresses
            (user_id, label, recipient_name, phone_number, line1, line2, town, county, postal_code, country,
             is_default, created_at, updated_at)
        VALUES
            (%(user_id)s, %(label)s, %(recipient_name)s, %(phone_number)s, %(line1)s, %(line2)s, %(town)s, %(county)s,
             %(postal_code)s, %(country)s, FALSE, %(now)s, %(now)s)
        """,
        {**fields, "user_id": user_id, "now": clock.now()},
    )
    if is_default or not saved:
        _make_default_tx(tx, user_id, address_id)
    return _require_address(tx, user_id, address_id)


@db.in_transaction
def change_address(tx: db.Tx, *, user_id: int, address_id: int, changes: Mapping[str, Any]) -> db.Row:
    """Change what is named of an address and return it.

    Raises NotFound for one that is somebody else's, and DefaultNeeded for taking the default away from the only one
    that has it: make another one the default instead.
    """
    _lock_owner_tx(tx, user_id)
    address = _require_address(tx, user_id, address_id)
    columns = {name: value for name, value in changes.items() if name in FIELDS}
    tx.execute_one(
        "UPDATE addresses {set} WHERE id = %(id)s",
        {"id": address_id},
        set=db.set_clause(FIELDS, {**columns, "updated_at": clock.now()}),
    )
    if changes.get("is_default"):
        _make_default_tx(tx, user_id, address_id)
    elif address["is_default"] and "is_default" in changes:
        raise DefaultNeeded
    return _require_address(tx, user_id, address_id)


@db.in_transaction
def delete_address(tx: db.Tx, *, user_id: int, address_id: int) -> None:
    """Delete an address; when it was the default, the newest of the rest is it now. Raises NotFound."""
    _lock_owner_tx(tx, user_id)
    address = _require_address(tx, user_id, address_id)
    tx.execute_one("DELETE FROM addresses WHERE id = %(id)s", {"id": address_id})
    heir = tx.fetch_value("SELECT MAX(a.id) FROM addresses a WHERE a.user_id = %(user_id)s", {"user_id": user_id})
    if address["is_default"] and heir is not None:
        _make_default_tx(tx, user_id, heir)


def forget_all_tx(tx: db.Tx, *, user_id: int) -> None:
    """Delete the whole book of an account that ends."""
    tx.execute("DELETE FROM addresses WHERE user_id = %(user_id)s", {"user_id": user_id})


def _lock_owner_tx(tx: db.Tx, user_id: int) -> None:
    tx.require_one(
        "SELECT u.id FROM users u WHERE u.id = %(id)s AND u.disabled_at IS NULL FOR UPDATE",
        {"id": user_id},
        missing=NotFound(what="user"),
    )


def _make_default_tx(tx: db.Tx, user_id: int, address_id: int) -> None:
    tx.execute(
        "UPDATE addresses SET is_default = FALSE WHERE user_id = %(user_id)s AND is_default",
        {"user_id": user_id},
    )
    tx.execute_one("UPDATE addresses SET is_default = TRUE WHERE id = %(id)s", {"id": address_id})


def _require_address(reader: db.Reader, user_id: int, address_id: int) -> db.Row:
    return reader.require_one(
        """
        SELECT a.id, a.label, a.recipient_name, a.phone_number, a.line1, a.line2, a.town, a.county, a.postal_code,
               a.country, a.is_default, a.created_at
          FROM addresses a
         WHERE a.id = %(id)s
           AND a.user_id = %(user_id)s
        """,
        {"id": address_id, "user_id": user_id},
        missing=NotFound(what="address"),
    )
