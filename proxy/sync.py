"""The sidecar's end of the agent's streams: gRPC in, plain resources out. Nothing else in the sidecar knows gRPC.

Rules
1. The streams run in threads of their own, so that gRPC and JSON never hold up a request.
2. A diff is handed over once it is whole and every digest has been checked; half a diff is never seen.
3. What is held survives any loss of the stream: a reconnect says what is held, and only what is missing comes.
4. `apply` may not raise. If it does, that is a bug: it is logged and refused, and the stream lives on.
5. Certificates are looked at again before each connection and with each status: see proto/certificates.py.
6. What an agent in trouble says takes nothing away: a version never goes back, never loses resources without a newer
   one, and loses more than half only when the agent marks it as complete.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc

from proto import config_sync_pb2, config_sync_pb2_grpc, counter_sync_pb2, counter_sync_pb2_grpc
from proto.certificates import ChannelFiles, SecuredChannel
from proxy.adapters.agent_socket import unfit
from proxy.agent_ports import FinishedTraces, QuotaCount, SharedCounters, SharedQuotas, WaitingFigures
from proxy.config.resources import Resource, ResourceIssue, checked
from proxy.settings import SyncTls

logger = logging.getLogger(__name__)

# (dataset, version, full, upserts, removals) -> what is wrong with single resources
Apply = Callable[[str, int, bool, list[Resource], list[str]], list[ResourceIssue]]
# ids of upserts, removals, full, the held version again -> why this would lose too much of what is held, or nothing
Loss = Callable[[list[str], list[str], bool, bool], str]
# requests and 5xx answers since start, and the start in Unix seconds
Status = Callable[[], tuple[int, int, float]]
# dataset and version that the agent holds, when that was last said to be the newest (Unix seconds), its newest revision
Stand = Callable[[str, int, float, int], None]

STATUS_INTERVAL = 10.0
COUNTER_INTERVAL, COUNTER_SPACING = 0.25, 0.02
COUNTS_PER_FRAME = 4_000
QUOTAS_PER_FRAME = 1_000
LONGEST_KEY = 1_024  # characters; a counter with a longer one is not shared
SOCKET_CHECK = 0.05
FIRST_BACKOFF, MAX_BACKOFF = 0.2, 0.5
# A resource larger than a frame of 1 MiB travels in a larger one.
MAX_MESSAGE = 64 * 1024 * 1024

# What waits to be sent; None ends the stream, TRACES and FIGURES say that such wait.
Outbox = queue.SimpleQueue["config_sync_pb2.FromSidecar | None"]
TRACES = config_sync_pb2.FromSidecar()
FIGURES = config_sync_pb2.FromSidecar()

OPTIONS = (
    # A stalled agent is noticed within 15 s, a returning one within about a second.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


class SyncThread:
    """Keeps the streams to the agent. `apply`, `status`, `stand` and `counters` are called in its threads.

    `endpoint` is `unix:/path/agent.sock` or `127.0.0.1:port`; `sidecar_id` must be unique per process; `token` is the
    shared token, empty when none is asked for; sidecars of one `group` tell each other what they count; `problems` are
    of this process; with `tls` both sides show a certificate.
    """

    def __init__(
        self,
        endpoint: str,
        sidecar_id: str,
        software_version: str,
        token: str,
        apply: Apply,
        status: Status,
        counters: SharedCounters | None = None,
        traces: FinishedTraces | None = None,
        figures: WaitingFigures | None = None,
        quotas: SharedQuotas | None = None,
        group: str = "",
        stand: Stand | None = None,
        problems: Callable[[], list[str]] = list,
        loss: Loss | None = None,
        tls: SyncTls | None = None,
    ) -> None:
        self._endpoint, self._token = endpoint, token
        self._files = None if tls is None else ChannelFiles(tls.certificate, tls.key, tls.ca)
        self._told = ""  # of the certificates
        self._id, self._software_version = sidecar_id, software_version
        self._apply, self._status, self._counters = apply, status, counters
        self._traces, self._stand, self._loss = traces, stand, loss
        self._outbox: Outbox = queue.SimpleQueue()
        if traces is not None:
            traces.announce = lambda: self._outbox.put(TRACES)
        self._quotas, self._epoch, self._group, self._figures = quotas, "", group, figures
        self._groups, self._problems = 0, problems
        if figures is not None:
            figures.announce = lambda: self._outbox.put(FIGURES)
        self._held: tuple[str, int] = ("", 0)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._calls: set[Any] = set()
        self._channel: grpc.Channel | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        if self._files is None:
            self._channel = grpc.insecure_channel(self._endpoint, options=OPTIONS)
        self._spawn("config-sync", self._config_stream)
        if self._counters is not None:
            self._spawn("counter-sync", self._counter_stream)

    def finish(self, patience: float = 0.5) -> None:
        """Wait for the agent to take the last figures."""
        until = time.monotonic() + patience
        while self._figures is not None and len(self._figures) and self._calls and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self, timeout: float = 2.0) -> None:
        """Ends the streams; what is held stays with whoever applied it. Waits at most `timeout` seconds."""
        with self._lock:
            self._stopping.set()
            for call in self._calls:
                call.cancel()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
        # A call begun on a closed channel ends the process, so it is closed only once nobody can begin one.
        if self._channel is not None and not self.running:
            self._channel.close()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _spawn(self, name: str, stream: Callable[[grpc.Channel], None]) -> None:
        thread = threading.Thread(target=self._reconnect_forever, args=(name, stream), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _reconnect_forever(self, name: str, stream: Callable[[grpc.Channel], None]) -> None:
        backoff, silent = FIRST_BACKOFF, False
        own = None if self._files is None else SecuredChannel(self._endpoint, self._files, OPTIONS)
        while not self._stopping.is_set():
            self._await_socket(name)
            began = time.monotonic()
            try:
                self._certificate_problem()
                channel = self._channel if own is None else own.dial()
                assert channel is not None
                stream(channel)
                reason = "the agent closed it"
            except ConnectionError as without:
                reason = str(without)
            except grpc.RpcError as error:
                reason = _reason(error)
            except Exception:
                logger.exception("%s: a bug ended the stream; it is opened again", name)
                reason = "a bug in the sidecar"
            if self._stopping.is_set():
                break
            if time.monotonic() - began > 2 * MAX_BACKOFF:
                backoff, silent = FIRST_BACKOFF, False
            if not silent:
                logger.warning("%s: no stream to the agent at %s: %s; trying on", name, self._endpoint, reason)
                silent = True
            self._stopping.wait(backoff * random.uniform(0.75, 1.0))  # noqa: S311 - not a secret
            backoff = min(backoff * 2, MAX_BACKOFF)
        if own is not None:
            own.close()

    def _certificate_problem(self) -> str:
        """Look at the files again; what is wrong with them, which is told once."""
        if self._files is None:
            return ""
        self._files.look()
        told, self._told = self._told, self._files.problem
        if self._told and self._told != told:
            logger.warning("%s", self._told, extra={"event": "SyncCertificate"})
        return self._told

    def _messages(self, open_stream: Callable[[], Any]) -> Iterator[Any]:
        """What the agent says on a new stream, which `stop` can end at any moment."""
        with self._lock:
            if self._stopping.is_set():
                return
            call = open_stream()
            self._calls.add(call)
        try:
            yield from call
        finally:
            with self._lock:
                self._calls.discard(call)
            call.cancel()

    def _await_socket(self, name: str) -> None:
        """A socket that is not there yet is looked for, not dialled: so its coming is met at once."""
        if not self._endpoint.startswith("unix:"):
            return
        path, told = "/" + self._endpoint.removeprefix("unix:").lstrip("/"), ""
        while (why := unfit(path)) and not self._stopping.is_set():
            if why != told:
                logger.warning("%s: waiting for the agent: %s", name, why)
                told = why
            self._stopping.wait(SOCKET_CHECK)

    # Configuration

    def _config_stream(self, channel: grpc.Channel) -> None:
        outbox = self._outbox = queue.SimpleQueue()
        hello = config_sync_pb2.Hello(
            sidecar_id=self._id,
            software_version=self._software_version,
            held_dataset=self._held[0],
            held_version=self._held[1],
            token=self._token,
        )
        for first in (config_sync_pb2.FromSidecar(hello=hello), self._status_message(), TRACES, FIGURES):
            outbox.put(first)
        stub, pending = config_sync_pb2_grpc.ConfigSyncStub(channel), _Pending()  # type: ignore[no-untyped-call]
        try:
            for message in self._messages(lambda: stub.Stream(self._outgoing(outbox))):
                kind = message.WhichOneof("message")
                if kind == "figures_taken":
                    self._figures_taken(message.figures_taken)
                if kind == "standing" and self._stand is not None:
                    told = message.standing
                    self._stand(told.dataset, told.version, told.confirmed, told.reached)
                if kind != "diff":
                    continue
                pending.add(message.diff)
                if message.diff.last:
                    outbox.put(self._take(message.diff, pending))
                    outbox.put(self._status_message())
                    pending = _Pending()
        finally:
            outbox.put(None)

    def _outgoing(self, outbox: Outbox) -> Iterator[config_sync_pb2.FromSidecar]:
        sent, told = 0, time.monotonic()
        while True:
            try:
                message = outbox.get(timeout=max(told + STATUS_INTERVAL - time.monotonic(), 0))
            except queue.Empty:
                message, told = self._status_message(), time.monotonic()
            if message is None:
                return
            if message is TRACES:
                for name, document in self._traces.take() if self._traces is not None else ():
                    trace = config_sync_pb2.Trace(id=name, document=document)
                    yield config_sync_pb2.FromSidecar(trace=trace)
                continue
            if message is FIGURES:
                for figures in self._waiting_figures(sent):
                    yield config_sync_pb2.FromSidecar(figures=figures)
                    sent = figures.sequence
                continue
            yield message

    def _waiting_figures(self, after: int) -> Iterator[config_sync_pb2.Figures]:
        if self._figures is not None:
            for sequence, document in self._figures.after(after):
                yield config_sync_pb2.Figures(source=self._figures.source, sequence=sequence, document=document)

    def _figures_taken(self, taken: config_sync_pb2.FiguresTaken) -> None:
        if self._figures is not None and taken.source == self._figures.source:
            self._figures.taken(taken.sequence)

    def _take(self, diff: config_sync_pb2.Diff, pending: _Pending) -> config_sync_pb2.FromSidecar:
        """Apply a whole diff; answers the Ack or the Nack."""
        nack = config_sync_pb2.Nack
        if not diff.full and self._held != (diff.dataset, diff.base_version):
            return self._nack(diff.nonce, nack.WRONG_BASE, f"the diff starts from version {diff.base_version}")
        if pending.corrupt:
            return self._nack(diff.nonce, nack.CORRUPT, f"the digest of {pending.corrupt} does not match its body")
        if self._held[0] == diff.dataset and diff.version < self._held[1]:
            return self._nack(diff.nonce, nack.GOES_BACK, f"version {self._held[1]} of the same dataset is held")
        again = self._held == (diff.dataset, diff.version)
        if self._loss is not None and (again or not diff.complete):
            lost = self._loss(pending.ids, pending.removals, diff.full, again)
            if lost:
                return self._nack(diff.nonce, nack.SHRUNK, lost if again else f"{lost}, and it is not marked complete")
        try:
            issues = self._apply(diff.dataset, diff.version, diff.full, pending.upserts, pending.removals)
        except Exception as error:
            logger.exception("version %d could not be applied; what was in force stays", diff.version)
            return self._nack(diff.nonce, nack.FAILED, f"{type(error).__name__}: {error}")
        self._held = (diff.dataset, diff.version)
        ack = config_sync_pb2.Ack(nonce=diff.nonce, dataset=diff.dataset, version=diff.version)
        for issue in [*pending.issues, *issues]:
            ack.issues.add(
                resource_id=issue.resource_id,
                line=max(issue.line, 0),
                column=max(issue.column, 0),
                element=issue.element,
                message=issue.message,
            )
        return config_sync_pb2.FromSidecar(ack=ack)

    def _nack(self, nonce: str, reason: config_sync_pb2.Nack.Reason, detail: str) -> config_sync_pb2.FromSidecar:
        logger.warning("a diff is refused, what was in force stays: %s", detail)
        held, version = self._held
        nack = config_sync_pb2.Nack(
            nonce=nonce, reason=reason, detail=detail[:2_000], held_dataset=held, held_version=version
        )
        return config_sync_pb2.FromSidecar(nack=nack)

    def _status_message(self) -> config_sync_pb2.FromSidecar:
        requests, failures, started = self._status()
        problems = [*self._problems(), self._certificate_problem()]
        status = config_sync_pb2.Status(
            requests=requests, failures=failures, started=started, problems=filter(None, problems)
        )
        return config_sync_pb2.FromSidecar(status=status)

    # Counters

    def _counter_stream(self, channel: grpc.Channel) -> None:
        counters, ended, greeted, stirred = self._counters, threading.Event(), threading.Event(), threading.Event()
        if counters is None:
            return
        stub = counter_sync_pb2_grpc.CounterSyncStub(channel)  # type: ignore[no-untyped-call]
        held: queue.SimpleQueue[list[QuotaCount]] = queue.SimpleQueue()
        first = True
        try:
            for message in self._messages(lambda: stub.Stream(self._counts(counters, ended, greeted, stirred, held))):
                if message.groups and (message.groups != self._groups or not greeted.is_set()):
                    self._groups = message.groups
                    counters.part(0)
                    self._hurry(stirred.set if message.groups > 1 else None)
                if message.time_ms:
                    for each in (counters, self._quotas):
                        if each is not None:
                            each.align(message.time_ms / 1000, first)
                    first = False
                for count in message.counts:
                    counters.merge(count.key, count.slice_ms, count.slot, count.increment)
                if self._quotas is not None and message.epoch:
                    if message.epoch != self._epoch:
                        self._epoch = message.epoch
                        held.put(self._quotas.held())
                    self._quotas.merge([_quota_count(each) for each in message.quotas], message.sequence)
                    greeted.set()
        finally:
            ended.set()
            self._hurry(None)
            stirred.set()
            counters.part(self._groups)

    def _hurry(self, stir: Callable[[], None] | None) -> None:
        for each in (self._counters, self._quotas):
            if each is not None:
                each.stir = stir

    def _counts(
        self,
        counters: SharedCounters,
        ended: threading.Event,
        greeted: threading.Event,
        stirred: threading.Event,
        held: queue.SimpleQueue[list[QuotaCount]],
    ) -> Iterator[counter_sync_pb2.Counts]:
        yield counter_sync_pb2.Counts(sidecar_id=self._id, token=self._token, group=self._group)
        again = True
        while not ended.is_set() and not self._stopping.is_set():
            if stirred.wait(COUNTER_INTERVAL):
                stirred.clear()
                ended.wait(COUNTER_SPACING)
            drained = [count for count in counters.drain() if len(count[0]) <= LONGEST_KEY]
            for start in range(0, len(drained), COUNTS_PER_FRAME):
                message = counter_sync_pb2.Counts(sidecar_id=self._id)
                for key, slice_ms, slot, increment in drained[start : start + COUNTS_PER_FRAME]:
                    message.counts.add(key=_text(key), slice_ms=slice_ms, slot=slot, increment=increment)
                yield message
            if self._quotas is None or not greeted.is_set():
                continue
            while not held.empty():
                known = held.get()
                for start in range(0, len(known), QUOTAS_PER_FRAME):
                    yield self._quota_message(0, held=known[start : start + QUOTAS_PER_FRAME])
            report, again = self._quotas.report(again), False
            if report is not None:
                yield self._quota_message(report[0], counts=report[1])

    def _quota_message(
        self, sequence: int, counts: Iterable[QuotaCount] = (), held: Iterable[QuotaCount] = ()
    ) -> counter_sync_pb2.Counts:
        message = counter_sync_pb2.Counts(sidecar_id=self._id, sequence=sequence)
        for target, listed in ((message.quotas, counts), (message.held, held)):
            for key, start, period, window, calls, size in listed:
                target.add(key=_text(key), start=start, period=period, window=window, calls=calls, bytes=size)
        return message


def _text(key: str) -> str:
    """The key as text that the wire can hold: it may be made of a header, whose bytes may be none."""
    return key if key.isascii() else key.encode("utf-8", "replace").decode()


def _quota_count(count: counter_sync_pb2.QuotaCount) -> QuotaCount:
    return (count.key, count.start, count.period, count.window, count.calls, count.bytes)


class _Pending:
    """The frames of one diff so far. `corrupt` is the id of the first resource whose digest is wrong."""

    nonce: str
    corrupt: str

    def __init__(self) -> None:
        self._begin("")

    def add(self, diff: config_sync_pb2.Diff) -> None:
        if diff.nonce != self.nonce:
            self._begin(diff.nonce)
        for wire in diff.upserts:
            id, digest, body = wire.id, wire.digest, wire.body  # each look makes a copy
            if hashlib.sha256(body).digest() != digest:
                self.corrupt = self.corrupt or id
                continue
            self.ids.append(id)
            try:
                self.upserts.append(Resource(id, digest.hex(), checked(body)))
            except ValueError as error:
                self.issues.append(ResourceIssue(id, 0, 0, "", f"The body cannot be read: {error}"))
        self.removals.extend(diff.removals)

    def _begin(self, nonce: str) -> None:
        self.nonce, self.corrupt = nonce, ""
        self.upserts: list[Resource] = []
        self.ids: list[str] = []  # of all upserts, also of those that cannot be read
        self.removals: list[str] = []
        self.issues: list[ResourceIssue] = []


def _reason(error: grpc.RpcError) -> str:
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if not callable(code) or not callable(details):
        return type(error).__name__
    return f"{code().name}: {details()}"
