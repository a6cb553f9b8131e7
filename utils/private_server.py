"""The private database server: a MariaDB or MySQL of our own in a folder, reached by a unix socket only.

Keeps, in the home folder (0700): `data/`; `server.log` (of this start) and `server.log.old`; and three
files that are locked with flock, whose locks the system drops when a process ends, however it ends:
`start.lock` by whoever starts or stops the server; `users.lock`, shared, by everybody who uses it; and
`server.pid` by the server itself, which inherits the open file. So "does it run?" is a question to the
lock: a stale pid file, or a pid that now belongs to another process, is never believed.
The last one out stops the server.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import pymysql
from click import ClickException

from utils import server_program

SHOP_HOME = Path(__file__).resolve().parents[1] / "instance" / "server"

SOCKET_PATH_LIMIT = 103  # bytes; Linux takes 107, macOS 103
LOOK_AGAIN_SECONDS = 0.02
SAY_EVERY_SECONDS = 5.0
GIVE_UP_SECONDS = 900.0  # recovering a large shop after a crash takes minutes, never this long

# The account has the databases named duka… and nothing else. It needs no password: who reaches the socket
# has passed the 0700 folder around it, so he owns the data files (or is root) already.
ACCOUNT = "duka"
DATABASE = "duka"
SET_UP = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
    f"CREATE USER IF NOT EXISTS {ACCOUNT}@localhost",
    f"GRANT ALL ON `{DATABASE}%`.* TO {ACCOUNT}@localhost",
)

# The server becomes nobody's child, or its end would leave a zombie in whoever started it. The inner shell
# writes the pid that the server then keeps.
DETACH = """sh -c 'echo $$ >"$0"; exec "$@"' "$@" &"""


class ServerFailed(ClickException):
    """The private server is not to be had; the message says why and what to do."""


@contextmanager
def running(home: Path, *, engine: str = "any", durable: bool = True) -> Iterator[str]:
    """Yield the DATABASE_URL of the server in `home`, starting it when it does not run.

    It stays while anybody else uses it. `engine` is "mariadb", "mysql" or "any" (MariaDB before MySQL); data
    that are there already decide for themselves. `durable=False` is for tests: quick, and not crash-safe.
    Raises ServerFailed or server_program.ProgramMissing.
    """
    home = home.absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.getuid() not in (0, home.stat().st_uid):
        raise ServerFailed(f"{home} belongs to another user: run as that user, or give this one the folder.")
    home.chmod(0o700)
    socket_path = _socket_path(home)
    with open(home / "users.lock", "ab") as users:
        try:
            with _start_lock(home):
                fcntl.flock(users, fcntl.LOCK_SH)
                if not is_running(home):
                    _start(home, socket_path=socket_path, engine=engine, durable=durable)
                _wait_until_it_answers(home, socket_path)
                _set_up(socket_path)
            yield database_url(home)
        finally:
            with _start_lock(home):
                if _try_lock(users) and is_running(home):
                    _stop(home)


def database_url(home: Path) -> str:
    """Return the DATABASE_URL of the server in `home`, running or not. Raises ServerFailed."""
    return f"mysql://{ACCOUNT}@/{DATABASE}?unix_socket={quote(str(_socket_path(home.absolute())), safe='')}"


def is_running(home: Path) -> bool:
    """Tell whether the server in `home` lives, answering or not."""
    with open(home / "server.pid", "ab") as pid_file:
        return not _try_lock(pid_file, fcntl.LOCK_SH)  # shared, so that two who ask at once do not see each other


def _socket_path(home: Path) -> Path:
    path = home / "server.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"duka-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise ServerFailed(f"{folder} is not a private folder of ours: remove it and try again.")
    return folder / path.name


def _try_lock(file: BinaryIO, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _start_lock(home: Path) -> Iterator[None]:
    with open(home / "start.lock", "ab") as lock:
        _wait_for(
            lambda: _try_lock(lock),
            meanwhile="Waiting for another command that is starting or stopping the database",
            otherwise=f"Another command holds {lock.name}: end it and try again.",
        )
        yield


def _start(home: Path, *, socket_path: Path, engine: str, durable: bool) -> None:
    data, log = home / "data", home / "server.log"
    program = server_program.find_program(server_program.kind_of_data(data) if data.exists() else engine)
    if log.exists():
        log.replace(home / "server.log.old")
    if not data.exists():
        _initialise(home, program)
    # What a crash left. MySQL would believe the pid in its own lock file, whoever has that number now.
    socket_path.unlink(missing_ok=True)
    socket_path.with_name(f"{socket_path.name}.lock").unlink(missing_ok=True)
    command = server_program.server_command(program, data=data, socket=socket_path, durable=durable)
    with open(home / "server.pid", "ab") as pid_file, open(log, "ab") as output:
        fcntl.flock(pid_file, fcntl.LOCK_EX)
        pid_file.truncate(0)
        subprocess.run(
            ["/bin/sh", "-c", DETACH, "sh", pid_file.name, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home,
            env=_environment(home),
            pass_fds=(pid_file.fileno(),),
            start_new_session=True,  # the terminal's Ctrl-C is for those who use the server
            check=True,
        )


def _initialise(home: Path, program: server_program.Program) -> None:
    """Make `data/`, whole or not at all. Raises ServerFailed."""
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    command = server_program.initialise_command(program, folder=fresh.name)
    with open(home / "server.log", "ab") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=home,
            env=_environment(home),
            check=False,
        )
    if done.returncode != 0:
        raise _failure(home, "The database could not be made")
    fresh.rename(home / "data")


def _environment(home: Path) -> dict[str, str]:
    """Return an environment with a temporary folder of the server's own.

    A server that starts deletes every temporary table it finds there, and another that has just made one crashes.
    """
    temporary = home / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    return {**os.environ, "TMPDIR": str(temporary)}


def _wait_until_it_answers(home: Path, socket_path: Path) -> None:
    def answers() -> bool:
        with socket.socket(socket.AF_UNIX) as caller:
            try:
                caller.connect(str(socket_path))
            except OSError:
                if not is_running(home):
                    raise _failure(home, "The database server ended while it was starting") from None
                return False
            return True

    _wait_for(
        answers,
        meanwhile="The database server is still starting; after a crash it first recovers its data",
        otherwise=f"The database server runs but does not answer: see {home / 'server.log'}",
    )


def _set_up(socket_path: Path) -> None:
    connection = pymysql.connect(user="root", unix_socket=str(socket_path))
    try:
        with connection.cursor() as cursor:
            for statement in SET_UP:
                cursor.execute(statement)
    finally:
        connection.close()


def _stop(home: Path) -> None:
    pid_file = home / "server.pid"
    _wait_for(
        lambda: pid_file.read_text().endswith("\n"),
        meanwhile="Waiting for the database server to say its process id",
        otherwise=f"{pid_file} is empty: end the database server by hand.",
    )
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGTERM)
    _wait_for(
        lambda: not is_running(home),
        meanwhile="The database server is writing its data and stopping",
        otherwise=f"The database server does not stop: see {home / 'server.log'}",
    )
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # its last trace, where this process adopts orphans


def _wait_for(done: Callable[[], bool], *, meanwhile: str, otherwise: str) -> None:
    """Return as soon as `done`, saying `meanwhile` now and then; in the end raise ServerFailed(otherwise)."""
    began = time.monotonic()
    say_at = began + SAY_EVERY_SECONDS
    while not done():
        now = time.monotonic()
        if now >= began + GIVE_UP_SECONDS:
            raise ServerFailed(otherwise)
        if now >= say_at:
            sys.stderr.write(f"{meanwhile} ({now - began:.0f} s) …\n")
            say_at = now + SAY_EVERY_SECONDS
        time.sleep(LOOK_AGAIN_SECONDS)


def _failure(home: Path, what: str) -> ServerFailed:
    log = home / "server.log"
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    # The first error is the cause; those after it are its consequences.
    errors = [line for line in lines if "[ERROR]" in line]
    reason = (errors or lines[-1:] or ["it said nothing"])[0]
    return ServerFailed(f"{what}: {reason} (the whole story: {log})")
