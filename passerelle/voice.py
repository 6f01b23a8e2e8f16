"""What `up` says while it works, on standard error: for a person with a terminal, or line by line for a log.

Standard output is left to the result: the page, or the one line of `--json`.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

from passerelle.child import Child

PATIENCE = 0.2  # seconds to wait for whoever reads standard error
LARGEST_READ = 1024 * 1024  # bytes of one log that are repeated at a time


class Voice:
    """`copy_logs`: also repeat what the children write, each line with the name of its process."""

    def __init__(self, copy_logs: bool) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._lines = copy_logs or not self._console.is_terminal
        self._tails: dict[str, _Tail] | None = {} if copy_logs else None

    def say(self, text: str, style: str = "") -> None:
        if self._lines:
            _write(f"[up] {text}\n")
        else:
            with suppress(OSError):  # the terminal may be gone
                self._console.print(text, style=style or None, markup=False)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Something that takes a moment: shown while it lasts, and with its duration once it is done."""
        began = time.monotonic()
        if self._lines:
            yield
        else:
            with self._console.status(f"{text} …"):
                yield
        self.say(f"{'' if self._lines else '✓ '}{text} ({time.monotonic() - began:.1f} s)")

    def copy_logs(self, children: Iterable[Child]) -> None:
        """Repeat what was written since the last call."""
        if self._tails is None:
            return
        for child in children:
            tail = self._tails.get(child.name)
            if tail is None:
                tail = self._tails[child.name] = _Tail(child.log, child.log_start)
            _write("".join(f"[{child.name}] {line}\n" for line in tail.new_lines()))


def _write(text: str) -> None:
    """To standard error, if it takes it soon: a reader that stopped reading must not stop us, and files have it all.

    A pipe that is ready takes PIPE_BUF bytes without blocking.
    """
    data = text.encode("utf-8", "replace")
    try:
        descriptor = sys.stderr.fileno()
        for start in range(0, len(data), select.PIPE_BUF):
            if not select.select([], [descriptor], [], PATIENCE)[1]:
                return
            os.write(descriptor, data[start : start + select.PIPE_BUF])
    except (OSError, ValueError):  # closed
        return


class _Tail:
    """Reads the whole lines that a growing file has got since the last time."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._read = start  # bytes
        self._rest = b""

    def new_lines(self) -> list[str]:
        try:
            size = self._path.stat().st_size
            if size == self._read:
                return []
            if size < self._read:  # somebody emptied it
                self._read, self._rest = 0, b""
            with self._path.open("rb") as file:
                file.seek(self._read)
                found = file.read(LARGEST_READ)
        except OSError:  # somebody took it away: that is no reason to end
            self._read, self._rest = 0, b""
            return []
        self._read += len(found)
        *lines, self._rest = (self._rest + found).split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]
