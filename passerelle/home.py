"""The data directory of `passerelle up`: what lies where.

DIR/
  store.db, ca.pem, admin.token ...        the plane's own (setting management.data)
  gateway.token                            what the agent shows to the plane (0600)
  backup/                                  the agent's encrypted generations
  telemetry/                               what waits for a collector that is away
  logs/<process>.log
  run/                                     sockets, the lock, how each process was started (0700)
  demo/                                    the demo's key and the files its page names
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from passerelle.private import private_directory

# The address of a unix socket has room for 108 bytes on Linux and 104 on macOS; the agent adds nothing to ours.
LONGEST_SOCKET_PATH = 100


class HomeInUse(Exception):
    """Another `passerelle up` runs on the same directory."""


@dataclass(frozen=True, slots=True)
class Home:
    """Absolute paths below one data directory."""

    root: Path

    @property
    def ca(self) -> Path:
        return self.root / "ca.pem"

    @property
    def admin_token(self) -> Path:
        return self.root / "admin.token"

    @property
    def gateway_token(self) -> Path:
        return self.root / "gateway.token"

    @property
    def backup(self) -> Path:
        return self.root / "backup"

    @property
    def telemetry(self) -> Path:
        return self.root / "telemetry"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def demo(self) -> Path:
        return self.root / "demo"

    def log(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    def launch(self, process: str) -> Path:
        """How a process was started: its argv and environment, for `passerelle start`."""
        return self.run / f"{process}.json"

    def socket(self) -> Path:
        """Where the agent listens. A path too long for a socket address moves to a private temp directory."""
        path = self.run / "agent.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"passerelle-{os.getuid()}-{name}" / "agent.sock"

    def prepare(self) -> None:
        """Make the directories. Everything below is for this user only."""
        private_directory(self.root)
        for directory in (self.logs, self.run, self.demo, self.socket().parent):
            private_directory(directory)

    def lock(self) -> int:
        """Hold the directory for this process; the descriptor must stay open. Raises `HomeInUse`."""
        descriptor = os.open(self.run / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode().strip()
            os.close(descriptor)
            raise HomeInUse(
                f"{self.root} is in use by another `passerelle up` (pid {holder or 'unknown'}); "
                "stop that one or choose another directory with --data"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor
