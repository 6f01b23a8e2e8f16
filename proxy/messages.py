"""What travels: `Url`, `Body`, `Request`, `Response`.

Rules
1. A path or query is kept percent-encoded, exactly as it will stand on the wire; only a view decodes it.
2. A `Body` is a stream until someone reads it; reading buffers it whole (bounded) and from then on it is bytes.
3. Headers are a case-insensitive multi-dictionary that keeps order and spelling.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from multidict import CIMultiDict, istr

from proxy.errors import BodyTooLarge

Headers = CIMultiDict[str]
# Names that each request asks for: an istr is not folded each time.
DATE, FORWARDED_FOR, HOST = istr("Date"), istr("X-Forwarded-For"), istr("Host")

# What stays as it is beside the unreserved characters; a percent sign is taken for the begin of an escape.
_PATH = "%/:@!$&'()*+,;="
_QUERY = _PATH + "?[]"

# gRPC's own names of schemes, for service URLs and backends
SCHEME_NAMES = {"grpc": "http", "grpcs": "https"}
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

# A policy that reads a body holds all of it in memory: APIM documents no limit, we choose one (docs/decisions.md).
MAX_BUFFERED_BODY = 2 * 1024 * 1024


@dataclass(slots=True, unsafe_hash=True)
class Url:
    """An absolute URL in parts. `path` and `query` are percent-encoded; `query` has no leading '?'.

    Nobody changes one that is made; only that it costs half a microsecond, it would be frozen.
    """

    scheme: str
    host: str
    port: int
    path: str = "/"
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Url | None:
        """An absolute URL as it will stand on the wire, without user and fragment; None when it cannot be called."""
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            return None
        scheme = parts.scheme.lower()
        scheme = SCHEME_NAMES.get(scheme, scheme)
        if scheme not in DEFAULT_PORTS or not parts.hostname:
            return None
        path, query = quote(parts.path or "/", safe=_PATH), quote(parts.query, safe=_QUERY)
        return cls(scheme, parts.hostname, port or DEFAULT_PORTS[scheme], path, query)

    @property
    def authority(self) -> str:
        """`host`, or `host:port` when the port is not the scheme's own."""
        return _authority(self.scheme, self.host, self.port)

    @property
    def decoded_path(self) -> str:
        return unquote(self.path)

    def query_values(self) -> dict[str, list[str]]:
        """Decoded query parameters, in order of first appearance."""
        values: dict[str, list[str]] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            values.setdefault(name, []).append(value)
        return values

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{_authority(self.scheme, self.host, self.port)}{self.path}{query}"


@lru_cache(maxsize=4096)
def _authority(scheme: str, host: str, port: int) -> str:
    host = f"[{host}]" if ":" in host else host
    return host if DEFAULT_PORTS.get(scheme) == port else f"{host}:{port}"


