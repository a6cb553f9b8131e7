"""bin/serve.py, whole: it opens, it closes on TERM leaving nothing, and what is in the way is told in one line."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import config

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def free_port():
    """Return a port that is free, and free for the simulator that belongs to it."""
    while True:
        with taken_port() as port, socket.socket() as simulator, contextlib.suppress(OSError):
            simulator.bind(("127.0.0.1", config.simulator_port(port)))
            return port


class Shop:
    """A shop that is being opened on the suite's database, with an instance folder and a port of its own."""

    def __init__(self, database_url, folder):
        self.folder = folder
        self.port = free_port()
        self.environment = os.environ | {
            "SHOP_ENV": "development",
            "DATABASE_URL": database_url,
            "INSTANCE_DIR": str(folder),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "MPESA_CONSUMER_KEY": "",
        }

    @contextlib.contextmanager
    def open(self, **changes):
        with subprocess.Popen(
            [sys.executable, ROOT / "bin" / "serve.py"],
            env=self.environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.terminate()  # a failed test must not wait for a shop that stays open

    def everything_has_ended(self):
        """Tell whether no process of the shop lives: each holds this lock."""
        with open(self.folder / "processes.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True


@pytest.fixture
def shop(database_url, tmp_path):
    return Shop(database_url, tmp_path)


def read_until_open(process):
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C closes"):
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_shop_opens_answers_and_leaves_nothing_when_asked_to_stop(shop):
    with shop.open() as process:
        said = read_until_open(process)
        address = f"http://127.0.0.1:{shop.port}"
        assert f"The shop is open: {address}\n" in said
        assert "Log in as admin:" in said
        assert "Log in as customer:" in said
        for path in ("/health", "/ready"):
            assert requests.get(address + path, timeout=10).status_code == 200, path

        with shop.open() as second:
            assert second.communicate()[0] == ("This shop is open already, by another bin/run: stop that one first.\n")
            assert second.returncode == 1

        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 0
    assert shop.everything_has_ended()


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_shop_closes_with_a_clear_line_when_one_of_its_processes_dies(shop):
    with shop.open() as process:
        read_until_open(process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        worker = next(int(pid) for pid in children if b"flask\0worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
        os.kill(worker, signal.SIGKILL)
        said = process.communicate()[0]
    assert "The worker process was killed by signal 9" in said
    assert process.returncode == 1
    assert shop.everything_has_ended()


def test_port_in_use_is_one_clear_line(shop):
    with taken_port() as port, shop.open(PORT=str(port)) as process:
        said = process.communicate()[0]
    assert said.startswith(f"Port {port} on 127.0.0.1, for the shop, cannot be had (Address already in use)")
    assert said.count("\n") == 1
    assert process.returncode == 1


def test_bad_setting_is_one_clear_line(shop):
    with shop.open(PORT="http") as process:
        said = process.communicate()[0]
    assert "PORT" in said
    assert said.count("\n") == 1
    assert process.returncode == 1
