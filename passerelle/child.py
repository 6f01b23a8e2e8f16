"""One process that `up` started: its output goes to a file, its life is bound to ours, its launch is written down.

The output goes to the file without passing through `up`, so a child never waits for us. A log that has grown too large
is set aside: the child keeps its file, so what is in it is copied and the file begins anew. What is written in the
instant between the two is lost. A child leads its own process
group: Ctrl-C reaches `up` alone, which ends its children in the right order.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from passerelle.home import Home
from passerelle.private import write_private
from passerelle.rooms import Room

LARGEST_LOG = 10 * 1024 * 1024  # bytes; a larger one is set aside
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1


class Child:
    """A started room. `returncode` is None while it runs, and negative when a signal ended it."""

    def __init__(self, room: Room, home: Home, inherited: Mapping[str, str]) -> None:
        self.room = room
        self.log = home.log(room.name)
        self._home = home
        argv, environment = room.argv(), room.environment(inherited)
        write_private(home.launch(room.name), json.dumps({"argv": argv, "environment": environment}, indent=1))
        self.turn_log_over()
        with open(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab") as output:
            self.log_start = output.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
                preexec_fn=_end_with_parent(os.getpid()),  # safe: `up` has one thread
            )

    @property
    def name(self) -> str:
        return self.room.name

    @property
    def pid(self) -> int:
        return self._process.pid

    def returncode(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        if self.returncode() is None:
            self._process.terminate()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within that time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """The last resort: the whole process group, workers and telemetry included."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()

    def how_it_ended(self) -> str:
        code = self.returncode()
        if code is None:
            return "still running"
        if code < 0:
            return f"signal {signal.Signals(-code).name}"
        return f"exit code {code}"

    def start_again(self) -> str:
        """The command that starts it again as it was."""
        script = Path(sys.executable).with_name("passerelle")
        command = [str(script)] if script.exists() else [sys.executable, "-m", "passerelle"]
        return shlex.join([*command, "start", self.name, "--data", str(self._home.root)])

    def last_lines(self, count: int = 12) -> str:
        """The end of what it wrote since this start."""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-count:])

    def turn_log_over(self) -> None:
        """Set a log aside that is too large, in place of the one before."""
        part = self.log.with_suffix(".log.part")
        try:
            if self.log.stat().st_size <= LARGEST_LOG:
                return
            with self.log.open("r+b") as log, part.open("wb") as copy:
                os.chmod(part, 0o600)
                while piece := log.read(1024 * 1024):
                    copy.write(piece)
                log.truncate(0)
            part.replace(self.log.with_suffix(".log.1"))
            self.log_start = 0
        except OSError:  # no room for the copy, or somebody took the log away: it is only a log
            part.unlink(missing_ok=True)


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    """Runs in the child before exec: SIGTERM when `up` dies, however it dies. Linux only; elsewhere children stay."""
    libc = _LIBC
    if libc is None:
        return None

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(0)

    return prepare
