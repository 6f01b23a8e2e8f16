"""The agent's settings: environment variables with dotted names, see docs/settings.md.

Everything comes from the environment, so a process that died can be started again from its own command line and
environment. All problems are told at once, each with the name of its setting.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FULL_SYNC = "full-sync.txt"  # in the folder: every new text in it lets the folder lose more than half, once
LEVELS = ("all", "debug", "info", "warn", "error", "fatal")


class SettingsError(Exception):
    """`problems` are sentences for the operator."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(slots=True, frozen=True)
class SyncTls:
    """PEM files: the authority that signed the sidecars' certificates, and the agent's own certificate and key."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(slots=True, frozen=True)
class Settings:
    """Durations are seconds. `backup_path` None means no backup; `listen` is a gRPC address.

    `directory` is the source in place of the plane at `endpoint`; `overrides` and `tokens` belong to it.
    """

    endpoint: str
    directory: Path | None
    overrides: Path | None
    tokens: Path | None
    gateway_name: str
    token: str = field(repr=False)
    token_file: Path | None
    ca_file: Path | None
    verify_certificate: bool
    timeout: float
    poll_interval: float
    heartbeat_interval: float
    max_backoff: float
    backup_path: Path | None
    backup_key: str = field(repr=False)
    backup_key_file: Path | None
    former_keys: str = field(repr=False)
    former_keys_file: Path | None
    listen: str
    sync_token_file: Path | None
    sync_tls: SyncTls | None
    health_host: str
    health_port: int
    instance_id: str
    log_format: str
    log_level: str
    log_color: bool

    @property
    def source(self) -> str:
        return "plane" if self.directory is None else "directory"

    @property
    def how_to_accept(self) -> str:
        """What an operator does when a configuration is meant to be so much smaller."""
        if self.directory is None:
            return "If it is meant: accept it in the console, or POST .../gateways/{gatewayId}/acceptConfiguration"
        return f"If it is meant: write a text that was not in it before into {self.directory / FULL_SYNC}"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Raises SettingsError."""
        reader = _Reader(environment)
        directory = _directory(reader)
        token, token_file = _token(reader) if directory is None else ("", None)
        path_text = reader.text("config.backup.path", "/apim/config")
        backup_path = None if path_text.lower() == "none" else Path(path_text)
        key = reader.text("config.backup.key")
        key_file = reader.path("config.backup.key.file")
        if key_file is None and not key and backup_path is not None:
            key_file = backup_path / "backup.key"
        listen = _listen(reader)
        sync_token_file, sync_tls = reader.path("config.sync.token.file"), _sync_tls(reader, listen)
        if not listen.startswith("unix:") and sync_token_file is None and sync_tls is None:
            reader.problems.append(
                "config.sync.token.file, or config.sync.tls.certificate and config.sync.tls.ca, is required when "
                "config.sync.listen is a TCP address"
            )
        settings = cls(
            endpoint=_endpoint(reader) if directory is None else "",
            directory=directory,
            overrides=reader.path("config.directory.overrides"),
            tokens=reader.path("config.directory.tokens"),
            gateway_name=reader.text("gateway.name"),
            token=token,
            token_file=token_file,
            ca_file=reader.path("config.service.endpoint.ca"),
            verify_certificate=not reader.flag("config.service.endpoint.disableCertificateValidation", False),
            timeout=reader.duration("config.service.integration.timeout", 100.0),
            poll_interval=reader.duration("config.service.poll.interval", 10.0),
            heartbeat_interval=reader.duration("config.service.heartbeat.interval", 60.0),
            max_backoff=reader.duration("config.service.backoff.maximum", 60.0),
            backup_path=backup_path,
            backup_key=key,
            backup_key_file=key_file,
            former_keys=reader.text("config.backup.key.former"),
            former_keys_file=reader.path("config.backup.key.former.file"),
            listen=listen,
            sync_token_file=sync_token_file,
            sync_tls=sync_tls,
            health_host=reader.text("health.http.host", "127.0.0.1"),
            health_port=reader.port("health.http.port", 8090),
            instance_id=reader.text("instance.id") or socket.gethostname(),
            log_format=reader.choice("telemetry.logs.std", "text", ("none", "text", "json")),
            log_level=reader.choice("telemetry.logs.std.level", "info", LEVELS),
            log_color=reader.flag("telemetry.logs.std.color", True),
        )
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


def _directory(reader: _Reader) -> Path | None:
    """The folder, when it is the source."""
    if reader.choice("config.source", "plane", ("plane", "directory")) == "plane":
        return None
    path = reader.path("config.directory.path")
    if path is None:
        reader.problems.append("config.directory.path is required when config.source is directory")
    return path or Path()


