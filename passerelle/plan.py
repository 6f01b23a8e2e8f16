"""What `passerelle up` is going to start: the options, settled into absolute paths and resolved ports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from passerelle.home import Home
from passerelle.listening import LOOPBACK, Wanted, choose_ports, is_free
from passerelle.plane import SERVICE

GATEWAY = "local"


@dataclass(frozen=True, slots=True)
class Source:
    """The folder that takes the place of a plane; absolute paths."""

    directory: Path
    overrides: Path | None = None
    tokens: Path | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The command line of `up`. `poll_interval` is seconds; port 0 is any free one."""

    data: Path
    management_port: int = 9080
    gateway_port: int = 8080
    portal_port: int = 9090
    sidecars: int = 2
    workers: int = 1
    poll_interval: float = 10.0
    demo: bool = True
    source: Source | None = None
    gateway_tls_port: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything on loopback; `gateway_ports` and `metrics_ports` have one entry per sidecar, `gateway_tls_ports` too,
    or none."""

    home: Home
    management_port: int
    management_tls_port: int
    portal_port: int
    health_port: int
    backend_port: int
    gateway_ports: tuple[int, ...]
    metrics_ports: tuple[int, ...]
    workers: int
    poll_interval: float
    demo: bool
    source: Source | None = None
    service: str = SERVICE
    gateway_tls_ports: tuple[int, ...] = ()

    @property
    def management_url(self) -> str:
        return f"http://{LOOPBACK}:{self.management_port}"

    @property
    def management_tls_url(self) -> str:
        return f"https://{LOOPBACK}:{self.management_tls_port}"

    @property
    def portal_url(self) -> str:
        return f"http://{LOOPBACK}:{self.portal_port}"

    @property
    def backend_url(self) -> str:
        return f"http://{LOOPBACK}:{self.backend_port}"

    @property
    def gateway_urls(self) -> list[str]:
        return [f"http://{LOOPBACK}:{port}" for port in self.gateway_ports]

    @property
    def gateway_tls_urls(self) -> list[str]:
        return [f"https://{LOOPBACK}:{port}" for port in self.gateway_tls_ports]

    @property
    def metrics_urls(self) -> list[str]:
        return [f"http://{LOOPBACK}:{port}/metrics" for port in self.metrics_ports]


def make_plan(options: Options, home: Home, last_backend_port: int = 0) -> Plan:
    """Settle the ports. Raises `PortTaken` before anything was started.

    `last_backend_port` is where the demo backend was the last time: the stored API still points there, so it is used
    again when it is free.
    """
    count = options.sidecars
    first = options.gateway_port
    secure = options.gateway_tls_port
    backend = last_backend_port if last_backend_port and is_free(last_backend_port) else 0
    wanted = [
        Wanted("--management-port", options.management_port),
        Wanted("--portal-port", options.portal_port),
        *(Wanted("--gateway-port", first + number if first else 0) for number in range(count)),
        Wanted("the demo backend", backend),
        *(Wanted("", 0) for _ in range(2 + count)),
        *(Wanted("--gateway-tls-port", secure + number if secure else 0) for number in range(count)),
    ]
    management, portal, *rest = choose_ports(wanted)
    gateways, (backend, tls, health, *metrics) = rest[:count], rest[count:]
    metrics, secured = metrics[:count], metrics[count:]
    return Plan(
        home=home,
        management_port=management,
        management_tls_port=tls,
        portal_port=portal,
        health_port=health,
        backend_port=backend,
        gateway_ports=tuple(gateways),
        metrics_ports=tuple(metrics),
        workers=options.workers,
        poll_interval=options.poll_interval,
        demo=options.demo,
        source=options.source,
        gateway_tls_ports=() if secure is None else tuple(secured),
    )
