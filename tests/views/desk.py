"""What the tests of the desk's pages share: somebody at the desk, and the lines of the table of roles."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from tests.factories import User, make_user
from tests.surfing import Browser, enter


class Desk(Browser):
    """A browser in which one of the staff is logged in."""

    def __init__(self, client: FlaskClient, role: str = "manager") -> None:
        super().__init__(client)
        self.user: User = make_user(role=role)
        enter(client, self.user)

    def post(self, page: str, action: str, **typed: Any) -> Any:
        """Open a page and send the form of it that goes to `action`, to see the very answer."""
        self.open(page)
        form = self.page.form_to(action)
        return self.client.post(action, data={**form.fields, **typed})
