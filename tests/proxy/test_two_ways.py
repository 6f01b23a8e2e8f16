"""A request means the same whichever way it takes: in one piece the short one, in pieces aiohttp's parser and a task.

No sockets: bytes are handed to a `Connection`, and what it writes is kept, so that thousands of requests take seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sidecar_harness import Harness, ListJournal, open_api, operation, policy
from sidecar_harness import api as api_resource
from test_vectors import payload, vectors

from proxy.adapters.cache import LocalCache
from proxy.adapters.clock import SystemClock
from proxy.adapters.connection import Connection
from proxy.adapters.counters import LocalCounters
from proxy.adapters.heads import request_head
from proxy.adapters.quotas import LocalQuotas
from proxy.lifecycle import Sidecar
from proxy.messages import Body, Headers, Response
from proxy.ports import Outgoing, Ports
from proxy.server import Server

TURNS = 40  # of the event loop, after which nothing more happens
PROBE = b"GET /probe HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
# What differs from one request to the next: ids, and the second.
CHANGING = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,32}|Date: [^\r]+")
# Chunks that are all there have a length, others go on as chunks.
FRAMING = re.compile(rb"(?:Content-Length: \d+|Transfer-Encoding: chunked)\r\n")


class Wire(asyncio.Transport):
    """A client's end: what was written to it, and whether it was closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711)})
        self._loop, self._protocol, self.written, self.closed = loop, protocol, b"", False

    def write(self, data: Any) -> None:
        if not self.closed:
            self.written += bytes(data)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol


