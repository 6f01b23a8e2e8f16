"""The ports of a traced request: they do what the real ones do, and tell the recorder what was asked and answered.

What a policy reads of the world (a backend, a cache, a counter) is in the trace through these, and no policy knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.errors import GatewayError
from proxy.messages import Response
from proxy.ports import (
    Authorize,
    Cache,
    Counters,
    Errands,
    Grant,
    Grants,
    Journal,
    Keys,
    Outgoing,
    Ports,
    Quotas,
    QuotaWant,
    Reading,
    Tokens,
    Transport,
    Usage,
    Want,
)
from proxy.tokens.keys import KeySet
from proxy.tracing.changes import cut
from proxy.tracing.recorder import Call, Recorder, explained
from telemetry.records import EventRecord, Row

if TYPE_CHECKING:
    from proxy.config.resources import Connection
    from proxy.exchange import Exchange

MOST_HEADERS = 100


def watched(ports: Ports, recorder: Recorder, exchange: Exchange) -> Ports:
    """The same world, with somebody who writes down what is asked of it."""
    external = ports.external_cache
    return replace(
        ports,
        transport=_Transport(ports.transport, recorder, exchange),
        counters=_Counters(ports.counters, recorder),
        quotas=_Quotas(ports.quotas, recorder),
        cache=_Cache(ports.cache, recorder, "internal cache"),
        external_cache=_Cache(external, recorder, "external cache") if external is not None else None,
        errands=_Errands(ports.errands, recorder),
        journal=_Journal(ports.journal, recorder),
        keys=_Keys(ports.keys, recorder),
        tokens=_Tokens(ports.tokens, recorder),
        grants=_Grants(ports.grants, recorder),
    )


def _request(recorder: Recorder, kind: str, request: Outgoing) -> Call:
    mask, length = recorder.mask, request.body.length
    size = "" if length == 0 else f", a body of {length} bytes" if length is not None else ", a body that is streamed"
    sent = mask.headers(list(request.headers.items())[:MOST_HEADERS])
    asked = f"{request.method} {mask.url(str(request.url))}{size}"
    return Call(kind, cut(asked, 2000), began=recorder.elapsed(), sent=[(name, cut(value)) for name, value in sent])


@dataclass(slots=True, frozen=True)
class _Transport:
    inner: Transport
    recorder: Recorder
    exchange: Exchange

    async def send(self, request: Outgoing) -> Response:
        recorder, backend = self.recorder, self.exchange.backend
        for values in backend.query.values() if backend else ():
            for value in values:
                recorder.mask.learn(value)
        call = _request(recorder, "request", request)
        recorder.called(call)
        try:
            response = await self.inner.send(request)
        except GatewayError as problem:
            call.answer = recorder.kept(explained(problem))
            raise
        finally:
            call.milliseconds = recorder.elapsed() - call.began
        call.status, call.answer = response.status, f"{response.status} {response.reason}".rstrip()
        received = recorder.mask.headers(list(response.headers.items())[:MOST_HEADERS])
        call.received = [(name, cut(value)) for name, value in received]
        return response


@dataclass(slots=True, frozen=True)
class _Errands:
    inner: Errands
    recorder: Recorder

    def run(self, request: Outgoing, authorize: Authorize | None = None) -> bool:
        call = _request(self.recorder, "errand", request)
        taken = self.inner.run(request, authorize)
        call.answer = "sent without waiting" if taken else "dropped: too many are in flight"
        self.recorder.called(call)
        return taken


@dataclass(slots=True, frozen=True)
class _Journal:
    inner: Journal
    recorder: Recorder

    def append(self, record: Row) -> None:
        self.inner.append(record)

    def event(self, event: EventRecord) -> bool:
        taken = self.inner.event(event)
        asked = f"logger {event.logger}, {len(event.content)} bytes"
        _note(self.recorder, "event", asked, "sent without waiting" if taken else "dropped: too many wait")
        return taken


@dataclass(slots=True, frozen=True)
class _Counters:
    inner: Counters
    recorder: Recorder

    def peek(self, key: str, period: float) -> Reading:
        return self._told("is", key, period, self.inner.peek(key, period))

    def add(self, key: str, period: float, increment: int = 1) -> Reading:
        return self._told(f"+{increment} is", key, period, self.inner.add(key, period, increment))

    def take(self, key: str, period: float, limit: int, increment: int = 1) -> Reading:
        reading = self.inner.take(key, period, limit, increment)
        self._told("is", key, period, reading)
        if reading.count < limit:
            self._told(f"+{increment} is", key, period, self.inner.peek(key, period))
        return reading

    def claim(self, wants: Sequence[Want]) -> list[Reading]:
        readings = self.inner.claim(wants)
        counted = all(reading.count + want.room <= want.limit for reading, want in zip(readings, wants, strict=True))
        for want, reading in zip(wants, readings, strict=True):
            self._told("is", want.key, want.period, reading)
            if counted and want.increment:
                reading = Reading(reading.count + want.increment, reading.reset_after or want.period)
                self._told(f"+{want.increment} is", want.key, want.period, reading)
        return readings

    def _told(self, verb: str, key: str, period: float, reading: Reading) -> Reading:
        frees = f", one frees in {reading.reset_after:.1f} s" if reading.count else ""
        answer = f"{verb} {reading.count} in {period:g} s{frees}"
        _note(self.recorder, "counter", f"counter {key}", answer)
        return reading


@dataclass(slots=True, frozen=True)
class _Quotas:
    inner: Quotas
    recorder: Recorder

    def now(self) -> float:
        return self.inner.now()

    def usage(self, key: str, start: float, period: int) -> Usage:
        return self._told(key, self.inner.usage(key, start, period))

    def _told(self, key: str, usage: Usage) -> Usage:
        renews = "never renews" if usage.renews_after is None else f"renews in {usage.renews_after:.0f} s"
        _note(self.recorder, "quota", f"quota {key}", f"{usage.calls} calls and {usage.bytes} bytes, {renews}")
        return usage

    def claim(self, wants: Sequence[QuotaWant]) -> list[Usage]:
        usages = self.inner.claim(wants)
        counted = not any(want.exceeded(usage) for want, usage in zip(wants, usages, strict=True))
        for want, usage in zip(wants, usages, strict=True):
            self._told(want.key, usage)
            if counted and want.increment:
                _note(self.recorder, "quota", f"quota {want.key}", f"+{want.increment} calls, +0 bytes")
        return usages

    def add(self, key: str, start: float, period: int, calls: int, size: int) -> None:
        self.inner.add(key, start, period, calls, size)
        _note(self.recorder, "quota", f"quota {key}", f"+{calls} calls, +{size} bytes")


@dataclass(slots=True, frozen=True)
class _Cache:
    inner: Cache
    recorder: Recorder
    name: str

    async def get(self, key: str) -> bytes | None:
        began = self.recorder.elapsed()
        found = await self.inner.get(key)
        self._told(f"look up {key}", "not found" if found is None else f"found, {len(found)} bytes", began)
        return found

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        began = self.recorder.elapsed()
        kept = await self.inner.put(key, value, seconds)
        answer = f"{len(value)} bytes for {seconds:g} s" if kept else "not kept"
        self._told(f"store {key}", answer, began)
        return kept

    async def remove(self, key: str) -> bool:
        began = self.recorder.elapsed()
        gone = await self.inner.remove(key)
        self._told(f"remove {key}", "gone" if gone else "not certainly gone", began)
        return gone

    def _told(self, asked: str, answer: str, began: float) -> None:
        _note(self.recorder, "cache", f"{self.name}: {asked}", answer, began)


@dataclass(slots=True, frozen=True)
class _Tokens:
    inner: Tokens
    recorder: Recorder

    async def token(self, resource: str, client_id: str = "") -> str:
        began, who = self.recorder.elapsed(), f" as {client_id}" if client_id else ""
        try:
            token = await self.inner.token(resource, client_id)
        except GatewayError as problem:
            _note(self.recorder, "token", f"token for {resource}{who}", explained(problem), began)
            raise
        self.recorder.mask.learn(token)
        _note(self.recorder, "token", f"token for {resource}{who}", "received", began)
        return token


@dataclass(slots=True, frozen=True)
class _Grants:
    inner: Grants
    recorder: Recorder

    async def grant(self, connection: Connection) -> Grant:
        began = self.recorder.elapsed()
        try:
            grant = await self.inner.grant(connection)
        except GatewayError as problem:
            _note(self.recorder, "token", f"token of connection {connection.id}", explained(problem), began)
            raise
        self.recorder.mask.learn(grant.token)
        _note(self.recorder, "token", f"token of connection {connection.id}", "received", began)
        return grant


@dataclass(slots=True, frozen=True)
class _Keys:
    inner: Keys
    recorder: Recorder

    def held(self, url: str) -> KeySet | None:
        found = self.inner.held(url)
        if found is not None:
            _note(self.recorder, "keys", f"signing keys of {url}", "held")
        return found

    async def keys(self, url: str, unknown: str = "") -> KeySet | None:
        began = self.recorder.elapsed()
        found = await self.inner.keys(url, unknown)
        asked = f"signing keys of {url}" + (f", for the unknown key {unknown}" if unknown else "")
        _note(self.recorder, "keys", asked, "none to be had" if found is None else "held or fetched", began)
        return found

    def prefetch(self, urls: Iterable[str]) -> None:
        self.inner.prefetch(urls)


def _note(recorder: Recorder, kind: str, asked: str, answer: str, began: float | None = None) -> None:
    now = recorder.elapsed()
    start = now if began is None else began
    recorder.called(Call(kind, recorder.kept(asked), recorder.kept(answer), now - start, start))
