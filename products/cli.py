"""`flask catalogue …`: the catalogue in and out of files."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import with_appcontext

from products import export_services, import_services
from products.import_services import Summary
from utils.errors import UnreadableFile


@click.group("catalogue")
def catalogue_group() -> None:
    """Bring products in from a file, or write them to one."""


@catalogue_group.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["shopify", "woocommerce", "duka"]),
    help="The format of the file; by default its first line tells.",
)
@with_appcontext
def import_catalogue(file: Path, format_name: str | None) -> None:
    """Import products from FILE, and say of every row that is not imported why.

    The same file again changes nothing; a changed one changes what differs. Exits with 1 when nothing could be read.
    """
    try:
        summary = import_services.import_file(file, format_name=format_name, tell=_tell)
    except UnreadableFile as error:
        raise click.ClickException(str(error)) from None
    for problem in summary.problems:
        click.echo(str(problem), err=True)
    click.echo(str(summary))


def _tell(summary: Summary) -> None:
    click.echo(f"{summary.products.total()} products, {summary.rows} rows so far …", err=True)


@catalogue_group.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def export_catalogue(file: Path) -> None:
    """Write every product to FILE (- for the terminal) as CSV, from which `import` makes the same shop again."""
    if str(file) == "-":
        export_services.export_products(sys.stdout)
        return
    draft = file.with_name(f".{file.name}.part")
    try:
        with draft.open("w", encoding="utf-8", newline="") as output:
            count = export_services.export_products(output)
        draft.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"{count} products written to {file}.")
