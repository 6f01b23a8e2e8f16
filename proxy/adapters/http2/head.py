"""Header fields of HTTP/2: what came to a message, a message to what goes out, and what may not pass.

Rules
1. What RFC 9113 calls malformed raises Malformed, and its stream ends with PROTOCOL_ERROR: fields of a connection,
   upper-case names, bytes that HTTP/1.1 would read as structure, pseudo-fields that are missing, doubled or out of
   place.
2. What is well formed and yet refused here is answered, as HTTP/1.1 is: see proxy/adapters/screen.py.
3. `:authority` and Host are one thing: they agree, or the request is refused.
4. Framing is ours on each side: no Content-Length of one side becomes framing on the other.
Source: RFC 9113 sections 8.1 to 8.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hpack import NeverIndexedHeaderTuple

from proxy.adapters.hops import HOP_BY_HOP, OURS
from proxy.adapters.limits import DEFAULTS, Limits
from proxy.adapters.screen import is_twin
from proxy.errors import BadRequest, GatewayError
from proxy.messages import Headers
from proxy.ports import Outgoing
from proxy.target import Target, canonical, valid_host

Fields = list[tuple[bytes, bytes]]

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
_SCHEMES = frozenset({b"http", b"https"})
_REQUEST = frozenset({b":method", b":scheme", b":path", b":authority"})
_CONNECTION = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
# What says how a message is framed, routed or who sends it comes before the body, never behind it (RFC 9110, 6.5.1).
_NO_TRAILERS = HOP_BY_HOP | {
    "content-length", "content-encoding", "content-type", "content-range", "host", "authorization", "cache-control",
    "cookie", "set-cookie", "expect", "max-forwards", "range", "age", "date", "location",
}  # fmt: skip
# Secrets, and what differs each time: these stay out of the table that both ends keep.
_NEVER_INDEXED = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "traceparent", "ocp-apim-subscription-key"}
)
_EXPECTED = "100-continue"


class Malformed(Exception):
    """The peer's fields make no message."""


@dataclass(slots=True)
class RequestHead:
    """A request as it came. `length` is its Content-Length; `problem` is what is wrong with it, for the answer."""

    method: str
    target: Target
    headers: Headers
    length: int | None
    waits: bool = False
    problem: GatewayError | None = None


def read_request(fields: Iterable[tuple[bytes, bytes]], limits: Limits = DEFAULTS) -> RequestHead:
    """Raises Malformed."""
    pseudo: dict[bytes, bytes] = {}
    headers, cookies, raw_host = Headers(), [], b""
    problem: BadRequest | None = None
    count = 0
    for name, value in fields:
        if name[:1] == b":":
            if name not in _REQUEST or name in pseudo or count:
                raise Malformed("pseudo-header fields are wrong")
            pseudo[name] = value
            continue
        count += 1
        _screen(name, value)
        if name in _CONNECTION or (name == b"te" and value.lower() != b"trailers"):
            raise Malformed("a header field of a connection")
        if len(name) + len(value) > limits.field:
            problem = BadRequest("A header field is too large.", 431, "Request Header Fields Too Large")
            continue
        if name == b"cookie":
            cookies.append(value)
            continue
        text = name.decode()
        if name == b"host":
            if raw_host:
                problem = BadRequest("The Host header is missing or not valid.")
            raw_host = value
        elif text not in HOP_BY_HOP and not is_twin(text):
            headers.add(text, value.decode("utf-8", "surrogateescape"))
    if count > limits.fields:
        problem = BadRequest("There are too many header fields.", 431, "Request Header Fields Too Large")
    if cookies:
        headers.add("cookie", b"; ".join(cookies).decode("utf-8", "surrogateescape"))
    method, path = pseudo.get(b":method", b""), pseudo.get(b":path", b"")
    if not _METHOD.fullmatch(method):
        raise Malformed("the method is missing or not valid")
    if method != b"CONNECT" and (not path or pseudo.get(b":scheme", b"").lower() not in _SCHEMES):
        raise Malformed("a pseudo-header field is missing or not valid")
    length = content_length(headers)
    head = RequestHead(method.decode(), Target("/", ""), headers, length, problem=problem)
    expected = headers.popall("Expect", ())
    head.waits = bool(expected)
    try:
        _host(headers, pseudo.get(b":authority", b""), raw_host)
        if head.method in ("CONNECT", "TRACE"):
            raise BadRequest(f"{head.method} is not served here.", 501, "Not Implemented")
        if any(each.lower() != _EXPECTED for each in expected):
            raise BadRequest("The expectation cannot be met.", 417, "Expectation Failed")
        if len(path) > limits.line:
            raise BadRequest("The request line is too long.", 414, "URI Too Long")
        head.target = _target(head.method, path.decode("utf-8", "surrogateescape"))
    except BadRequest as error:
        head.problem = head.problem or error
    return head


