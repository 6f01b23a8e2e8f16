"""Backends over HTTP/2, each a script of frames: what is sent, what is read, what is tried again, and what ends."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from certificates import self_signed
from http2_peer import PREFACE, Peer
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame
from sidecar_harness import Backend, Harness, open_api, policy

from proxy.adapters.http2.call import BackendLink
from proxy.adapters.transport import HttpTransport
from proxy.errors import BackendConnectionFailure, BackendTimeout, BadRequest
from proxy.messages import Body, Headers, Response, Url
from proxy.ports import Outgoing

Script = Callable[[Peer], Awaitable[None]]


class Scripted:
    """Each connection runs the next script, the last one again and again. `peers` are the connections."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.peers: list[Peer] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert await reader.readexactly(len(PREFACE)) == PREFACE
            peer.write(SettingsFrame(0))
            await script(peer)
        writer.close()


@contextlib.asynccontextmanager
async def scripted(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Scripted]:
    made = Scripted(*scripts)
    listener = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    made.port = listener.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listener.close()
        for peer in made.peers:
            peer.writer.close()


@pytest.fixture
async def transport() -> AsyncIterator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.close()


def outgoing(backend: Scripted | Backend, method: str = "GET", scheme: str = "http", **more: Any) -> Outgoing:
    more.setdefault("http_version", "2")
    more.setdefault("timeout", 3.0)
    headers, body = Headers(more.pop("headers", {})), more.pop("body", b"")
    url = Url(scheme, "127.0.0.1", backend.port, "/x", "y=1")
    return Outgoing(method, url, headers, body if isinstance(body, Body) else Body(body), **more)


async def ok(peer: Peer, *frames: Frame) -> None:
    """Answer every request with "ok"; `frames` come first."""
    peer.write(*frames)
    while (frame := await peer.until(HeadersFrame, DataFrame, seconds=30)) is not None:
        if "END_STREAM" in frame.flags:
            respond(peer, frame.stream_id)


def respond(peer: Peer, stream: int, body: bytes = b"ok", *fields: tuple[str, str]) -> None:
    peer.write(
        peer.head(stream, [(":status", "200"), *fields], end=False), DataFrame(stream, body, flags=["END_STREAM"])
    )


async def has(peer: Peer, kind: type[Frame]) -> None:
    """Wait until such a frame has come."""
    async with asyncio.timeout(3):
        while not any(isinstance(each, kind) for each in peer.frames):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def text(response: Response) -> bytes:
    return await response.body.read()


async def test_requests_share_one_connection_and_are_written_as_http_2(transport: HttpTransport) -> None:
    dirty = {"Connection": "X-Hop", "Transfer-Encoding": "gzip", "Content-Length": "99", "X-A": "1", "TE": "gzip"}
    async with scripted(ok) as backend:
        sent = [outgoing(backend, "POST", headers=dirty, body=b"abc"), *(outgoing(backend) for _ in range(20))]
        answers = await asyncio.gather(*map(transport.send, sent))
        assert [await text(each) for each in answers] == [b"ok"] * 21
        assert answers[0].http_version == "2"
        assert len(backend.peers) == 1
        head = next(each for each in backend.peers[0].frames if isinstance(each, HeadersFrame)).fields  # type: ignore[attr-defined]
    assert head == {
        ":method": "POST", ":scheme": "http", ":authority": f"127.0.0.1:{backend.port}", ":path": "/x?y=1",
        "x-a": "1", "content-length": "3",
    }  # fmt: skip


async def test_trailers_both_ways(transport: HttpTransport) -> None:
    seen: list[dict[str, str]] = []

    async def script(peer: Peer) -> None:
        _, _, trailers = await peer.answer(1)
        seen.append(trailers)
        peer.write(
            peer.head(1, [(":status", "200")], end=False),
            DataFrame(1, b"body"),
            peer.head(1, [("x-sum", "7"), ("content-length", "9"), ("x_forwarded_for", "evil")]),
        )
        await peer.read()

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"

    async with scripted(script) as backend:
        sent = outgoing(backend, "POST", body=Body(None, body(), None, Headers({"X-Check": "1"})))
        response = await transport.send(sent)
        assert await text(response) == b"body"
        assert dict(response.body.trailers or {}) == {"x-sum": "7"}
    assert seen == [{"x-check": "1"}]


