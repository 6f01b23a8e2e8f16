"""What the short way of requests takes, and that nothing of one call is left for the next."""

from __future__ import annotations

import pytest

from proxy.adapters import whole

GET = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: n\r\n\r\n"

TAKEN = {
    "least": (GET + b"\r\n", b""),
    "empty value": (GET + b"X:\r\n\r\n", b""),
    "tabs": (GET + b"X:\t a \t\r\n\r\n", b""),
    "keep-alive": (GET + b"Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n\r\n", b""),
    "no text": (GET + b"X: \xff\xfe\r\n\r\n", b""),
    "body": (b"POST /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    "body of GET": (GET + b"Content-Length: 3\r\n\r\nabc", b"abc"),
    "body that holds an empty line": (GET + b"Content-Length: 6\r\n\r\na\r\n\r\nb", b"a\r\n\r\nb"),
    "no body": (GET + b"Content-Length: 0\r\n\r\n", b""),
    "largest head": (GET + b"X: " + b"x" * (8192 - len(GET) - 7) + b"\r\n\r\n", b""),
    "as many fields as may be": (GET + b"".join(b"X%d: 1\r\n" % i for i in range(99)) + b"\r\n", b""),
}

LEFT = {
    "nothing": b"",
    "a part": GET,
    "a part of a body": GET + b"Content-Length: 4\r\n\r\nabc",
    "two": GET + b"\r\n" + NEXT,
    "one and a byte": GET + b"\r\nG",
    "one and a method": GET + b"\r\nPOST",
    "one and a part of a head": GET + b"\r\nGET /b HTTP/1.1\r\nX: ",
    "one and a line": GET + b"\r\n\r\n",
    "one with a body and a part": GET + b"Content-Length: 3\r\n\r\nabcGET /b",
    "one whose body holds an empty line and a part": GET + b"Content-Length: 7\r\n\r\nabc\r\n\r\nGET ",
    "a line before it": b"\r\n" + GET + b"\r\n",
    "lines before it": b"\r\n\r\n" + GET + b"\r\n",
    "garbage": b"\x16\x03\x01" + NEXT,
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: h\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
    "a space behind": b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
    "another method": b"PURGE / HTTP/1.1\r\nHost: h\r\n\r\n",
    "CONNECT": b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n",
    "an absolute target": b"GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "an empty Host": b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "a Host that is none": b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "two Hosts": GET + b"Host: h\r\n\r\n",
    "two of a name": GET + b"X: 1\r\nx: 2\r\n\r\n",
    "chunks": GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": GET + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "length and chunks": GET + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a signed length": GET + b"Content-Length: +1\r\n\r\na",
    "a list of lengths": GET + b"Content-Length: 1, 1\r\n\r\na",
    "Connection: close": GET + b"Connection: close\r\n\r\n",
    "Connection that names a field": GET + b"Connection: keep-alive, x\r\nX: 1\r\n\r\n",
    "an empty Connection": GET + b"Connection:\r\n\r\n",
    "Proxy-Connection: close": GET + b"Proxy-Connection: close\r\n\r\n",
    "an upgrade": GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "Upgrade alone": GET + b"Upgrade: h2c\r\n\r\n",
    "an upgrade by Proxy-Connection": GET + b"Proxy-Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "Expect": GET + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
    "Trailer": GET + b"Trailer: X\r\n\r\n",
    "old WebSockets": GET + b"Sec-WebSocket-Key1: 1\r\n\r\n",
    "a twin": GET + b"X_Forwarded_For: 1\r\n\r\n",
    "a folded line": GET + b"X: 1\r\n 2\r\n\r\n",
    "a space before the colon": GET + b"X : 1\r\n\r\n",
    "a control character": GET + b"X: \x01\r\n\r\n",
    "lines that end with LF": GET.replace(b"\r", b"") + b"\n",
    "a line that ends with LF": GET + b"X: 1\nY: 2\r\n\r\n",
    "a head that is too large": GET + b"X: " + b"x" * (8192 - len(GET) - 6) + b"\r\n\r\n",
    "too many fields": GET + b"".join(b"X%d: 1\r\n" % i for i in range(100)) + b"\r\n",
    "too large": GET + b"Content-Length: 70000\r\n\r\n" + b"x" * 70000,
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken(name: str) -> None:
    data, body = TAKEN[name]
    for _ in range(2):
        request = whole.read(data)
        assert request is not None
        assert (request.method, request.target, request.host) == (data.split()[0].decode(), "/a?b=c", "h")
        assert request.body == body
        assert "Connection" not in request.headers
        assert "Keep-Alive" not in request.headers


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_to_others_leaves_no_trace(name: str) -> None:
    assert whole.read(LEFT[name]) is None
    request = whole.read(NEXT)
    assert request is not None, "the request of another client suffers"
    assert (request.target, request.host, list(request.headers.items())) == ("/next", "n", [("Host", "n")])


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    request = whole.read(GET + b"X: \xff\xc3\xa9\r\n\r\n")
    assert request is not None
    assert request.headers["X"].encode("utf-8", "surrogateescape") == b"\xff\xc3\xa9"
