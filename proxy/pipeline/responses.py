"""Whole responses in a cache: what cache-lookup and cache-store share.

Rules
1. The key is what the backend would be asked (host, path and query, rewritten as they are by then), the API's
   revision, the operation and the product, and what the policy varies by.
2. A response is kept as it is where cache-store stands, and streams on meanwhile: it is stored with its last byte.
   After a hit, outbound goes on behind that cache-store, so that no policy works on it twice.
3. What is incomplete, partial, or larger than MAX_CACHED_BODY is not kept. Set-Cookie never is: it was for one client.
4. A kept response whose Content-Encoding the client does not accept is a miss.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from proxy.messages import Body, Headers, Response
from proxy.pipeline.caching import read
from proxy.pipeline.frozen import Thawless, freeze_response, thaw
from proxy.ports import Cache

if TYPE_CHECKING:
    from proxy.exchange import Exchange

# https://learn.microsoft.com/azure/api-management/service-limits
MAX_CACHED_BODY = 2 * 1024 * 1024
_NEVER = frozenset({206, 304})
# before the frozen response: when it expires, in Unix seconds, and the length of the mark that follows
_HEAD = struct.Struct(">dH")
# A backend that saw these could answer with less than the whole response.
_PARTIAL = (
    *("Cache-Control", "Pragma", "Range", "If-Range"),
    *("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since"),
)

Store = Callable[[Response, bytes], Awaitable[None]]


@dataclass(slots=True, frozen=True)
class CachingPlan:
    """Where the response of a request belongs, and what downstream caches may do with it."""

    cache: Cache | None
    key: str
    downstream: str = "none"
    must_revalidate: bool = True

    def announce(self, response: Response, seconds: float) -> None:
        """Set Cache-Control, for a response that is good for so long."""
        if self.downstream == "none":
            control = "no-store"
        else:
            revalidate = ", must-revalidate" if self.must_revalidate else ""
            control = f"{self.downstream}, max-age={max(int(seconds), 0)}{revalidate}"
        response.headers["Cache-Control"] = control


def response_key(
    exchange: Exchange, headers: tuple[str, ...], parameters: tuple[str, ...], extra: tuple[str, ...]
) -> str:
    """The key of this request's response; no query `parameters` named means all of them."""
    request, api = exchange.request, exchange.api
    url = request.backend_url() or request.url
    values = _query_values(url.query) if url.query else {}
    if parameters:
        values = {name: values.get(name, []) for name in parameters}
    parts = [
        url.scheme,
        url.authority.lower(),
        url.path,
        api.key if api else "",
        exchange.operation.id if exchange.operation else "",
        exchange.product.id if exchange.product else "",
        sorted(values.items()),
        [[name, request.headers.getall(name, [])] for name in headers],
        extra,
    ]
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()
    return f"response/{api.id if api else ''}/{digest}"


def _query_values(query: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(name.lower(), []).append(value)
    return values


async def find_response(exchange: Exchange, plan: CachingPlan) -> Response | None:
    """The kept response, ready to be changed by outbound."""
    found = unpacked(exchange, await read(exchange, plan.cache, plan.key))
    if found is None:
        return None
    response, expires = found
    plan.announce(response, expires - exchange.ports.clock.utcnow().timestamp())
    return response


def unpacked(exchange: Exchange, kept: bytes | None) -> tuple[Response, float] | None:
    """What `packed` made of a response, and when it expires in Unix seconds; outbound then goes on behind its place.
    None for what is no response, or not for this client."""
    if kept is None or len(kept) < _HEAD.size:
        return None
    expires, size = _HEAD.unpack_from(kept)
    mark, frozen = kept[_HEAD.size : _HEAD.size + size], kept[_HEAD.size + size :]
    try:
        response = thaw(frozen)
    except Thawless:
        return None
    if not isinstance(response, Response) or not _acceptable(exchange.request.headers, response):
        return None
    exchange.resume_after = mark.decode("utf-8", "replace")
    return response, expires


def _acceptable(asked: Headers, response: Response) -> bool:
    """Whether the client takes the encoding in which the response was kept."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    accepted = ",".join(asked.getall("Accept-Encoding", [])).lower()
    return encoding in ("", "identity") or encoding in accepted


def ask_for_all(headers: Headers) -> None:
    """Remove from a request what could make the backend answer with less than the whole response."""
    for name in _PARTIAL:
        headers.popall(name, None)


async def keep_response(exchange: Exchange, plan: CachingPlan, response: Response, seconds: float, mark: str) -> None:
    """Keep the response for so long, once its last byte has come by. `mark` is the place of the cache-store."""
    cache = plan.cache
    if cache is None or seconds <= 0 or not can_be_kept(response):
        return

    async def store(kept: Response, content: bytes) -> None:
        await cache.put(plan.key, packed(exchange, kept, content, seconds, mark), seconds)

    kept = copied(response)
    plan.announce(response, seconds)
    await when_whole(response, kept, store)


def can_be_kept(response: Response) -> bool:
    """Rule 3, as far as the head tells."""
    length = response.body.length
    if length is not None and length > MAX_CACHED_BODY:
        return False
    return response.status >= 200 and response.status not in _NEVER


def copied(response: Response) -> Response:
    """The head of a response as it will be kept."""
    kept = Response(response.status, response.reason, Headers(response.headers))
    kept.headers.popall("Set-Cookie", None)
    return kept


def packed(exchange: Exchange, response: Response, content: bytes, seconds: float, mark: str) -> bytes:
    """A response and the place of the policy that keeps it, as bytes for a cache."""
    place = mark.encode()
    expires = exchange.ports.clock.utcnow().timestamp() + seconds
    return _HEAD.pack(expires, len(place)) + place + freeze_response(response, content)


async def when_whole(response: Response, kept: Response, store: Store) -> None:
    """Have `store` called with the whole content, at once or when its last byte has come by."""
    body = response.body
    if body.buffered:
        await store(kept, body.content())
        return
    length = body.length
    stream = body.take()
    assert stream is not None
    response.body = Body(None, _Kept(stream, length, kept, store), length, body.trailers)


class _Kept(AsyncIterator[bytes]):
    """A body on its way to the client, of which a copy is stored when all of it has come by."""

    __slots__ = ("_kept", "_length", "_parts", "_size", "_store", "_stream")

    def __init__(self, stream: AsyncIterator[bytes], length: int | None, kept: Response, store: Store) -> None:
        self._stream = stream
        self._length = length
        self._kept = kept
        self._store: Store | None = store
        self._parts: list[bytes] = []
        self._size = 0

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._stream)
        except StopAsyncIteration:
            store, self._store = self._store, None
            if store is not None and self._length in (None, self._size):
                await store(self._kept, b"".join(self._parts))
            raise
        if self._store is not None:
            self._size += len(chunk)
            self._parts.append(chunk)
            if self._size > MAX_CACHED_BODY:
                self._store = None
                self._parts.clear()
        return chunk

    async def aclose(self) -> None:
        self._store = None
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()
