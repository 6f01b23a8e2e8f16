"""A file of lines that never grows beyond a size: a full one is set aside as `<name>.1`, in place of the one before.

Several processes may write to one file: each notices when another has set it aside.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from telemetry.lane import Refused

LARGEST = 64 * 1024 * 1024  # bytes


class GrowingFile:
    """`send` is a lane's. The file is for its owner alone."""

    def __init__(self, path: Path, largest: int = LARGEST) -> None:
        self._path = path
        self._largest = largest
        self._file = -1

    def send(self, data: bytes, timeout: float) -> None:
        """Append whole lines. Raises Refused."""
        try:
            self._open()
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as failure:
            self.close()
            raise Refused(f"{self._path}: {failure.strerror}") from None

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        """Make sure that `_file` is what lies under the name, and not full."""
        with suppress(FileNotFoundError):
            found = os.stat(self._path)
            if found.st_size >= self._largest:
                os.replace(self._path, f"{self._path}.1")
            elif self._file >= 0 and os.fstat(self._file).st_ino == found.st_ino:
                return
        self.close()
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
