"""utils/private_server.py with real servers: the last one out stops it, and a crash loses nothing."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pymysql
import pytest

from utils import private_server, server_program

ENGINE = os.environ.get("DUKA_TEST_ENGINE", "mariadb")
ROOT = Path(__file__).resolve().parents[2]

# Says when it is in, and stays in until its stdin ends.
ANOTHER_USER = """
import sys
from pathlib import Path
from utils import private_server
with private_server.running(Path(sys.argv[1]), engine=sys.argv[2], durable=False):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made_home(tmp_path_factory):
    """A home whose data are made once; tests copy it."""
    home = tmp_path_factory.mktemp("made") / "a home with blanks"
    with private_server.running(home, engine=ENGINE, durable=False):
        pass
    return home


@pytest.fixture
def home(made_home, tmp_path):
    return Path(shutil.copytree(made_home, tmp_path / "a home with blanks"))


def enter(home, durable=False):
    return private_server.running(home, engine=ENGINE, durable=durable)


def connect(url):
    parts = urlsplit(url)
    socket = parse_qs(parts.query)["unix_socket"][0]
    return closing(
        pymysql.connect(user=parts.username, database=parts.path.strip("/"), unix_socket=socket, autocommit=True)
    )


def ask(url, statement):
    with connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def runs(home):
    with open(home / "server.pid", "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def pid_of(home):
    return int((home / "server.pid").read_text())


def wait_for_the_end(home):
    with open(home / "server.pid", "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def start_another_user(home):
    user = subprocess.Popen(
        [sys.executable, "-c", ANOTHER_USER, home, ENGINE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert user.stdout.readline() == b"in\n"
    return user


def test_server_is_utf8_utc_and_has_no_network(home):
    with enter(home) as url:
        settings = ask(url, "SELECT @@character_set_server, @@global.time_zone, @@skip_networking, @@version_comment")
        assert settings[0][:3] == ("utf8mb4", "+00:00", 1)
        assert ("mariadb" in ask(url, "SELECT VERSION()")[0][0].lower()) == (ENGINE == "mariadb")


@pytest.mark.parametrize(("durable", "flush"), [(True, 1), (False, 0)])
def test_durable_server_flushes_at_every_commit(home, durable, flush):
    with enter(home, durable=durable) as url:
        assert ask(url, "SELECT @@innodb_flush_log_at_trx_commit")[0][0] == flush


def test_server_has_a_temporary_folder_of_its_own(home):
    with enter(home) as url:
        assert ask(url, "SELECT @@tmpdir") == ((str(home / "tmp"),),)


def test_account_has_rights_on_databases_named_duka_only(home):
    with enter(home) as url:
        ask(url, "CREATE DATABASE duka_test_x")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            ask(url, "CREATE DATABASE other")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            ask(url, "SELECT user FROM mysql.user")


def test_nobody_else_can_reach_the_home(home):
    home.chmod(0o755)
    with enter(home):
        assert home.stat().st_mode & 0o077 == 0


def test_second_user_finds_the_running_server_and_the_last_one_out_stops_it(home):
    with enter(home) as first:
        pid = pid_of(home)
        with enter(home) as second:
            assert second == first
            assert pid_of(home) == pid
        assert ask(first, "SELECT 1") == ((1,),)
    assert not runs(home)


def test_server_outlives_the_process_that_started_it_while_another_uses_it(home):
    starter = start_another_user(home)
    with enter(home) as url:
        starter.communicate()
        assert starter.returncode == 0
        assert ask(url, "SELECT 1") == ((1,),)
    assert not runs(home)


def test_server_left_by_a_killed_process_is_found_and_stopped_by_the_next_one(home):
    user = start_another_user(home)
    user.kill()
    user.communicate()
    pid = pid_of(home)
    with enter(home) as url:
        assert pid_of(home) == pid
        assert ask(url, "SELECT 1") == ((1,),)
    assert not runs(home)


def test_committed_rows_survive_a_killed_server(home):
    with enter(home, durable=True) as url:
        ask(url, "CREATE TABLE kept (id INT PRIMARY KEY)")
        ask(url, "INSERT INTO kept VALUES (1), (2)")
        os.kill(pid_of(home), signal.SIGKILL)
        wait_for_the_end(home)
        with enter(home, durable=True) as again:
            assert ask(again, "SELECT id FROM kept ORDER BY id") == ((1,), (2,))


def test_stale_pid_file_that_names_a_foreign_process_harms_nobody(home):
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as foreigner:
        (home / "server.pid").write_text(f"{foreigner.pid}\n")
        (home / "server.sock.lock").write_text(f"{foreigner.pid}\n")
        (home / "server.sock").write_text("left by a crash")
        with enter(home) as url:
            assert pid_of(home) != foreigner.pid
            assert ask(url, "SELECT 1") == ((1,),)
        assert foreigner.communicate(b"alive") == (b"alive", None)


def test_half_made_data_of_a_crash_are_made_anew(tmp_path):
    home = tmp_path / "home"
    (home / "data.new" / "mysql").mkdir(parents=True)
    (home / "data.new" / "ibdata1").write_text("half")
    with enter(home) as url:
        assert ask(url, "SELECT 1") == ((1,),)
    assert not (home / "data.new").exists()


def test_home_too_deep_for_a_socket_has_it_in_a_private_folder(made_home, tmp_path):
    home = Path(shutil.copytree(made_home, tmp_path / ("deep " * 12) / ("deeper " * 12) / "home"))
    with enter(home) as url:
        socket = Path(parse_qs(urlsplit(url).query)["unix_socket"][0])
        assert len(os.fsencode(socket)) < 108
        assert socket.parent.stat().st_mode & 0o077 == 0
        assert ask(url, "SELECT 1") == ((1,),)
    socket.parent.rmdir()


def test_private_folder_that_others_may_enter_is_refused(tmp_path):
    home = tmp_path / ("deep " * 12) / ("deeper " * 12) / "home"
    folder = private_server._socket_path(home).parent
    folder.chmod(0o777)
    with pytest.raises(private_server.ServerFailed, match="not a private folder"), enter(home):
        pass
    folder.rmdir()


def test_server_that_cannot_start_is_one_clear_error(home):
    broken = home / "data" / ("mysql.ibd" if ENGINE == "mysql" else "ibdata1")
    broken.write_bytes(b"not a tablespace")
    with pytest.raises(private_server.ServerFailed) as caught, enter(home):
        pass
    message = str(caught.value)
    assert message.startswith("The database server ended while it was starting: ")
    assert "[ERROR]" in message
    assert str(home / "server.log") in message
    assert "\n" not in message
    assert not runs(home)


def test_machine_without_a_server_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(server_program, "PLACES", ())
    monkeypatch.setattr(server_program, "MYSQL_TREE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(server_program.ProgramMissing, match="install one, or set DATABASE_URL"),
        enter(tmp_path / "h"),
    ):
        pass
