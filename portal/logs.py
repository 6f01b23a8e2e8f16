"""The portal's log lines on standard output: text or JSON, as telemetry.logs.std says."""

from __future__ import annotations

import datetime
import json
import logging
import sys

from portal.settings import Settings

_LEVELS = {
    "all": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
}


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = f"[{_level(record)}] {_time(record)} [{record.name}], message: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "timestamp": _time(record),
            "level": _level(record),
            "source": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def begin(settings: Settings) -> None:
    root = logging.getLogger()
    root.setLevel(_LEVELS.get(settings.log_level, logging.INFO))
    if settings.logs == "none":
        root.addHandler(logging.NullHandler())
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Json() if settings.logs == "json" else _Text())
    root.addHandler(handler)


def _level(record: logging.LogRecord) -> str:
    return {"WARNING": "Warn", "CRITICAL": "Fatal"}.get(record.levelname, record.levelname.capitalize())


def _time(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
