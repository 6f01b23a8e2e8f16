"""The world behind the ports, in memory: for tests of policies and of the pipeline.

`World` holds a fake clock, transport, counters and journal. `exchange()` makes a request in it; `serve()` compiles
documents and runs the request through them. Time passes only when a policy sleeps or a test calls `clock.advance`.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from passerelle.cases.tokens import FakeKeys, FakeTokens
from passerelle.cases.tokens import certificate as client_certificate
from proxy.adapters.cache import LocalCache
from proxy.adapters.grants import OAuthGrants
from proxy.adapters.quotas import LocalQuotas
from proxy.config.read import operation as read_operation
from proxy.config.resources import Api, Deployment, Example, Operation, Product, Subscription
from proxy.errors import BackendConnectionFailure, BackendTimeout
from proxy.exchange import Exchange
from proxy.messages import Body, Headers, Request, Response, Url
from proxy.pipeline.backends import Circuit
from proxy.pipeline.compile import CompiledDocument, Environment, Scope, compile_document
from proxy.pipeline.link import link
from proxy.pipeline.run import execute
from proxy.pipeline.service_fabric import Resolved
from proxy.ports import Authorize, Cache, Outgoing, Places, Ports, Reading, Want
from proxy.schemas.library import Library, read_document
from telemetry.records import EventRecord, RequestRecord, Row


@dataclass
class FakeClock:
    """`chance` is every random number; `sleeps` are the seconds that policies slept."""

    now: float = 1000.0
    began: datetime.datetime = datetime.datetime(2030, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    chance: float = 0.5
    sleeps: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def utcnow(self) -> datetime.datetime:
        """2030-01-02 03:04:05 when the world begins."""
        return self.began + datetime.timedelta(seconds=self.now - 1000)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(round(seconds, 6))
        self.now += seconds

    def random(self) -> float:
        return self.chance

    def entropy(self, size: int) -> bytes:
        return bytes([int(self.chance * 256)]) * size

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakeCounters:
    """Sliding windows that remember every call."""

    clock: FakeClock
    calls: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))

    def peek(self, key: str, period: float) -> Reading:
        start = self.clock.now - period
        live = [(at, count) for at, count in self.calls[key] if at > start]
        return Reading(sum(count for _, count in live), live[0][0] - start if live else 0.0)

    def add(self, key: str, period: float, increment: int = 1) -> Reading:
        self.calls[key].append((self.clock.now, increment))
        return self.peek(key, period)

    def take(self, key: str, period: float, limit: int, increment: int = 1) -> Reading:
        reading = self.peek(key, period)
        if reading.count < limit:
            self.add(key, period, increment)
        return reading

    def claim(self, wants: Sequence[Want]) -> list[Reading]:
        readings = [self.peek(want.key, want.period) for want in wants]
        if all(reading.count + want.room <= want.limit for reading, want in zip(readings, wants, strict=True)):
            for want in wants:
                self.add(want.key, want.period, want.increment)
        return readings


@dataclass
class Sent:
    """One request as the backend got it."""

    outgoing: Outgoing
    body: bytes


@dataclass
class FakeTransport:
    """Answers in order; the last answer repeats. An answer is a Response maker's fields or "timeout" or "refused"."""

    answers: list[Mapping[str, Any] | str] = field(default_factory=lambda: [{}])
    sent: list[Sent] = field(default_factory=list)

    async def send(self, request: Outgoing) -> Response:
        body = b"".join([chunk async for chunk in request.body.chunks()])
        self.sent.append(Sent(request, body))
        answer = self.answers[min(len(self.sent), len(self.answers)) - 1]
        if answer == "timeout":
            raise BackendTimeout("The backend did not answer in time.")
        if isinstance(answer, str):
            raise BackendConnectionFailure("The backend refused the connection.")
        body_text = answer.get("body", "backend")
        content = (json.dumps(body_text) if isinstance(body_text, dict | list) else str(body_text)).encode()
        if "hex" in answer:
            content = bytes.fromhex(str(answer["hex"]))
        elif "size" in answer:
            content = bytes(int(answer["size"]))
        status = int(answer.get("status", 200))
        return Response(
            status,
            str(answer.get("reason", "OK" if status == 200 else "")),
            Headers(answer.get("headers", {})),
            Body(stream=streamed(content)),
        )


class DownCache:
    """A cache that nobody can reach."""

    async def get(self, key: str) -> bytes | None:
        return None

    async def put(self, key: str, value: bytes, seconds: float) -> bool:
        return False

    async def remove(self, key: str) -> bool:
        return False


@dataclass
class FakeErrands:
    """Remembers requests that nobody waits for; `room` is how many more it takes."""

    room: int = 3
    sent: list[Sent] = field(default_factory=list)

    authorized: list[Authorize] = field(default_factory=list)

    def run(self, request: Outgoing, authorize: Authorize | None = None) -> bool:
        if len(self.sent) >= self.room:
            return False
        if authorize:
            self.authorized.append(authorize)
        self.sent.append(Sent(request, request.body.content()))
        return True


