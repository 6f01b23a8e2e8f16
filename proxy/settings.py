"""Settings of a sidecar, from the environment. Names and meanings: docs/settings.md."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from telemetry.identity import IdentitySettings
from telemetry.log import FORMATS, LEVELS

NOBODY = IdentitySettings()
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]):\d+")
_CLOCK = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2}):(\d{2}(?:\.\d+)?)")


class SettingError(ValueError):
    """A setting is wrong; the message names it, its value and what it may be."""


@dataclass(slots=True, frozen=True)
class SyncTls:
    """PEM files: the authority that signed the agent's certificate, and what the sidecar shows to the agent."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(slots=True, frozen=True)
class Settings:
    """`values` is everything by dotted name, for the parts that read their own; times are seconds."""

    values: Mapping[str, str]
    host: str
    port: int
    workers: int
    drain_timeout: float
    forwarded_proto: bool
    forwarded_certificate: str
    loopback_allowed: bool
    http_allowed: bool
    sync_endpoint: str
    sync_token_file: str
    instance: str
    identity: IdentitySettings = NOBODY
    lenient: bool = False
    https_host: str = ""
    https_port: int = 8081
    dapr: str = "http://localhost:3500"
    telemetry: bool = True
    sync_tls: SyncTls | None = None
    memory: bool = True
    memory_path: str = ""
    share_alone: bool = False
    names_kept: float = 10.0

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None) -> Settings:
        values = dict(os.environ if environment is None else environment)
        choice(values, "telemetry.logs.std", "text", FORMATS)  # telemetry.log reads them; here they are refused
        choice(values, "telemetry.logs.std.level", "info", tuple(LEVELS))
        port = integer(values, "net.server.http.port", 8080, 0, 65535)
        return cls(
            values=values,
            host=values.get("net.server.http.host", "0.0.0.0"),  # noqa: S104 (a gateway serves others)
            port=port,
            workers=integer(values, "proxy.workers", 1, 1, 64),
            drain_timeout=duration(values, "net.server.drain.timeout", 30.0),
            forwarded_proto=boolean(values, "net.server.http.forwarded.proto.enabled", False),
            forwarded_certificate=values.get("net.server.http.forwarded.client.certificate.header", "").strip(),
            loopback_allowed=boolean(values, "net.client.loopback.allowed", False),
            http_allowed=boolean(values, "net.client.http.allowed", False),
            sync_endpoint=values.get("config.sync.endpoint", "unix:/tmp/passerelle/agent.sock"),
            sync_token_file=values.get("config.sync.token.file", ""),
            instance=values.get("instance.id") or f"{socket.gethostname()}:{port}",
            identity=_identity(values),
            lenient=choice(values, "policy.check", "strict", ("strict", "lenient")) == "lenient",
            https_host=values.get("net.server.https.host") or values.get("net.server.http.host", "0.0.0.0"),  # noqa: S104
            https_port=integer(values, "net.server.https.port", 8081, 0, 65535),
            dapr=_dapr(values),
            telemetry=boolean(values, "telemetry.enabled", True),
            sync_tls=_sync_tls(values),
            memory=boolean(values, "policy.limits.memory.enabled", True),
            memory_path=_memory_path(values),
            share_alone=choice(values, "policy.limits.agent.lost", "whole", ("whole", "share")) == "share",
            names_kept=duration(values, "net.client.dns.cache", 10.0),
        )


def _sync_tls(values: Mapping[str, str]) -> SyncTls | None:
    """How the agent is reached: a unix socket, loopback, or anywhere when both sides show certificates."""
    endpoint = values.get("config.sync.endpoint", "unix:")
    names = [f"config.sync.tls.{name}" for name in ("ca", "certificate", "key")]
    ca, certificate, key = (values.get(name, "").strip() for name in names)
    if not (ca or certificate or key):
        if not endpoint.startswith("unix:") and not _LOOPBACK.fullmatch(endpoint):
            raise SettingError(
                f"config.sync.endpoint is {endpoint!r}; without config.sync.tls.certificate and config.sync.tls.ca it "
                "must be unix:/path or a loopback address with a port."
            )
        return None
    if endpoint.startswith("unix:"):
        raise SettingError("config.sync.tls.* is for TCP: remove it, or give config.sync.endpoint a host and a port.")
    if not ca or not certificate:
        raise SettingError("config.sync.tls.ca and config.sync.tls.certificate belong together: set both.")
    files = [Path(path) for path in (ca, certificate, key or certificate)]
    for name, path in zip(names, files, strict=True):
        if not os.access(path, os.R_OK):
            raise SettingError(f"{name}: {path} cannot be read.")
    return SyncTls(*files)


def _memory_path(values: Mapping[str, str]) -> str:
    path = values.get("policy.limits.memory.path", "").strip()
    if path and not Path(path).is_absolute():
        raise SettingError(f"policy.limits.memory.path is {path!r}; it must be the whole path of a directory.")
    if path and not boolean(values, "policy.limits.memory.enabled", True):
        raise SettingError(
            "policy.limits.memory.path is of no use with policy.limits.memory.enabled=false: remove one."
        )
    return path


def _identity(values: Mapping[str, str]) -> IdentitySettings:
    try:
        return IdentitySettings.read(values)
    except ValueError as wrong:
        raise SettingError(f"{wrong}.") from None


def _dapr(values: Mapping[str, str]) -> str:
    """URL of the Dapr runtime; DAPR_HTTP_PORT is what Dapr itself tells the programs beside it."""
    port = integer(values, "DAPR_HTTP_PORT", 3500, 1, 65535)
    url = values.get("policy.dapr.endpoint", "").strip() or f"http://localhost:{port}"
    if not re.fullmatch(r"https?://[^/?#\s]+/?", url):
        raise SettingError(f"policy.dapr.endpoint is {url!r}; it must be a URL such as http://localhost:3500.")
    return url


def integer(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.get(name, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise SettingError(f"{name} is {text!r}; it must be a whole number from {low} to {high}.")
    return int(text)


def boolean(values: Mapping[str, str], name: str, default: bool) -> bool:
    text = values.get(name, "").strip().lower()
    if not text:
        return default
    if text not in ("true", "false"):
        raise SettingError(f"{name} is {text!r}; it must be true or false.")
    return text == "true"


def duration(values: Mapping[str, str], name: str, default: float) -> float:
    """Seconds, from `hh:mm:ss`, `d.hh:mm:ss` or plain seconds."""
    text = values.get(name, "").strip()
    if not text:
        return default
    if found := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = found.groups()
        return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    try:
        seconds_only = float(text)
    except ValueError:
        seconds_only = -1.0
    if not 0 <= seconds_only < 1e9:
        raise SettingError(f"{name} is {text!r}; it must be hh:mm:ss or a number of seconds.")
    return seconds_only


def choice(values: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    text = values.get(name, "").strip().lower() or default
    if text not in allowed:
        raise SettingError(f"{name} is {text!r}; it must be one of {', '.join(allowed)}.")
    return text
