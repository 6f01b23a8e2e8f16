"""Metrics for a Prometheus scraper at `telemetry.metrics.local.prometheus.endpoint` (host:port), path /metrics.

Text format 0.0.4, whatever a scraper would like better: OpenMetrics would rename the Azure set's counter. Compressed
for who takes it. The Azure set keeps its spelling below `azure_apim_`, as dashboards of the gateway we replace have it;
semantic-convention names follow the OpenTelemetry to Prometheus rules (`http_server_request_duration_seconds`).

Every series has the labels `service_instance_id`, `apim_gateway_id` and `apim_region`, as an OTLP receiver makes them
of the resource, so that one dashboard fits both ways.

Several workers cannot share a port and are not one series: each child takes the first free port from the named one on,
16 at most, and logs which. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import logging
import math
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from telemetry.encode.wire import resource_values
from telemetry.lane import Lane
from telemetry.metrics import Labels, Metric
from telemetry.records import RequestRecord
from telemetry.settings import Resource, address

logger = logging.getLogger(__name__)

SETTING = "telemetry.metrics.local.prometheus.endpoint"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PORTS = 16
DEADLINE = 5.0  # seconds for one scrape
NOBODY = Resource("")
SHOWN = ("service.instance.id", "apim.gateway.id", "apim.region")  # of the resource
UNITS = {"s": "seconds", "By": "bytes"}
_AZURE = re.compile(r"[A-Z]\w+")
_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[\d.]+\s*)?(?:,|$)")
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


class Prometheus:
    """The responder's thread reads the aggregates at the moment of the scrape."""

    def __init__(self, host: str, port: int, read: Callable[[], list[Metric]]) -> None:
        self.lanes: Sequence[Lane] = ()
        self._server = _bind(host, port, read)
        self._server.resource = NOBODY
        self.address = f"{host}:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="prometheus", daemon=True).start()
        logger.info(
            "Metrics for Prometheus are at http://%s/metrics.", self.address, extra={"event": "PrometheusListening"}
        )

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        """The aggregates have them already."""
        self._server.resource = resource

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Prometheus asks when it likes."""

    def tick(self, resource: Resource) -> None:
        self._server.resource = resource


class _Server(HTTPServer):
    """One scrape at a time, so that a client who dawdles costs `DEADLINE` and no memory."""

    allow_reuse_address = True
    read: Callable[[], list[Metric]]
    resource: Resource

    def finish_request(self, request: Any, client_address: Any) -> None:
        """A timeout of the socket is for one read or write alone: who sends byte by byte would keep all others out."""
        late = threading.Timer(DEADLINE, _end, (request,))
        late.daemon = True
        late.start()
        try:
            super().finish_request(request, client_address)
        finally:
            late.cancel()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scraper that went away is not an event."""
        if not isinstance(sys.exception(), OSError):
            logger.exception("A scrape failed.", extra={"event": "PrometheusFailed"})


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    timeout = 2  # seconds
    server: _Server

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "Only /metrics is here")
            return
        body = exposition(self.server.read(), self.server.resource).encode()
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Vary", "Accept-Encoding")
        if _GZIP.search(self.headers.get("Accept-Encoding", "")):
            body = gzip.compress(body, 1)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """A scrape is not an event."""


def _bind(host: str, port: int, read: Callable[[], list[Metric]]) -> _Server:
    for candidate in range(port, port + (PORTS if port else 1)):
        try:
            server = _Server((host, candidate), _Handler)
        except OSError as failure:
            if failure.errno != errno.EADDRINUSE:
                raise ValueError(f"setting {SETTING}: {host}:{candidate} cannot be bound: {failure.strerror}") from None
            continue
        server.read = read
        return server
    raise ValueError(f"setting {SETTING}: ports {port} to {port + PORTS - 1} on {host} are all taken")


def exposition(metrics: Iterable[Metric], resource: Resource = NOBODY) -> str:
    """The metrics as a scrape reads them."""
    of_all = tuple((name, value) for name, value in resource_values(resource) if name in SHOWN and value)
    families: dict[str, Metric] = {}
    for metric in metrics:  # the gateway's own come first: a policy's metric of the same name gives way
        families.setdefault(name(metric), metric)
    return "\n".join(line for metric in families.values() for line in _lines(metric, of_all)) + "\n"


def name(metric: Metric) -> str:
    if _AZURE.fullmatch(metric.name):
        return f"azure_apim_{metric.name}"
    plain = _NOT_A_NAME.sub("_", metric.name) or "_"
    if plain[0].isdigit():
        plain = f"_{plain}"
    unit = UNITS.get(metric.unit)
    if unit and not plain.endswith(unit):
        plain += f"_{unit}"
    return f"{plain}_total" if metric.kind == "counter" else plain


def _lines(metric: Metric, of_all: Labels) -> Iterator[str]:
    full = name(metric)
    yield f"# HELP {full} {_escape(metric.description)}"
    yield f"# TYPE {full} {metric.kind}"
    for point in metric.points:
        own = {key for key, _ in point.labels}  # what a policy calls the same gives way to nothing
        labels = (*(label for label in of_all if label[0] not in own), *point.labels)
        if metric.kind != "histogram":
            yield f"{full}{_labels(labels)} {_number(point.value)}"
            continue
        total = 0
        for bound, count in zip((*map(_number, metric.bounds), "+Inf"), point.counts, strict=True):
            total += count
            yield f"{full}_bucket{_labels((*labels, ('le', bound)))} {total}"
        yield f"{full}_sum{_labels(labels)} {_number(point.value)}"
        yield f"{full}_count{_labels(labels)} {point.count}"


def _labels(labels: Labels) -> str:
    """Names that become the same keep all their values: a scraper would refuse the whole page otherwise."""
    found: dict[str, str] = {}
    for key, value in labels:
        name = _NOT_A_NAME.sub("_", key) or "_"
        if name[0].isdigit():
            name = f"_{name}"
        if name == "le" and labels[-1][0] == "le" and (key, value) != labels[-1]:
            name = "_le"  # a dimension, not the bucket's bound
        text = str(value).lower() if isinstance(value, bool) else str(value)
        found[name] = f"{found[name]};{text}" if name in found else text
    if not found:
        return ""
    return "{" + ",".join(f'{name}="{_escape(text, quote=True)}"' for name, text in found.items()) + "}"


def _escape(text: str, quote: bool = False) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quote else text


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{value:+}".replace("inf", "Inf")
    return repr(int(value)) if float(value).is_integer() else repr(value)


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> Prometheus | None:
    where = address(settings, SETTING)
    return Prometheus(*where, read) if where else None
