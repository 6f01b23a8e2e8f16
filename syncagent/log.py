"""Log events on standard output, in the text and json shapes of the gateway we replace.

    [Info] 2024-01-19T07:39:54.666 [ConfigurationChanged], message: ..., cursor: 57

A thread of its own writes: a blocked pipe costs log lines, never a poll. Of one event there are at most
MOST_PER_SECOND lines in a second; the number of those left out is told afterwards. Nothing here knows a token.
"""

from __future__ import annotations

import datetime
import json
import queue
import sys
import threading
import time
from typing import IO

DEBUG, INFO, WARN, ERROR, FATAL = 1, 2, 3, 4, 5
THRESHOLDS = {"all": 0, "debug": DEBUG, "info": INFO, "warn": WARN, "error": ERROR, "fatal": FATAL}
NAMES = {DEBUG: "Verbose", INFO: "Info", WARN: "Warn", ERROR: "Error", FATAL: "Fatal"}
COLORS = {DEBUG: "\x1b[2m", INFO: "\x1b[36m", WARN: "\x1b[33m", ERROR: "\x1b[31m", FATAL: "\x1b[31m"}

MOST_PER_SECOND = 1_000

Field = str | int | float | bool | None


class Log:
    """`source` names the process in json lines. `close` waits at most a second for the reader of the pipe."""

    def __init__(self, style: str, level: str, color: bool, source: str, stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._style = style
        self._threshold = THRESHOLDS[level] if style != "none" else FATAL + 1
        self._color = color and self._stream.isatty()
        self._source = source
        self._lines: queue.Queue[str | None] = queue.Queue(maxsize=2_000)
        self._second = 0
        self._said: dict[str, int] = {}  # in this second
        self._left_out = 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)
        self._writer.start()

    def debug(self, event: str, message: str, **fields: Field) -> None:
        self._emit(DEBUG, event, message, fields)

    def info(self, event: str, message: str, **fields: Field) -> None:
        self._emit(INFO, event, message, fields)

    def warn(self, event: str, message: str, **fields: Field) -> None:
        self._emit(WARN, event, message, fields)

    def error(self, event: str, message: str, **fields: Field) -> None:
        self._emit(ERROR, event, message, fields)

    def close(self) -> None:
        try:
            self._lines.put(None, timeout=1)
        except queue.Full:
            return
        self._writer.join(timeout=1)

    def _emit(self, level: int, event: str, message: str, fields: dict[str, Field]) -> None:
        if level < self._threshold or self._too_often(event):
            return
        if self._left_out and not self._lines.full():
            left_out, self._left_out = self._left_out, 0
            self._emit(WARN, "LogLinesDropped", "the same was said too often, or nobody read", {"count": left_out})
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        try:
            self._lines.put_nowait(self._line(level, now, event, message, fields))
        except queue.Full:
            self._left_out += 1

    def _too_often(self, event: str) -> bool:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._said.clear()
        self._said[event] = said = self._said.get(event, 0) + 1
        if said > MOST_PER_SECOND:
            self._left_out += 1
        return said > MOST_PER_SECOND

    def _line(self, level: int, now: str, event: str, message: str, fields: dict[str, Field]) -> str:
        if self._style == "json":
            entry = {"level": NAMES[level], "timestamp": f"{now}Z", "eventType": event, "source": self._source}
            return json.dumps(entry | {"message": message} | fields, ensure_ascii=False)
        name = f"{COLORS[level]}[{NAMES[level]}]\x1b[0m" if self._color else f"[{NAMES[level]}]"
        pairs = "".join(f", {key}: {_one_line(value)}" for key, value in {"message": message, **fields}.items())
        return f"{name} {now} [{event}]{pairs}"

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                continue


def _one_line(value: Field) -> str:
    """A value cannot forge a second log line."""
    return str(value).replace("\r", "\\r").replace("\n", "\\n")
