"""`flask create-admin`: the first account that may do everything."""

from __future__ import annotations

import click
from flask.cli import with_appcontext
from pydantic import ValidationError

import config
from auth import services
from auth.schemas import RegisterRequest
from utils.errors import ShopError


@click.command("create-admin")
@click.argument("username")
@click.argument("email")
@with_appcontext
def create_admin(username: str, email: str) -> None:
    """Make an account with the role admin.

    The password is taken from ADMIN_PASSWORD, or asked for.
    """
    password = config.environment().get("ADMIN_PASSWORD") or click.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    try:
        account = RegisterRequest(username=username, email=email, password=password)
        services.register_user(**account.model_dump(), role="admin")
    except ValidationError as error:
        raise click.ClickException(_one_line(error)) from None
    except ShopError as error:
        raise click.ClickException(error.detail) from None
    click.echo(f"{username} may now log in and do everything.")


def _one_line(error: ValidationError) -> str:
    return "; ".join(
        f"{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}" for problem in error.errors()
    )
