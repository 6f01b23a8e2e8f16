"""A process's own events on standard output, in the shapes of the gateway we replace (see `lines.py`).

    log.configure(settings, "proxy")
    logging.getLogger(__name__).info("Ready.", extra={"event": "GatewayStartup", "fields": {"version": "1"}})

Rules
1. Logging never waits for the reader of standard output: lines go through a bounded queue to one thread; when it is
   full the line is dropped and the number of dropped lines is told as soon as there is room.
2. What one place in the code says more than MOST_PER_SECOND times in a second is dropped and counted the same way: a
   complaint that repeats must not cost a processor.
3. The end of the process waits at most LONGEST seconds for that reader, and not for one that has taken nothing for
   PATIENCE seconds.
4. What somebody sent that is no HTTP is answered with 400 and is no event: a stack trace each would fill the log.
5. No OpenTelemetry here, and nothing but the standard library, unless a process has loaded it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from telemetry.lines import json_line, text_line, timestamp

LEVELS = {
    "all": logging.NOTSET + 1,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
FORMATS = ("none", "text", "json")
QUEUE_LINES = 10_000
MOST_PER_SECOND = 1_000
PATIENCE, LONGEST = 0.5, 1.0  # seconds
MOMENT = 0.002  # seconds
# What the JSON envelope has a place for; every other field goes into its `tags`.
ENVELOPE = (
    "apiId",
    "operationId",
    "subscriptionId",
    "serviceName",
    "httpMethod",
    "correlationId",
    "transportError",
    "httpError",
)


def level_name(level: int) -> str:
    """A `logging` level in the gateway's words."""
    if level >= logging.CRITICAL:
        return "Fatal"
    if level >= logging.ERROR:
        return "Error"
    if level >= logging.WARNING:
        return "Warn"
    return "Info" if level >= logging.INFO else "Verbose"


def choice(settings: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    """A setting that is one of a few words; raises ValueError naming the setting."""
    value = settings.get(name, "").strip().lower() or default
    if value not in allowed:
        raise ValueError(f"setting {name} is {value!r}; it must be one of {', '.join(allowed)}")
    return value


def colored(settings: Mapping[str, str], stream: TextIO) -> bool:
    return settings.get("telemetry.logs.std.color", "true").strip().lower() != "false" and stream.isatty()


class Formatter(logging.Formatter):
    """A `LogRecord` as one line. `source` names the process; `extra` may carry `event` and `fields`."""

    def __init__(self, shape: str, source: str, color: bool = False) -> None:
        super().__init__()
        self._shape = shape
        self._source = source
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        level = level_name(record.levelno)
        event = str(getattr(record, "event", "") or record.name)
        extra: dict[str, Any] = dict(getattr(record, "fields", None) or {})
        head: dict[str, Any] = {"source": self._source, "message": record.getMessage()}
        if record.exc_info:
            head["exception"] = self.formatException(record.exc_info)
        when = timestamp(record.created)
        if self._shape == "text":
            return text_line(level, when, event, {"message": head.pop("message"), **extra, **head}, self._color)
        known = {name: extra.pop(name) for name in ENVELOPE if name in extra}
        tags = {"tags": {**extra, "logger": record.name}}
        return json_line(level, when, event, {**head, **known, **tags})


class LineHandler(logging.Handler):
    """Hands formatted lines to one writer thread."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.dropped = 0
        self._second = 0
        self._said: dict[tuple[str, int], int] = {}  # in this second, by logger and line of code
        self._closed = False
        self._writing_since = 0.0  # monotonic; 0 while nothing is being written
        self._put = _writer(stream)
        self._lines: queue.Queue[str | threading.Event | None] = queue.Queue(QUEUE_LINES)
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if self._too_often(record):
            self.dropped += 1
            return
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self.dropped += 1
        except Exception:
            self.handleError(record)

    def _too_often(self, record: logging.LogRecord) -> bool:
        second, place = int(record.created), (record.name, record.lineno)
        if second != self._second:
            self._second = second
            self._said.clear()
        self._said[place] = said = self._said.get(place, 0) + 1
        return said > MOST_PER_SECOND

    def flush(self) -> None:
        """Wait until everything so far is written, as long as the reader is worth it."""
        self._put_and_wait(done := threading.Event(), done.is_set)

    def close(self) -> None:
        if not self._closed and threading.current_thread() is not self._thread:
            self._put_and_wait(None, lambda: not self._thread.is_alive())
            # What is stuck in a write dies with the process.
        self._closed = True
        super().close()

    def _put_and_wait(self, last: threading.Event | None, done: Callable[[], bool]) -> None:
        if self._closed:
            return
        end, waits = time.monotonic() + LONGEST, True
        while self._thread.is_alive() and not done():
            now = time.monotonic()
            if now >= min(end, (self._writing_since or now) + PATIENCE):
                return
            if waits:
                with contextlib.suppress(queue.Full):
                    self._lines.put(last, timeout=MOMENT)
                    waits = False
            else:
                time.sleep(MOMENT)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if isinstance(line, threading.Event):
                line.set()
                continue
            if self.dropped and self._lines.qsize() < QUEUE_LINES // 2:
                lost, self.dropped = self.dropped, 0
                line += f"\n{text_line('Warn', timestamp(time.time()), 'LogLinesDropped', {'count': lost})}"
            self._writing_since = time.monotonic()
            try:
                self._put(line + "\n")
            except (BrokenPipeError, ValueError):
                return  # nobody reads standard output any more
            except OSError:
                self.dropped += 1  # it is a file, and its disk is full: that passes
            self._writing_since = 0.0


def _writer(stream: TextIO) -> Callable[[str], None]:
    """Writes past the stream's buffer where it has a file.

    A thread that is stuck while it holds the buffer's lock would abort the interpreter at its end.
    """
    try:
        file = stream.fileno()
    except (AttributeError, OSError, ValueError):

        def put(text: str) -> None:
            stream.write(text)
            stream.flush()

        return put
    stream.flush()

    def write(text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(file, data) :]

    return write


def configure(settings: Mapping[str, str], source: str, stream: TextIO | None = None) -> logging.Handler:
    """Send the root logger's events to standard output as `telemetry.logs.std*` say; once per process.

    Raises ValueError naming a setting that has no such value. Calling it again replaces the handler.
    """
    target = stream or sys.stdout
    shape = choice(settings, "telemetry.logs.std", FORMATS, "text")
    level = LEVELS[choice(settings, "telemetry.logs.std.level", tuple(LEVELS), "info")]
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, LineHandler | logging.NullHandler)]:
        root.removeHandler(old)
        old.close()
    handler: logging.Handler
    if shape == "none":
        handler = logging.NullHandler()
    else:
        handler = LineHandler(target)
        handler.setFormatter(Formatter(shape, source, colored(settings, target)))
        atexit.register(handler.close)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("aiohttp.server").addFilter(is_news)
    return handler


def is_news(record: logging.LogRecord) -> bool:
    """False for what aiohttp could not read as HTTP."""
    if not record.exc_info or record.exc_info[1] is None:
        return True
    from aiohttp.http_exceptions import HttpProcessingError

    return not isinstance(record.exc_info[1], HttpProcessingError)
