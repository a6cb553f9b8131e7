"""The database server's program: which one this machine has, and how MariaDB and MySQL are called.

Owns the finding and the command lines; utils/private_server.py owns the running.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from click import ClickException

MYSQL_TREE = Path(__file__).resolve().parents[1] / "instance" / "mysql"  # filled by bin/mysql-from-debian

PLACES = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/opt/homebrew/opt/mysql/bin",
    "/usr/local/opt/mariadb/bin",
    "/usr/local/opt/mysql/bin",
    "/usr/local/mysql/bin",
)
NAMES = {
    "any": "MariaDB or MySQL (mariadbd, mysqld)",
    "mariadb": "MariaDB (mariadbd)",
    "mysql": "MySQL (mysqld)",
}

COMMON_OPTIONS = (
    "--skip-networking",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--default-time-zone=+00:00",
    "--max-connections=300",
    "--innodb-buffer-pool-size=256M",
    "--performance-schema=OFF",
    "--pid-file=mysqld.pid",
)
KIND_OPTIONS = {
    "mariadb": (),
    "mysql": (
        "--mysqlx=OFF",
        "--secure-file-priv=NULL",
        "--auto-generate-certs=OFF",
        "--caching-sha2-password-auto-generate-rsa-keys=OFF",
    ),
}
DURABLE_OPTIONS = ("--innodb-flush-log-at-trx-commit=1", "--innodb-doublewrite=ON")
FAST_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
    "--innodb-flush-method=nosync",
)


class ProgramMissing(ClickException):
    """No database server is installed here; the message says what to do."""


@dataclass(frozen=True)
class Program:
    """A server as it is called on this machine: "mariadb" or "mysql", and the command to make a database."""

    kind: str
    command: tuple[str, ...]
    initialise: tuple[str, ...]


def find_program(engine: str) -> Program:
    """Return the program for "mariadb", "mysql" or "any" (MariaDB first). Raises ProgramMissing."""
    for kind, find in FINDERS.items():
        if engine in (kind, "any") and (program := find()):
            return program
    raise ProgramMissing(
        f"No {NAMES[engine]} server was found: install one, or set DATABASE_URL to one that runs elsewhere."
    )


def kind_of_data(data: Path) -> str:
    """Return the kind of server that made `data`."""
    return "mysql" if (data / "mysql.ibd").exists() else "mariadb"


def server_command(program: Program, *, data: Path, socket: Path, durable: bool) -> list[str]:
    """Return the command line that serves `data` at `socket`."""
    return [
        *program.command,
        *_as_root(),
        f"--datadir={data}",
        f"--socket={socket}",
        *COMMON_OPTIONS,
        *KIND_OPTIONS[program.kind],
        *(DURABLE_OPTIONS if durable else FAST_OPTIONS),
    ]


def initialise_command(program: Program, *, folder: str) -> list[str]:
    """Return the command line that makes a new database in `folder` under the working directory.

    A name and not a path, because mariadb-install-db cannot cope with blanks.
    """
    return [*program.initialise, *_as_root(), f"--datadir=./{folder}"]


def _as_root() -> tuple[str, ...]:
    # The short form, because mariadb-install-db takes the long one for an order to change owners.
    return ("-uroot",) if os.getuid() == 0 else ()


def _find_mariadb() -> Program | None:
    server = _which("mariadbd") or _which("mysqld")
    if not server or not _is_mariadb(server):
        return None
    beside = os.pathsep.join((str(Path(server).parent), str(Path(server).parents[1] / "bin")))
    maker = shutil.which("mariadb-install-db", path=beside) or _which("mariadb-install-db")
    if not maker:
        raise ProgramMissing(f"{server} is there but mariadb-install-db is not: install the whole server.")
    return Program(
        kind="mariadb",
        command=(server, "--no-defaults"),
        initialise=(
            maker,
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ),
    )


def _find_mysql() -> Program | None:
    server = _which("mysqld")
    command: tuple[str, ...]
    if server and not _is_mariadb(server):
        command = (server, "--no-defaults")
    elif (MYSQL_TREE / "usr/sbin/mysqld").exists():
        # The tree brings its own, newer C library: this is how a program runs with another than the system's.
        loader = next(MYSQL_TREE.glob("usr/lib*/ld-linux*.so.*"))
        libraries = next(MYSQL_TREE.glob("usr/lib/*-linux-gnu*"))
        server = str(MYSQL_TREE / "usr/sbin/mysqld")
        command = (str(loader), "--library-path", str(libraries), server, "--no-defaults")
        command += (f"--basedir={MYSQL_TREE / 'usr'}",)
    else:
        return None
    return Program(
        kind="mysql",
        command=command,
        initialise=(*command, *KIND_OPTIONS["mysql"], "--initialize-insecure"),
    )


FINDERS = {"mariadb": _find_mariadb, "mysql": _find_mysql}


def _which(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(PLACES))


def _is_mariadb(server: str) -> bool:
    return b"MariaDB" in subprocess.run([server, "--version"], capture_output=True, check=False).stdout
