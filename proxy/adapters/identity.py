"""The Tokens port: access tokens of this gateway's own identity, from the platform's token endpoint.

Rules
1. Three ways, as the platforms have them: a metadata service (IMDS), an App Service endpoint with its secret header,
   and workload identity, where a projected token file is changed for an access token at the authority.
2. A token is kept until MARGIN seconds before its end, or for half of its life where that is later. A new one that
   cannot be had leaves the old one in use until it ends.
3. One call at a time for an identity and a resource, whoever asks; after a failure none for RETRY seconds.
4. No token and no secret is logged, nor told in an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from proxy.adapters.openid import target_of
from proxy.errors import GatewayError
from proxy.messages import Body, Headers, Url
from proxy.ports import Clock, Outgoing, Transport
from proxy.settings import IdentitySettings

log = logging.getLogger("proxy.identity")

MARGIN = 300.0  # seconds
RETRY = 5.0
TIMEOUT = 10.0
MAX_ANSWER = 256 * 1024  # bytes
MAX_TOKENS = 1024
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(slots=True)
class _Entry:
    """Times are monotonic seconds. `problem` is what the last call failed with, tried at `tried`."""

    token: str = ""
    renew: float = 0.0
    end: float = 0.0
    problem: str = ""
    tried: float = float("-inf")
    flight: asyncio.Task[None] | None = None


class PlatformTokens:
    """Used on the event loop alone."""

    def __init__(self, settings: IdentitySettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()

    async def token(self, resource: str, client_id: str = "") -> str:
        name = (resource, client_id)
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = _Entry()
            if len(self._entries) > MAX_TOKENS:
                self._entries.popitem(last=False)
        if self._clock.monotonic() < entry.renew:
            return entry.token
        if entry.flight is None and self._clock.monotonic() - entry.tried >= RETRY:
            entry.tried = self._clock.monotonic()
            entry.flight = asyncio.create_task(self._renew(entry, resource, client_id))
        if entry.flight is not None:
            await asyncio.shield(entry.flight)
        if self._clock.monotonic() < entry.end:
            return entry.token
        raise failure(resource, entry.problem)

    async def close(self) -> None:
        flights = [each.flight for each in self._entries.values() if each.flight is not None]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _renew(self, entry: _Entry, resource: str, client_id: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                answer = await self._ask(resource, client_id)
            token, life = _read(answer, self._clock.utcnow().timestamp())
            now = self._clock.monotonic()
            entry.token, entry.end, entry.problem = token, now + life, ""
            entry.renew = now + max(life - MARGIN, life / 2)
        except Exception as problem:  # whatever the endpoint does, requests fail in one way
            entry.problem = "the token endpoint was too slow" if isinstance(problem, TimeoutError) else str(problem)
            log.warning("no token for %s: %s", resource, entry.problem, extra={"event": "ManagedIdentityFailed"})
        finally:
            entry.flight = None

    async def _ask(self, resource: str, client_id: str) -> dict[str, Any]:
        outgoing = await self._request(resource, client_id)
        response = await self._transport.send(outgoing)
        try:
            content = await response.body.read(MAX_ANSWER)
        finally:
            await response.body.discard()
        try:
            answer = orjson.loads(content)
        except orjson.JSONDecodeError:
            answer = None
        if response.status != 200 or not isinstance(answer, dict):
            code = answer.get("error") if isinstance(answer, dict) else None
            told = f", {code}" if isinstance(code, str) and len(code) < 100 else ""
            raise ValueError(f"{outgoing.url.authority} answered {response.status}{told}")
        return answer

    async def _request(self, resource: str, client_id: str) -> Outgoing:
        settings = self._settings
        headers = Headers({"Accept": "application/json"})
        if settings.source == "workload":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            assertion = (await asyncio.to_thread(Path(settings.token_file).read_text, "utf-8")).strip()
            form = {
                "grant_type": "client_credentials",
                "client_id": client_id or settings.client,
                "scope": resource if resource.endswith("/.default") else f"{resource}/.default",
                "client_assertion_type": _ASSERTION,
                "client_assertion": assertion,
            }
            url = target_of(f"{settings.authority.rstrip('/')}/{quote(settings.tenant)}/oauth2/v2.0/token")
            return Outgoing("POST", url, headers, Body(urlencode(form).encode()), TIMEOUT)
        query = {"resource": resource, **({"client_id": client_id} if client_id else {})}
        if settings.source == "imds":
            headers["Metadata"] = "true"
            return Outgoing("GET", _with(settings.endpoint, query, "2018-02-01"), headers, Body(), TIMEOUT)
        if settings.source == "appservice":
            headers["X-IDENTITY-HEADER"] = settings.header
            return Outgoing("GET", _with(settings.endpoint, query, "2019-08-01"), headers, Body(), TIMEOUT)
        raise ValueError(
            "this gateway has no identity. Set policy.identity.source, or run it where the platform gives one"
        )


def failure(resource: str, detail: str) -> GatewayError:
    return GatewayError(
        f"An access token for {resource} could not be obtained from the managed identity.",
        reason="ManagedIdentityFailure",
        detail=detail,
    )


def _with(endpoint: str, query: dict[str, str], version: str) -> Url:
    url = target_of(endpoint)
    added = urlencode({"api-version": version, **query}, quote_via=quote, safe="")
    return Url(url.scheme, url.host, url.port, url.path, f"{url.query}&{added}" if url.query else added)


def _read(answer: dict[str, Any], now: float) -> tuple[str, float]:
    """Token and seconds of life; `expires_in` is seconds, `expires_on` seconds since 1970, both also as texts."""
    token = answer.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise ValueError("the answer holds no access_token")
    for name, begin in (("expires_in", 0.0), ("expires_on", now)):
        try:
            return token, max(float(answer[name]) - begin, 0.0)
        except (KeyError, TypeError, ValueError):
            continue
    raise ValueError("the answer does not say when the token ends")
