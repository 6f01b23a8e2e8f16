"""Wiring of a sidecar process: settings, logs, journal, transport, server, the stream to the agent, and its end.

Rules
1. A configuration is built in the stream's thread; the event loop only gets the finished gateway.
2. SIGTERM or SIGINT: not ready, no new connections, requests in flight end within the drain timeout, exit 0. A second
   signal ends at once.
3. What is optional (telemetry, the agent) never keeps the server from starting.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import uvloop

from proxy import workers
from proxy.adapters import redis_cache, redis_limits
from proxy.adapters.cache import local_cache
from proxy.adapters.clock import SystemClock, steady_time
from proxy.adapters.counters import LocalCounters
from proxy.adapters.errands import BackgroundErrands
from proxy.adapters.external_cache import ExternalCache
from proxy.adapters.figures import WaitingFigures
from proxy.adapters.grants import OAuthGrants
from proxy.adapters.identity import PlatformTokens
from proxy.adapters.limits import Limits
from proxy.adapters.names import LastingResolver
from proxy.adapters.openid import OpenIdKeys, target_of
from proxy.adapters.places import SharedPlaces
from proxy.adapters.pressure import MemoryWatch, most_connections
from proxy.adapters.quotas import LocalQuotas
from proxy.adapters.reach import Reach
from proxy.adapters.shared_memory import LIMITS, QUOTAS, shared_with_siblings
from proxy.adapters.siblings import Siblings
from proxy.adapters.tls import ServerTls, TlsSettings
from proxy.adapters.transport import HttpTransport
from proxy.adapters.trust import ClientTls, Trust
from proxy.config.gateway import Gateway, build
from proxy.config.hostnames import Hostname
from proxy.config.resources import Resource, ResourceIssue
from proxy.config.snapshot import apply, loss
from proxy.lifecycle import Sidecar
from proxy.messages import Body
from proxy.ports import Places, Ports
from proxy.server import PortTaken, Server
from proxy.settings import SettingError, Settings
from proxy.sync import SyncThread
from telemetry import log as logs
from telemetry.journal import QUEUE_LIMIT, Journal

log = logging.getLogger("proxy.app")

try:
    VERSION = metadata.version("passerelle")
except metadata.PackageNotFoundError:  # run from a tree that is not installed
    VERSION = "0.0.0"

JOURNAL_DELAY = 1.0  # seconds
SOON_LOOKED_AT = 5_000  # resources
# Thresholds of the collector: what a request makes of a large body is gone before all of it is looked at, which stops
# everybody.
COLLECT_AFTER = (20_000, 20, 50)
HEAR_EVERY = 1.0  # seconds between two looks at what siblings counted, where no request looks
# Seconds after which a thread that builds a configuration gives way to the event loop, which asks for its turn several
# times per request; Python's own 5 ms would be 15 ms and more for each request meanwhile.
GIVE_WAY_AFTER = 0.0005


@dataclass(slots=True)
class Configuration:
    """What this process holds; `take` is called in the stream's thread, `publish` on the event loop."""

    loop: asyncio.AbstractEventLoop
    sidecar: Sidecar
    journal: Journal
    dataset: str = ""
    version: int = 0
    resources: Mapping[str, Resource] = field(default_factory=dict)
    gateway: Gateway | None = None
    hostnames: tuple[Hostname, ...] = ()
    external: ExternalCache | None = None
    tls: ServerTls | None = None
    newest: int = 0  # the version that the agent holds
    reached: int = 0  # the newest revision that it is the content of
    confirmed: float = 0.0  # when it last was the newest there is, Unix seconds
    believe: Callable[[tuple[bytes, ...]], None] = lambda _: None  # these authorities of the plane
    unchecked: frozenset[str] = frozenset()  # backends whose certificates are not checked
    skipping: bool = False  # documented policies that this gateway does not have are left out, with a warning

    def take(
        self, dataset: str, version: int, full: bool, upserts: list[Resource], removals: list[str]
    ) -> list[ResourceIssue]:
        """Apply a diff and put the result in force; returns all that is wrong with it."""
        began = time.monotonic()
        known = self.gateway is not None and self.gateway.resources is self.resources and not full
        touched = [*removals, *(each.id for each in upserts)] if known else None
        self.resources = apply(self.resources, upserts, removals, full)
        in_force = threading.Event()
        gc.disable()
        try:
            self.gateway, issues = build(self.resources, self.gateway, skipping=self.skipping, touched=touched)
            if self.tls is not None and self.gateway.hostnames != self.hostnames:
                self.hostnames = self.gateway.hostnames
                self.tls.use(self.hostnames)
            took = (time.monotonic() - began) * 1000
            providers, small = self.gateway.providers(), len(upserts) <= SOON_LOOKED_AT
            self.loop.call_soon_threadsafe(self._publish, self.gateway, providers, dataset, version, small, in_force)
            in_force.wait(10)
        finally:
            gc.enable()
        log.info(
            "version %d of dataset %s in force: %d upserts, %d removals, %d APIs, %d issues, %.0f ms",
            version, dataset, len(upserts), len(removals), len(self.gateway.entries), len(issues), took,
            extra={"event": "ConfigurationApplied"},
        )  # fmt: skip
        return issues

    def _publish(
        self,
        gateway: Gateway,
        providers: frozenset[str],
        dataset: str,
        version: int,
        small: bool,
        in_force: threading.Event,
    ) -> None:
        self.sidecar.ports.keys.prefetch(providers)
        if self.external is not None:
            self.external.use(gateway.cache)
        self.believe(gateway.deployment.authorities)
        self.sidecar.publish(gateway)
        self._tell_unchecked(gateway)
        if dataset != self.dataset:
            self.newest = self.reached = 0
        self.dataset, self.version = dataset, version
        self.journal.identify(gateway.deployment.gateway_id, gateway.deployment.region)
        self._tell_standing()
        self.journal.direct(gateway.telling.frame, gateway.telling.sends)
        # A configuration is millions of objects that stay: the collector would only stop requests to look at them. What
        # compiling left in cycles has to go before, since what is frozen is never looked at again. This is a look at
        # what came since the last freeze: short, but for a diff that brings nearly everything. It is here since what
        # goes with it may be a connection, which belongs to this thread.
        if small:
            gc.collect()
        gc.freeze()
        in_force.set()

    def loss(self, upserts: list[str], removals: list[str], full: bool, again: bool) -> str:
        """Why a diff would take too much of what is held; in the stream's thread."""
        return loss(self.resources, upserts, removals, full, again)

    def _tell_unchecked(self, gateway: Gateway) -> None:
        """Say which backends are called without a look at their certificates, each time there is another."""
        backends = gateway.environment.backends if isinstance(gateway.environment.backends, Mapping) else {}
        found = frozenset(
            f"{name} ({'name' if each.validate_certificate_chain else 'chain and name'})"
            for name, each in backends.items()
            if not (each.validate_certificate_chain and each.validate_certificate_name)
        )
        if new := sorted(found - self.unchecked):
            told = f"{', '.join(new[:20])}{' and others' if len(new) > 20 else ''}"
            log.warning(
                "certificates are not checked, as configured, of: %s", told, extra={"event": "BackendUnchecked"}
            )
        self.unchecked = found

    def stand(self, dataset: str, newest: int, confirmed: float, reached: int) -> None:
        """Where the agent stands; any thread."""
        self.loop.call_soon_threadsafe(self._stand, dataset, newest, confirmed, reached)

    def _stand(self, dataset: str, newest: int, confirmed: float, reached: int) -> None:
        if dataset == self.dataset:
            self.newest, self.confirmed, self.reached = newest, confirmed, reached
            self._tell_standing()

    def _tell_standing(self) -> None:
        """Who holds what the agent holds is where the agent is, also after revisions that changed nothing here."""
        version = self.reached if self.version == self.newest else self.version
        self.journal.stand(version, max(version, self.reached), self.confirmed)

    def details(self) -> Mapping[str, Any]:
        return {"version": VERSION, "dataset": self.dataset, "configuration": self.version}


