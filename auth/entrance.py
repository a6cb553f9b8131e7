"""The way in, for programs and for browsers: what both do around a log-in or a registration."""

from __future__ import annotations

from typing import Any

from flask import current_app, request

from auth import tokens
from auth.signals import user_logged_in

# Many customers of a mobile network share one address, so the close limit is on the account.
REGISTER_LIMIT = "240/minute"
LOGIN_LIMIT = "300/minute"
LOGIN_LIMIT_OF_ACCOUNT = "10/minute"


def device() -> dict[str, str]:
    """Return what is noted of where somebody comes from."""
    return {"device": request.user_agent.string, "address": request.remote_addr or ""}


def welcome(opened: dict[str, Any]) -> dict[str, Any]:
    """Tell everybody who listens that somebody is in, and return the tokens of the session that was opened."""
    pair = tokens.make_pair(
        user_id=opened["user"]["id"], session_id=opened["session_id"], refresh_secret=opened["refresh_secret"]
    )
    shop = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy has it, its type does not
    user_logged_in.send(shop, user_id=opened["user"]["id"])
    return pair
