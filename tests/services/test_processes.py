"""utils/processes.py with real processes: asked once to stop, killed when they will not, gone with their parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from utils import processes

ROOT = Path(__file__).resolve().parents[2]

# Each says what happens to it into the pipe that it holds, and sleeps by reading a fifo that nobody writes.
OBEDIENT = "trap 'echo asked >/dev/fd/$HELD; exit 0' TERM; echo up >/dev/fd/$HELD; read -r _ <$FIFO"
STUBBORN = "trap '' TERM; echo up >/dev/fd/$HELD; read -r _ <$FIFO"
LEAVES_A_CHILD = "(trap '' TERM; echo up >/dev/fd/$HELD; read -r _ <$FIFO) & wait"

# Starts the command of its second argument and is then killed.
PARENT = """
import os, sys
from pathlib import Path
from utils import processes
held, folder, command = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
processes.start(command, environment=os.environ, folder=folder, held=held)
sys.stdin.read()
"""


class Stage:
    """A pipe that the processes hold: what they say comes out of it, and it ends when the last of them has."""

    def __init__(self, folder):
        self.folder = folder
        os.mkfifo(folder / "fifo")
        reader, self.held = os.pipe()
        self.said = os.fdopen(reader)
        self.environment = os.environ | {"FIFO": str(folder / "fifo"), "HELD": str(self.held)}

    def start(self, command):
        process = processes.start(command, environment=self.environment, folder=self.folder, held=self.held)
        assert self.said.readline() == "up\n"
        return process

    def rest(self):
        """Return what is said until everybody has ended."""
        os.close(self.held)
        return self.said.read()


@pytest.fixture
def stage(tmp_path):
    stage = Stage(tmp_path)
    with stage.said:
        yield stage


@pytest.fixture
def signals():
    with processes.received_signals() as signals:
        signals.raising = False
        yield signals


def test_everybody_is_asked_once_to_stop_and_waited_for(stage, signals):
    both = [stage.start(OBEDIENT), stage.start(OBEDIENT)]
    assert processes.stop(both, signals=signals, patience=30)
    assert [process.returncode for process in both] == [0, 0]
    assert stage.rest() == "asked\nasked\n"


def test_who_does_not_stop_in_time_is_killed(stage, signals):
    stubborn = stage.start(STUBBORN)
    assert not processes.stop([stubborn], signals=signals, patience=0.2)
    assert stubborn.returncode == -signal.SIGKILL
    assert stage.rest() == ""


def test_children_of_a_killed_process_end_with_the_others(stage, signals):
    leader = stage.start(LEAVES_A_CHILD)
    leader.kill()
    processes.stop([leader], signals=signals, patience=30)
    assert stage.rest() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent was killed")
def test_processes_are_asked_to_stop_when_their_parent_is_killed(stage):
    command = [sys.executable, "-c", PARENT, str(stage.held), stage.folder, OBEDIENT]
    environment = stage.environment | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, pass_fds=[stage.held]) as parent:
        assert stage.said.readline() == "up\n"
        parent.kill()
    assert stage.rest() == "asked\n"


def test_interrupt_of_the_terminal_does_not_reach_the_processes(stage):
    process = stage.start(OBEDIENT)
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getsid(0)
    process.kill()
    process.wait()


def test_wait_returns_at_once_when_a_process_ends(stage, signals):
    process = stage.start(OBEDIENT)
    process.kill()
    signals.wait(60)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("number", processes.STOP_SIGNALS)
def test_stop_signals_raise_or_are_noted(number):
    with processes.received_signals() as signals:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        signals.raising = False
        os.kill(os.getpid(), number)
        assert signals.asked_to_stop


def test_signal_handlers_are_given_back():
    before = [signal.getsignal(number) for number in (*processes.STOP_SIGNALS, signal.SIGCHLD)]
    with processes.received_signals():
        pass
    assert [signal.getsignal(number) for number in (*processes.STOP_SIGNALS, signal.SIGCHLD)] == before


def test_procfile_of_the_shop_names_its_processes():
    commands = processes.read_procfile(ROOT / "Procfile")
    assert list(commands) == ["web", "worker", "simulator"]
    assert all(command.startswith("exec ") for command in commands.values())
