"""The child's settings, read once from dotted names. A bad value is a ValueError that names the setting."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from telemetry.log import choice

NAMINGS = ("azure", "otel", "both")
AZURE_BUCKETS = "5,10,25,50,100,250,500,1000,2500,5000,10000"

# What stands in when a setting is absent: OTEL_EXPORTER_OTLP_ and this.
STANDARD = {
    "observability.opentelemetry.collector.uri": "ENDPOINT",
    "observability.opentelemetry.protocol": "PROTOCOL",
    "observability.opentelemetry.collector.headers": "HEADERS",
    "observability.opentelemetry.collector.compression": "COMPRESSION",
    "observability.opentelemetry.collector.tls.ca": "CERTIFICATE",
    "observability.opentelemetry.collector.tls.certificate": "CLIENT_CERTIFICATE",
    "observability.opentelemetry.collector.tls.key": "CLIENT_KEY",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(slots=True, frozen=True)
class Resource:
    """Who speaks: constant for the life of a child except for `gateway_id` and `region`, which the sidecar tells."""

    instance_id: str
    gateway_id: str = ""
    region: str = ""
    process_id: int = 0


@dataclass(slots=True, frozen=True)
class Collector:
    """An OTLP collector. `protocol` is grpc or http/protobuf; `uri` is scheme://host:port, and a path for http.

    `headers` go with every request, names in lower case. `ca`, `certificate` and `key` are PEM files, "" for the
    system's authorities and for no client certificate. `timeout` is seconds for one try. `official` asks for the
    SDK's exporters in place of ours.
    """

    uri: str
    protocol: str
    traces: bool
    logs: bool
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    compression: str = "none"
    timeout: float = 10.0
    ca: str = ""
    certificate: str = ""
    key: str = ""
    official: bool = False


@dataclass(slots=True, frozen=True)
class MetricSettings:
    """`buckets` in milliseconds; `interval` in seconds; `max_series` bounds each instrument."""

    buckets: tuple[float, ...]
    interval: float
    azure: bool
    otel: bool
    system: bool
    max_series: int


@dataclass(slots=True, frozen=True)
class SpoolSettings:
    """Where payloads wait on disk; None for nowhere. `limit` is bytes per destination, `age` seconds."""

    path: Path | None
    limit: int
    age: float


def flag(settings: Mapping[str, str], name: str, default: bool) -> bool:
    return choice(settings, name, ("true", "false"), str(default).lower()) == "true"


def duration(settings: Mapping[str, str], name: str, default: float) -> float:
    """`hh:mm:ss` or plain seconds."""
    text = settings.get(name, "").strip()
    if not text:
        return default
    try:
        parts = [float(part) for part in text.split(":")]
        if len(parts) not in (1, 3) or not all(0 <= part < math.inf for part in parts):
            raise ValueError
    except ValueError:
        raise ValueError(f"setting {name} is {text!r}; it must be hh:mm:ss or seconds") from None
    return parts[0] if len(parts) == 1 else parts[0] * 3600 + parts[1] * 60 + parts[2]


def address(settings: Mapping[str, str], name: str, default: str = "") -> tuple[str, int] | None:
    """`host:port`, or None when the setting is absent."""
    text = settings.get(name, "").strip() or default
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"setting {name} is {text!r}; it must be host:port")
    return host.strip("[]"), int(port)


def spool(settings: Mapping[str, str]) -> SpoolSettings:
    path = settings.get("telemetry.spool.path", "").strip() or "/apim/telemetry"
    megabytes = settings.get("telemetry.spool.megabytes", "").strip() or "256"
    workers = settings.get("proxy.workers", "").strip() or "1"
    if path != "none" and not path.startswith("/"):
        raise ValueError(f"setting telemetry.spool.path is {path!r}; it must be an absolute path, or none")
    if not re.fullmatch(r"\d{1,6}", megabytes) or int(megabytes) < 1:
        raise ValueError(f"setting telemetry.spool.megabytes is {megabytes!r}; it must be 1 to 999999")
    return SpoolSettings(
        path=None if path == "none" else Path(path),
        limit=int(megabytes) * 1024 * 1024 // (int(workers) if workers.isdigit() and int(workers) else 1),
        age=max(1.0, duration(settings, "telemetry.spool.age", 48 * 3600.0)),
    )


def collector(settings: Mapping[str, str]) -> Collector | None:
    """Where OTLP goes; None when it is off. What no setting of ours says is taken from OpenTelemetry's own variables
    (https://opentelemetry.io/docs/specs/otel/protocol/exporter/)."""
    prefix = "observability.opentelemetry"
    if not flag(settings, f"{prefix}.enabled", False):
        return None
    standard = {name: settings.get(f"OTEL_EXPORTER_OTLP_{variable}", "") for name, variable in STANDARD.items()}
    given = {**standard, **{name: text for name, text in settings.items() if name.startswith(prefix) and text.strip()}}
    uri = given[f"{prefix}.collector.uri"].strip()
    if not re.fullmatch(r"https?://[^/\s@]+(/\S*)?", uri) or not _has_port(uri):
        raise ValueError(
            f"setting {prefix}.collector.uri is {_without_user(uri)!r}; with {prefix}.enabled it must be "
            f"http(s)://host:port; a name and a password go into {prefix}.collector.headers.file"
        )
    host = uri.split("://", 1)[1].split("/", 1)[0]
    guess = "http/protobuf" if host.endswith(":4318") else "grpc"
    milliseconds = settings.get("OTEL_EXPORTER_OTLP_TIMEOUT", "").strip()
    timeout = float(milliseconds) / 1000 if milliseconds.isdigit() else 10.0
    certificate = _readable(given, f"{prefix}.collector.tls.certificate")
    key = _readable(given, f"{prefix}.collector.tls.key")
    if key and not certificate:
        raise ValueError(f"setting {prefix}.collector.tls.key is of no use without {prefix}.collector.tls.certificate")
    return Collector(
        uri=uri.rstrip("/"),
        protocol=choice(given, f"{prefix}.protocol", ("grpc", "http/protobuf"), guess),
        traces=flag(settings, f"{prefix}.traces.enabled", True),
        logs=flag(settings, f"{prefix}.logs.enabled", True),
        headers=_headers(given, f"{prefix}.collector.headers", _readable(given, f"{prefix}.collector.headers.file")),
        compression=choice(given, f"{prefix}.collector.compression", ("gzip", "none"), "none"),
        timeout=max(0.1, duration(settings, f"{prefix}.collector.timeout", timeout)),
        ca=_readable(given, f"{prefix}.collector.tls.ca"),
        certificate=certificate,
        key=key,
        official=choice(settings, f"{prefix}.exporter", ("own", "sdk"), "own") == "sdk",
    )


def _has_port(uri: str) -> bool:
    """Whether the port of a URL is one, or left out."""
    try:
        return urlsplit(uri).port != 0
    except ValueError:
        return False


def _without_user(uri: str) -> str:
    """For messages: a URL whose name and password nobody reads."""
    return re.sub(r"^(\w+://)?.*@", r"\1***@", uri)


def _readable(settings: Mapping[str, str], name: str) -> str:
    """The name of a file that can be read, or ""."""
    path = settings.get(name, "").strip()
    if path and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise ValueError(f"setting {name} is {path!r}; there is no such file that this user may read")
    return path


def _headers(settings: Mapping[str, str], name: str, file: str) -> tuple[tuple[str, str], ...]:
    """`name=value` pairs, comma-separated, values percent-encoded; and those of a file, one to a line, as they are."""
    pairs = [
        (key.strip(), unquote(value.strip()))
        for key, _, value in (pair.partition("=") for pair in settings.get(name, "").split(",") if pair.strip())
    ]
    if file:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        pairs += [
            (key.strip(), value.strip()) for key, _, value in (line.partition("=") for line in lines if line.strip())
        ]
    for number, (key, value) in enumerate(pairs, 1):
        if not _TOKEN.fullmatch(key) or key.lower().endswith("-bin") or not (value.isprintable() and value.isascii()):
            # What is wrong may be the secret itself.
            raise ValueError(f"setting {name}: number {number} must be name=value, with a value of printable ASCII")
    return tuple((key.lower(), value) for key, value in pairs)


def metrics(settings: Mapping[str, str]) -> MetricSettings:
    prefix = "observability.opentelemetry"
    name = f"{prefix}.histogram.buckets"
    text = settings.get(name, "").strip() or AZURE_BUCKETS
    try:
        buckets = tuple(float(part) for part in text.split(","))
        if list(buckets) != sorted(set(buckets)) or not all(0 <= bucket < math.inf for bucket in buckets):
            raise ValueError
    except ValueError:
        raise ValueError(f"setting {name} is {text!r}; it must be increasing milliseconds, comma-separated") from None
    naming = choice(settings, "telemetry.metrics.naming", NAMINGS, "both")
    return MetricSettings(
        buckets=buckets,
        interval=max(1.0, duration(settings, f"{prefix}.metrics.interval", 60.0)),
        azure=naming != "otel",
        otel=naming != "azure",
        system=flag(settings, f"{prefix}.system-metrics.enabled", False),
        max_series=2000,
    )
