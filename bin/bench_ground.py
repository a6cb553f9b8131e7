"""What bin/bench stands on: a database server of its own, the Procfile's processes, and what /proc tells of them."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shlex
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from subprocess import Popen

import config
from utils import db, private_server, processes

HOME = config.INSTANCE / "bench"
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
HOST = "127.0.0.1"
SHOP_APP = "app:create_app"
BARE_APP = "bench_bare:create_app"


class CannotMeasure(RuntimeError):
    """Something is broken; the message says what."""


@contextmanager
def clean_home() -> Iterator[None]:
    """Have the folder of the measurements for ourselves and empty; end the server that a killed run left."""
    config.INSTANCE.mkdir(exist_ok=True)
    with open(config.INSTANCE / "bench.lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotMeasure("Another bin/bench runs in this clone: wait for it, or end it.") from None
        server = HOME / "server"
        if server.exists() and private_server.is_running(server):
            with private_server.running(server):
                pass
        shutil.rmtree(HOME, ignore_errors=True)
        HOME.mkdir(mode=0o700)
        yield


@contextmanager
def database() -> Iterator[str]:
    """Yield the address of a fresh server, durable as a shop's."""
    with private_server.running(HOME / "server", durable=True) as url:
        yield url


@dataclass(frozen=True)
class Served:
    """A web server that runs."""

    process: Popen[bytes]
    place: tuple[str, int]


class Processes:
    """The Procfile's processes, each with its log in HOME; `web` also with another application in the shop's place."""

    def __init__(self, environment: dict[str, str], signals: processes.Signals) -> None:
        self.commands = processes.read_procfile(config.ROOT / "Procfile")
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
        self.environment = {**os.environ, **environment, "PATH": path}  # the Procfile's "python" is ours
        self._signals = signals
        self._held = open(HOME / "processes.lock", "a")  # noqa: SIM115  (closed when they have ended)
        self._started: dict[str, Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._signals.raising = False
        processes.stop(self._started.values(), signals=self._signals, patience=STOP_SECONDS)
        self._held.close()

    def serve(self, name: str, app: str) -> Served:
        """Start the Procfile's web server with `app` on a free port and wait until it answers. Raises CannotMeasure."""
        port = _free_port()
        command = self.commands["web"].replace(SHOP_APP, app)
        process = self._start(name, command, {"HOST": HOST, "PORT": str(port)})
        _wait_until_it_answers(name, process, port)
        return Served(process, (HOST, port))

    def start_worker(self) -> None:
        """Start the worker, as it runs beside every shop."""
        self._start("worker", self.commands["worker"], {})

    def stop_worker(self) -> None:
        """End the worker, for what is measured without it."""
        processes.stop([self._started.pop("worker")], signals=self._signals, patience=STOP_SECONDS)

    def web_command(self) -> str:
        """Return the web server's command as the Procfile has it, its defaults filled in."""
        command = self.commands["web"].removeprefix("exec ").replace('"', "")
        return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: os.environ.get(found[1], found[2]), command)

    def need_all(self) -> None:
        """Raise CannotMeasure when one of the processes has ended."""
        for name, process in self._started.items():
            if process.poll() is not None:
                raise CannotMeasure(f"The {name} process ended with {process.returncode}; see {HOME / name}.log")

    def _start(self, name: str, command: str, environment: dict[str, str]) -> Popen[bytes]:
        self._started[name] = processes.start(
            f"{command} 2>>{shlex.quote(str(HOME / name))}.log",
            environment={**self.environment, **environment},
            folder=config.ROOT,
            held=self._held.fileno(),
        )
        return self._started[name]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(name: str, process: Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotMeasure(f"The {name} server ended with {process.returncode}; see {HOME / name}.log")
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers: the bare one has no /health
        except OSError:
            time.sleep(0.1)
    raise CannotMeasure(f"The {name} server does not answer after {READY_SECONDS:.0f} s; see {HOME / name}.log")


# --- what the system tells


def processes_of(root: int) -> list[int]:
    """Return a process and everything below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended while we looked
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_seconds(root: int) -> float:
    """Return the processor time that a process and those below it have taken; 0 where there is no /proc to ask."""
    ticks = 0
    for pid in processes_of(root) if Path("/proc/self/stat").exists() else []:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """MiB: of the whole tree with shared pages counted once, and of its largest process with all it shares."""

    all_of_it: float
    largest: float
    processes: int


def memory_of(root: int) -> Memory | None:
    """Return what a process and those below it hold, None where there is no /proc to ask."""
    if not Path("/proc/self/smaps_rollup").exists():
        return None
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes_of(root)]
    return Memory(
        all_of_it=sum(_kibibytes(text, "Pss:") for text in rollups) / 1024,
        largest=max(_kibibytes(text, "Rss:") for text in rollups) / 1024,
        processes=len(rollups),
    )


def _kibibytes(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def describe_machine() -> str:
    """Return the machine's size and what runs on it, in one line."""
    server = db.reading().fetch_value("SELECT VERSION() AS version")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return (
        f"{os.cpu_count()} cores, {pages:.0f} GiB, {platform.system()} {platform.machine()}; "
        f"Python {platform.python_version()}, Flask {version('flask')}, Granian {version('granian')}, "
        f"PyMySQL {version('pymysql')}, database {server}"
    )


@contextmanager
def everything(signals: processes.Signals) -> Iterator[tuple[Processes, str]]:
    """Yield the processes, none started yet, and the address of the database; end all of it afterwards."""
    with ExitStack() as closing:
        closing.enter_context(clean_home())
        processes.adopt_orphans()
        url = closing.enter_context(database())
        environment = {
            "SHOP_ENV": "development",
            "DATABASE_URL": url,
            "INSTANCE_DIR": str(HOME),
            "RATELIMIT_ENABLED": "0",
            "ACCESS_TOKEN_SECONDS": "3600",
            "LOG_LEVEL": "INFO",
            "BENCH_BODIES": str(HOME / "bodies.pickle"),
            "PYTHONPATH": str(config.ROOT / "bin"),
        }
        yield closing.enter_context(Processes(environment, signals)), url
