"""Who looks at orders on pages: a customer at his own, staff at all, a guest at those to which he holds the key.

The key travels in a cookie of its own, so that neither a log-in nor a log-out loses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response, g, request

import config
from auth.decorators import current_user
from orders import guest_keys

COOKIE = "orders"
KEPT_SECONDS = 60 * 86_400
MOST_KEPT = 20
READ_ALL = "orders:read"
MANAGE = "orders:manage"


@dataclass(frozen=True, slots=True)
class Viewer:
    """What the services ask: who acts, and whether that one may see and change an order that is not his."""

    user_id: int | None
    sees_all: bool
    manages: bool


def viewer_of(order_id: int) -> Viewer:
    """Return who looks at this order; a stranger's is found out by the services.

    Raises NotLoggedIn for a guest without its key.
    """
    if order_id in held_orders():
        return Viewer(None, sees_all=True, manages=True)  # of this order only, which is a guest's
    user = current_user()
    return Viewer(user.id, sees_all=user.may(READ_ALL), manages=user.may(MANAGE))


def held_orders() -> list[int]:
    """Return the guests' orders to which the request holds the key, the newest first."""
    if "held_orders" not in g:
        g.held_orders = guest_keys.read_key(request.cookies.get(COOKIE, ""))
    found: list[int] = g.held_orders
    return found


def hand_key(response: Response, order_ids: list[int]) -> Response:
    """Give the browser the key to more orders of guests."""
    kept = list(dict.fromkeys([*order_ids, *held_orders()]))[:MOST_KEPT]
    response.set_cookie(
        COOKIE,
        guest_keys.make_key(kept),
        max_age=KEPT_SECONDS,
        secure=config.current().is_production,
        httponly=True,
        samesite="Lax",
    )
    return response
