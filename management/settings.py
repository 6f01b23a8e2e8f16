"""The settings of the plane, from the environment; see docs/settings.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from management.mail import Mail
from management.provision import DEFAULT_SERVICE
from management.store import sqlite_url

PREFIX = "management."
PORTAL = "http://127.0.0.1:9090"


class SettingWrong(Exception):
    """Names the setting and says what it must be."""


@dataclass(slots=True, frozen=True)
class Outside:
    """The world around the plane: where its portal is, whether connectivity checks may try loopback, and who takes its
    mail."""

    portal: str = PORTAL
    loopback: bool = False
    mail: Mail | None = None


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
    strict: bool = True
    outside: Outside = Outside()


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
        strict=_choice(environment, "policy.check", "strict", ("strict", "lenient")) == "strict",
        outside=Outside(
            portal=_url(environment, "management.portal.url", PORTAL),
            loopback=_choice(environment, "net.client.loopback.allowed", "false", ("true", "false")) == "true",
            mail=_mail(environment),
        ),
    )


def _mail(environment: Mapping[str, str]) -> Mail | None:
    server = environment.get("management.mail.server") or ""
    if not server:
        return None
    tls = _choice(environment, "management.mail.tls", "starttls", ("starttls", "tls", "none"))
    host, _, port = server.rpartition(":") if ":" in server else (server, "", "465" if tls == "tls" else "587")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise SettingWrong(f"management.mail.server is '{server}': it must be host or host:port.")
    sender = environment.get("management.mail.sender") or ""
    if "@" not in sender:
        raise SettingWrong("management.mail.sender must be the address that mails come from.")
    password = environment.get("management.mail.password.file")
    user = environment.get("management.mail.user") or ""
    return Mail(host, int(port), sender, tls, user, Path(password) if password else None)


def _url(environment: Mapping[str, str], name: str, default: str) -> str:
    url = (environment.get(name) or default).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise SettingWrong(f"{name} is '{url}': it must begin with http:// or https://.")
    return url


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
