"""Open the shop: the last step of bin/run, which has made the environment that this runs in.

Checks the settings and the ports, starts the private database server when DATABASE_URL is unset, migrates,
fills an empty shop with the demo, runs the Procfile's processes and waits. Whatever ends it, everything it
started is stopped: the processes first, the database last.
"""

import contextlib
import fcntl
import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import TextIO

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import config  # noqa: E402  - found by the line above
from utils import migrations, private_server, processes, server_program  # noqa: E402

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
ORPHANS_SECONDS = 20.0
LOOK_SECONDS = 5.0  # the end of a process wakes us at once, the database server's not on every system
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  - how to call oneself there


class CannotOpen(RuntimeError):
    """The shop cannot be opened or was closed by a failure; the message says why and what to do."""


def main() -> int:
    """Run the shop until somebody asks it to stop. Return the exit code."""
    try:
        with processes.received_signals() as signals:
            keep_shop_open(signals)
    except KeyboardInterrupt:
        say("Stopped before the shop was open.")
    except (
        CannotOpen,
        config.ConfigError,
        migrations.MigrationFailed,
        private_server.ServerFailed,
        server_program.ProgramMissing,
    ) as error:
        say(str(error))
        return 1
    return 0


def keep_shop_open(signals: processes.Signals) -> None:
    """Open the shop, wait for the signal to close it, and close it. Raises CannotOpen."""
    private = "DATABASE_URL" not in config.environment()
    if private:
        os.environ["DATABASE_URL"] = private_server.database_url(private_server.SHOP_HOME)
    settings = config.load()
    with ExitStack() as closing:
        held = closing.enter_context(the_only_shop(settings.INSTANCE_DIR))
        commands = wanted_processes(settings)
        if private:
            say("Starting the database …")
            processes.adopt_orphans()  # the database server is one; what we adopt leaves no zombie
            closing.enter_context(private_server.running(private_server.SHOP_HOME))
        log_ins = prepare_database(settings)

        signals.raising = False
        children: dict[str, Popen[bytes]] = {}
        closing.callback(close, children, signals)
        for name, command in commands.items():
            children[name] = processes.start(command, environment=os.environ, folder=ROOT, held=held)
        if wait_until_ready(settings, children, signals):
            greet(settings, log_ins)
            while not signals.asked_to_stop:
                need_all(children)
                if private and not private_server.is_running(private_server.SHOP_HOME):
                    say("The database server has ended; starting it again …")
                    closing.enter_context(private_server.running(private_server.SHOP_HOME))
                signals.wait(LOOK_SECONDS)


@contextmanager
def the_only_shop(instance: Path) -> Iterator[int]:
    """Be this clone's one shop; yield the open file that its processes hold as long as one of them lives.

    Raises CannotOpen.
    """
    instance.mkdir(parents=True, exist_ok=True)
    with open(instance / "shop.lock", "a") as shop, open(instance / "processes.lock", "a") as held:
        if not try_lock(shop):
            raise CannotOpen("This shop is open already, by another bin/run: stop that one first.")
        deadline = time.monotonic() + ORPHANS_SECONDS
        if not try_lock(held):
            say("Waiting for the processes of a killed bin/run to end …")
        while not try_lock(held):
            if time.monotonic() > deadline:
                raise CannotOpen("Processes of a killed bin/run (web, worker or simulator) still run: end them first.")
            time.sleep(0.05)
        yield held.fileno()


def try_lock(lock: TextIO) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wanted_processes(settings: config.Settings) -> dict[str, str]:
    """Return the commands to run, their ports being free. Raises CannotOpen."""
    commands = processes.read_procfile(ROOT / "Procfile")
    # The Procfile's "python" is the one that runs this.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    os.environ |= {"PATH": path, "HOST": settings.HOST, "PORT": str(settings.PORT)}
    need_free_port(settings.HOST, settings.PORT, "the shop")
    if settings.SHOP_ENV == "development" and "MPESA_CONSUMER_KEY" not in config.environment():
        port = config.simulator_port(settings.PORT)
        need_free_port("127.0.0.1", port, f"the M-Pesa simulator of a shop on port {settings.PORT}")
        os.environ |= {"SIMULATOR_PORT": str(port), "MPESA_BASE_URL": f"http://127.0.0.1:{port}"}
    else:
        del commands["simulator"]
    return commands


def need_free_port(host: str, port: int, user: str) -> None:
    """Raise CannotOpen unless `port` can be had."""
    try:
        family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise CannotOpen(
            f"Port {port} on {host}, for {user}, cannot be had ({error.strerror}): "
            "end what uses it, or choose another: PORT=5050 bin/run"
        ) from None


def prepare_database(settings: config.Settings) -> list[tuple[str, str, str]]:
    """Migrate, open the demo shop in an empty database, and return its log-ins (role, username, password)."""
    migrations.apply(settings.DATABASE_URL)
    # Only now: the application is made with the settings that were completed above.
    from app import create_app
    from main import demo

    with create_app().app_context():
        return demo.open_shop_if_empty()


def address(settings: config.Settings) -> str:
    """Return where the shop is called from this machine."""
    host = EVERYWHERE.get(settings.HOST, settings.HOST)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.PORT}"


def wait_until_ready(settings: config.Settings, children: dict[str, Popen[bytes]], signals: processes.Signals) -> bool:
    """Return True when everything answers, False when the shop is asked to stop first. Raises CannotOpen."""
    waiting = [f"{address(settings)}/ready"]
    if "simulator" in children:
        waiting.append(settings.MPESA_BASE_URL)
    deadline = time.monotonic() + READY_SECONDS
    answer = ""
    while time.monotonic() < deadline:
        if signals.asked_to_stop:
            return False
        need_all(children)
        answer = failing_answer(waiting[0])
        if not answer:
            del waiting[0]
            if not waiting:
                return True
        else:
            signals.wait(0.1)
    raise CannotOpen(f"{waiting[0]} is not ready after {READY_SECONDS:.0f} s: {answer}")


def failing_answer(url: str) -> str:
    """Return what is wrong at an address of our own, "" when it answers well."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  - made by us, always http
            return ""
    except urllib.error.HTTPError as error:
        return error.read(2000).decode(errors="replace")
    except OSError as error:
        return str(error)


def need_all(children: dict[str, Popen[bytes]]) -> None:
    """Raise CannotOpen when one of the processes has ended."""
    for name, process in children.items():
        code = process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            raise CannotOpen(f"The {name} process {how}; its last lines above say why. Everything is stopped.")


def greet(settings: config.Settings, log_ins: list[tuple[str, str, str]]) -> None:
    """Tell where the shop is and who may log in."""
    say(f"\nThe shop is open: {address(settings)}")
    say(f"API reference:    {address(settings)}/docs")
    for role, username, password in log_ins:
        say(f"Log in as {role + ':':<14} {username} / {password}")
    say("Ctrl-C closes it.\n")


def close(children: dict[str, Popen[bytes]], signals: processes.Signals) -> None:
    """Stop the processes; what runs is finished first."""
    say("Closing the shop …")
    if not processes.stop(children.values(), signals=signals, patience=STOP_SECONDS):
        say(f"What had not stopped after {STOP_SECONDS:.0f} s was killed; the next start resumes its work.")


def say(line: str) -> None:
    """Print a line now; the terminal may be gone."""
    with contextlib.suppress(OSError):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