@dataclass
class FakeJournal:
    """`room` is how many events it takes."""

    records: list[RequestRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    room: int = 50

    def append(self, record: Row) -> None:
        self.records.append(RequestRecord._make(record))

    def event(self, event: EventRecord) -> bool:
        if len(self.events) >= self.room:
            return False
        self.events.append(event)
        return True


async def streamed(content: bytes) -> AsyncIterator[bytes]:
    """The content in two chunks."""
    half = len(content) // 2
    yield content[:half]
    yield content[half:]


def operation(
    url_template: str = "/orders/{id}",
    method: str = "GET",
    examples: Iterable[Mapping[str, Any]] = (),
    described: Mapping[str, Any] | None = None,
) -> Operation:
    """`described` is what the ARM resource says of requests and responses; `examples` come before its own."""
    name = "get-order"
    properties = {**(described or {}), "displayName": "Get order", "method": method, "urlTemplate": url_template}
    said = read_operation(name, "shop", properties)
    return replace(said, examples=tuple(Example(**each) for each in examples) or said.examples)


def schema_library(resources: Mapping[str, Mapping[str, Any]]) -> Library:
    """Schema resources by name, of which each is what its `properties` hold."""
    return Library({name: read_document(body) for name, body in resources.items()})


SUBSCRIPTION = Subscription("sub-1", "Sub 1", "product:starter", "active", "key-one", "key-two")


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    transport: FakeTransport = field(default_factory=FakeTransport)
    journal: FakeJournal = field(default_factory=FakeJournal)
    counters: FakeCounters = field(init=False)
    cache: LocalCache = field(init=False)
    quotas: LocalQuotas = field(init=False)
    grants: OAuthGrants = field(init=False)
    external_cache: Cache | None = None
    errands: FakeErrands = field(default_factory=FakeErrands)
    in_flight: Places = field(default_factory=Places)
    circuits: dict[str, Circuit] = field(default_factory=dict)
    resolved: dict[str, Resolved] = field(default_factory=dict)
    keys: FakeKeys = field(default_factory=lambda: FakeKeys({}))
    tokens: FakeTokens = field(default_factory=lambda: FakeTokens({}))

    def __post_init__(self) -> None:
        self.counters = FakeCounters(self.clock)
        self.cache = LocalCache(self.clock.monotonic)
        self.grants = OAuthGrants(self.transport, self.clock)
        self.quotas = LocalQuotas(lambda: self.clock.utcnow().timestamp())

    @property
    def ports(self) -> Ports:
        return Ports(
            transport=self.transport,
            counters=self.counters,
            clock=self.clock,
            journal=self.journal,
            cache=self.cache,
            quotas=self.quotas,
            external_cache=self.external_cache,
            errands=self.errands,
            in_flight=self.in_flight,
            circuits=self.circuits,
            resolved=self.resolved,
            keys=self.keys,
            tokens=self.tokens,
            grants=self.grants,
        )

    def exchange(
        self,
        method: str = "GET",
        path: str = "/orders/7",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: str | bytes = b"",
        *,
        stream: bool = False,
        certificate: str = "",
        ip: str = "203.0.113.9",
        parameters: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        of: Operation | None = None,
        subscription: Subscription | None = SUBSCRIPTION,
        service_url: Url | None = Url("https", "backend.example", 443, "/base"),
        original: str | None = None,
        schemas: Library | None = None,
    ) -> Exchange:
        """A request for https://gateway.example/shop<path>, or <original>, routed to `of` of API "shop"."""
        plain, _, query = path.partition("?")
        content = body.encode() if isinstance(body, str) else body
        request = Request(
            method=method,
            original_url=Url("https", "gateway.example", 443, original or f"/shop{plain}", query),
            path=plain,
            query=query,
            headers=Headers({"Host": "gateway.example"}),
            body=Body(stream=streamed(content)) if stream else Body(content),
            base=service_url,
            client_ip=ip,
            client_certificate=client_certificate(certificate).public_bytes(Encoding.DER) if certificate else b"",
        )
        request.headers.extend(headers)
        return Exchange(
            request=request,
            ports=self.ports,
            deployment=Deployment(gateway_id="gw"),
            started=self.clock.now,
            timestamp=self.clock.utcnow(),
        ).having(
            api=Api(
                "shop", "shop", "Shop", "shop", service_url="https://backend.example/base", schemas=schemas or Library()
            ),
            operation=of or operation(),
            product=Product("starter", "Starter"),
            subscription=subscription,
            matched_parameters=dict(parameters if parameters is not None else {"id": "7"}),
            variables=dict(variables or {}),
        )

    async def serve(self, exchange: Exchange, documents: str | Sequence[CompiledDocument]) -> Response:
        """Run the exchange through an API-scope document, or through compiled ones from broad to narrow."""
        if isinstance(documents, str):
            documents = [document(documents)]
        await execute(link(documents), exchange)
        assert exchange.response is not None
        return exchange.response

    async def finish(self, exchange: Exchange) -> None:
        """The client takes the whole response, and the request ends."""
        assert exchange.response is not None
        sent = len(await exchange.response.body.read(10**9))
        for each in exchange.at_end or ():
            each(exchange.request.body.length or 0, sent)


def document(
    text: str, scope: str = "api", id: str = "/apis/shop", environment: Environment | None = None
) -> CompiledDocument:
    """Compile; the test fails on errors."""
    compiled = compile_document(text, Scope(scope, id), environment or Environment())
    errors = [str(issue) for issue in compiled.issues if issue.severity == "error"]
    assert not errors, errors
    return compiled


def policies(inbound: str = "", backend: str = "<base/>", outbound: str = "", on_error: str = "") -> str:
    """A whole document around the content of its sections."""
    return (
        f"<policies><inbound>{inbound}</inbound><backend>{backend}</backend>"
        f"<outbound>{outbound}</outbound><on-error>{on_error}</on-error></policies>"
    )


async def content(response: Response) -> str:
    return (await response.body.read()).decode()
