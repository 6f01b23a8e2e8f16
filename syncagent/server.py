"""gRPC out to the sidecars: ConfigSync and CounterSync. The obligations are in proto/, the decisions in `hub`.

Generated types stop at this file.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio

from proto import config_sync_pb2, config_sync_pb2_grpc, counter_sync_pb2, counter_sync_pb2_grpc
from proto.certificates import ChannelFiles, Pem
from syncagent.address import prepare
from syncagent.counters import Relay, Slot
from syncagent.hub import Hub, Issue, Offer, Sidecar, Version
from syncagent.log import Log
from syncagent.quotas import Counted, Name, Quotas, Total
from syncagent.settings import SyncTls

Message = TypeVar("Message")

MAX_FRAME = 1024 * 1024
MAX_SIDECARS = 256
MAX_ISSUES = 200
MAX_PROBLEMS, MAX_PROBLEM = 20, 500
HELLO_DEADLINE = 10.0
COUNTER_INTERVAL, COUNTER_SPACING = 0.25, 0.02
COUNTS_PER_FRAME = 4_000
QUOTAS_PER_FRAME = 1_000

# A peer that stopped without closing (SIGSTOP, a lost host) is noticed within 15 s.
OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 4 * MAX_FRAME),
    # Two agents must not share one TCP port by accident.
    ("grpc.so_reuseport", 0),
)


# What a stream raises once it has ended; UsageError when the server has.
STREAM_OVER = (grpc.RpcError, grpc.aio.UsageError)


class Gate:
    """Who may open a stream: over a unix socket the directory decides, over TCP the certificate that the other side
    shows, and with a token file the token too."""

    def __init__(self, token_file: Path | None) -> None:
        self._file = token_file

    def admits(self, token: str) -> bool:
        if self._file is None:
            return True
        try:
            wanted = self._file.read_text(encoding="utf-8").strip()
        except OSError:
            return False
        return bool(wanted) and hmac.compare_digest(wanted.encode(), token.encode())


class ConfigSync(config_sync_pb2_grpc.ConfigSyncServicer):
    """One stream per sidecar process: hello, then offers and answers in turn."""

    def __init__(self, hub: Hub, gate: Gate, log: Log) -> None:
        self._hub, self._gate, self._log = hub, gate, log
        self._streams: set[asyncio.Event] = set()
        self._readers: set[asyncio.Task[None]] = set()

    def end(self) -> None:
        """Every stream ends as it would had its sidecar closed it."""
        for reader in self._readers:
            reader.cancel()

    def wake(self) -> None:
        """The hub may have something to send."""
        for event in self._streams:
            event.set()

    async def Stream(
        self,
        request_iterator: AsyncIterator[config_sync_pb2.FromSidecar],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> None:
        messages = aiter(request_iterator)
        hello = (await _first(messages, context)).hello
        if not self._gate.admits(hello.token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the shared token is wrong or missing")
        if not hello.sidecar_id or len(hello.sidecar_id) > 256:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the first message must be a Hello with a sidecar id")
        if len(self._streams) >= MAX_SIDECARS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {MAX_SIDECARS} sidecars")
        sidecar = self._hub.connect(
            hello.sidecar_id, hello.software_version, _version(hello.held_dataset, hello.held_version)
        )
        self._log.info("SidecarConnected", f"sidecar {sidecar.id} holds {_text(sidecar.held)}", sidecar=sidecar.id)
        ready = asyncio.Event()
        self._streams.add(ready)
        reader = asyncio.create_task(self._read(messages, sidecar, ready))
        reader.add_done_callback(lambda _: ready.set())
        self._readers.add(reader)
        try:
            with contextlib.suppress(grpc.aio.UsageError):
                await self._send(context, sidecar, ready, reader)
        finally:
            self._streams.discard(ready)
            self._readers.discard(reader)
            self._hub.disconnect(sidecar)
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, *STREAM_OVER):
                await reader
            self._log.info("SidecarDisconnected", f"sidecar {sidecar.id} is gone", sidecar=sidecar.id)

    async def _send(
        self,
        context: grpc.aio.ServicerContext[Any, Any],
        sidecar: Sidecar,
        ready: asyncio.Event,
        reader: asyncio.Task[None],
    ) -> None:
        while not reader.done():
            ready.clear()
            if (taken := sidecar.figures) is not None:
                sidecar.figures = None
                source, number = taken
                figures_taken = config_sync_pb2.FiguresTaken(source=source, sequence=number)
                await context.write(config_sync_pb2.FromAgent(figures_taken=figures_taken))
            if sidecar.asks:
                sidecar.asks = False
                await context.write(config_sync_pb2.FromAgent(standing=_standing(self._hub)))
            offer = self._hub.next(sidecar)
            if offer is None:
                await ready.wait()
                continue
            self._log.info(
                "SendingConfiguration",
                f"version {offer.target.number} to sidecar {sidecar.id}",
                full=offer.full,
                upserts=len(offer.upserts),
                removals=len(offer.removals),
            )
            for frame in frames(offer):
                await context.write(frame)

    async def _read(
        self, messages: AsyncIterator[config_sync_pb2.FromSidecar], sidecar: Sidecar, ready: asyncio.Event
    ) -> None:
        async for message in messages:
            kind = message.WhichOneof("message")
            if kind == "ack":
                issues = tuple(_issue(issue) for issue in message.ack.issues[:MAX_ISSUES])
                known = set(sidecar.issues)
                self._hub.acknowledge(sidecar, message.ack.nonce, issues)
                for issue in (each for each in issues if each not in known):
                    self._log.warn("ConfigurationIssue", issue.message, sidecar=sidecar.id, resource=issue.resource_id)
            elif kind == "nack":
                nack = message.nack
                reason = config_sync_pb2.Nack.Reason.Name(nack.reason)
                detail = f"{reason}: {nack.detail}"[:2_000]
                self._log.warn("ConfigurationRefused", f"sidecar {sidecar.id} refuses: {detail}", sidecar=sidecar.id)
                self._hub.refuse(sidecar, nack.nonce, _version(nack.held_dataset, nack.held_version), detail)
            elif kind == "status":
                status = message.status
                sidecar.requests, sidecar.failures, sidecar.started = status.requests, status.failures, status.started
                self._hub.complain(sidecar, tuple(each[:MAX_PROBLEM] for each in status.problems[:MAX_PROBLEMS]))
                sidecar.asks = True
            elif kind == "trace":
                if not self._hub.traces.add(message.trace.id, message.trace.document):
                    self._log.warn("TraceDropped", f"sidecar {sidecar.id} sent a trace that is too large or no text")
                continue
            elif kind == "figures":
                self._take_figures(message.figures, sidecar)
            ready.set()

    def _take_figures(self, figures: config_sync_pb2.Figures, sidecar: Sidecar) -> None:
        """Figures that cannot be read are confirmed as well: they would not get better."""
        try:
            self._hub.figures.take(figures.source[:64], figures.sequence, figures.document)
        except (ValueError, TypeError, LookupError) as error:
            self._log.warn("FiguresUnreadable", f"sidecar {sidecar.id} sent figures that are none: {error}")
        sidecar.figures = (figures.source, figures.sequence)


def _standing(hub: Hub) -> config_sync_pb2.Standing:
    held = hub.current
    dataset, version = (held.dataset, held.cursor) if held is not None else ("", 0)
    return config_sync_pb2.Standing(
        dataset=dataset, version=version, confirmed=hub.confirmed_at, reached=max(hub.reached, version)
    )


class CounterSync(counter_sync_pb2_grpc.CounterSyncServicer):
    """Passes on what one sidecar counted to the others, and the totals of quotas, at most fifty times a second."""

    def __init__(self, relay: Relay, quotas: Quotas, gate: Gate) -> None:
        self._relay, self._quotas, self._gate = relay, quotas, gate
        self._readers: set[asyncio.Task[None]] = set()
        self._answers: dict[object, int] = {}  # per stream: the report that has yet to be answered
        self._ready: dict[object, asyncio.Event] = {}  # per stream: there may be something to send

    def end(self) -> None:
        """Every stream ends as it would had its sidecar closed it."""
        for reader in self._readers:
            reader.cancel()

    async def Stream(
        self, request_iterator: AsyncIterator[counter_sync_pb2.Counts], context: grpc.aio.ServicerContext[Any, Any]
    ) -> None:
        messages = aiter(request_iterator)
        first = await _first(messages, context)
        if not self._gate.admits(first.token):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the shared token is wrong or missing")
        if len(self._readers) >= MAX_SIDECARS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"more than {MAX_SIDECARS} sidecars")
        stream = object()
        self._relay.join(stream, first.group[:256])
        self._quotas.join(stream)
        self._ready[stream] = asyncio.Event()
        self._wake()
        self._take(first, stream)
        reader = asyncio.create_task(self._read(messages, stream))
        sender = asyncio.create_task(self._send(context, stream))
        self._readers.add(reader)
        try:
            await asyncio.wait((reader, sender), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._readers.discard(reader)
            self._relay.leave(stream)
            self._quotas.leave(stream)
            self._answers.pop(stream, None)
            self._ready.pop(stream, None)
            self._wake()
            for task in (reader, sender):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, *STREAM_OVER):
                    await task

    async def _read(self, messages: AsyncIterator[counter_sync_pb2.Counts], stream: object) -> None:
        async for message in messages:
            self._take(message, stream)

    def _take(self, message: counter_sync_pb2.Counts, stream: object) -> None:
        self._relay.report(stream, _counts(message))
        if message.held:
            self._quotas.hold(_quota_counts(message.held))
        if message.sequence:
            self._quotas.report(message.sidecar_id[:256], message.sequence, _quota_counts(message.quotas))
            self._answers[stream] = message.sequence
        if message.counts or message.held or message.sequence:
            self._wake()

    def _time(self) -> int:
        return int(self._quotas.now() * 1000)

    def _wake(self) -> None:
        for ready in self._ready.values():
            ready.set()

    async def _send(self, context: grpc.aio.ServicerContext[Any, Any], stream: object) -> None:
        ready, told = self._ready[stream], 0
        while True:
            ready.clear()
            totals, answered = self._quotas.take(stream), self._answers.pop(stream, 0)
            if totals or answered or self._relay.groups != told:
                told = self._relay.groups
                for start in range(0, max(len(totals), 1), QUOTAS_PER_FRAME):
                    message = counter_sync_pb2.Counts(
                        epoch=self._quotas.epoch, sequence=answered, groups=told, time_ms=self._time()
                    )
                    for name, total in totals[start : start + QUOTAS_PER_FRAME]:
                        message.quotas.add(**name._asdict(), **total._asdict())
                    await context.write(message)
            counts = [
                counter_sync_pb2.Count(key=slot.key, slice_ms=slot.slice_ms, slot=slot.slot, increment=increment)
                for slot, increment in self._relay.take(stream).items()
            ]
            for start in range(0, len(counts), COUNTS_PER_FRAME):
                await context.write(
                    counter_sync_pb2.Counts(counts=counts[start : start + COUNTS_PER_FRAME], time_ms=self._time())
                )
            await asyncio.sleep(COUNTER_SPACING)
            with contextlib.suppress(TimeoutError):  # the plane sets quotas without a word
                async with asyncio.timeout(COUNTER_INTERVAL):
                    await ready.wait()


class Server:
    """Listens for the sidecars of this agent."""

    def __init__(self, listen: str, token_file: Path | None, hub: Hub, log: Log, tls: SyncTls | None = None) -> None:
        self._listen = listen
        self._files = None if tls is None else ChannelFiles(tls.certificate, tls.key, tls.ca)
        gate = Gate(token_file)
        self._config = ConfigSync(hub, gate, log)
        self._counters = CounterSync(Relay(), hub.quotas, gate)
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Raises AddressError, OSError when the address cannot be used."""
        prepare(self._listen)
        server = grpc.aio.server(options=OPTIONS)
        config_sync_pb2_grpc.add_ConfigSyncServicer_to_server(self._config, server)  # type: ignore[no-untyped-call]
        counter_sync_pb2_grpc.add_CounterSyncServicer_to_server(self._counters, server)  # type: ignore[no-untyped-call]
        try:
            if self._files is None:
                server.add_insecure_port(self._listen)
            else:
                server.add_secure_port(self._listen, _secured(self._files))
        except RuntimeError:
            raise OSError(f"config.sync.listen: {self._listen} is taken or not usable") from None
        if self._listen.startswith("unix:"):
            os.chmod(self._listen.removeprefix("unix:"), 0o600)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Ends the streams first: gRPC prints a traceback for each that it must cut itself."""
        if self._server is not None:
            self._config.end()
            self._counters.end()
            await self._server.stop(grace=0.5)

    def wake(self) -> None:
        self._config.wake()

    def problem(self) -> str:
        """Of the certificates that sidecars are shown; empty when all is well."""
        if self._files is None:
            return ""
        self._files.look()
        return self._files.problem


def _secured(files: ChannelFiles) -> grpc.ServerCredentials:
    """TLS in which both sides show a certificate; files that change serve the next handshake. Raises OSError."""
    shown = files.look()
    if shown is None:
        raise OSError(files.problem)

    def read(pem: Pem) -> Any:
        return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], root_certificates=pem.ca)

    def again() -> Any:
        nonlocal shown
        found = files.look()
        if found is None or found == shown:
            return None
        shown = found
        return read(found)

    return grpc.dynamic_ssl_server_credentials(read(shown), again, require_client_authentication=True)


def frames(offer: Offer) -> Iterator[config_sync_pb2.FromAgent]:
    """The offer in messages of at most 1 MiB; only a resource larger than that makes a larger one."""
    frame = _empty(offer)
    size = 256
    for resource in offer.upserts:
        cost = len(resource.id) * 4 + len(resource.body) + 64
        if size + cost > MAX_FRAME and (frame.diff.upserts or frame.diff.removals):
            yield frame
            frame, size = _empty(offer), 256
        frame.diff.upserts.add(id=resource.id, digest=resource.digest, body=resource.body)
        size += cost
    for id in offer.removals:
        cost = len(id) * 4 + 8
        if size + cost > MAX_FRAME and (frame.diff.upserts or frame.diff.removals):
            yield frame
            frame, size = _empty(offer), 256
        frame.diff.removals.append(id)
        size += cost
    frame.diff.last = True
    yield frame


def _empty(offer: Offer) -> config_sync_pb2.FromAgent:
    return config_sync_pb2.FromAgent(
        diff=config_sync_pb2.Diff(
            nonce=offer.nonce,
            dataset=offer.target.dataset,
            base_version=offer.base,
            version=offer.target.number,
            full=offer.full,
            complete=True,  # nothing is published that did not pass the guard of `feed`
        )
    )


async def _first(messages: AsyncIterator[Message], context: grpc.aio.ServicerContext[Any, Any]) -> Message:
    try:
        async with asyncio.timeout(HELLO_DEADLINE):
            return await anext(messages)
    except (TimeoutError, StopAsyncIteration):
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the first message did not come in time")
        raise


def _version(dataset: str, number: int) -> Version | None:
    return Version(dataset, number) if dataset else None


def _text(held: Version | None) -> str:
    return "nothing" if held is None else f"version {held.number}"


def _issue(issue: config_sync_pb2.Issue) -> Issue:
    return Issue(issue.resource_id[:2_048], issue.line, issue.column, issue.element[:256], issue.message[:1_000])


def _quota_counts(counts: Iterable[counter_sync_pb2.QuotaCount]) -> list[Counted]:
    return [(Name(each.key, each.start, each.period), Total(each.window, each.calls, each.bytes)) for each in counts]


def _counts(message: counter_sync_pb2.Counts) -> list[tuple[Slot, int]]:
    return [
        (Slot(count.key, count.slice_ms, count.slot), count.increment) for count in message.counts if count.slice_ms
    ]