def read_response(fields: Iterable[tuple[bytes, bytes]]) -> tuple[int, Headers]:
    """Status and header fields without those of a connection; raises Malformed."""
    status, headers = 0, Headers()
    for name, value in fields:
        if name[:1] == b":":
            if name != b":status" or status or headers or len(value) != 3 or not value.isdigit():
                raise Malformed("pseudo-header fields are wrong")
            status = int(value)
            continue
        _screen(name, value)
        if name in _CONNECTION:
            raise Malformed("a header field of a connection")
        text = name.decode()
        if text not in HOP_BY_HOP:
            headers.add(text, value.decode("utf-8", "surrogateescape"))
    if status < 100:
        raise Malformed("the status is missing or not valid")
    return status, headers


def read_trailers(fields: Iterable[tuple[bytes, bytes]], into: Headers, most: int = DEFAULTS.fields) -> None:
    """At most so many; raises Malformed; what may not stand behind a body is left out."""
    for name, value in fields:
        if name[:1] == b":":
            raise Malformed("pseudo-header fields in trailers")
        _screen(name, value)
        text = name.decode()
        if text not in _NO_TRAILERS and not is_twin(text) and len(into) < most:
            into.add(text, value.decode("utf-8", "surrogateescape"))


def content_length(headers: Headers) -> int | None:
    """Raises Malformed unless there is none or one number."""
    told = headers.getall("Content-Length", ())
    if not told:
        return None
    if len(set(told)) > 1 or not told[0].isascii() or not told[0].isdigit() or len(told[0]) > 18:
        raise Malformed("the Content-Length is not valid")
    return int(told[0])


def request_fields(request: Outgoing, waits: bool, grpc: bool) -> Fields:
    """Raises ValueError for what may not stand in a field."""
    url = request.url
    path = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
    fields: Fields = [
        (b":method", request.method.encode()),
        (b":scheme", b"https" if url.scheme in ("https", "wss") else b"http"),
        (b":authority", (request.headers.get("Host") or url.authority).encode()),
        (b":path", path.encode()),
    ]
    if any(_VALUE.fullmatch(value) is None or not value for _, value in fields):
        raise ValueError("the request line contains characters that may not stand there")
    _append(fields, request.headers, _NOT_COPIED)
    length = request.body.length
    if grpc:  # it counts its messages itself
        fields.append((b"te", b"trailers"))
    elif length or (length == 0 and request.method not in _WITHOUT_BODY):
        fields.append((b"content-length", b"%d" % length))
    if waits:
        fields.append((b"expect", _EXPECTED.encode()))
    return fields


_NOT_COPIED = OURS | {"host", "expect"}
_WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})


def response_fields(status: int, headers: Headers, length: int | None) -> Fields:
    """Raises ValueError for what may not stand in a field."""
    fields: Fields = [(b":status", b"%03d" % status)]
    _append(fields, headers, OURS)
    if length is not None:
        fields.append((b"content-length", b"%d" % length))
    return fields


def trailer_fields(trailers: Headers) -> Fields:
    """Raises ValueError for what may not stand in a field."""
    fields: Fields = []
    _append(fields, trailers, _NO_TRAILERS)
    return fields


def _append(fields: Fields, headers: Headers, without: frozenset[str]) -> None:
    for name, value in headers.items():
        lower = name.lower()
        if lower in without:
            continue
        field = (lower.encode("utf-8", "surrogateescape"), value.strip(" \t").encode("utf-8", "surrogateescape"))
        if _NAME.fullmatch(field[0]) is None or _VALUE.fullmatch(field[1]) is None:
            raise ValueError("a header name or value contains characters that may not stand there")
        fields.append(NeverIndexedHeaderTuple(*field) if lower in _NEVER_INDEXED else field)


def _screen(name: bytes, value: bytes) -> None:
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise Malformed("a header name or value contains characters that may not stand there")


def _host(headers: Headers, authority: bytes, host: bytes) -> None:
    """Make Host of what names the authority (rule 3)."""
    told = (authority or host).decode("utf-8", "surrogateescape")
    if not told or not valid_host(told) or (authority and host and authority.lower() != host.lower()):
        raise BadRequest("The Host header is missing or not valid.")
    headers["Host"] = told


def _target(method: str, path: str) -> Target:
    if path == "*" and method == "OPTIONS":  # what is asked of the whole server is asked of its root
        return Target("/", "")
    if not path.startswith("/"):
        raise BadRequest("The request target must be a path.")
    return canonical(path)