def main() -> int:
    """Entry point; returns the exit code."""
    try:
        settings = Settings.read()
        local_cache(settings.values)
        redis_cache.configured(settings.values)  # a wrong one is told here, before there are workers
        redis_limits.configured(settings.values)
        Limits.read(settings.values)
        ClientTls.read(settings.values)
        secured = TlsSettings.read(settings.values)
        if secured is not None:
            ServerTls(secured)
    except SettingError as wrong:
        print(f"proxy: {wrong}", file=sys.stderr)
        return 1
    logs.configure(settings.values, "proxy")
    if settings.port == 0:
        # Chosen here, because workers must agree on it and the instance is named after it.
        values = {**settings.values, "net.server.http.port": str(workers.free_port(settings.host))}
        settings = Settings.read(values)
    if secured is not None and settings.https_port == 0:
        values = {**settings.values, "net.server.https.port": str(workers.free_port(settings.https_host))}
        settings = Settings.read(values)
    number = workers.worker_number(settings.values)
    if settings.workers > 1 and number is None:
        return workers.supervise(settings.workers, settings.values)
    if number is not None:
        workers.end_with_parent(settings.values)
    gc.set_threshold(*COLLECT_AFTER)
    sys.setswitchinterval(GIVE_WAY_AFTER)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run(settings, number))


