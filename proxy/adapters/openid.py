"""The Keys port: metadata and key sets of OpenID providers, over the Transport.

Rules
1. Only a URL of a document is asked, and the `jwks_uri` of its metadata; https alone, no address of this machine or
   link, unless local targets are allowed (`Outgoing.guarded`). Redirects are followed to the same host alone.
2. An answer has at most MAX_ANSWER bytes and comes within TIMEOUT seconds, or it is a failure.
3. Keys are fresh for FRESH seconds; then they are fetched again in the back while the old ones serve, and go on
   serving while the provider is down.
4. A token that names an unknown key has the keys fetched again, at most every UNKNOWN seconds. A provider of which
   nothing is known is tried again after RETRY seconds; until then its tokens are refused at once.
5. There is one fetch at a time for a provider, whoever asks, and PARALLEL altogether.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import orjson

from proxy.messages import DEFAULT_PORTS, Body, Headers, Url
from proxy.ports import Clock, Outgoing, Transport
from proxy.tokens.keys import KeySet

log = logging.getLogger("proxy.openid")

MAX_ANSWER = 1024 * 1024  # bytes
TIMEOUT = 5.0  # seconds, for each of the two calls
FRESH = 3600.0
UNKNOWN = 300.0
RETRY = 60.0
MAX_PROVIDERS = 1024
MAX_REDIRECTS = 3
PARALLEL = 8


@dataclass(slots=True)
class _Provider:
    """Times are monotonic seconds; `tried` is when the last fetch began."""

    held: KeySet | None = None
    fetched: float = float("-inf")
    tried: float = float("-inf")
    flight: asyncio.Task[None] | None = None


class OpenIdKeys:
    """Used on the event loop alone."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._providers: OrderedDict[str, _Provider] = OrderedDict()
        self._lanes = asyncio.Semaphore(PARALLEL)

    def held(self, url: str) -> KeySet | None:
        provider = self._provider(url)
        now = self._clock.monotonic()
        if now - provider.fetched >= FRESH and now - provider.tried >= (UNKNOWN if provider.held else RETRY):
            self._fetch(url, provider, now)
        return provider.held

    async def keys(self, url: str, unknown: str = "") -> KeySet | None:
        provider = self._provider(url)
        held = provider.held
        if held is not None and not (unknown and unknown not in held.by_name):
            return held
        now = self._clock.monotonic()
        if provider.flight is None and now - provider.tried < (UNKNOWN if held is not None else RETRY):
            return held
        await asyncio.shield(self._fetch(url, provider, now))
        return provider.held

    def prefetch(self, urls: Iterable[str]) -> None:
        now = self._clock.monotonic()
        for url in urls:
            provider = self._provider(url)
            if provider.held is None and now - provider.tried >= RETRY:
                self._fetch(url, provider, now)

    async def close(self) -> None:
        flights = [each.flight for each in self._providers.values() if each.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _provider(self, url: str) -> _Provider:
        provider = self._providers.get(url)
        if provider is not None:
            self._providers.move_to_end(url)
            return provider
        provider = self._providers[url] = _Provider()
        if len(self._providers) > MAX_PROVIDERS:
            self._providers.popitem(last=False)
        return provider

    def _fetch(self, url: str, provider: _Provider, now: float) -> asyncio.Task[None]:
        if provider.flight is None:
            provider.tried = now
            provider.flight = asyncio.create_task(self._fly(url, provider))
        return provider.flight

    async def _fly(self, url: str, provider: _Provider) -> None:
        try:
            async with self._lanes:
                provider.held = await self._ask(url)
            provider.fetched = self._clock.monotonic()
            log.info("%d signing keys of %s", len(provider.held.keys), url, extra={"event": "SigningKeys"})
        except Exception as problem:  # a provider may answer anything; no request fails of it in another way
            instead = "those held go on serving" if provider.held else "its tokens are refused"
            log.warning("no signing keys from %s: %s; %s", url, problem, instead, extra={"event": "SigningKeysFailed"})
        finally:
            provider.flight = None

    async def _ask(self, url: str) -> KeySet:
        metadata = await self._json(url)
        issuer, where = metadata.get("issuer"), metadata.get("jwks_uri")
        if not isinstance(issuer, str) or not issuer or not isinstance(where, str):
            raise ValueError("its metadata has no issuer or no jwks_uri")
        return KeySet.read(issuer, await self._json(where))

    async def _json(self, url: str) -> dict[str, object]:
        try:
            async with asyncio.timeout(TIMEOUT):
                found = orjson.loads(await self._content(url))
        except TimeoutError:
            raise ValueError(f"{url} took more than {TIMEOUT:g} seconds") from None
        except orjson.JSONDecodeError as wrong:
            raise ValueError(f"{url} answered no JSON") from wrong
        if not isinstance(found, dict):
            raise ValueError(f"{url} answered no JSON object")
        return found

    async def _content(self, url: str) -> bytes:
        for _ in range(MAX_REDIRECTS + 1):
            target = target_of(url)
            headers = Headers({"Accept": "application/json", "User-Agent": "passerelle"})
            outgoing = Outgoing("GET", target, headers, Body(), TIMEOUT, guarded=True)
            response = await self._transport.send(outgoing)
            try:
                if response.status == 200:
                    return await response.body.read(MAX_ANSWER)
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or not location:
                    raise ValueError(f"{url} answered {response.status}")
                url = urljoin(url, location)
                following = target_of(url)
                if (following.scheme, following.host, following.port) != (target.scheme, target.host, target.port):
                    raise ValueError(f"a redirect to another host, {following.authority}")
            finally:
                await response.body.discard()
        raise ValueError(f"more than {MAX_REDIRECTS} redirects")


def target_of(text: str) -> Url:
    """An absolute http or https URL without userinfo. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"{text!r:.200} is no http URL")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Url(parts.scheme, parts.hostname, port, parts.path or "/", parts.query)
