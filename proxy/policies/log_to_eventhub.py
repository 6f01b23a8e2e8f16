"""`log-to-eventhub`: sends a text to the event hub of a logger, over HTTPS and in the background.

Rules
1. The request never waits for it. What cannot be sent is dropped, and the trace or the log of the sidecar says so.
2. A message over 200 KB is cut to 204,000 bytes, at a whole character.
3. Calls are signed with the key of the logger's connection string (a shared access signature of this hub, good for
   half an hour at most); without a key they carry a token of the gateway's own identity.

https://learn.microsoft.com/azure/api-management/log-to-eventhub-policy
https://learn.microsoft.com/rest/api/eventhub/send-event
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from proxy.messages import Body, Headers, Url
from proxy.pipeline.calls import absolute_url
from proxy.pipeline.registry import ANYWHERE, Handler, policy
from proxy.ports import Outgoing

if TYPE_CHECKING:
    from proxy.config.resources import EventHub, Logger
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

LIMIT, CUT = 200 * 1024, 204_000  # bytes
TIMEOUT = 30.0  # seconds
VERSION = "2014-01"
SIGNED_FOR = 1800  # seconds a signature is good for; a new one is made in half that time
AUDIENCE = "https://eventhubs.azure.net"
SCOPES = frozenset({"global", "product", "api", "operation"})


@policy("log-to-eventhub", sections=ANYWHERE, scopes=SCOPES)
def log_to_eventhub(element: Element, compiler: Compiler) -> Handler:
    """Send a text to an event hub, without waiting for it."""
    name = element.string("logger-id")
    partition = element.literal("partition-id", "")
    key = element.string("partition-key", "")
    message = element.body_content()
    if partition and element.has("partition-key"):
        element.issue("Attributes 'partition-id' and 'partition-key' exclude each other.", "invalid-attribute")
    path = f"/partitions/{quote(partition, safe='')}/messages" if partition else "/messages"

    def destination(logger: Logger | None) -> tuple[EventHub, Url] | None:
        hub = logger.hub if logger else None
        target = absolute_url(f"{hub.url}{path}?timeout=60&api-version={VERSION}") if hub else None
        return (hub, target) if hub and target else None

    if name.constant:
        logger = compiler.logger(element, name.value) if name.value else None
        if logger is not None and logger.hub is None:
            told = f"Logger '{name.value}' is not of an event hub: its events are dropped."
            element.issue(told, "unknown-logger", severity="warning")
        destinations = {name.value: destination(logger)}
    else:
        destinations = {each: destination(logger) for each, logger in compiler.any_logger().items()}

    def handle(exchange: Exchange) -> None:
        content = _cut(message.get(exchange))
        partition_key = key.get(exchange)
        wanted = name.get(exchange)
        found = destinations.get(wanted)
        if found is None:
            exchange.traces.append(("log-to-eventhub", "error", f"There is no event hub behind logger '{wanted}'.", {}))
            return
        hub, target = found
        headers = Headers({"Content-Type": "application/atom+xml;type=entry;charset=utf-8"})
        if partition_key:
            headers["BrokerProperties"] = json.dumps({"PartitionKey": partition_key})
        authorize = None
        if hub.key:
            now = int(exchange.ports.clock.utcnow().timestamp())
            headers["Authorization"] = _signature(hub, (now // (SIGNED_FOR // 2)) * (SIGNED_FOR // 2) + SIGNED_FOR)
        else:
            tokens = exchange.ports.tokens

            async def authorize() -> str:
                return f"Bearer {await tokens.token(AUDIENCE, hub.client_id)}"

        outgoing = Outgoing("POST", target, headers, Body(content), TIMEOUT, guarded=True)
        if not exchange.ports.errands.run(outgoing, authorize):
            exchange.traces.append(("log-to-eventhub", "error", "Too many requests are in flight: dropped.", {}))

    return handle


def _cut(content: bytes) -> bytes:
    return content if len(content) <= LIMIT else content[:CUT].decode("utf-8", "ignore").encode()


@lru_cache(maxsize=256)
def _signature(hub: EventHub, expires: int) -> str:
    """https://learn.microsoft.com/azure/event-hubs/authenticate-shared-access-signature"""
    resource = quote_plus(hub.url.lower())
    digest = hmac.new(hub.key.encode(), f"{resource}\n{expires}".encode(), hashlib.sha256).digest()
    signed = quote_plus(base64.b64encode(digest))
    return f"SharedAccessSignature sr={resource}&sig={signed}&se={expires}&skn={hub.key_name}"
