"""What becomes of a stream of bytes must not depend on how TCP or TLS cuts it into pieces.

Every vector of tests/wire, ours and the shared ones, alone and among good requests, is handed to a `Connection` in many
pieces. Rule: all cuts of one stream have one verdict: which requests went on whole, what was answered, and whether the
connection closed. No sockets, as in test_two_ways.py; `make wire` cuts on real ones.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sidecar_harness import Harness, ListJournal, open_api, policy
from test_two_ways import Wire, messages

from proxy.adapters.cache import LocalCache
from proxy.adapters.clock import SystemClock
from proxy.adapters.connection import Connection
from proxy.adapters.counters import LocalCounters
from proxy.adapters.quotas import LocalQuotas
from proxy.lifecycle import Sidecar
from proxy.messages import Body, Headers, Response
from proxy.ports import Outgoing, Ports
from proxy.server import Server
from tests.cpu import cpu
from tests.wire.cuts import cuts_of, pieces
from tests.wire.vectors import Vector, own, shared

GOOD = b"GET /good HTTP/1.1\r\nHost: gw.test\r\n\r\n"
CHUNKED = b"POST /first HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
MOST = int(os.environ.get("PASSERELLE_CUTS", "15"))  # pieces of a kind; `make wire` makes more
LARGEST = 2_000 * MOST  # bytes of a vector that is tried


class Verdict(NamedTuple):
    """`gone`: method, target and body of each request that went to the backend whole."""

    gone: tuple[tuple[str, str, bytes], ...]
    answers: tuple[int, ...]
    closed: bool


class Pipe(Wire):
    """A client's end that keeps what it may not send: reading that is paused is, as on a socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__(loop, protocol)
        self.paused = False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Slow:
    """A backend behind the transport port: it takes so many turns of the loop for a head, then for each part."""

    def __init__(self) -> None:
        self.turns = 1
        self.gone: list[tuple[str, str, bytes]] = []

    async def send(self, request: Outgoing) -> Response:
        body = b""
        await self._rest()
        length = request.body.length
        try:
            async for chunk in request.body.chunks():
                body += chunk
                await self._rest()
            length = len(body)
        finally:
            if len(body) == length:  # all of it would be on the wire, whatever came of it then
                self.gone.append((request.method, request.url.path, body))
        return Response(200, "OK", Headers(), Body(b"ok"))

    async def _rest(self) -> None:
        for _ in range(self.turns):
            await asyncio.sleep(0)


class World:
    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.backend = Slow()
        self.server = self.runner.run(self._made())

    async def _made(self) -> Server:
        journal = ListJournal()
        ports = Ports(self.backend, LocalCounters(), SystemClock(), journal, LocalCache(), LocalQuotas())
        sidecar = Sidecar(ports, instance="test")
        server = Server(sidecar)
        Harness(sidecar, server, journal, self.backend).configure(  # type: ignore[arg-type]
            *open_api("all", "http://backend.test", ""),
            policy("", "<policies><inbound/><backend><forward-request/></backend><outbound/><on-error/></policies>"),
        )
        return server

    async def verdict(
        self, pieces: Sequence[bytes], ends: bool = False, hurry: bool = False, turns: int = 1
    ) -> Verdict:
        """`ends`: the client then closes its side. `hurry`: a piece comes with each turn of the loop, not when all is
        done that the one before set going. `turns` is the backend's pace."""
        self.backend.turns = turns
        loop = asyncio.get_running_loop()
        self.backend.gone.clear()
        connection = Connection(self.server, loop)
        pipe = Pipe(loop, connection)
        connection.connection_made(pipe)
        await settled(loop)
        for piece in pieces:
            if pipe.paused:
                await settled(loop)
            if pipe.closed:
                break
            assert not pipe.paused, "nobody takes the rest"
            loop.call_soon(self.feed, pipe, piece)
            await asyncio.sleep(0)
            if not hurry:
                await settled(loop)
        if not hurry:
            await settled(loop)
        if ends and not pipe.closed and not connection.eof_received():
            pipe.close()
        await settled(loop)
        closed = pipe.closed
        pipe.close()
        await settled(loop)
        assert self.server.sidecar.in_flight == 0
        answers = tuple(int(each) for each in re.findall(rb"HTTP/1\.1 ([2-5]\d\d) ", pipe.written))
        return Verdict(tuple(self.backend.gone), answers, closed)

    @staticmethod
    def feed(pipe: Pipe, piece: bytes) -> None:
        if not pipe.closed:
            pipe._protocol.data_received(piece)

    def close(self) -> None:
        self.runner.run(self.server.close())
        self.runner.close()


