"""Request records as datagrams to a local log daemon: `telemetry.logs.local`.

    json         one JSON object to `telemetry.logs.local.json.endpoint`, UDP 127.0.0.1:8888 by default
    rfc5424      syslog of today to `telemetry.logs.local.rfc5424.endpoint`
    localsyslog  syslog of old (RFC 3164) to `telemetry.logs.local.localsyslog.endpoint`, e.g. /dev/log
    journal      systemd's own protocol to `telemetry.logs.local.journal.endpoint`

An endpoint is host:port (UDP) or the path of a datagram socket. `auto` and `none` send nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence

from telemetry import gateway_logs
from telemetry.lane import Lane, Refused
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
LARGEST = 65_000  # bytes of one datagram
INFORMATIONAL = 6  # syslog severity


class DatagramLog:
    """A datagram that nobody takes is counted as dropped, never kept."""

    def __init__(self, shape: str, target: str | tuple[str, int], facility: int) -> None:
        self._shape = shape
        self._target = target
        self._priority = facility * 8 + INFORMATIONAL
        if isinstance(target, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self.lanes = (Lane(f"the local log ({shape})", self._send),)

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        for record in batch:
            self.lanes[0].put(self.datagram(record, resource)[:LARGEST], 1)

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Metrics are not logged."""

    def tick(self, resource: Resource) -> None:
        """Nothing is collected."""

    def datagram(self, record: RequestRecord, resource: Resource) -> bytes:
        when = timestamp(gateway_logs.finished(record))
        fields = gateway_logs.fields(record, resource.region)
        if self._shape == "json":
            text = json_line("Info", when, gateway_logs.EVENT, fields)
        elif self._shape == "rfc5424":
            host = resource.instance_id.replace(" ", "_")[:255] or "-"
            line = text_line("Info", when, gateway_logs.EVENT, fields)
            text = f"<{self._priority}>1 {when}Z {host} passerelle - {gateway_logs.EVENT} - {line}"
        elif self._shape == "localsyslog":
            text = f"<{self._priority}>passerelle: {text_line('Info', when, gateway_logs.EVENT, fields)}"
        else:
            line = text_line("Info", when, gateway_logs.EVENT, fields)
            text = f"MESSAGE={line}\nPRIORITY={INFORMATIONAL}\nSYSLOG_IDENTIFIER=passerelle\n"
        return text.encode("utf-8", "replace")

    def _send(self, data: bytes, timeout: float) -> None:
        self._socket.settimeout(timeout)
        try:
            self._socket.sendto(data, self._target)
        except OSError as failure:
            raise Refused(str(failure)) from None


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> DatagramLog | None:
    shape = choice(settings, "telemetry.logs.local", SHAPES, "auto")
    if shape in ("none", "auto"):
        return None
    name = f"telemetry.logs.local.{shape}.endpoint"
    text = settings.get(name, "").strip() or DEFAULTS[shape]
    target = text if text.startswith("/") else address(settings, name, text)
    if target is None:
        raise ValueError(f"setting {name} is empty; it must be host:port or the path of a socket")
    facility = settings.get(f"telemetry.logs.local.{shape}.facility", "").strip() or "1"
    if not facility.isdigit() or int(facility) > 23:
        raise ValueError(f"setting telemetry.logs.local.{shape}.facility is {facility!r}; it must be 0 to 23")
    return DatagramLog(shape, target, int(facility))
