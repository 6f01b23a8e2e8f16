"""What RFC 9113 says of peers that break it: one row per offence, written as frames. And what floods come to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from http2_peer import PREFACE, Peer, peer, request
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from sidecar_harness import Backend, Harness, open_api

from proxy.adapters.http2.wire import LARGEST_TABLE, Wire

PROTOCOL, FLOW, SETTINGS_TIMEOUT, CLOSED, SIZE, REFUSED = 1, 3, 4, 5, 6, 7
COMPRESSION, CALM = 9, 11

Offence = Callable[[Peer], list[Any]]


def raw(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + body


def headers(*fields: tuple[str, str], end: bool = True, stream: int = 1) -> Offence:
    return lambda peer: [peer.head(stream, fields, end)]


def plus(*extra: tuple[str, str], end: bool = True) -> Offence:
    return lambda peer: [peer.head(1, request("/a/x", "POST" if not end else "GET", *extra), end)]


def length_is_wrong(peer: Peer) -> list[Any]:
    return [
        peer.head(1, request("/a/x", "POST", ("content-length", "3")), end=False),
        DataFrame(1, b"12345", flags=["END_STREAM"]),
    ]


def length_and_trailers(peer: Peer) -> list[Any]:
    return [
        peer.head(1, request("/a/x", "POST", ("content-length", "9")), end=False),
        DataFrame(1, b"12345"),
        peer.head(1, [("x", "y")]),
    ]


def interrupted_head(peer: Peer) -> list[Any]:
    head = peer.head(1, request())
    head.flags.discard("END_HEADERS")
    return [head, PingFrame(0, b"12345678")]


def second_head(peer: Peer) -> list[Any]:
    return [peer.head(1, request("/a/x", "POST"), end=False), peer.head(1, [("x", "y")], end=False)]


def lower_id(peer: Peer) -> list[Any]:
    return [peer.head(5, request()), peer.head(3, request())]


def data_behind_the_end(peer: Peer) -> list[Any]:
    return [peer.head(1, request("/a/slow")), DataFrame(1, b"x")]


def too_wide(peer: Peer) -> list[Any]:
    return [peer.head(1, request("/a/slow")), *(WindowUpdateFrame(1, 2**31 - 1) for _ in range(2))]


def many_fields(peer: Peer) -> list[Any]:
    fields = [*request(), *((f"x-{number}", "y" * 1000) for number in range(90))]
    block = peer.encoder.encode(fields, huffman=False)
    parts = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
    return [
        HeadersFrame(1, parts[0], flags=["END_STREAM"]),
        *(ContinuationFrame(1, part) for part in parts[1:-1]),
        ContinuationFrame(1, parts[-1], flags=["END_HEADERS"]),
    ]


# name, frames, what may come of it (the RFC lets a connection end where a stream would)
OFFENCES: list[tuple[str, Offence, set[str]]] = [
    # frames: sections 4 and 6
    ("frame larger than SETTINGS_MAX_FRAME_SIZE", lambda p: [raw(0, 0, 1, bytes(16_385))], {f"goaway {SIZE}"}),
    ("the beginning of one", lambda p: [b"\xff\xff\xff\0\0\0\0\0\1"], {f"goaway {SIZE}"}),
    ("DATA on stream 0", lambda p: [raw(0, 0, 0, b"x")], {f"goaway {PROTOCOL}"}),
    ("DATA on an idle stream", lambda p: [DataFrame(1, b"x")], {f"goaway {PROTOCOL}"}),
    ("DATA behind END_STREAM", data_behind_the_end, {f"reset {CLOSED}", f"goaway {CLOSED}"}),
    ("padding as long as the frame", lambda p: [raw(0, 8, 1, b"\x05abc")], {f"goaway {PROTOCOL}"}),
    ("HEADERS on stream 0", lambda p: [raw(1, 5, 0, b"\x82")], {f"goaway {PROTOCOL}"}),
    ("HEADERS on an even stream", headers(*request(), stream=2), {f"goaway {PROTOCOL}"}),
    ("HEADERS on a lower stream", lower_id, {f"goaway {PROTOCOL}", f"goaway {CLOSED}"}),
    ("a field block that cannot be decoded", lambda p: [raw(1, 5, 1, b"\xff\xff\xff\xff\xff\xff")],
     {f"goaway {COMPRESSION}"}),
    ("another frame inside a field block", interrupted_head, {f"goaway {PROTOCOL}"}),
    ("CONTINUATION without HEADERS", lambda p: [ContinuationFrame(1, b"")], {f"goaway {PROTOCOL}"}),
    ("PRIORITY on itself", lambda p: [PriorityFrame(1, depends_on=1)], {f"goaway {PROTOCOL}", f"reset {PROTOCOL}"}),
    ("PRIORITY of another size", lambda p: [raw(2, 0, 1, b"1234")], {f"goaway {SIZE}", f"reset {SIZE}"}),
    ("RST_STREAM on stream 0", lambda p: [raw(3, 0, 0, b"\0\0\0\0")], {f"goaway {PROTOCOL}"}),
    ("RST_STREAM on an idle stream", lambda p: [RstStreamFrame(7)], {f"goaway {PROTOCOL}"}),
    ("RST_STREAM of another size", lambda p: [raw(3, 0, 1, b"\0\0")], {f"goaway {SIZE}"}),
    ("SETTINGS on a stream", lambda p: [raw(4, 0, 1, b"")], {f"goaway {PROTOCOL}"}),
    ("SETTINGS of another size", lambda p: [raw(4, 0, 0, b"\0\0\0")], {f"goaway {SIZE}"}),
    ("SETTINGS acknowledgement with content", lambda p: [raw(4, 1, 0, bytes(6))],
     {f"goaway {SIZE}", f"goaway {PROTOCOL}"}),
    ("SETTINGS_ENABLE_PUSH of 2", lambda p: [SettingsFrame(0, {2: 2})], {f"goaway {PROTOCOL}"}),
    ("a window beyond 2^31 - 1", lambda p: [SettingsFrame(0, {4: 2**31})], {f"goaway {FLOW}"}),
    ("a frame size below 2^14", lambda p: [SettingsFrame(0, {5: 16_383})], {f"goaway {PROTOCOL}"}),
    ("PUSH_PROMISE from a client", lambda p: [PushPromiseFrame(1, 2, b"", flags=["END_HEADERS"])],
     {f"goaway {PROTOCOL}"}),
    ("PING on a stream", lambda p: [raw(6, 0, 1, bytes(8))], {f"goaway {PROTOCOL}"}),
    ("PING of another size", lambda p: [raw(6, 0, 0, bytes(7))], {f"goaway {SIZE}"}),
    ("GOAWAY on a stream", lambda p: [raw(7, 0, 1, bytes(8))], {f"goaway {PROTOCOL}"}),
    ("WINDOW_UPDATE of 0", lambda p: [raw(8, 0, 0, bytes(4))], {f"goaway {PROTOCOL}"}),
    ("WINDOW_UPDATE of another size", lambda p: [raw(8, 0, 0, bytes(3))], {f"goaway {SIZE}"}),
    ("WINDOW_UPDATE on an idle stream", lambda p: [WindowUpdateFrame(9, 1)], {f"goaway {PROTOCOL}"}),
    ("the connection's window beyond 2^31 - 1", lambda p: [WindowUpdateFrame(0, 2**31 - 1)] * 2, {f"goaway {FLOW}"}),
    ("a stream's window beyond 2^31 - 1", too_wide, {f"reset {FLOW}"}),
    ("trailers without END_STREAM", second_head, {f"reset {PROTOCOL}", f"goaway {PROTOCOL}"}),
    # messages: section 8
    ("an upper-case name", plus(("X-Upper", "1")), {f"reset {PROTOCOL}"}),
    ("a name with a colon", plus(("a:b", "1")), {f"reset {PROTOCOL}"}),
    ("a name with a space", plus(("a b", "1")), {f"reset {PROTOCOL}"}),
    ("an empty name", plus(("", "1")), {f"reset {PROTOCOL}"}),
    ("a line break in a value", plus(("x", "1\r\nevil: 1")), {f"reset {PROTOCOL}"}),
    ("a line feed in a value", plus(("x", "1\nevil: 1")), {f"reset {PROTOCOL}"}),
    ("a NUL in a value", plus(("x", "1\0")), {f"reset {PROTOCOL}"}),
    ("white space around a value", plus(("x", " 1")), {f"reset {PROTOCOL}"}),
    ("connection", plus(("connection", "x-secret")), {f"reset {PROTOCOL}"}),
    ("keep-alive", plus(("keep-alive", "5")), {f"reset {PROTOCOL}"}),
    ("proxy-connection", plus(("proxy-connection", "close")), {f"reset {PROTOCOL}"}),
    ("transfer-encoding", plus(("transfer-encoding", "chunked"), end=False), {f"reset {PROTOCOL}"}),
    ("upgrade", plus(("upgrade", "h2c")), {f"reset {PROTOCOL}"}),
    ("te other than trailers", plus(("te", "gzip")), {f"reset {PROTOCOL}"}),
    ("an unknown pseudo-field", headers(*request(), (":extra", "1")), {f"reset {PROTOCOL}"}),
    ("a pseudo-field of responses", headers(*request(), (":status", "200")), {f"reset {PROTOCOL}"}),
    ("a pseudo-field behind others", headers(("x", "1"), *request()), {f"reset {PROTOCOL}"}),
    ("a pseudo-field twice", headers(*request(), (":path", "/b")), {f"reset {PROTOCOL}"}),
    ("no method", headers(*request()[1:]), {f"reset {PROTOCOL}"}),
    ("no scheme", headers(*(f for f in request() if f[0] != ":scheme")), {f"reset {PROTOCOL}"}),
    ("no path", headers(*(f for f in request() if f[0] != ":path")), {f"reset {PROTOCOL}"}),
    ("an empty path", headers(*request("")), {f"reset {PROTOCOL}"}),
    ("a method with a space", headers(*request("/a/x", "GET /b")), {f"reset {PROTOCOL}"}),
    ("less body than Content-Length", lambda p: [p.head(1, request("/a/x", "POST", ("content-length", "9")), False),
     DataFrame(1, b"12345", flags=["END_STREAM"])], {f"reset {PROTOCOL}"}),
    ("more body than Content-Length", length_is_wrong, {f"reset {PROTOCOL}"}),
    ("less body than Content-Length, and trailers", length_and_trailers, {f"reset {PROTOCOL}"}),
    ("a Content-Length without a body", plus(("content-length", "5")), {f"reset {PROTOCOL}"}),
    ("two Content-Lengths", plus(("content-length", "5"), ("content-length", "6"), end=False),
     {f"reset {PROTOCOL}", f"goaway {PROTOCOL}"}),
    ("a Content-Length that is no number", plus(("content-length", "+5"), end=False),
     {f"reset {PROTOCOL}", f"goaway {PROTOCOL}"}),
    # well formed, and refused as over HTTP/1.1
    ("Host and :authority differ", plus(("host", "other")), {"400"}),
    ("no host at all", headers(*request()[:3]), {"400"}),
    ("user information in :authority", headers(*request(authority="user@gateway")), {"400"}),
    ("a path that is a URL", headers(*request("http://other/a/x")), {"400"}),
    ("a path that climbs", headers(*request("/a/../../x")), {"400"}),
    ("a fragment", headers(*request("/a/x#y")), {"400"}),
    ("CONNECT", headers((":method", "CONNECT"), (":authority", "other:443")), {"501"}),
    ("TRACE", headers(*request("/a/x", "TRACE")), {"501"}),
    ("an unknown expectation", plus(("expect", "wonders")), {"417"}),
    ("a field of 9 KiB", plus(("x", "y" * 9 * 1024)), {"431"}),
    ("a path of 9 KiB", headers(*request("/a/" + "y" * 9 * 1024)), {"414"}),
    ("101 fields", plus(*((f"x-{number}", "1") for number in range(101))), {"431"}),
    ("more than 64 KiB of fields", many_fields, {f"goaway {CALM}"}),
]  # fmt: skip


@pytest.fixture(autouse=True)
def served(harness: Harness, backend: Backend) -> None:
    harness.configure(*open_api("a", backend.url))


@pytest.mark.parametrize(("offence", "outcomes"), [row[1:] for row in OFFENCES], ids=[row[0] for row in OFFENCES])
async def test_an_offence(harness: Harness, backend: Backend, offence: Offence, outcomes: set[str]) -> None:
    backend.script = _silent  # a request that passed would wait
    async with peer(harness.port) as client:
        client.write(*offence(client))
        assert await client.outcome() in outcomes
    async with peer(harness.port) as other:  # and nobody else notices
        other.write(other.head(1, request("/status-0123456789abcdef")))
        assert (await other.answer(1))[0][":status"] == "200"
    assert not backend.requests


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    "good",
    [
        pytest.param([raw(77, 255, 0, b"whatever")], id="unknown frame"),
        pytest.param([SettingsFrame(0, {0x99: 1})], id="unknown setting"),
        pytest.param([raw(4, 0, 0, b""), raw(6, 0, 0, b"12345678")], id="empty settings and a ping"),
        pytest.param([PriorityFrame(9, depends_on=3)], id="priority of an idle stream"),
    ],
)
async def test_what_must_be_ignored(harness: Harness, good: list[Frame | bytes]) -> None:
    async with peer(harness.port) as client:
        client.write(*good, client.head(1, request("/a/x", "GET", ("te", "trailers"))))
        assert (await client.answer(1))[1] == b"ok"


async def test_the_preface_may_come_in_pieces_and_must_be_right(harness: Harness) -> None:
    async with peer(harness.port, greet=False) as client:
        for byte in PREFACE[:20]:
            client.write(bytes((byte,)))
            await client.writer.drain()
            await asyncio.sleep(0.001)
        client.write(PREFACE[20:], SettingsFrame(0), client.head(1, request()))
        assert (await client.answer(1))[1] == b"ok"
    async with peer(harness.port, greet=False) as client:
        client.write(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        assert (await client.reader.read()).startswith(b"HTTP/1.1 400")
    async with peer(harness.port, greet=False) as client:  # begins like it
        client.write(b"P")
        await asyncio.sleep(0.01)
        client.write(b"UT /a/x HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert (await client.reader.read()).startswith(b"HTTP/1.1 200")


def pings(client: Peer) -> bytes:
    return b"".join(PingFrame(0, b"12345678").serialize() for _ in range(3000))


def settings(client: Peer) -> bytes:
    return SettingsFrame(0, {4: 70_000}).serialize() * 600


def rapid_reset(client: Peer) -> bytes:
    sent = b""
    for number in range(600):
        head = client.head(2 * number + 1, request("/a/slow", "POST"), end=False)
        sent += head.serialize() + RstStreamFrame(2 * number + 1, error_code=8).serialize()
    return sent


def made_resets(client: Peer) -> bytes:
    """Have the gateway reset the streams."""
    bad = [*request(), ("connection", "close")]
    return b"".join(client.head(2 * number + 1, bad).serialize() for number in range(600))


def empty_frames(client: Peer) -> bytes:
    return client.head(1, request("/a/x", "POST"), end=False).serialize() + DataFrame(1, b"").serialize() * 3000


def frames_behind_a_reset(client: Peer) -> bytes:
    head = client.head(1, request("/a/slow", "POST"), end=False).serialize()
    return head + RstStreamFrame(1, error_code=8).serialize() + DataFrame(1, b"x").serialize() * 1000


def priorities(client: Peer) -> bytes:
    return PriorityFrame(3, depends_on=1).serialize() * 3000


def window_updates(client: Peer) -> bytes:
    return WindowUpdateFrame(0, 1).serialize() * 3000


@pytest.mark.parametrize(
    "flood",
    [
        pings,
        settings,
        rapid_reset,
        made_resets,
        empty_frames,
        frames_behind_a_reset,
        priorities,
        window_updates,
    ],
)
async def test_a_flood_ends_the_connection(harness: Harness, backend: Backend, flood: Callable[[Peer], bytes]) -> None:
    backend.script = _silent
    async with peer(harness.port) as client:
        client.write(flood(client))
        goaway = await client.until(GoAwayFrame)
        assert goaway is None or goaway.error_code == CALM
        assert await client.until(GoAwayFrame) is None
    assert backend.connections <= 150
    async with asyncio.timeout(3):
        while harness.sidecar.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_is_late_for_a_stream_that_was_refused_passes(harness: Harness) -> None:
    async with peer(harness.port) as client:
        head = client.head(1, [*request("/a/x", "POST"), ("connection", "close")], end=False)
        client.write(head, *[DataFrame(1, b"x")] * 3000, client.head(3, request()))
        assert (await client.answer(3))[1] == b"ok"


def test_no_peer_makes_the_table_of_sent_fields_large() -> None:
    wire = Wire(client=False, max_streams=1, max_header_list=1000)
    wire.begin()
    wire.receive_data(PREFACE + SettingsFrame(0, {1: 2**32 - 1}).serialize())
    for number in range(1000):
        wire.encoder.encode([(b"x-id", b"%d" % number)])
    assert wire.encoder.header_table._current_size <= LARGEST_TABLE
    wire.receive_data(SettingsFrame(0, {1: 100}).serialize())
    assert wire.encoder.header_table_size == 100


async def test_continuations_without_end(harness: Harness) -> None:
    async with peer(harness.port) as client:
        client.write(HeadersFrame(1, b"\x82"))
        for _ in range(100):
            client.write(ContinuationFrame(1, b"\x00\x01a\x01b" * 10))
        assert await client.outcome() == f"goaway {PROTOCOL}"


async def test_streams_beyond_the_limit_are_refused_and_the_others_go_on(harness: Harness, backend: Backend) -> None:
    go = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        writer.write(backend.answer)
        await writer.drain()

    backend.script = late
    async with peer(harness.port) as client:
        for number in range(105):
            client.write(client.head(2 * number + 1, request()))
        refused = [await client.until(RstStreamFrame) for _ in range(5)]
        assert [(each.stream_id, each.error_code) for each in refused] == [
            (2 * n + 1, REFUSED) for n in range(100, 105)
        ]
        assert client.settings[3] == 100
        go.set()
        done = 0
        while done < 100:
            frame = await client.until(DataFrame)
            done += "END_STREAM" in frame.flags
        client.write(client.head(301, request()))
        assert (await client.answer(301))[1] == b"ok"


async def test_a_stream_that_is_done_early_is_reset_without_an_error(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.adapters.http2.connection.LINGER", 0.2)
    async with peer(harness.port) as client:
        client.write(client.head(1, request("/nowhere", "POST"), end=False))
        assert (await client.answer(1))[0][":status"] == "404"
        client.write(DataFrame(1, b"x" * 1000))  # it is read away
        assert (await client.until(RstStreamFrame)).error_code == 0
        client.write(client.head(3, request("/nowhere", "POST"), end=False))
        assert (await client.answer(3))[0][":status"] == "404"
        client.write(DataFrame(3, b"", flags=["END_STREAM"]))
        client.write(client.head(5, request()))
        assert (await client.answer(5))[1] == b"ok"
        assert not any(isinstance(each, RstStreamFrame) and each.stream_id == 3 for each in client.frames)
