"""What is told about migrations: which are missing, who is in the way, where the server is. See also test_schema.py."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from apiflask import APIFlask

import config
from tests.rivals import other_connection
from utils import db, migrations


def test_nothing_is_pending_in_a_migrated_database(app: APIFlask) -> None:
    assert migrations.pending(db.reading()) == []


def test_a_new_file_is_pending_until_it_is_applied(
    app: APIFlask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "9999_add_something.sql").write_text("SELECT 1;\n")
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    assert migrations.pending(db.reading()) == ["9999_add_something"]


def test_one_process_migrates_at_a_time(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrations, "LOCK_SECONDS", 0)
    url = config.current().DATABASE_URL
    with other_connection() as rival:
        rival.execute("SELECT GET_LOCK(%s, 0)", (f"{db.connect_arguments(url)['database']}.migrate",))
        with pytest.raises(migrations.MigrationFailed, match="another process is migrating"):
            migrations.apply(url)
    assert migrations.apply(url) == 0


def test_a_server_that_is_away_is_one_line_for_the_operator() -> None:
    with pytest.raises(migrations.MigrationFailed, match=re.escape("cannot be reached")) as told:
        migrations.apply("mysql://nobody@127.0.0.1:1/nothing")
    assert "\n" not in str(told.value)


def test_flask_db_migrate_says_what_it_did(app: APIFlask) -> None:
    done = app.test_cli_runner().invoke(args=["db", "migrate"])
    assert (done.exit_code, done.output) == (0, "The schema is up to date.\n")


def test_flask_db_migrate_ends_with_the_name_of_the_broken_file(
    app: APIFlask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "9999_break.sql").write_text("-- transactional: false\nCREATE TABLE broken (id NOTYPE);\n")
    monkeypatch.setattr(migrations, "FOLDER", tmp_path)
    done = app.test_cli_runner().invoke(args=["db", "migrate"])
    assert done.exit_code == 1
    assert "Error: 9999_break: " in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "url",
    ["mysql://u%40x:p%2F%3A%40@db.example:3307/shop", "mysql://duka:@localhost:3306/duka?unix_socket=/a b/s.sock"],
)
def test_the_migrations_go_to_the_same_server_as_the_shop(url: str) -> None:
    wanted = db.connect_arguments(url)
    parts = urlsplit(migrations._yoyo_url(url))
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (wanted["user"], wanted["password"])
    assert parts.path == f"/{wanted['database']}"
    if "unix_socket" in wanted:
        assert parse_qs(parts.query)["unix_socket"] == [wanted["unix_socket"]]
    else:
        assert (parts.hostname, parts.port) == (wanted["host"], wanted["port"])
