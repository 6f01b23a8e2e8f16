"""The process's own events on standard output, in the two shapes of the gateway that we replace.

    [Info] 2024-01-19T07:39:54.666 [GatewayStartup], message: listening on 0.0.0.0:8080
    {"level": "Info", "timestamp": "…", "eventType": "GatewayStartup", "source": "proxy.app", "message": "…"}

A log call names its event with `extra={"event": "GatewayStartup"}`; without one the logger's name stands there.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
from typing import TextIO

_LEVELS = {
    "all": logging.NOTSET + 1,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}
_NAMES = {10: "Debug", 20: "Info", 30: "Warn", 40: "Error", 50: "Fatal"}


class LineFormatter(logging.Formatter):
    """One event, one line; what could break the line is escaped."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        level = _NAMES.get(record.levelno, "Verbose")
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        event = getattr(record, "event", "") or record.name
        message = record.getMessage()
        failure = self.formatException(record.exc_info) if record.exc_info else ""
        if self._as_json:
            fields = {"level": level, "timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
            fields |= {"eventType": event, "source": record.name, "message": message}
            if failure:
                fields["exception"] = failure
            return json.dumps(fields, ensure_ascii=False)
        text = f"[{level}] {moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d} [{event}]"
        text += f", message: {message}"
        if failure:
            text += f", exception: {failure}"
        return text.replace("\r", "\\r").replace("\n", "\\n")


def configure(shape: str, level: str, stream: TextIO | None = None) -> None:
    """`shape` is none, text or json; `level` as in `telemetry.logs.std.level`."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    if shape == "none":
        root.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler(stream if stream is not None else sys.stdout)
    handler.setFormatter(LineFormatter(shape == "json"))
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])
