"""Is a log-in from somewhere known? By the device, and the network rather than the very address.

Phones change their address with every mast, within the few networks of their operator. Reads `sessions`.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from auth import security_events
from utils import db

NETWORK_BITS = {4: 16, 6: 32}
REMEMBERED = 50  # log-ins; what was not used for so many is new again


def tell_of_new_device_tx(tx: db.Tx, *, user_id: int, session_id: int) -> None:
    """Have the owner told when this log-in, just written, is the first of its device and network; not of the first."""
    rows = tx.fetch_all(
        """
        SELECT s.id, s.device, s.address
          FROM sessions s
         WHERE s.user_id = %(user_id)s
           AND s.id <= %(session_id)s
         ORDER BY s.id DESC
         LIMIT %(limit)s
        """,
        {"user_id": user_id, "session_id": session_id, "limit": REMEMBERED + 1},
    )
    entered, *before = rows
    if before and _place_of(entered) not in {_place_of(row) for row in before}:
        security_events.record_tx(
            tx,
            "account.new_login",
            user_id=user_id,
            by_owner=True,
            device=entered["device"],
            address=entered["address"],
        )


def _place_of(session: db.Row) -> tuple[str, str]:
    return session["device"], network_of(session["address"])


def network_of(address: str) -> str:
    """Return the network of an address; what is no address stands for itself."""
    try:
        bits = NETWORK_BITS[ip_address(address).version]
    except ValueError:
        return address
    return str(ip_network(f"{address}/{bits}", strict=False))
