"""Backends that are services of a Service Fabric cluster: where their partitions are, and calls that are repeated since
they moved.

Rules
1. The cluster's management endpoints are asked over their HTTP API, one after the other until one answers. What they
   say is kept by service, partition and listener, and outlives configurations.
2. A partition key that is a whole number names a partition by range, any other text one by name; no key the only one.
3. Without sf-replica-type, and for `primary`, it is the primary replica or the only instance; of several secondary ones
   or instances each has its turn.
4. When sf-resolve-condition is true after a call, or after one that failed, the partition is resolved anew and the call
   is repeated, as often as the backend entity allows. A call that failed has the partition resolved anew in any case,
   for the next request.

https://learn.microsoft.com/azure/api-management/how-to-configure-service-fabric-backend
https://learn.microsoft.com/rest/api/servicefabric/sfclient-api-resolveservice
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from proxy.errors import BackendConnectionFailure, ExpressionFailed, GatewayError
from proxy.messages import Body, Headers, Response, Url
from proxy.pipeline.backends import parse_base
from proxy.pipeline.usage import parse
from proxy.ports import Outgoing, whole_answer

if TYPE_CHECKING:
    from proxy.config.resources import Backend, Cluster
    from proxy.exchange import Exchange
    from proxy.pipeline.values import Value

VERSION = "6.0"
TIMEOUT = 30.0  # seconds
MAX_RESOLVED = 10_000
REPLICAS = ("primary", "secondary", "any")
_INTEGER = re.compile(r"-?\d{1,19}")
_KINDS = {
    "primary": ("StatefulPrimary", "Stateless"),
    "secondary": ("StatefulSecondary",),
    "any": ("Stateless", "StatefulPrimary", "StatefulSecondary"),
}


@dataclass(slots=True)
class Resolved:
    """Where a partition is: addresses by kind of replica, each with those of its listeners; `turn` counts calls."""

    endpoints: list[tuple[str, dict[str, str]]]
    version: str
    turn: int = 0


@dataclass(slots=True)
class FabricCall:
    """What set-backend-service asked for, evaluated at that moment but for the condition."""

    backend: Backend
    service: str
    key: str | None
    replica: str
    listener: str
    condition: Value[bool] | None

    @property
    def name(self) -> str:
        return "\0".join((self.backend.id, self.service, self.key or ""))

    async def resolve(self, exchange: Exchange, anew: bool = False) -> None:
        """Set the request's base to where the partition is. Raises BackendConnectionFailure."""
        kept = exchange.ports.resolved
        found = kept.get(self.name)
        if found is None or anew:
            found = await self._ask(exchange, found.version if found is not None else "")
            if len(kept) >= MAX_RESOLVED:
                kept.clear()
            kept[self.name] = found
        exchange.request.base = self._choose(found)

    def forget(self, exchange: Exchange) -> None:
        exchange.ports.resolved.pop(self.name, None)

    def _choose(self, found: Resolved) -> Url:
        wanted = _KINDS[self.replica]
        listed = [listeners for kind, listeners in found.endpoints if kind in wanted]
        found.turn += 1
        for index in range(len(listed)):
            listeners = listed[(found.turn + index) % len(listed)]
            text = listeners.get(self.listener) or ("" if self.listener else next(iter(listeners.values()), ""))
            if text:
                try:
                    return parse_base(text)
                except ValueError as wrong:
                    raise BackendConnectionFailure(str(wrong)) from wrong
        which = f" with listener '{self.listener}'" if self.listener else ""
        raise BackendConnectionFailure(f"Service '{self.service}' has no {self.replica} replica{which}.")

    async def _ask(self, exchange: Exchange, version: str) -> Resolved:
        assert self.backend.cluster is not None
        query = {"api-version": VERSION, "PartitionKeyType": "1"}
        if self.key is not None:
            query |= {"PartitionKeyType": "2" if _INTEGER.fullmatch(self.key) else "3", "PartitionKeyValue": self.key}
        if version:
            query["PreviousRspVersion"] = version
        identity = quote(self.service.removeprefix("fabric:").strip("/").replace("/", "~"), safe="~")
        problem = ""
        for endpoint in self.backend.cluster.endpoints:
            url = Url.parse(f"{endpoint}/Services/{identity}/$/ResolvePartition?{urlencode(query, quote_via=quote)}")
            if url is None:
                problem = f"{endpoint!r} is no URL"
                continue
            try:
                return _read(await _asked(exchange, self.backend.cluster, url))
            except GatewayError as failure:
                problem = failure.message
        raise BackendConnectionFailure(f"Service '{self.service}' could not be resolved: {problem}")


async def _asked(exchange: Exchange, cluster: Cluster, url: Url) -> Any:
    outgoing = Outgoing("GET", url, Headers({"Accept": "application/json"}), Body(), TIMEOUT)
    outgoing.identity, outgoing.thumbprints = cluster.identity, cluster.thumbprints
    answer = await whole_answer(exchange.transport, outgoing)
    if answer.status != 200:
        raise BackendConnectionFailure(f"the cluster answered {answer.status}")
    return parse(answer.body.content())


def _read(answer: Any) -> Resolved:
    """An endpoint's address is a text of JSON with its listeners, or a plain URL."""
    try:
        endpoints = []
        for each in answer["Endpoints"]:
            text = each["Address"]
            inner = parse(text.encode())
            listeners = inner["Endpoints"] if isinstance(inner, dict) else {"": text}
            endpoints.append((str(each["Kind"]), {str(name): str(url) for name, url in listeners.items()}))
        return Resolved(endpoints, str(answer.get("Version") or ""))
    except (KeyError, TypeError, AttributeError) as unclear:
        raise BackendConnectionFailure("the cluster's answer is not understood") from unclear


async def repeated(exchange: Exchange, call: FabricCall, send: Callable[[], Awaitable[Response]]) -> Response:
    """The answer to a call, repeated as rule 4 has it; `send` leaves what it got in `exchange.response`."""
    assert call.backend.cluster is not None
    left = call.backend.cluster.retries
    former = exchange.last_error
    while True:
        problem: GatewayError | None = None
        response: Response | None = None
        try:
            response = await send()
        except GatewayError as failure:
            problem = failure
            exchange.last_error = replace(failure.last_error(exchange.elapsed_ms()), source="forward-request")
        try:
            again = left > 0 and _replayable(exchange) and call.condition is not None and call.condition.get(exchange)
        except ExpressionFailed:
            if problem is None:
                raise
            again = False  # it asks for the status of a response, and there is none
        finally:
            exchange.last_error = former
        if problem is not None and not again:
            call.forget(exchange)
            raise problem
        if response is not None and not again:
            return response
        left -= 1
        if response is not None:
            await response.body.discard()
            exchange.response = None
        await call.resolve(exchange, anew=True)


def _replayable(exchange: Exchange) -> bool:
    """Whether the request body can be sent once more."""
    body = exchange.request.body
    return body.buffered and body.length == len(body.content())
