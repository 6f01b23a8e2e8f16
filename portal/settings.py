"""Settings of the portal, from environment variables with dotted names; see docs/settings.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

LOCAL_SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)
COLOUR = "#1f5f8b"
LOGOS = {".svg", ".png", ".jpg", ".jpeg", ".webp"}
LARGEST_LOGO = 512 * 1024  # bytes
LONGEST_NAME = 40  # characters
LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


class SettingRefused(ValueError):
    """A setting has a value that cannot be meant; the message names it and says what may stand there."""


@dataclass(frozen=True)
class OpenIdConnect:
    """An issuer that visitors sign in with; `name` is what the button says."""

    issuer: str
    client: str
    secret_file: Path | None
    name: str


@dataclass(frozen=True)
class Settings:
    """`token_file`, `ca`, `logo` and `try_ca` are None when not set; URLs have no trailing slash; `url` is where
    visitors find the portal, "" for wherever they came to; `proxies` are those in front of it whose word about the
    client's address is taken; `tried` is where the portal itself reaches each of `gateways`; `traces` is the address of
    a trace in somebody's store, with {traceId} in it."""

    host: str = "127.0.0.1"
    port: int = 9090
    url: str = ""
    proxies: int = 0
    plane: str = "http://127.0.0.1:9080"
    token_file: Path | None = None
    ca: Path | None = None
    service: str = LOCAL_SERVICE
    gateways: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    try_ca: Path | None = None
    name: str = "Passerelle"
    colour: str = COLOUR
    logo: Path | None = None
    openid: OpenIdConnect | None = None
    traces: str = ""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        def text(name: str, default: str) -> str:
            return environment.get(name, "").strip() or default

        def path(name: str) -> Path | None:
            value = text(name, "")
            return Path(value) if value else None

        port = text("portal.http.port", "9090")
        if not port.isdecimal() or int(port) > 65535:
            raise SettingRefused(f'portal.http.port is "{port}"; it must be a port number, 0 for any free one')
        proxies = text("portal.http.proxies", "0")
        if not proxies.isdecimal() or int(proxies) > 10:
            raise SettingRefused(f'portal.http.proxies is "{proxies}"; it must be a number from 0 to 10')
        traces = text("portal.traces.url", "")
        if traces and (not traces.startswith(("http://", "https://")) or "{traceId}" not in traces):
            raise SettingRefused(
                f'portal.traces.url is "{traces}"; it must start with http:// or https:// and have {{traceId}} in it'
            )
        gateways = _urls("portal.gateways", text("portal.gateways", ""))
        tried = _urls("portal.try.gateways", text("portal.try.gateways", "")) or gateways
        if len(tried) != len(gateways):
            raise SettingRefused("portal.try.gateways must have one URL for each of portal.gateways, in their order")
        return cls(
            host=text("portal.http.host", cls.host),
            port=int(port),
            url=_url("portal.url", text("portal.url", "")),
            proxies=int(proxies),
            plane=_url("portal.management.url", text("portal.management.url", cls.plane)),
            token_file=path("portal.management.token.file"),
            ca=path("portal.management.ca"),
            service="/" + text("portal.service", LOCAL_SERVICE).strip("/"),
            gateways=gateways,
            tried=tried,
            try_ca=path("portal.try.ca"),
            name=_name(text("portal.name", cls.name)),
            colour=_colour(text("portal.colour", COLOUR)),
            logo=_logo(path("portal.logo")),
            openid=_openid(text, path("portal.openid.secret.file")),
            traces=traces,
        )

    def trace_of(self, trace_id: str) -> str:
        """Where the spans of a trace are shown; "" where nobody said."""
        return self.traces.replace("{traceId}", quote(trace_id, safe="")) if trace_id else ""


def _url(name: str, value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", value):
        raise SettingRefused(f'{name} is "{value}"; it must start with http:// or https:// and name a host')
    return value.rstrip("/")


def _urls(name: str, value: str) -> tuple[str, ...]:
    return tuple(_url(name, each.strip()) for each in value.split(",") if each.strip())


def _name(value: str) -> str:
    if len(value) > LONGEST_NAME:
        raise SettingRefused(f"portal.name has {len(value)} characters; it must have at most {LONGEST_NAME}")
    return value


def _colour(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise SettingRefused(f'portal.colour is "{value}"; it must be a colour such as {COLOUR}')
    return value.lower()


def _logo(path: Path | None) -> Path | None:
    if path is None:
        return None
    if path.suffix.lower() not in LOGOS:
        raise SettingRefused(f'portal.logo is "{path}"; its name must end with one of {", ".join(sorted(LOGOS))}')
    if not path.is_file():
        raise SettingRefused(f'portal.logo is "{path}"; there is no such file')
    if path.stat().st_size > LARGEST_LOGO:
        raise SettingRefused(f'portal.logo is "{path}"; it must have at most {LARGEST_LOGO} bytes')
    return path


def _openid(text: Callable[[str, str], str], secret: Path | None) -> OpenIdConnect | None:
    issuer, client = _url("portal.openid.issuer", text("portal.openid.issuer", "")), text("portal.openid.client", "")
    if not issuer and not client:
        return None
    if not issuer or not client:
        raise SettingRefused("portal.openid.issuer and portal.openid.client belong together: set both")
    if not issuer.startswith(("https://", *LOOPBACK)):
        raise SettingRefused(f'portal.openid.issuer is "{issuer}"; it must start with https://')
    return OpenIdConnect(issuer, client, secret, _name(text("portal.openid.name", "Single sign-on")))