class Echo:
    """A transport port without a network: it keeps the bytes that would go out."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def send(self, request: Outgoing) -> Response:
        head = request_head(request)
        await asyncio.sleep(0)
        body = await request.body.read()
        self.sent.append(head + body)
        return Response(200, "OK", Headers({"X-Was": request.url.path}), Body(request.url.path.encode() + body))


class Fate(NamedTuple):
    """All that somebody outside can tell of it."""

    answers: bytes
    forwarded: tuple[bytes, ...]
    records: tuple[Any, ...]
    closed: bool


class World:
    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.echo, self.journal = Echo(), ListJournal()
        self.server = self.runner.run(self._made())
        self.driven = 0

    async def _made(self) -> Server:
        ports = Ports(self.echo, LocalCounters(), SystemClock(), self.journal, LocalCache(), LocalQuotas())
        sidecar = Sidecar(ports, instance="test")
        server = Server(sidecar)
        harness = Harness(sidecar, server, self.journal, self.echo)  # type: ignore[arg-type]
        harness.configure(
            *open_api("all", "http://backend.test/base", ""),
            api_resource("keyed", "http://backend.test", "keyed", subscriptionRequired=True),
            operation("keyed", "GET", "/*"),
            policy("", "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>"),
        )
        return server

    def fate(self, *pieces: bytes) -> Fate:
        return self.runner.run(self._fate(pieces))

    async def _fate(self, pieces: tuple[bytes, ...]) -> Fate:
        loop = asyncio.get_running_loop()
        self.echo.sent.clear()
        self.journal.records.clear()
        connection = Connection(self.server, loop)
        wire = Wire(loop, connection)
        connection.connection_made(wire)
        await turns(3)
        for piece in (*pieces, PROBE):
            if not wire.closed:
                loop.call_soon(self._feed, connection, piece)
                await turns(TURNS)
        closed, chunked = wire.closed, b"chunked" in b"".join(pieces).lower()
        wire.close()
        await turns(5)
        assert self.server.sidecar.in_flight == 0
        return Fate(
            CHANGING.sub(b"?", wire.written),
            tuple(CHANGING.sub(b"?", FRAMING.sub(b"", each) if chunked else each) for each in self.echo.sent),
            tuple(
                (each.method, each.url, each.status, each.status == 200 and each.request_size, each.response_size,
                 each.api_id, each.client_ip, each.operation_id, each.backend_url, each.backend_status,
                 each.last_error and (each.last_error.source, each.last_error.reason, each.last_error.message))
                for each in self.journal.records
            ),
            closed,
        )  # fmt: skip

    def _feed(self, connection: Connection, piece: bytes) -> None:
        connection.data_received(piece)
        self.driven += connection._drive is not None

    def close(self) -> None:
        self.runner.run(self.server.close())
        self.runner.close()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


TARGETS = st.sampled_from([
    "/", "/a", "/a/b?c=d&e", "/a/./b", "/a/../b", "/../x", "/a%2Fb", "/%61%zz", "//a", "/a;b=c", "/a?b=%20#f", "/a#f",
    "/a\\b", "/<x>", "/keyed/a", "/keyed/a?subscription-key=k", "/a%00", "*", "http://other:8/a", "http://", "a",
    "/status-0123456789abcdef", "/status-0123456789abcdef?x", "/internal-status-0123456789abcdef", "/\u00e9",
    "/a?\u00e9",
])  # fmt: skip
FIELDS = st.sampled_from([
    "Host: h", "Host: h:80", "Host:", "Host: a b", "host: h", "Accept: */*", "X: ", "X:1", "x: \t2 \t", "X-Y: a, b",
    "Cookie: a=b", "Cookie: c=d", "Connection: keep-alive", "Connection: close", "connection: Keep-Alive, X",
    "Connection: X-Y", "Connection:", "Keep-Alive: timeout=3", "Proxy-Connection: close",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: x", "TE: trailers", "Trailer: X", "Upgrade: h2c", "Upgrade: websocket", "HTTP2-Settings: AA",
    "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key1: 1",
        "Expect: 200-ok", "X_Forwarded_For: 9.9.9.9", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-Proto: https", "A_B: c",
    "Ocp-Apim-Subscription-Key: k", "Content_Length: 3", "Content-Type: text/plain", "Content-Encoding: gzip",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "traceparent: x", "X: \u00e9", "X: \udcff",
    "X: \x01", "X: \x7f", "X : 1", " X: 1", "Bad\tName: 1", "X", ": 1", "Transfer-Encoding: gzip", "Content-Length: 0",
    "Content-Length: 3", "Content-Length: +3", "Content-Length: 3, 3", "Transfer-Encoding: identity", "From: a@b",
    "Origin: http://o", "Access-Control-Request-Method: PUT", "Range: bytes=0-1", "If-None-Match: *", "Via: 1.1 x",
])  # fmt: skip
METHODS = st.sampled_from(
    [
        "GET",
        "GET",
        "POST",
        "PUT",
        "HEAD",
        "OPTIONS",
        "DELETE",
        "PATCH",
        "PURGE",
        "CONNECT",
        "TRACE",
        "get",
        "G@T",
        "PRI",
    ]
)
BODIES = st.sampled_from([
    "", "", "Content-Length: 3\r\n\r\nabc", "Content-Length: 0003\r\n\r\nabc", "Content-Length: 3 \r\n\r\nabc",
    "Content-Length: 27\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n",
    "Content-Length: 3\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: 1\r\n\r\n",
    "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
])  # fmt: skip
VERSIONS = st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 "])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """One request, mostly a good one."""
    fields = draw(st.lists(FIELDS, max_size=4))
    if draw(st.integers(0, 9)):
        fields.insert(draw(st.integers(0, len(fields))), "Host: h")
    target = draw(TARGETS)
    body = "" if "status-" in target else draw(BODIES)  # nobody reads that one: what came of it decides
    text = f"{draw(METHODS)} {target} {draw(VERSIONS)}\r\n" + "".join(f"{each}\r\n" for each in fields)
    return (text + (body or "\r\n")).encode("utf-8", "surrogateescape")


@given(data=messages(), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=3))
@settings(
    max_examples=500, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_generated_requests(world: World, data: bytes, cuts: list[float]) -> None:
    assert world.fate(*cut(data, [int(each * len(data)) for each in cuts])) == world.fate(data)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(at), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places) if a < b]


def test_the_shared_vectors(world: World, shared: Path) -> None:
    different = []
    for vector in vectors(shared, "server"):
        data = payload(vector)
        if len(data) > 100_000:  # limits are measured otherwise in pieces
            continue
        whole = world.fate(data)
        for at in (len(data) // 3, len(data) - 3):
            pieces = world.fate(*cut(data, [at]))
            if pieces != whole and not (refused(whole) and refused(pieces)):
                different.append(vector["id"])
    assert not different


def refused(fate: Fate) -> bool:
    """Refused before a backend saw any of it: a body that goes wrong in a later piece has a record already."""
    return fate.answers.startswith(b"HTTP/1.1 400 ") and not fate.forwarded and fate.closed


def test_both_ways_were_taken(world: World) -> None:
    data = b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nX: y\r\n\r\nabc"
    before = world.driven
    whole = world.fate(data)
    assert world.driven == before + 1
    assert world.fate(data[:50], data[50:]) == whole
    assert world.driven == before + 1
    assert whole.answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert whole.forwarded[0].startswith(b"POST /base/a?b=c HTTP/1.1\r\nHost: backend.test\r\n")
    assert [record[2] for record in whole.records] == [200, 200]
    assert whole.closed
