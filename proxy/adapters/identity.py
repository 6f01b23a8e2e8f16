"""The Tokens port: access tokens of this gateway's own identity, from the platform's token endpoint.

Rules
1. Three ways, as the platforms have them: a metadata service (IMDS), an App Service endpoint with its secret header,
   and workload identity, where a projected token file is changed for an access token at the authority. Where there is
   no platform, a client secret is changed for one.
2. A token is kept and renewed as proxy/adapters/renewal.py has it, by identity and resource.
3. No token and no secret is logged, nor told in an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from proxy.adapters.openid import target_of
from proxy.adapters.renewal import TIMEOUT, Renewal, Unobtainable
from proxy.errors import GatewayError
from proxy.messages import Body, Headers, Url
from proxy.ports import Clock, Outgoing, Transport
from telemetry.identity import IdentitySettings

log = logging.getLogger("proxy.identity")

MAX_ANSWER = 256 * 1024  # bytes
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class PlatformTokens:
    """Used on the event loop alone."""

    def __init__(self, settings: IdentitySettings, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._renewal: Renewal[str] = Renewal(clock, _tell)

    async def token(self, resource: str, client_id: str = "") -> str:
        async def fetch() -> tuple[str, float]:
            answer = await self._ask(resource, client_id)
            return read_token(answer, self._clock.utcnow().timestamp())

        try:
            return await self._renewal.get((resource, client_id), fetch)
        except Unobtainable as problem:
            raise failure(resource, str(problem)) from None

    async def close(self) -> None:
        await self._renewal.close()

    async def _ask(self, resource: str, client_id: str) -> dict[str, Any]:
        return await ask(self._transport, await self._request(resource, client_id))

    async def _request(self, resource: str, client_id: str) -> Outgoing:
        settings = self._settings
        headers = Headers({"Accept": "application/json"})
        if settings.source in ("workload", "secret"):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            form = {
                "grant_type": "client_credentials",
                "client_id": client_id or settings.client,
                "scope": resource if resource.endswith("/.default") else f"{resource}/.default",
            }
            if settings.source == "secret":
                form["client_id"] = settings.client  # the secret is of this one
                form["client_secret"] = await asyncio.to_thread(settings.client_secret)
            else:
                form["client_assertion_type"] = _ASSERTION
                form["client_assertion"] = (
                    await asyncio.to_thread(Path(settings.token_file).read_text, "utf-8")
                ).strip()
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


def _tell(name: Hashable, problem: str) -> None:
    resource = name[0] if isinstance(name, tuple) else name
    log.warning("no token for %s: %s", resource, problem, extra={"event": "ManagedIdentityFailed"})


async def ask(transport: Transport, outgoing: Outgoing) -> dict[str, Any]:
    """A token endpoint's answer. Raises GatewayError, or ValueError for one that is no success."""
    response = await transport.send(outgoing)
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


def read_token(answer: dict[str, Any], now: float) -> tuple[str, float]:
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
