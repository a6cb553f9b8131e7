"""The files as such: short enough to hold in the head, and nothing used that requirements.txt does not bring."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import config
from tests.sources import OURS, PACKAGES, read_shop

LINES_AT_MOST = 400


def files_of_ours() -> Iterator[tuple[str, str]]:
    kinds = {".py", ".sql", ".html", ".css", ".js", ".sh", ""}
    folders = [*PACKAGES, "sql", "static", "templates", "tests", "bin"]
    for path in [
        *config.ROOT.glob("*.py"),
        *(found for folder in folders for found in config.ROOT.glob(f"{folder}/**/*")),
    ]:
        if path.is_file() and path.suffix in kinds and "vendor" not in path.parts:
            yield path.relative_to(config.ROOT).as_posix(), path.read_text()


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {path: len(text.splitlines()) for path, text in files_of_ours()}
    assert len(lengths) > len(read_shop())
    assert {path: lines for path, lines in lengths.items() if lines > LINES_AT_MOST} == {}


def test_every_picture_of_docs_is_named_in_the_readme_and_there() -> None:
    named = set(re.findall(r"docs/(\S+\.png)", (config.ROOT / "readme.txt").read_text()))
    assert {path.name for path in config.ROOT.glob("docs/*.png")} == named
    assert {"storefront.png", "checkout.png", "mpesa-wait.png", "dashboard.png"} <= named


def test_no_sql_file_selects_everything() -> None:
    everything = re.compile(r"\bSELECT\s+(\w+\.)?\*", re.I)
    assert [path for path, text in files_of_ours() if path.endswith(".sql") and everything.search(text)] == []


def test_what_is_not_standard_library_is_pinned() -> None:
    """An import that requirements.txt does not bring works on one machine only."""
    brought_as = {
        "dotenv": "python-dotenv",
        "PIL": "pillow",
        "jwt": "flask-jwt-extended",
        "slugify": "python-slugify",
        "yoyo": "yoyo-migrations",
    }
    pinned = {
        line.partition("==")[0].strip().lower().replace("_", "-")
        for line in (config.ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    used = {name.partition(".")[0] for source in read_shop() for name in source.imports.values()}
    foreign = used - OURS - set(sys.stdlib_module_names)
    come_with_flask = {"blinker", "click", "itsdangerous", "markupsafe", "werkzeug"}
    assert {name for name in foreign if brought_as.get(name, name.lower().replace("_", "-")) not in pinned} <= (
        come_with_flask
    )
