"""The plane's own log: one line per event on standard output, as text or JSON. It never holds a body or a secret."""

from __future__ import annotations

import datetime
import json
import logging
import sys


class _Line(logging.Formatter):
    def __init__(self, style: str) -> None:
        super().__init__()
        self.json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        # What a client sent cannot forge a second event.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        if self.json:
            line = {"timestamp": time, "level": record.levelname.lower(), "source": record.name, "message": message}
            return json.dumps(line, ensure_ascii=False)
        return f"{time} {record.levelname.lower():7} {record.name}: {message}"


def start(style: str) -> None:
    """`style` is none, text or json."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    handler: logging.Handler = logging.StreamHandler(sys.stdout) if style != "none" else logging.NullHandler()
    handler.setFormatter(_Line(style))
    root.handlers = [handler]
