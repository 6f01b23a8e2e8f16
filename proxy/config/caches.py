"""External caches: where a Redis-compatible server is, from a connection text, and which of the service's is ours.

A text is a URL, redis://user:password@host:port/db or rediss://…, or as Azure writes it:
`host:port,password=…,ssl=True,abortConnect=False`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

EXAMPLES = "Write redis://host:port or host:port,password=…,ssl=True"


@dataclass(slots=True, frozen=True)
class Address:
    """Where the server is. `ssl`: over TLS, with the certificate checked."""

    host: str
    port: int = 6379
    ssl: bool = False
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def address(text: str) -> Address:
    """Raises ValueError, without the text, since that holds a password."""
    found = _url(text) if "://" in text else _pairs(text)
    if not found.host:
        raise ValueError("it names no host")
    return found


@dataclass(slots=True, frozen=True)
class CacheEntity:
    """A cache resource: the location that it is for ("default" is any), and its server."""

    location: str
    server: Address


def cache_entity(body: Mapping[str, Any], connection: str) -> CacheEntity:
    """`connection` is its connection string with its named values. Raises ValueError."""
    return CacheEntity(_plain(str(body.get("useFromLocation") or "default")), address(connection.strip()))


def nearest_cache(entities: Iterable[CacheEntity], region: str) -> Address | None:
    """The server for a gateway of that region: its own, else the default one."""
    by_location = {each.location: each.server for each in entities}
    return by_location.get(_plain(region)) or by_location.get("default")


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def _url(text: str) -> Address:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("the URL is malformed") from None
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("the URL must begin with redis:// or rediss://")
    return Address(
        parts.hostname or "",
        port or 6379,
        parts.scheme == "rediss",
        _number("database", parts.path.strip("/") or "0"),
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def _pairs(text: str) -> Address:
    hosts: list[str] = []
    options: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if equals:
            options[name.strip().lower()] = value.strip()
        elif name:
            hosts.append(name)
    host, _, port = (hosts[0] if hosts else "").partition(":")
    ssl = options.get("ssl", "false").lower() == "true"
    return Address(
        host,
        _number("port", port or ("6380" if ssl else "6379")),
        ssl,
        _number("defaultDatabase", options.get("defaultdatabase", "0")),
        options.get("user") or None,
        options.get("password") or None,
    )


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise ValueError(f"the {what} is no number")
    return int(text)