async def run(settings: Settings, worker: int | None = None) -> int:
    """Serve until a signal asks for the end."""
    loop = asyncio.get_running_loop()
    asked, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: again.set() if asked.is_set() else asked.set())

    instance = settings.instance if worker is None else f"{settings.instance}/{worker}"
    figures = WaitingFigures()
    # Without telemetry no child is started, and a journal without room takes nothing.
    limit = QUEUE_LIMIT if settings.telemetry else 0
    journal = Journal(settings.values, instance, limit=limit, figures=figures.add)
    try:
        cache, external = local_cache(settings.values), redis_cache.from_settings(settings.values)
    except SettingError as wrong:
        print(f"proxy: {wrong}", file=sys.stderr)
        return 1
    memory, apart = (
        shared_with_siblings(settings.sync_endpoint, settings.memory_path) if settings.memory else (None, "")
    )
    clock, now = SystemClock(), steady_time(None if memory is None else memory.offset)
    counters = LocalCounters(
        now, siblings=None if memory is None else Siblings(memory, LIMITS), share=settings.share_alone
    )
    quotas = LocalQuotas(now, siblings=None if memory is None else Siblings(memory, QUOTAS))
    try:
        limits = redis_limits.from_settings(settings.values, counters, quotas)
    except SettingError as wrong:
        print(f"proxy: {wrong}", file=sys.stderr)
        return 1
    transport = HttpTransport(
        reach=Reach(settings.loopback_allowed, settings.http_allowed),
        trust=Trust(ClientTls.read(settings.values)),
        names=LastingResolver(settings.names_kept),
    )
    keys, tokens = OpenIdKeys(transport, clock), PlatformTokens(settings.identity, transport, clock)
    errands, grants = BackgroundErrands(transport), OAuthGrants(transport, clock)
    ports = Ports(
        transport=transport,
        counters=counters if limits is None else limits.counters,
        clock=clock,
        journal=journal,
        cache=cache,
        in_flight=Places() if memory is None else SharedPlaces(memory),
        quotas=quotas if limits is None else limits.quotas,
        external_cache=external,
        errands=errands,
        keys=keys,
        tokens=tokens,
        grants=grants,
        dapr=target_of(settings.dapr),
        service_bus=settings.values.get("policy.servicebus.namespace", ""),
        waits=limits is not None,
    )
    sidecar = Sidecar(
        ports,
        instance=instance,
        by_scheme=settings.forwarded_proto,
        certificate_header=settings.forwarded_certificate,
        recording=settings.telemetry,
    )
    caches = ExternalCache(external, redis_cache.prefix(settings.values), sidecar.use_external_cache)
    configuration = Configuration(
        loop, sidecar, journal, external=caches, skipping=settings.lenient, believe=transport.believe
    )
    bounds = Limits.read(settings.values)
    Body.most = bounds.buffered
    server = Server(sidecar, configuration.details, settings.forwarded_proto, bounds)
    try:
        server.most = min(server.most, most_connections())
        watch = asyncio.create_task(MemoryWatch(sidecar, settings.values).run())
        secured = TlsSettings.read(settings.values)
        await server.listen(settings.host, settings.port, shared=worker is not None)
        if secured is not None:
            configuration.tls = ServerTls(secured)
            https = settings.https_host, settings.https_port
            await server.listen(*https, shared=worker is not None, tls=configuration.tls)
    except SettingError as wrong:  # the files changed since they were looked at
        print(f"proxy: {wrong}", file=sys.stderr)
        return 1
    except PortTaken as taken:
        log.critical("%s", taken, extra={"event": "PortTaken"})
        print(f"proxy: {taken}", file=sys.stderr)
        return 1
    log.info("listening on %s:%d", *server.address, extra={"event": "GatewayStartup"})
    if secured is not None:
        log.info("listening with TLS on %s:%d", *server.tls_address, extra={"event": "GatewayStartup"})
    if external is not None:
        external.start()
    if limits is not None:
        limits.start()
    # Its child waits: in the first second the processors belong to the configuration, and records can wait in a queue.
    telling = loop.call_later(JOURNAL_DELAY, journal.start) if settings.telemetry else None
    started = time.time()
    sync = SyncThread(
        settings.sync_endpoint,
        instance,
        VERSION,
        _token(settings.sync_token_file),
        configuration.take,
        lambda: (sidecar.requests, sidecar.failures, started),
        counters,
        sidecar.traces,
        figures,
        quotas,
        "" if memory is None else memory.group,
        configuration.stand,
        lambda: [problem for problem in (apart, limits.problem() if limits is not None else "") if problem],
        configuration.loss,
        settings.sync_tls,
    )
    sync.start()
    hearing = loop.create_task(_hear(counters, quotas)) if memory is not None else None

    await asked.wait()
    log.info("draining, at most %g s", settings.drain_timeout, extra={"event": "GatewayStopping"})
    drain = asyncio.create_task(server.drain(settings.drain_timeout))
    second = asyncio.create_task(again.wait())
    await asyncio.wait((drain, second), return_when=asyncio.FIRST_COMPLETED)
    for task in (drain, second):
        task.cancel()
    await asyncio.gather(drain, second, return_exceptions=True)
    await server.close()
    watch.cancel()
    await errands.close(0.2 if again.is_set() else 2.0)
    await keys.close()
    await tokens.close()
    await grants.close()
    await transport.close()
    await caches.close()
    if limits is not None:
        await limits.close()
    for each in (telling, hearing):
        if each is not None:
            each.cancel()
    await journal.close(0.2 if again.is_set() else 2.0)
    await asyncio.to_thread(sync.finish)
    await asyncio.to_thread(sync.stop, 1.0)
    if memory is not None and not sync.running:
        memory.close()
    log.info("ended", extra={"event": "GatewayStopped"})
    return 0


async def _hear(counters: LocalCounters, quotas: LocalQuotas) -> None:
    while True:
        await asyncio.sleep(HEAR_EVERY)
        counters.hear()
        quotas.hear()


def _token(path: str) -> str:
    """The shared token of the stream; empty when none is set or its file cannot be read (the agent then says so)."""
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as problem:
        log.error("config.sync.token.file %s cannot be read: %s", path, problem.strerror, extra={"event": "TokenFile"})
        return ""