async def test_a_refused_stream_is_sent_again(transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        peer.write(RstStreamFrame(1, error_code=7))
        await ok(peer)

    async with scripted(script) as backend:
        assert await text(await transport.send(outgoing(backend, "POST", body=b"abc"))) == b"ok"


async def test_a_stream_above_the_last_of_a_goaway_is_sent_again_elsewhere(transport: HttpTransport) -> None:
    async def leaving(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        await peer.until(HeadersFrame)
        peer.write(GoAwayFrame(0, last_stream_id=1))
        await asyncio.sleep(0.1)
        respond(peer, 1, b"first")
        await peer.until(GoAwayFrame)

    async with scripted(leaving, ok) as backend:
        one, two = await asyncio.gather(transport.send(outgoing(backend, "POST")), transport.send(outgoing(backend)))
        assert (await text(one), await text(two)) == (b"first", b"ok")
        assert len(backend.peers) == 2
        await has(backend.peers[0], GoAwayFrame)  # and then it is closed from here


async def test_a_lost_connection(transport: HttpTransport) -> None:
    async def gone(peer: Peer) -> None:
        await peer.until(HeadersFrame)

    async with scripted(gone, ok) as backend:
        assert await text(await transport.send(outgoing(backend))) == b"ok"  # idempotent: once more
    async with scripted(gone, ok) as backend:
        with pytest.raises(BackendConnectionFailure, match="No answer"):
            await transport.send(outgoing(backend, "POST", body=b"x"))
    async with scripted(gone) as backend:
        with pytest.raises(BackendConnectionFailure):
            await transport.send(outgoing(backend))
        assert len(backend.peers) == 2


async def test_the_backends_limit_of_streams_is_kept(transport: HttpTransport) -> None:
    open_now, most = 0, 0

    async def script(peer: Peer) -> None:
        nonlocal open_now, most
        peer.write(SettingsFrame(0, {3: 2}))

        async def later(stream: int) -> None:
            nonlocal open_now
            await asyncio.sleep(0.02)
            open_now -= 1
            respond(peer, stream)

        tasks = []
        while (frame := await peer.until(HeadersFrame, seconds=30)) is not None:
            open_now += 1
            most = max(most, open_now)
            tasks.append(asyncio.create_task(later(frame.stream_id)))

    async with scripted(script) as backend:
        await transport.send(outgoing(backend))  # now the settings are known
        answers = await asyncio.gather(*(transport.send(outgoing(backend)) for _ in range(40)))
        assert len(answers) == 40
        assert most <= 2 * len(backend.peers)
        assert len(backend.peers) <= 8


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        (lambda p: [p.head(1, [("x", "y")])], "status is missing"),
        (lambda p: [p.head(1, [(":status", "200"), ("X-Upper", "1")])], "may not stand"),
        (lambda p: [p.head(1, [(":status", "200"), ("connection", "close")])], "of a connection"),
        (lambda p: [p.head(1, [(":status", "200"), ("x", "a\r\nb")])], "may not stand"),
        (lambda p: [RstStreamFrame(1, error_code=2)], "reset the request: INTERNAL_ERROR"),
        (lambda p: [b"\0\0\1\0\0\0\0\0\0x"], "broke HTTP/2"),
        (lambda p: [b"HTTP/1.1 400 Bad Request\r\n\r\n"], "broke HTTP/2"),
        (lambda p: [GoAwayFrame(0, last_stream_id=0)] * 3, "refused"),
    ],
)
async def test_answers_that_are_none(transport: HttpTransport, frames: Any, told: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        peer.write(*frames(peer))
        await peer.read()

    async with scripted(script) as backend:
        with pytest.raises(BackendConnectionFailure, match=told):
            await transport.send(outgoing(backend))


async def test_a_body_that_breaks_off_is_an_error(transport: HttpTransport) -> None:
    async def short(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        peer.write(peer.head(1, [(":status", "200"), ("content-length", "9")], end=False), DataFrame(1, b"half"))
        await asyncio.sleep(0.05)
        peer.write(DataFrame(1, b"", flags=["END_STREAM"]))
        await peer.read()

    async def cut(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        peer.write(peer.head(1, [(":status", "200")], end=False), DataFrame(1, b"half"))
        await asyncio.sleep(0.05)

    for script in (short, cut):
        async with scripted(script) as backend:
            response = await transport.send(outgoing(backend))
            with pytest.raises(BackendConnectionFailure):
                await text(response)


async def test_who_gives_up_resets_the_stream(transport: HttpTransport) -> None:
    async def silent(peer: Peer) -> None:
        await peer.until(RstStreamFrame, seconds=10)

    async with scripted(silent) as backend:
        with pytest.raises(BackendTimeout):
            await transport.send(outgoing(backend, timeout=0.1))
        await has(backend.peers[0], RstStreamFrame)
        assert backend.peers[0].frames[-1].error_code == 8

    async def endless(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        peer.write(peer.head(1, [(":status", "200")], end=False), DataFrame(1, b"x"))
        await peer.until(RstStreamFrame, seconds=10)

    async with scripted(endless) as backend:
        response = await transport.send(outgoing(backend))
        await response.body.discard()
        await has(backend.peers[0], RstStreamFrame)


async def test_a_client_that_fails_while_it_sends_ends_the_call(transport: HttpTransport) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        raise BadRequest("no more")

    async def silent(peer: Peer) -> None:
        await peer.until(RstStreamFrame, seconds=10)

    async with scripted(silent) as backend:
        with pytest.raises(BadRequest, match="no more"):
            await transport.send(outgoing(backend, "POST", body=Body(None, body())))


async def test_an_early_answer_ends_the_upload(transport: HttpTransport) -> None:
    never = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        await never.wait()

    async def early(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        respond(peer, 1, b"enough")
        await peer.until(RstStreamFrame, seconds=10)

    async with scripted(early) as backend:
        response = await transport.send(outgoing(backend, "POST", body=Body(None, body())))
        assert await text(response) == b"enough"
        await has(backend.peers[0], RstStreamFrame)


async def test_100_continue_and_other_interim_answers(transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        head = await peer.until(HeadersFrame)
        assert head.fields["expect"] == "100-continue"
        peer.write(peer.head(1, [(":status", "103"), ("link", "</a>")], end=False))
        await asyncio.sleep(0.05)
        assert not any(isinstance(each, DataFrame) for each in peer.frames)
        peer.write(peer.head(1, [(":status", "100")], end=False))
        data = await peer.until(DataFrame)
        respond(peer, 1, data.data)
        await peer.read()

    async with scripted(script) as backend:
        response = await transport.send(outgoing(backend, "POST", body=b"abc", continue_timeout=2.0))
        assert (response.status, await text(response)) == (200, b"abc")


async def test_head_keeps_its_length(transport: HttpTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        peer.write(peer.head(1, [(":status", "200"), ("content-length", "12")]))
        await peer.read()

    async with scripted(script) as backend:
        response = await transport.send(outgoing(backend, "HEAD"))
        assert getattr(response.body, "would_be", None) == 12


async def test_idle_connections_close_and_silent_ones_are_asked(
    transport: HttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.adapters.http2.call.PING_ANSWER", 0.1)
    monkeypatch.setattr("proxy.adapters.http2.call.PING_AFTER", 0.1)
    monkeypatch.setattr("proxy.adapters.http2.call.IDLE", 0.3)
    async with scripted(ok) as backend:
        await transport.send(outgoing(backend))
        await has(backend.peers[0], GoAwayFrame)

    async def dead(peer: Peer) -> None:
        peer.frames.append(await peer.reader.read(9))
        await asyncio.sleep(5)

    async with scripted(dead) as backend:
        with pytest.raises(BackendConnectionFailure, match="sign of life"):
            await transport.send(outgoing(backend))

    async def slow(peer: Peer) -> None:
        await peer.until(HeadersFrame)
        ping = await peer.until(PingFrame)
        peer.write(PingFrame(0, ping.opaque_data, flags=["ACK"]))
        await asyncio.sleep(0.1)
        respond(peer, 1)
        await peer.read()

    async with scripted(slow) as backend:
        assert await text(await transport.send(outgoing(backend))) == b"ok"


def server_tls(tmp_path: Path, *protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "server.pem", "127.0.0.1"))
    context.set_alpn_protocols(list(protocols))
    return context


async def test_alpn_decides_over_tls(transport: HttpTransport, backend: Backend, tmp_path: Path) -> None:
    async with scripted(ok, tls=server_tls(tmp_path, "h2", "http/1.1")) as modern:
        for version in ("2", "2or1"):
            sent = outgoing(modern, scheme="https", http_version=version, verify_tls=False)
            response = await transport.send(sent)
            assert (response.http_version, await text(response)) == ("2", b"ok")
        with pytest.raises(BackendConnectionFailure, match="certificate"):
            await transport.send(outgoing(modern, scheme="https"))
    listener = await asyncio.start_server(backend.serve, "127.0.0.1", 0, ssl=server_tls(tmp_path, "http/1.1"))
    backend.port = listener.sockets[0].getsockname()[1]
    for _ in range(2):
        response = await transport.send(outgoing(backend, scheme="https", http_version="2or1", verify_tls=False))
        assert (response.http_version, await text(response)) == ("1.1", b"ok")
    assert backend.connections == 2  # one to learn it, one to use
    with pytest.raises(BackendConnectionFailure, match=r"speaks HTTP/1\.1 only"):
        await transport.send(outgoing(backend, scheme="https", verify_tls=False))
    listener.close()


async def test_without_tls_2or1_is_http_1(transport: HttpTransport, backend: Backend) -> None:
    response = await transport.send(outgoing(backend, http_version="2or1"))
    assert (response.http_version, await text(response)) == ("1.1", b"ok")


async def test_forward_request_asks_for_it(harness: Harness) -> None:
    document = (
        '<policies><inbound/><backend><forward-request http-version="2"/></backend><outbound/><on-error/></policies>'
    )
    async with scripted(ok) as backend:
        harness.configure(*open_api("a", f"http://127.0.0.1:{backend.port}"), policy("", document))
        answer = await harness.request("POST", "/a/x", body=b"hello")
        assert (answer.status, answer.body) == (200, b"ok")
    [record] = await harness.recorded()
    assert (record.client_protocol, record.backend_protocol) == ("HTTP/1.1", "HTTP/2")


async def test_many_dials_at_once_make_one_connection(transport: HttpTransport) -> None:
    async with scripted(ok) as backend:
        await asyncio.gather(*(transport.send(outgoing(backend)) for _ in range(50)))
        assert len(backend.peers) == 1


async def test_a_link_takes_no_calls_once_it_is_closed() -> None:
    link = BackendLink()
    assert not link.room