async def settled(loop: Any) -> None:
    """Nothing more happens by itself."""
    await asyncio.sleep(0)
    while loop._ready:  # noqa: ASYNC110 (it is the loop that is looked at)
        await asyncio.sleep(0)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


PACES = ((False, 1), (True, 7))  # of the client, whether in a hurry, and of the backend


async def differences(world: World, name: str, data: bytes, ends: bool, both: bool) -> dict[str, str]:
    """Cuts whose verdict is another than that of what came in one piece, by name; each at both paces, or at one of
    them by turns."""
    found = {}
    whole = await world.verdict([data], ends)
    for number, (cut, cuts) in enumerate(cuts_of(data, MOST).items()):
        for hurry, turns in PACES if both else PACES[number % 2 :][:1]:
            verdict = await world.verdict(cuts, ends, hurry, turns)
            if verdict != whole:
                found[f"{name} {cut}{', in a hurry' * hurry}"] = f"{told(verdict)}, whole {told(whole)}"
    return found


def told(verdict: Verdict) -> str:
    gone = [f"{method} {target} {len(body)}" for method, target, body in verdict.gone]
    return f"{gone} {list(verdict.answers)}{' closed' if verdict.closed else ''}"


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[Vector]:
    listed = [*own(), *shared(shared_data / "http-vectors.json")]
    return [each for each in listed if each.to != "upstream" and len(each.sent) <= LARGEST]


@pytest.mark.parametrize(
    ("before", "behind"),
    [(b"", b""), (GOOD, b""), (CHUNKED, b""), (b"", GOOD)],
    ids=["alone", "behind a whole one", "behind a chunked one", "before a good one"],
)
def test_vectors(world: World, vectors: list[Vector], before: bytes, behind: bytes) -> None:
    found: dict[str, str] = {}

    async def tried() -> None:
        for each in vectors:
            ends = each.half_close and not behind
            alone = not (before or behind)
            found.update(await differences(world, each.id, before + each.sent + behind, ends, alone))

    world.runner.run(tried())
    assert not found, "\n".join(f"{name}: {problem}" for name, problem in found.items())


@given(stream=st.lists(messages(), min_size=1, max_size=4), places=st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
def test_generated_streams(world: World, stream: list[bytes], places: list[float]) -> None:
    data = b"".join(stream)
    cuts = pieces(data, [int(each * len(data)) for each in places])

    async def tried() -> None:
        whole = await world.verdict([data])
        assert await world.verdict(cuts) == whole
        assert await world.verdict(cuts, hurry=True, turns=5) == whole
        assert await world.verdict(pieces(data, range(len(data))), hurry=True) == whole

    world.runner.run(tried())


def test_empty_lines_in_front_cost_no_more_than_other_bytes(world: World) -> None:
    async def tried() -> None:
        data = b"\r\n" * 15_000 + GOOD
        with cpu(3):  # it takes a quarter of a second
            verdict = await world.verdict(pieces(data, range(len(data))))
        assert verdict == Verdict((("GET", "/good", b""),), (200,), False)

    world.runner.run(tried())


def test_many_requests_in_one_piece_cost_no_more_than_one_by_one(world: World) -> None:
    async def tried() -> None:
        count = 60_000 // len(GOOD)
        with cpu(0.6):  # a tenth of a second; with all of them read for each of them it is one
            verdict = await world.verdict([GOOD * count])
        assert verdict.answers == (200,) * count

    world.runner.run(tried())
