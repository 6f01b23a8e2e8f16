"""Heads as bytes, what may not stand in one, and the order in which whole messages leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.adapters.heads import HeadWriter, last_chunk, request_head
from proxy.adapters.outbox import Outbox
from proxy.errors import GatewayError
from proxy.messages import Body, Headers, Url
from proxy.ports import HttpProxy, Outgoing


def outgoing(method: str = "GET", body: Body | None = None, headers: list[tuple[str, str]] | None = None) -> Outgoing:
    return Outgoing(method, Url("http", "b.test", 8080, "/p", "q=1"), Headers(headers or []), body or Body())


async def stream() -> Any:
    yield b"x"


REQUESTS = {
    "GET": (outgoing(), b"GET /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\n\r\n"),
    "POST": (outgoing("POST"), b"POST /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\nContent-Length: 0\r\n\r\n"),
    "a body": (
        outgoing("PUT", Body(b"abc"), [("content-length", "9"), ("Transfer-Encoding", "chunked"), ("A", "b")]),
        b"PUT /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\nA: b\r\nContent-Length: 3\r\n\r\n",
    ),
    "a body of DELETE": (
        outgoing("DELETE", Body(b"abc")),
        b"DELETE /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\nContent-Length: 3\r\n\r\n",
    ),
    "a stream": (
        outgoing("POST", Body(None, stream())),
        b"POST /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    "a stream of known length": (
        outgoing("POST", Body(None, stream(), 1)),
        b"POST /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\nContent-Length: 1\r\n\r\n",
    ),
    "a Host of its own, and hop-by-hop fields": (
        outgoing(headers=[
            ("X", "1"), ("host", "own"), ("Connection", "X"), ("Keep-Alive", "5"), ("TE", "trailers"),
            ("Upgrade", "h2c"), ("Expect", "100-continue"), ("Proxy-Authorization", "s"), ("x", "2"),
        ]),
        b"GET /p?q=1 HTTP/1.1\r\nHost: own\r\nX: 1\r\nx: 2\r\n\r\n",
    ),
    "what is no text": (
        outgoing(headers=[("X", "\udcff\u00e9"), ("Y", ""), ("Z", "a\tb")]),
        b"GET /p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\nX: \xff\xc3\xa9\r\nY: \r\nZ: a\tb\r\n\r\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_heads_of_requests(name: str) -> None:
    request, expected = REQUESTS[name]
    for _ in range(2):  # what was learned of a name is the same the second time
        assert request_head(request) == expected


def test_a_proxy_for_plain_http_gets_the_whole_url() -> None:
    request = outgoing()
    request.proxy = HttpProxy("http", "proxy.test", 3128, "Basic x")
    assert request_head(request).startswith(b"GET http://b.test:8080/p?q=1 HTTP/1.1\r\nHost: b.test:8080\r\n")
    assert b"\r\nProxy-Authorization: Basic x\r\n" in request_head(request)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b", "a\x7f", "\x1b[0m", "a\r\n\r\nGET / HTTP/1.1"])
@pytest.mark.parametrize("where", ["value", "name", "method", "Host", "path"])
def test_nothing_becomes_another_line(value: str, where: str) -> None:
    request = outgoing(headers=[("X", value)] if where == "value" else [(value, "x")] if where == "name" else [])
    if where == "method":
        request.method = value
    elif where == "Host":
        request.headers["Host"] = value
    elif where == "path":
        request.url.path = f"/{value}"
    with pytest.raises(GatewayError, match="cannot be sent"):
        request_head(request)


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a(", "\u00e9", "a\x00"])
def test_what_is_no_name(name: str) -> None:
    writer = HeadWriter(frozenset())
    for _ in range(2):
        with pytest.raises(ValueError, match="characters"):
            writer.block(["x"], [(name, "v")])


def test_what_is_known_of_names_is_bounded() -> None:
    writer = HeadWriter(frozenset({"skipped"}))
    for number in range(10_000):
        assert writer.block(["x"], [(f"n{number}", "v"), ("SKIPPED", "v")]) == b"x\r\nn%d: v\r\n\r\n" % number
    writer.block(["x"], [("n" * 1000, "v")])
    assert len(writer._known) <= 4096
    assert max(map(len, writer._known)) <= 256


def test_trailers_that_may_stand_there() -> None:
    assert last_chunk(None) == last_chunk(Headers()) == b"0\r\n\r\n"
    told = Headers(
        [("X-Sum", "1"), ("Content-Length", "3"), ("Host", "h"), ("Set-Cookie", "a=b"), ("grpc-status", "0")]
    )
    assert last_chunk(told) == b"0\r\nX-Sum: 1\r\ngrpc-status: 0\r\n\r\n"
    assert last_chunk(Headers({"X": "a\r\nb"})) == b"0\r\n\r\n"


class Line(asyncio.WriteTransport):
    def __init__(self, told: list[tuple[int, bytes]], number: int) -> None:
        super().__init__()
        self._told, self._number = told, number

    def write(self, data: Any) -> None:
        self._told.append((self._number, data))


async def test_whole_messages_leave_in_order_at_the_end_of_the_turn() -> None:
    outbox, told = Outbox(asyncio.get_running_loop()), list[tuple[int, bytes]]()
    one, two = Line(told, 1), Line(told, 2)
    outbox.write(one, b"a")
    outbox.write(two, b"b")
    outbox.write(one, b"c")
    assert told == []
    await asyncio.sleep(0)
    assert told == [(1, b"a"), (2, b"b"), (1, b"c")]
    outbox.write(two, b"d")
    outbox.flush()
    one.write(b"e")
    outbox.write(one, b"f")
    await asyncio.sleep(0)
    assert told[3:] == [(2, b"d"), (1, b"e"), (1, b"f")]
    await asyncio.sleep(0)
    assert len(told) == 6
