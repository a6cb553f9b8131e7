"""Who may change what others may do.

Every change of roles, of permissions and of who holds them runs in a transaction that begins with `begin_tx`, which
writes the row of the role admin: so such changes come one after the other, each sees all those before it, and two
admins who take each other's powers at one moment do not leave the shop without any.

Nobody gives or takes a permission that they do not hold themselves, nor touches an account that may do more.
"""

from __future__ import annotations

from collections.abc import Iterable

from auth.session_services import CurrentUser
from utils import clock, db
from utils.errors import Forbidden, LastAdmin

MANAGE = "users:manage"
ADMIN = "admin"


def begin_tx(tx: db.Tx, *, actor: CurrentUser) -> frozenset[str]:
    """Wait for the turn to change powers, and return the actor's own, as they are now. Raises Forbidden."""
    take_turn_tx(tx)
    rows = tx.fetch_all(
        """
        SELECT p.name
          FROM users u
          JOIN role_permissions rp ON rp.role_id = u.role_id
          JOIN permissions p ON p.id = rp.permission_id
         WHERE u.id = %(user_id)s
           AND u.disabled_at IS NULL
        """,
        {"user_id": actor.id},
    )
    held = actor.permissions & {row["name"] for row in rows}
    require(held, [MANAGE])
    return held


def take_turn_tx(tx: db.Tx) -> None:
    """Write the row for which all changes of powers queue. Comes before any other lock."""
    tx.execute_one("UPDATE roles SET changed_at = %(now)s WHERE name = 'admin'", {"now": clock.now()})


def require(held: frozenset[str], wanted: Iterable[str]) -> None:
    """Raise Forbidden, which names the first of the permissions that is not held."""
    for permission in sorted(set(wanted) - held):
        raise Forbidden(permission=permission)


def require_admin_left_tx(tx: db.Tx, *, role: str) -> None:
    """Look, after a change to somebody of this role, whether there is an admin left. Raises LastAdmin."""
    if role != ADMIN:
        return
    left = tx.fetch_value(
        """
        SELECT COUNT(*)
          FROM users u
          JOIN roles r ON r.id = u.role_id
         WHERE r.name = 'admin'
           AND u.disabled_at IS NULL
        """
    )
    if not left:
        raise LastAdmin
