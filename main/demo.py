"""The demo shop: what `bin/run` opens on a machine where there is none, so that there is something to look at."""

from __future__ import annotations

import config
from auth import services as accounts
from main import services
from products import import_services

CATALOGUE = config.ROOT / "sql" / "demo" / "catalogue.csv"
ACCOUNTS = {
    "admin": ("admin", "admin@duka.example"),
    "customer": ("wanjiku", "wanjiku@duka.example"),
}
"""User name and e-mail address by role. The passwords are drawn for each shop and kept under instance/secrets/."""
PASSWORD_BYTES = 9


def open_shop_if_empty() -> list[tuple[str, str, str]]:
    """Stock an empty development shop; return the log-ins of a demo shop, [] for any other."""
    settings = config.current()
    if settings.SHOP_ENV != "development":
        return []
    passwords = {
        role: config.kept_secret(settings.INSTANCE_DIR, f"demo_{role}_password", PASSWORD_BYTES) for role in ACCOUNTS
    }
    if services.is_shop_empty():
        import_services.import_file(CATALOGUE, format_name="shopify")
        for role, (username, email) in ACCOUNTS.items():
            accounts.register_user(username=username, email=email, password=passwords[role], role=role)
    return [
        (role, username, passwords[role])
        for role, (username, email) in ACCOUNTS.items()
        if services.has_account(username=username, email=email)
    ]
