"""Settings of the portal, from environment variables with dotted names; see docs/settings.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

LOCAL_SERVICE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ApiManagement/service/passerelle"
)


class SettingRefused(ValueError):
    """A setting has a value that cannot be meant; the message names it and says what may stand there."""


@dataclass(frozen=True)
class Settings:
    """`token_file` and `ca` are None when not set; `gateways` are base URLs without a trailing slash; `traces` is the
    address of a trace in somebody's store, with {traceId} in it."""

    host: str = "127.0.0.1"
    port: int = 9090
    plane: str = "http://127.0.0.1:9080"
    token_file: Path | None = None
    ca: Path | None = None
    service: str = LOCAL_SERVICE
    gateways: tuple[str, ...] = ()
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
        plane = text("portal.management.url", cls.plane).rstrip("/")
        if not plane.startswith(("http://", "https://")):
            raise SettingRefused(f'portal.management.url is "{plane}"; it must start with http:// or https://')
        traces = text("portal.traces.url", "")
        if traces and (not traces.startswith(("http://", "https://")) or "{traceId}" not in traces):
            raise SettingRefused(
                f'portal.traces.url is "{traces}"; it must start with http:// or https:// and have {{traceId}} in it'
            )
        gateways = [url.strip().rstrip("/") for url in text("portal.gateways", "").split(",")]
        return cls(
            host=text("portal.http.host", cls.host),
            port=int(port),
            plane=plane,
            token_file=path("portal.management.token.file"),
            ca=path("portal.management.ca"),
            service="/" + text("portal.service", LOCAL_SERVICE).strip("/"),
            gateways=tuple(url for url in gateways if url),
            traces=traces,
        )

    def trace_of(self, trace_id: str) -> str:
        """Where the spans of a trace are shown; "" where nobody said."""
        return self.traces.replace("{traceId}", quote(trace_id, safe="")) if trace_id else ""
