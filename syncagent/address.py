"""Where the agent listens: a unix socket in a directory of its own, or a TCP port on loopback.

The socket's file mode does not protect it (gRPC makes it 0755), so the directory does: ours, 0700, and not a link.
Only a socket that is ours and that nobody answers on is removed.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path


class AddressError(Exception):
    """The address cannot be used; the message says what to do."""


def prepare(listen: str) -> None:
    """Make the address free to be bound. Raises AddressError, OSError."""
    if not listen.startswith("unix:"):
        return
    path = Path(listen.removeprefix("unix:"))
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    _check_directory(path.parent)
    _remove_stale(path)


def _check_directory(directory: Path) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise AddressError(f"{directory} is not a directory; give config.sync.listen a directory of its own")
    if status.st_uid != os.geteuid():
        raise AddressError(f"{directory} belongs to another user; give config.sync.listen a directory of its own")
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise AddressError(f"{directory} is open to other users; `chmod 700` it, or give config.sync.listen another")


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid != os.geteuid():
        raise AddressError(f"{path} is not a socket of ours; remove it, or change config.sync.listen")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except TimeoutError:
            pass
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise AddressError(f"another agent serves on {path}; end it, or change config.sync.listen")
