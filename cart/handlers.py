"""What the cart does when something has happened, and beside the web server."""

from __future__ import annotations

from flask import Flask

from auth.signals import user_logged_in
from cart import guest_services, tokens
from utils import worker

JOBS = [worker.Job("forget guests' carts", 3600, guest_services.delete_old_carts)]


def connect() -> None:
    """Listen for log-ins."""
    user_logged_in.connect(take_over_guest_cart)


def take_over_guest_cart(_app: Flask, *, user_id: int) -> None:
    """Merge the guest's cart that the log-in came with into the customer's."""
    token = tokens.offered_token()
    if token is not None:
        guest_services.merge_guest_cart(token=token, user_id=user_id)