def _token(reader: _Reader) -> tuple[str, Path | None]:
    """`config.service.auth` is the token itself, or `key` and then one of two further settings has it."""
    selector = reader.text("config.service.auth")
    key, file = reader.text("config.service.auth.key"), reader.path("config.service.auth.key.file")
    if selector in ("", "key"):
        if not key and file is None:
            reader.problems.append(
                "config.service.auth is required: the gateway token, or `key` with config.service.auth.key or "
                "config.service.auth.key.file"
            )
        return key, file
    if "&" not in selector:
        reader.problems.append(
            "config.service.auth must be `key` or a gateway token (GatewayKey name&expiry&signature)"
        )
    return selector, None


def _endpoint(reader: _Reader) -> str:
    """With scheme, without a slash at the end. Plain http carries the token in clear, so only on loopback."""
    text = reader.text("config.service.endpoint").rstrip("/")
    if not text:
        reader.problems.append("config.service.endpoint is required, e.g. https://plane:9443/configuration/passerelle")
        return ""
    if "://" not in text:
        text = f"https://{text}"
    scheme, _, rest = text.partition("://")
    host = rest.partition("/")[0]
    if scheme == "http" and not is_loopback(host):
        reader.problems.append("config.service.endpoint must be https: http is accepted on loopback only")
    elif scheme not in ("http", "https") or not host:
        reader.problems.append("config.service.endpoint must be an https address")
    return text


def is_loopback(authority: str) -> bool:
    """Whether `host`, `host:port` or `[v6]:port` is this machine by its name alone."""
    host = authority.partition("]")[0].strip("[") if authority.startswith("[") else authority.partition(":")[0]
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _listen(reader: _Reader) -> str:
    text = reader.text("config.sync.listen", "unix:/tmp/passerelle/agent.sock")
    if text.startswith("unix:"):
        path = "/" + text.removeprefix("unix:").lstrip("/")
        if len(path.encode()) > 107:
            reader.problems.append("config.sync.listen: a unix socket path may have at most 107 bytes")
        return f"unix:{path}"
    secured = bool(reader.text("config.sync.tls.certificate"))
    if not (secured or is_loopback(text)) or not text.rpartition(":")[2].isdigit():
        reader.problems.append(
            "config.sync.listen must be unix:/path or a loopback address with a port; with config.sync.tls.certificate "
            "any address with a port"
        )
    return text


def _sync_tls(reader: _Reader, listen: str) -> SyncTls | None:
    """Both sides show certificates, or none does; a unix socket needs none."""
    prefix = "config.sync.tls"
    ca, certificate, key = (reader.path(f"{prefix}.{name}") for name in ("ca", "certificate", "key"))
    if ca is None and certificate is None and key is None:
        return None
    if listen.startswith("unix:"):
        reader.problems.append(f"{prefix}.* is for TCP: remove it, or give config.sync.listen an address with a port")
        return None
    if ca is None or certificate is None:
        reader.problems.append(f"{prefix}.ca and {prefix}.certificate belong together: sidecars show certificates too")
        return None
    for name, path in (("ca", ca), ("certificate", certificate), ("key", key or certificate)):
        if not os.access(path, os.R_OK):
            reader.problems.append(f"{prefix}.{name}: {path} cannot be read")
    return SyncTls(ca, certificate, key or certificate)


class _Reader:
    """Typed values out of an environment; collects problems instead of raising."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self._environment.get(name, "").strip() or default

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return Path(text) if text else None

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default).lower()
        if value not in allowed:
            self.problems.append(f"{name} must be one of {', '.join(allowed)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default)).lower()
        if value not in ("true", "false"):
            self.problems.append(f"{name} must be true or false")
        return value == "true"

    def port(self, name: str, default: int) -> int:
        text = self.text(name, str(default))
        if not text.isdigit() or int(text) > 65535:
            self.problems.append(f"{name} must be a port number")
            return default
        return int(text)

    def duration(self, name: str, default: float) -> float:
        """Seconds from `hh:mm:ss` or plain seconds; must be above zero."""
        text = self.text(name)
        if not text:
            return default
        if match := re.fullmatch(r"(\d+):([0-5]?\d):([0-5]?\d(?:\.\d+)?)", text):
            seconds = int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
        elif re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        else:
            seconds = 0.0
        if seconds <= 0:
            self.problems.append(f"{name} must be hh:mm:ss or seconds, and more than zero")
            return default
        return seconds
