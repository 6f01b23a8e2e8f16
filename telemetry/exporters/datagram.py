"""Request records as datagrams to a local log daemon: `telemetry.logs.local`.

    json         one JSON object to `telemetry.logs.local.json.endpoint`, UDP 127.0.0.1:8888 by default
    rfc5424      syslog of today to `telemetry.logs.local.rfc5424.endpoint`
    localsyslog  syslog of old (RFC 3164) to `telemetry.logs.local.localsyslog.endpoint`, e.g. /dev/log
    journal      systemd's own protocol to `telemetry.logs.local.journal.endpoint`, with a field for each column

An endpoint is host:port (UDP) or the path of a datagram socket; for json also a file, known by its name (`FILES`), to
which a line is appended. `auto` and `none` send nothing. A record that no datagram has room for loses the ends of its
long texts, then its traces and errors.

https://datatracker.ietf.org/doc/html/rfc5424   https://datatracker.ietf.org/doc/html/rfc3164
https://systemd.io/JOURNAL_NATIVE_PROTOCOL/
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from telemetry import gateway_logs
from telemetry.datagrams import LARGEST, Datagrams, Target
from telemetry.growing_file import GrowingFile
from telemetry.lane import Lane, Send
from telemetry.lines import json_line, text_line, timestamp
from telemetry.log import choice
from telemetry.metrics import Metric
from telemetry.records import RequestRecord
from telemetry.settings import Resource, address

SHAPES = ("none", "auto", "json", "rfc5424", "localsyslog", "journal")
DEFAULTS = {
    "json": "127.0.0.1:8888",
    "rfc5424": "127.0.0.1:514",
    "localsyslog": "/dev/log",
    "journal": "/run/systemd/journal/socket",
}
FILES = (".log", ".json", ".jsonl", ".ndjson", ".txt")
FACILITY = "1"  # of programs of users
INFORMATIONAL = 6  # syslog severity
NAME = "passerelle"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SHORTER = (8_000, 1_000, 100)  # characters of a text in a record that is too long
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_LENGTH = struct.Struct("<Q")


class DatagramLog:
    """A datagram that nobody takes is counted as dropped, never kept. `send` is the way out; `line_end` closes it."""

    def __init__(self, shape: str, send: Send, facility: int, local: bool, line_end: bytes = b"") -> None:
        self._shape = shape
        self._priority = facility * 8 + INFORMATIONAL
        self._local = local  # no host name is told over a socket of this host
        self._line_end = line_end
        self.lanes = (Lane(f"the local log ({shape})", send),)

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        for record in batch:
            self.lanes[0].put(self.datagram(record, resource), 1)

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Metrics are not logged."""

    def tick(self, resource: Resource) -> None:
        """Nothing is collected."""

    def datagram(self, record: RequestRecord, resource: Resource) -> bytes:
        fields = gateway_logs.fields(record, resource.region)
        made = self._written(record, fields, resource)
        for limit in SHORTER:
            if len(made) <= LARGEST:
                break
            fields = {name: _cut(value, limit) for name, value in fields.items()}
            made = self._written(record, fields, resource)
        else:
            for name in ("traceRecords", "errors"):
                fields.pop(name, None)
            made = self._written(record, fields, resource)
        return made

    def _written(self, record: RequestRecord, fields: Mapping[str, Any], resource: Resource) -> bytes:
        seconds = gateway_logs.finished(record)
        when = timestamp(seconds)
        if self._shape == "json":
            return json_line("Info", when, gateway_logs.EVENT, fields).encode("utf-8", "replace") + self._line_end
        line = text_line("Info", when, gateway_logs.EVENT, fields)
        if self._shape == "journal":
            known = {"PRIORITY": str(INFORMATIONAL), "SYSLOG_IDENTIFIER": NAME, "MESSAGE": line}
            return _journal([*known.items(), *((_field(name), _plain(value)) for name, value in fields.items())])
        host = _NOT_PRINTABLE.sub("_", resource.instance_id)[:255] or "-"
        process = resource.process_id or os.getpid()
        if self._shape == "rfc5424":
            text = f"<{self._priority}>1 {when}Z {host} {NAME} {process} {gateway_logs.EVENT} - {line}"
        else:
            local = time.localtime(seconds)
            moment = f"{MONTHS[local.tm_mon - 1]} {local.tm_mday:2} {time.strftime('%H:%M:%S', local)}"
            text = f"<{self._priority}>{moment} {'' if self._local else f'{host} '}{NAME}[{process}]: {line}"
        return text.encode("utf-8", "replace")


def _journal(fields: Iterable[tuple[str, str]]) -> bytes:
    """One entry: `NAME=value`, or the length before a value that has line breaks."""
    made = bytearray()
    for name, text in fields:
        value = text.encode("utf-8", "replace")
        if b"\n" in value:
            made += name.encode() + b"\n" + _LENGTH.pack(len(value)) + value + b"\n"
        else:
            made += name.encode() + b"=" + value + b"\n"
    return bytes(made)


@cache
def _field(name: str) -> str:
    """`APIM_BACKEND_URL` of `backendUrl`."""
    return f"APIM_{_CAPITAL.sub('_', name).upper()}"


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        return gateway_logs.nested(value)
    return str(value)


def _cut(value: Any, limit: int) -> Any:
    """With every text in it cut to `limit` characters."""
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, dict):
        return {name: _cut(each, limit) for name, each in value.items()}
    return [_cut(each, limit) for each in value] if isinstance(value, list) else value


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> DatagramLog | None:
    shape = choice(settings, "telemetry.logs.local", SHAPES, "auto")
    if shape in ("none", "auto"):
        return None
    name = f"telemetry.logs.local.{shape}.endpoint"
    text = settings.get(name, "").strip() or DEFAULTS[shape]
    facility = settings.get(f"telemetry.logs.local.{shape}.facility", "").strip() or FACILITY
    if not (facility.isascii() and facility.isdigit()) or int(facility) > 23:
        raise ValueError(f"setting telemetry.logs.local.{shape}.facility is {facility!r}; it must be 0 to 23")
    if shape == "json" and text.startswith("/") and text.endswith(FILES):
        return DatagramLog(shape, GrowingFile(Path(text)).send, int(facility), True, b"\n")
    target: Target | None = text if text.startswith("/") else address(settings, name, text)
    if target is None:
        raise ValueError(f"setting {name} is empty; it must be host:port or the path of a socket")
    return DatagramLog(shape, Datagrams(target).send, int(facility), isinstance(target, str))
