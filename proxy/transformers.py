"""Processes that run stylesheets: one that takes too long or too much is ended, which no thread can be.

Rules
1. One is started when a transformation finds none idle, at most `MOST`; they stay, and end with this process. Then
   `MOST_WAITING` may wait for one, and no more.
2. A transformation has SECONDS from when it begins, and MEMORY beyond what its process needs to be there.
3. Whatever becomes of a process, its transformation fails with StylesheetError and the next one gets another process.

A question and its answer are frames: four bytes with their length, then JSON for the head and bytes for the document.
What speaks to a process blocks, in a thread.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import IO, BinaryIO

from proxy.pipeline.stylesheet import Stylesheet, StylesheetError

SECONDS = 2.0
STARTED = 10.0  # seconds, a process
MEMORY = 256 * 1024 * 1024  # bytes
MOST = 4
MOST_WAITING = 64
KEPT = 64  # compiled stylesheets in a process
MAX_FRAME = 64 * 1024 * 1024
_SIZE = struct.Struct(">I")


class _Gone(Exception):
    """The process ended, or did not answer in time."""


class _Process:
    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PATH": os.environ.get("PATH", "")},
            bufsize=0,
        )
        try:
            assert self._process.stdout is not None
            self._read(self._process.stdout, time.monotonic() + STARTED)
        except (OSError, EOFError):
            self.end()
            raise StylesheetError("The process for transformations does not start.") from None

    def ask(self, frames: tuple[bytes, ...], until: float) -> tuple[bytes, bytes]:
        """Raises _Gone."""
        asked, said = self._process.stdin, self._process.stdout
        assert asked is not None
        assert said is not None
        try:
            # it reads a whole question before it begins, so that this waits for nothing but the pipe
            for frame in frames:
                asked.write(_SIZE.pack(len(frame)))
                view = memoryview(frame)
                while view:
                    view = view[asked.write(view) :]
            return self._read(said, until), self._read(said, until)
        except (OSError, EOFError) as problem:
            raise _Gone from problem

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    @staticmethod
    def _read(said: IO[bytes], until: float) -> bytes:
        def exactly(size: int) -> bytes:
            pieces = bytearray()
            while len(pieces) < size:
                if not select.select([said], [], [], max(until - time.monotonic(), 0))[0]:
                    raise TimeoutError
                piece = os.read(said.fileno(), size - len(pieces))
                if not piece:
                    raise EOFError
                pieces += piece
            return bytes(pieces)

        return exactly(_SIZE.unpack(exactly(_SIZE.size))[0])


_idle: list[_Process] = []
_waiting = 0


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MOST, "xsl-transform")


async def transform(stylesheet: str, content: bytes, parameters: Mapping[str, str]) -> bytes:
    """What the stylesheet makes of a document. Raises StylesheetError."""
    global _waiting
    if _waiting >= MOST_WAITING:
        raise StylesheetError(f"{MOST_WAITING} others are waiting already.")
    _waiting += 1
    try:
        work = partial(_transform, stylesheet, content, parameters)
        return await asyncio.get_running_loop().run_in_executor(_threads(), work)
    finally:
        _waiting -= 1


@atexit.register
def _end() -> None:
    while _idle:
        _idle.pop().end()


def _transform(stylesheet: str, content: bytes, parameters: Mapping[str, str]) -> bytes:
    head = json.dumps(dict(parameters)).encode()
    while True:
        process, used = (_idle.pop(), True) if _idle else (_Process(), False)
        began = time.monotonic()
        try:
            kind, made = process.ask((stylesheet.encode(), head, content), began + SECONDS)
        except _Gone as problem:
            process.end()
            if isinstance(problem.__cause__, TimeoutError):
                raise StylesheetError(f"The transformation took more than {SECONDS:g} seconds.") from None
            if used and time.monotonic() - began < 0.01:
                continue  # it had ended before it was asked
            raise StylesheetError(f"The transformation needs more than {MEMORY // 2**20} MiB.") from None
        except BaseException:
            process.end()
            raise
        if kind == b"made":
            _idle.append(process)
            return made
        if kind == b"memory":
            process.end()
            raise StylesheetError(f"The transformation needs more than {MEMORY // 2**20} MiB.")
        _idle.append(process)
        raise StylesheetError(made.decode("utf-8", "replace"))


def _serve(asked: BinaryIO, said: BinaryIO) -> None:
    """The process: one question after another, until nobody asks any more."""
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who asks
    known: dict[bytes, Stylesheet] = {}
    said.write(_SIZE.pack(0))
    said.flush()

    def frame() -> bytes:
        head = asked.read(_SIZE.size)
        if len(head) < _SIZE.size:
            raise EOFError
        return asked.read(_SIZE.unpack(head)[0])

    while True:
        try:
            text, head, content = frame(), frame(), frame()
        except EOFError:
            return
        signal.alarm(int(SECONDS) + 2)  # should who asks be gone
        try:
            stylesheet = known.pop(text, None) or Stylesheet(text.decode())
            known[text] = stylesheet
            while len(known) > KEPT:
                del known[next(iter(known))]
            kind, made = b"made", stylesheet.transform(content, json.loads(head))
        except StylesheetError as problem:
            kind, made = b"wrong", str(problem).encode()
        except MemoryError:
            kind, made = b"memory", b""
        signal.alarm(0)
        for part in (kind, made):
            said.write(_SIZE.pack(len(part)) + part)
        said.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
