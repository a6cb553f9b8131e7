"""What this package tells those to its right, which it may not import: somebody has just logged in."""

from __future__ import annotations

from blinker import Namespace

_signals = Namespace()

user_logged_in = _signals.signal("user-logged-in")
"""Sent in the request of a log-in or registration, after its COMMIT, by the application, with `user_id`."""
