"""What the cart does when something has happened, and beside the web server."""

from __future__ import annotations

from flask import Flask, after_this_request

from auth.signals import user_logged_in
from cart import counts, guest_services, services, tokens
from cart.owner_services import Owner
from utils import web, worker

JOBS = [worker.Job("forget guests' carts", 3600, guest_services.delete_old_carts)]


def connect() -> None:
    """Listen for log-ins."""
    user_logged_in.connect(take_over_guest_cart)


def take_over_guest_cart(_app: Flask, *, user_id: int) -> None:
    """Merge the guest's cart that the log-in came with into the customer's, and count it for the head of the pages."""
    token = tokens.offered_token()
    if token is not None:
        guest_services.merge_guest_cart(token=token, user_id=user_id)
    if not web.wants_json():
        count = services.get_cart(owner=Owner(user_id=user_id))["item_count"]
        after_this_request(lambda response: counts.tell_count(response, count, user_id=user_id))
