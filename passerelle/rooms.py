"""Which processes make the house, and the settings of each: one function per process, from the plan to a `Room`.

A room is configured by its environment alone, with absolute paths and resolved ports. No secret is among them, only the
names of files that hold one. So whoever starts a process again from its command line and environment has it back.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from passerelle.listening import LOOPBACK
from passerelle.plan import GATEWAY, Plan, Source

DRAIN_SECONDS = 8  # less than the 10 s after which `up` ends a process that does not end itself


@dataclass(frozen=True, slots=True)
class Room:
    """One process: `python -m MODULE ARGUMENTS` with `settings` in its environment; `defaults` only where the caller's
    environment has nothing of that name."""

    name: str
    module: str
    settings: Mapping[str, str]
    arguments: tuple[str, ...] = field(default=())
    defaults: Mapping[str, str] = field(default_factory=dict)

    def argv(self) -> list[str]:
        return [sys.executable, "-m", self.module, *self.arguments]

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The caller's environment (a collector may be named there) below our settings."""
        return {**self.defaults, **inherited, **python_environment(inherited), **self.settings}


def management(plan: Plan) -> Room:
    return Room(
        "management",
        "management",
        {
            "management.data": str(plan.home.root),
            "management.http.host": LOOPBACK,
            "management.http.port": str(plan.management_port),
            "management.https.host": LOOPBACK,
            "management.https.port": str(plan.management_tls_port),
            "management.service": plan.service,
            "management.token.file": str(plan.home.admin_token),
            "management.portal.url": plan.portal_url,
            "net.client.loopback.allowed": "true",
        },
    )


def agent(plan: Plan) -> Room:
    return Room(
        "agent",
        "syncagent",
        {
            **(_from_plane(plan) if plan.source is None else _from_directory(plan.source)),
            "config.service.poll.interval": f"{plan.poll_interval:g}",
            "config.backup.path": str(plan.home.backup),
            "config.sync.listen": f"unix:{plan.home.socket()}",
            "health.http.host": LOOPBACK,
            "health.http.port": str(plan.health_port),
        },
    )


def _from_plane(plan: Plan) -> dict[str, str]:
    service_name = plan.service.rsplit("/", 1)[1]
    return {
        "gateway.name": GATEWAY,
        "config.service.endpoint": f"{plan.management_tls_url}/configuration/{service_name}",
        "config.service.endpoint.ca": str(plan.home.ca),
        "config.service.auth": "key",
        "config.service.auth.key.file": str(plan.home.gateway_token),
    }


def _from_directory(source: Source) -> dict[str, str]:
    """Every API of the folder, so no gateway is named."""
    given = {"path": source.directory, "overrides": source.overrides, "tokens": source.tokens}
    settings = {f"config.directory.{name}": str(path) for name, path in given.items() if path is not None}
    return {"config.source": "directory", **settings}


def sidecar(plan: Plan, number: int) -> Room:
    """`number` counts from 1."""
    return Room(
        f"sidecar-{number}",
        "proxy",
        {
            "gateway.name": GATEWAY,
            "instance.id": f"sidecar-{number}",
            "config.sync.endpoint": f"unix:{plan.home.socket()}",
            "net.server.http.host": LOOPBACK,
            "net.server.http.port": str(plan.gateway_ports[number - 1]),
            "net.server.drain.timeout": str(DRAIN_SECONDS),
            "net.client.loopback.allowed": "true",
            "net.client.http.allowed": "true",
            "proxy.workers": str(plan.workers),
            "telemetry.logs.std": "json",
            "telemetry.metrics.local.prometheus.endpoint": f"{LOOPBACK}:{plan.metrics_ports[number - 1]}",
            **(_tls(plan, plan.gateway_tls_ports[number - 1]) if plan.gateway_tls_ports else {}),
        },
        defaults={"telemetry.spool.path": str(plan.home.telemetry)},
    )


def _tls(plan: Plan, port: int) -> dict[str, str]:
    """With the certificate that the plane's own authority made for this machine."""
    return {
        "net.server.https.host": LOOPBACK,
        "net.server.https.port": str(port),
        "net.server.https.certificate.file": str(plan.home.root / "server.pem"),
        "net.server.https.key.file": str(plan.home.root / "server.key"),
    }


def portal(plan: Plan) -> Room:
    return Room(
        "portal",
        "portal",
        {
            "portal.http.host": LOOPBACK,
            "portal.http.port": str(plan.portal_port),
            "portal.management.url": plan.management_url,
            "portal.management.token.file": str(plan.home.admin_token),
            "portal.service": plan.service,
            "portal.gateways": ",".join(plan.gateway_urls),
        },
    )


def backend(plan: Plan) -> Room:
    return Room("backend", "passerelle.demo.backend", {}, ("--port", str(plan.backend_port)))


def python_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What lets `python -m` find this very code from any working directory, and only this code."""
    found = {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    root = Path(__file__).resolve().parent.parent
    if str(root) != sysconfig.get_path("purelib"):
        paths = [str(root), *filter(None, inherited.get("PYTHONPATH", "").split(os.pathsep))]
        found["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    return found