class Body:
    """A message body. Exactly one of a stream or buffered bytes; `length` is the known size in bytes or None.

    `trailers` are the fields behind it: None where there can be none, else filled by who feeds the stream before it
    ends.
    """

    __slots__ = ("_buffer", "_stream", "buffered", "claim", "consumed", "length", "trailers")
    most: ClassVar[int] = MAX_BUFFERED_BODY  # a process sets it once, at its start

    def __init__(
        self,
        buffer: bytes | None = b"",
        stream: AsyncIterator[bytes] | None = None,
        length: int | None = None,
        trailers: Headers | None = None,
    ) -> None:
        self._stream = stream
        self.buffered = stream is None  # or a stream that was taken
        if stream is None:
            self._buffer: bytes | None = buffer or b""
            self.length: int | None = len(self._buffer)
        else:
            self._buffer = None
            self.length = length
            # Asked before so many bytes of the stream are buffered; raises when there is too little memory.
            self.claim: Callable[[int], None] | None = None
        self.trailers = trailers
        # An expression took the content without preserveContent.
        self.consumed = False

    @property
    def empty(self) -> bool:
        """True when there is certainly nothing in it."""
        return self.length == 0

    @property
    def spent(self) -> bool:
        """Whether it was a stream that somebody took, so that nothing of it is left to send."""
        return self._stream is None and self.length != len(self._buffer or b"")

    def content(self) -> bytes:
        """The whole content; only after `read()` or when it never was a stream."""
        if self._buffer is None:
            raise RuntimeError("the body is still a stream: the step did not declare that it reads it")
        return self._buffer

    def consume(self) -> bytes:
        """Take the buffered content away, as documented for a read without preserveContent."""
        content, self._buffer, self.length, self.consumed = self.content(), b"", 0, True
        return content

    async def read(self, limit: int | None = None) -> bytes:
        """Buffer the stream; raises BodyTooLarge beyond `limit` bytes, `most` without one."""
        if self._stream is None:
            return self._buffer or b""
        limit = self.most if limit is None else limit
        if self.length is not None and self.length > limit:
            raise BodyTooLarge(limit)
        if self.claim is not None:
            self.claim(limit if self.length is None else self.length)
        parts: list[bytes] = []
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(limit)
            parts.append(chunk)
        self._buffer = b"".join(parts)
        self._stream, self.buffered = None, True
        self.length = size
        return self._buffer

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content piece by piece; a stream can be taken once."""
        if self._stream is None:
            if self._buffer:
                yield self._buffer
            return
        stream, self._stream, self._buffer, self.buffered = self._stream, None, b"", True
        async for chunk in stream:
            yield chunk

    async def beginning(self, limit: int, enough: Callable[[bytes], bool]) -> bytes:
        """The first bytes of the content: until they are enough, or `limit` is reached. All of it is still to come."""
        if self._stream is None:
            return (self._buffer or b"")[:limit]
        taken, due = bytearray(), 1
        while len(taken) < limit:
            if len(taken) >= due:  # asked again when it has doubled, so that small pieces cost no more than large ones
                if enough(bytes(taken)):
                    break
                due = 2 * len(taken)
            chunk = await anext(self._stream, None)
            if chunk is None:
                break
            taken += chunk
        self._stream = _Rejoined(bytes(taken), self._stream)
        return bytes(taken[:limit])

    def take(self) -> AsyncIterator[bytes] | None:
        """Hand the stream over to the caller, who then has to end it; None when the content is buffered."""
        stream = self._stream
        if stream is not None:
            self._stream, self._buffer, self.buffered = None, b"", True
        return stream

    def through(self, wrap: Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]) -> None:
        """Have the stream pass by somebody who looks on; content that is buffered stays as it is."""
        if self._stream is not None:
            self._stream = wrap(self._stream)

    async def discard(self) -> None:
        """Give up what was not read; a stream that knows how to end (`aclose`) is told so."""
        stream, self._stream, self._buffer, self.length, self.buffered = self._stream, None, b"", 0, True
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()


class HeadOnly(Body):
    """The body of an answer to HEAD, or of 304: nothing, and the length that it would have."""

    __slots__ = ("would_be",)

    def __init__(self, would_be: int) -> None:
        super().__init__(b"")
        self.would_be = would_be


class _Rejoined:
    """A stream whose beginning was looked at."""

    __slots__ = ("_begin", "_stream")

    def __init__(self, begin: bytes, stream: AsyncIterator[bytes]) -> None:
        self._begin, self._stream = begin, stream

    def __aiter__(self) -> _Rejoined:
        return self

    async def __anext__(self) -> bytes:
        if self._begin:
            begin, self._begin = self._begin, b""
            return begin
        return await anext(self._stream)

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


@dataclass(slots=True)
class Request:
    """The request on its way to the backend. Policies change `method`, `path`, `query`, `headers`, `body`, `base`.

    `path` is relative to the backend's base URL and to the API's path ("/orders/7" of "https://gw/shop/orders/7");
    `base` is the backend's base URL (the API's service URL until set-backend-service says otherwise).
    """

    method: str
    original_url: Url
    path: str
    query: str
    headers: Headers
    body: Body
    base: Url | None = None
    client_ip: str = ""
    http_version: str = "1.1"
    tls_version: str = ""
    # DER of the certificate that the client showed; empty when it showed none or TLS ended before us
    client_certificate: bytes = b""
    # A policy set the Host header; otherwise the backend's own host goes on the wire.
    keep_host: bool = False

    @property
    def url(self) -> Url:
        """What `context.Request.Url` shows: the backend's scheme and host, the path relative to its base."""
        base = self.base or self.original_url
        return Url(base.scheme, base.host, base.port, self.path, self.query)

    def backend_url(self) -> Url | None:
        """The URL that goes on the wire; None when there is no backend."""
        base = self.base
        if base is None:
            return None
        query = f"{base.query}&{self.query}" if base.query and self.query else base.query or self.query
        return Url(base.scheme, base.host, base.port, base.path.rstrip("/") + self.path, query)


@dataclass(slots=True)
class Response:
    """A response on its way to the client, or the answer of a send-request.

    `http_version` is the one that the backend spoke; `cause` is the LastError.Reason of the error that it was made for.
    """

    status: int = 200
    reason: str = "OK"
    headers: Headers = field(default_factory=CIMultiDict)
    body: Body = field(default_factory=Body)
    http_version: str = "1.1"
    cause: str = ""
