"""`flask db …`: the schema, the invariants, a client at the shop's database; `flask outbox …`: events."""

from __future__ import annotations

import shutil
import subprocess

import click
from flask.cli import with_appcontext

import config
from utils import checks, db, migrations, outbox


@click.group("db")
def db_group() -> None:
    """Work with the shop's database."""


@db_group.command("migrate")
def migrate() -> None:
    """Bring the schema up to date."""
    applied = migrations.apply(config.current().DATABASE_URL, click.echo)
    click.echo(f"{applied} applied." if applied else "The schema is up to date.")


@db_group.command("check")
@with_appcontext
def check() -> None:
    """Run every invariant of sql/checks.sql; exit with 1 when one is broken."""
    findings = checks.run(db.reading())
    for finding in findings:
        click.echo(f"BROKEN {finding.name}: {finding.claim}")
        for row in finding.rows:
            click.echo(f"    {row}")
    held = len(checks.read_checks()) - len(findings)
    click.echo(f"{held} checks hold, {len(findings)} are broken.")
    if findings:
        raise SystemExit(1)


@db_group.command("shell")
def shell() -> None:
    """Open the MySQL client at the shop's database."""
    client = shutil.which("mariadb") or shutil.which("mysql")
    if client is None:
        raise click.ClickException("no mysql or mariadb client is installed")
    arguments = db.connect_arguments(config.current().DATABASE_URL)
    place = (
        [f"--socket={arguments['unix_socket']}"]
        if "unix_socket" in arguments
        else [f"--host={arguments['host']}", f"--port={arguments['port']}"]
    )
    command = [client, *place, f"--user={arguments['user']}", f"--default-character-set={db.CHARSET}"]
    # The password goes by the environment: an argument would stand in the process list.
    environment = {**config.environment(), "MYSQL_PWD": arguments["password"]}
    subprocess.run([*command, arguments["database"]], env=environment, check=False)  # noqa: S603 (our own arguments)


@click.group("outbox")
def outbox_group() -> None:
    """Look after what is to be told."""


@outbox_group.command("retry")
@with_appcontext
def retry() -> None:
    """Have the events that were given up told again; mend first what kept them."""
    click.echo(f"{outbox.retry_dead_events()} events will be told again.")
