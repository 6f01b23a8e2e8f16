"""The management plane as the agent sees it: four HTTPS calls, with deadlines and bounds.

Rules
1. Every failure is a `CallFailed`.
2. Redirects are failures: the token goes to the configured host only.
3. A plane that asked to be left alone (Retry-After) is asked nothing until then, by any call.
4. A network that swallows packets is given up within seconds, so that its return is met at the next poll.
"""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import io
import json
import socket
import ssl
import time
import zlib
from types import TracebackType
from typing import Any, cast
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver

from syncagent.credential import PREFIX, Credential
from syncagent.errors import CallFailed
from syncagent.feed import Feed, FeedError, FeedParser
from syncagent.names import LastingResolver
from syncagent.settings import Settings, is_loopback
from syncagent.snapshot import Snapshot

HEAD_DEADLINE = 30.0
MAX_RETRY_AFTER = 3600.0
CHUNK = 64 * 1024
LARGEST_ANSWER = 4 * 1024 * 1024
# Left to itself the kernel waits ever longer between two packets, and would answer a healed network after a minute.
CONNECTING = 1  # packets sent again before a connection that nobody answers is given up: 3 s
UNACKNOWLEDGED = 10_000  # milliseconds that what was sent may stay without an acknowledgement


class Plane:
    """An async context manager; one call at a time per method is enough."""

    def __init__(self, settings: Settings, credential: Credential, gateway_id: str) -> None:
        self._settings = settings
        self._credential = credential
        self._base = f"{settings.endpoint}/gateways/{quote(gateway_id, safe='')}"
        self._session: aiohttp.ClientSession | None = None
        self._patience = _Patience()
        self._names = LastingResolver()

    async def __aenter__(self) -> Plane:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def events(self, held: Snapshot | None) -> Feed:
        """What happened since `held`, or a snapshot. Raises CallFailed."""
        query = {} if held is None else {"dataset": held.dataset, "cursor": str(held.cursor)}
        async with self._patience, asyncio.timeout(self._settings.timeout):
            async with asyncio.timeout(min(HEAD_DEADLINE, self._settings.timeout)):
                response = await self._open().get(
                    f"{self._base}/events",
                    params=query,
                    headers={**self._authorization(), "Accept-Encoding": "gzip"},
                    allow_redirects=False,
                )
            async with response:
                _check(response, 200)
                return await _read_feed(response)

    async def heartbeat(self, report: dict[str, Any]) -> None:
        """Raises CallFailed."""
        async with (
            self._patience,
            asyncio.timeout(min(HEAD_DEADLINE, self._settings.timeout)),
            self._open().post(
                f"{self._base}/heartbeat", json=report, headers=self._authorization(), allow_redirects=False
            ) as response,
        ):
            _check(response, 200, 202, 204)

    async def traces(self, batch: list[tuple[str, str]]) -> None:
        """Finished traces, (id, JSON text) each. Raises CallFailed."""
        listed = ",".join(f'{{"id":{json.dumps(id)},"document":{document}}}' for id, document in batch)
        async with (
            self._patience,
            asyncio.timeout(min(HEAD_DEADLINE, self._settings.timeout)),
            self._open().post(
                f"{self._base}/traces",
                data=io.BytesIO(f'{{"traces":[{listed}]}}'.encode()),
                headers={**self._authorization(), "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response,
        ):
            _check(response, 200, 202, 204)

    async def counters(self, report: dict[str, Any]) -> dict[str, Any]:
        """Figures and quota counters; the answer is what the plane wants of the latter. Raises CallFailed."""
        async with (
            self._patience,
            asyncio.timeout(min(HEAD_DEADLINE, self._settings.timeout)),
            self._open().post(
                f"{self._base}/counters",
                data=io.BytesIO(json.dumps(report).encode()),
                headers={**self._authorization(), "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response,
        ):
            _check(response, 200)
            content = await response.content.read(LARGEST_ANSWER + 1)
            while len(content) <= LARGEST_ANSWER and (more := await response.content.read(CHUNK)):
                content += more
            answer = json.loads(content)
            if not isinstance(answer, dict):
                raise ValueError("the answer is no object")
            return answer

    def _open(self) -> aiohttp.ClientSession:
        """Made at the first call: an authority that cannot be read fails the call, not the agent."""
        if self._session is None:
            authority = self._settings.endpoint.partition("://")[2].partition("/")[0]
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    ssl=_tls(self._settings),
                    limit=4,
                    socket_factory=_socket,
                    resolver=cast(AbstractResolver, self._names),
                    use_dns_cache=False,
                ),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                auto_decompress=False,
                trust_env=not is_loopback(authority),
            )
        return self._session

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"{PREFIX}{self._credential.token}"}


class _Patience:
    """Around each call: whatever goes wrong inside leaves as a CallFailed, and what the plane asked for is kept."""

    def __init__(self) -> None:
        self._until = 0.0  # monotonic

    async def __aenter__(self) -> None:
        left = self._until - time.monotonic()
        if left > 0:
            raise CallFailed(f"the plane asked for a rest, of which {left:.0f} s are left", retry_after=left)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, CallFailed) and error.retry_after is not None:
            self._until = time.monotonic() + error.retry_after
        if isinstance(error, TimeoutError):
            raise CallFailed("the plane did not answer in time", answered=False) from None
        if isinstance(error, FeedError):
            raise CallFailed(f"the answer is not usable: {error}") from None
        if isinstance(error, aiohttp.ClientError | OSError | ssl.SSLError):
            reason = str(error) or type(error).__name__
            raise CallFailed(f"the plane cannot be reached: {reason}", answered=False) from None
        if isinstance(error, ValueError):
            raise CallFailed(f"the call cannot be made: {error}") from None


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    made = socket.socket(*address[:3])
    for option, value in (("TCP_SYNCNT", CONNECTING), ("TCP_USER_TIMEOUT", UNACKNOWLEDGED)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _check(response: aiohttp.ClientResponse, *wanted: int) -> None:
    if response.status in wanted:
        return
    if response.status in (401, 403):
        raise CallFailed(
            f"the plane refuses the gateway token ({response.status}): it is wrong, has expired, or its key was "
            "regenerated; generate a new one and replace it",
            refused=True,
        )
    if response.status == 404:
        raise CallFailed(
            "the plane knows no such gateway (404): check config.service.endpoint and the token", refused=True
        )
    retry_after = _retry_after(response.headers.get("Retry-After"))
    unfit = response.status in (400, 413)
    raise CallFailed(f"the plane answers {response.status}", retry_after=retry_after, unfit=unfit)


def _retry_after(value: str | None) -> float | None:
    """Seconds; accepts both forms of the header, and nothing longer than an hour."""
    if value is None:
        return None
    value = value.strip()
    if value.isdigit():
        return min(float(value), MAX_RETRY_AFTER)
    try:
        at = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=datetime.UTC)
    seconds = (at - datetime.datetime.now(datetime.UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


async def _read_feed(response: aiohttp.ClientResponse) -> Feed:
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("gzip", "identity"):
        raise FeedError(f"its encoding is {encoding}")
    inflate = zlib.decompressobj(31) if encoding == "gzip" else None
    parser = FeedParser()
    async for chunk in response.content.iter_chunked(CHUNK):
        if inflate is None:
            parser.write(chunk)
            continue
        try:
            # In small steps, so that a bomb meets the parser's bounds before it fills the memory.
            while chunk and not inflate.eof:
                parser.write(inflate.decompress(chunk, CHUNK * 4))
                chunk = inflate.unconsumed_tail
        except zlib.error as error:
            raise FeedError(f"its compression is damaged: {error}") from None
    if inflate is not None:
        while not inflate.eof and (rest := inflate.decompress(inflate.unconsumed_tail, CHUNK * 4)):
            parser.write(rest)
        if not inflate.eof:
            raise FeedError("the compressed answer is cut short")
    return parser.close()


def _tls(settings: Settings) -> ssl.SSLContext | bool:
    if settings.endpoint.startswith("http://"):
        return True
    try:
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    except OSError as error:
        reason = f"config.service.endpoint.ca: {settings.ca_file} cannot be used: {error.strerror or error}"
        raise CallFailed(reason, answered=False) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not settings.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
