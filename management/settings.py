"""The settings of the plane, from the environment; see docs/settings.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from management.provision import DEFAULT_SERVICE
from management.store import sqlite_url

PREFIX = "management."


class SettingWrong(Exception):
    """Names the setting and says what it must be."""


@dataclass(slots=True, frozen=True)
class Settings:
    data: Path
    store_url: str
    http_host: str
    http_port: int
    https_host: str
    https_port: int
    service: str
    token_file: Path
    log_style: str = "text"
    strict: bool = True


def read(environment: Mapping[str, str]) -> Settings:
    """Raises SettingWrong."""
    data = Path(environment.get("management.data") or "./data")
    token_file = environment.get("management.token.file")
    return Settings(
        data=data,
        store_url=environment.get("management.store.url") or sqlite_url((data / "store.db").absolute()),
        http_host=environment.get("management.http.host") or "127.0.0.1",
        http_port=_port(environment, "management.http.port", 9080),
        https_host=environment.get("management.https.host") or "127.0.0.1",
        https_port=_port(environment, "management.https.port", 9443),
        service=environment.get("management.service") or DEFAULT_SERVICE,
        token_file=Path(token_file) if token_file else data / "admin.token",
        log_style=_choice(environment, "telemetry.logs.std", "text", ("none", "text", "json")),
        strict=_choice(environment, "policy.check", "strict", ("strict", "lenient")) == "strict",
    )


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not 0 <= int(text) <= 65535:
        raise SettingWrong(f"{name} is '{text}': it must be a port number.")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    value = (environment.get(name) or default).lower()
    if value not in choices:
        raise SettingWrong(f"{name} is '{value}': it must be one of {', '.join(choices)}.")
    return value
