"""`log-to-eventhub`: sends a text to the event hub of a logger, in the background.

Rules
1. The request never waits for it. Events go the way of telemetry: to the sidecar's telemetry child, which keeps them
   until the hub takes them (telemetry/exporters/event_hubs.py).
2. What there is no room for is dropped and counted, and the trace says so.
3. A message over 200 KB is cut to 204,000 bytes, at a whole character.

https://learn.microsoft.com/azure/api-management/log-to-eventhub-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.pipeline.registry import ANYWHERE, Handler, policy
from telemetry.records import EventRecord

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

LIMIT, CUT = 200 * 1024, 204_000  # bytes
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
    if name.constant:
        logger = compiler.logger(element, name.value) if name.value else None
        if logger is not None and logger.hub is None:
            told = f"Logger '{name.value}' is not of an event hub: its events are dropped."
            element.issue(told, "unknown-logger", severity="warning")
        loggers = {name.value: logger}
    else:
        loggers = dict(compiler.any_logger())
    hubs = {each for each, logger in loggers.items() if logger is not None and logger.hub is not None}

    def handle(exchange: Exchange) -> None:
        content = _cut(message.get(exchange))
        partition_key = key.get(exchange)
        wanted = name.get(exchange)
        if wanted not in hubs:
            told = f"There is no event hub behind logger '{wanted}'."
        elif exchange.ports.journal.event(EventRecord(wanted, partition, partition_key, content)):
            return
        else:
            told = "Too many events wait to be sent: dropped."
        exchange.traces.append(("log-to-eventhub", "error", told, {}))

    return handle


def _cut(content: bytes) -> bytes:
    return content if len(content) <= LIMIT else content[:CUT].decode("utf-8", "ignore").encode()
