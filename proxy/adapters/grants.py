"""The Grants port: access tokens of connections to credential providers, by the OAuth 2 client credentials grant.

Rules
1. A token is kept and renewed as proxy/adapters/renewal.py has it, by all that is posted for it: two connections that
   are alike share one, and one that is changed fetches anew.
2. An answer that does not say when its token ends is good for LIFE.
3. No token and no secret is logged, nor told in an error.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Hashable
from typing import Any
from urllib.parse import urlencode

from proxy.adapters.identity import ask, read_token
from proxy.adapters.openid import target_of
from proxy.adapters.renewal import TIMEOUT, Renewal, Unobtainable
from proxy.config.resources import Connection
from proxy.errors import GatewayError
from proxy.messages import Body, Headers
from proxy.ports import Clock, Grant, Outgoing, Transport

log = logging.getLogger("proxy.grants")

LIFE = 600.0  # seconds
REASON = "AuthorizationFailure"
_KEPT_BACK = frozenset({"access_token", "refresh_token", "id_token"})


class OAuthGrants:
    """Used on the event loop alone."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._renewal: Renewal[Grant] = Renewal(clock, _tell)

    async def grant(self, connection: Connection) -> Grant:
        if connection.problem:
            raise failure(connection, connection.problem)
        content = urlencode(connection.form).encode()
        posted = hashlib.sha256(connection.token_url.encode() + b"\0" + content).digest()

        async def fetch() -> tuple[Grant, float]:
            headers = Headers({"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"})
            url = target_of(connection.token_url)
            answer = await ask(self._transport, Outgoing("POST", url, headers, Body(content), TIMEOUT))
            return self._read(answer)

        try:
            return await self._renewal.get((connection.id, posted), fetch)
        except Unobtainable as problem:
            raise failure(connection, str(problem)) from None

    async def close(self) -> None:
        await self._renewal.close()

    def _read(self, answer: dict[str, Any]) -> tuple[Grant, float]:
        ends = answer if "expires_in" in answer or "expires_on" in answer else {**answer, "expires_in": LIFE}
        token, life = read_token(ends, self._clock.utcnow().timestamp())
        return Grant(token, {name: value for name, value in answer.items() if name not in _KEPT_BACK}), life


def failure(connection: Connection, detail: str) -> GatewayError:
    return GatewayError(
        f"An access token of connection '{connection.id}' could not be obtained.", reason=REASON, detail=detail
    )


def _tell(name: Hashable, problem: str) -> None:
    connection = name[0] if isinstance(name, tuple) else name
    log.warning("no token of connection %s: %s", connection, problem, extra={"event": "AuthorizationFailed"})
