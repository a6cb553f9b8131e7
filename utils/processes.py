"""Several processes side by side, as bin/run needs them: started from a Procfile, watched, ended together.

Each has a session of its own, so that a Ctrl-C in the terminal reaches only us and everybody is asked to
stop once; on Linux each is asked to stop by the kernel when we are killed. They write straight to our
terminal: no line passes through a pipe of ours, so none is lost or delayed.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Signals:
    """The signals that ask us to stop: raised as KeyboardInterrupt, or noted once `raising` is off."""

    def __init__(self, woken: socket.socket) -> None:
        self.raising = True
        self.asked_to_stop = False
        self._woken = woken

    def wait(self, seconds: float) -> None:
        """Return when a signal or the end of a child arrives, at the latest after `seconds`."""
        if select.select([self._woken], [], [], seconds)[0]:
            self._woken.recv(4096)

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        self.asked_to_stop = True
        if self.raising:
            raise KeyboardInterrupt


@contextmanager
def received_signals() -> Iterator[Signals]:
    """Take over Ctrl-C, TERM and HUP, and hear of children that end, for the length of a `with` block."""
    woken, waker = socket.socketpair()
    with woken, waker:
        waker.setblocking(False)
        signals = Signals(woken)
        before = {number: signal.signal(number, signals.receive) for number in STOP_SIGNALS}
        # Without a handler of Python's, the end of a child would not wake us.
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        waker_before = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        try:
            yield signals
        finally:
            signal.set_wakeup_fd(waker_before)
            for number, handler in before.items():
                signal.signal(number, handler)


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, so that we can see it end (Linux)."""
    if _libc:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def read_procfile(path: Path) -> dict[str, str]:
    """Return the Procfile's commands by name."""
    lines = (line.partition(":") for line in path.read_text().splitlines() if line and line[0] != "#")
    return {name.strip(): command.strip() for name, _, command in lines}


def start(command: str, *, environment: Mapping[str, str], folder: Path, held: int) -> subprocess.Popen[bytes]:
    """Start a Procfile's command, which keeps the open file `held` until its last process has ended."""
    return subprocess.Popen(
        ["/bin/sh", "-c", command],
        env=dict(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        pass_fds=(held,),
        start_new_session=True,
        preexec_fn=_ending_with(os.getpid()) if _libc else None,
    )


def stop(processes: Iterable[subprocess.Popen[bytes]], *, signals: Signals, patience: float) -> bool:
    """Ask all of them to stop and wait; kill what is left. Return whether nothing had to be killed."""
    processes = list(processes)
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + patience
    while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
        signals.wait(deadline - time.monotonic())
    graceful = all(process.poll() is not None for process in processes)
    for process in processes:
        # The whole session: a program that was killed leaves its own children behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return graceful


def _ending_with(parent: int) -> Callable[[], None]:
    def before_the_program() -> None:
        assert _libc
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return before_the_program
