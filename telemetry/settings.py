"""The child's settings, read once from dotted names. A bad value is a ValueError that names the setting."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telemetry.log import choice

NAMINGS = ("azure", "otel", "both")
AZURE_BUCKETS = "5,10,25,50,100,250,500,1000,2500,5000,10000"


@dataclass(slots=True, frozen=True)
class Resource:
    """Who speaks: constant for the life of a child except for `gateway_id` and `region`, which the sidecar tells."""

    instance_id: str
    gateway_id: str = ""
    region: str = ""
    process_id: int = 0


@dataclass(slots=True, frozen=True)
class Collector:
    """An OTLP collector. `protocol` is grpc or http/protobuf; `address` is scheme://host:port, and a path for http."""

    uri: str
    protocol: str
    traces: bool
    logs: bool


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
        if len(parts) not in (1, 3) or any(part < 0 for part in parts):
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
    """Where OTLP goes; None when it is off."""
    prefix = "observability.opentelemetry"
    if not flag(settings, f"{prefix}.enabled", False):
        return None
    uri = settings.get(f"{prefix}.collector.uri", "").strip()
    if not uri.startswith(("http://", "https://")):
        raise ValueError(
            f"setting {prefix}.collector.uri is {uri!r}; with {prefix}.enabled it must be http(s)://host:port"
        )
    host = uri.split("://", 1)[1].split("/", 1)[0]
    guess = "http/protobuf" if host.endswith(":4318") else "grpc"
    return Collector(
        uri=uri.rstrip("/"),
        protocol=choice(settings, f"{prefix}.protocol", ("grpc", "http/protobuf"), guess),
        traces=flag(settings, f"{prefix}.traces.enabled", True),
        logs=flag(settings, f"{prefix}.logs.enabled", True),
    )


def metrics(settings: Mapping[str, str]) -> MetricSettings:
    prefix = "observability.opentelemetry"
    name = f"{prefix}.histogram.buckets"
    text = settings.get(name, "").strip() or AZURE_BUCKETS
    try:
        buckets = tuple(float(part) for part in text.split(","))
        if list(buckets) != sorted(set(buckets)):
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
