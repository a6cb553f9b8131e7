"""Logging in as programs do."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.factories import User

Headers = dict[str, str]


def log_in(client: FlaskClient, user: User, **headers: str) -> Headers:
    """Log in by the API and return the headers of who is logged in."""
    credentials = {"username": user.username, "password": user.password}
    answer = client.post("/api/auth/login", json=credentials, headers=headers)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.get_json()['access_token']}"}
