"""What `log-to-eventhub` said, to the event hubs of the configuration's loggers, over HTTPS.

    POST https://{namespace}/{hub}/messages                         one event, or a batch of them as JSON
    POST https://{namespace}/{hub}/partitions/{id}/messages         the same, where the policy names a partition

Rules
1. Events leave in batches of one partition or partition key: what came together goes together, and while others are
   still under way they wait for each other, at most `LINGER` seconds. A logger that is not buffered sends each by
   itself. HTTPS and not AMQP: it needs no library and no connection that stays.
2. A batch is smaller than what the smallest tier takes, 256 KB.
3. What is in a lane is the event as it was said; it is signed, or given a token, when it is sent.
4. Where a logger may send to is what calls of policies may reach: `net.client.loopback.allowed` and
   `net.client.http.allowed`.

https://learn.microsoft.com/rest/api/eventhub/event-hubs-runtime-rest
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import quote

import orjson

from telemetry.diagnostics import Directory, Logger
from telemetry.event_hub import EventHub, event_hub
from telemetry.https import Closed, Origin, closed_to, permitted
from telemetry.identity import IdentitySettings
from telemetry.lane import Lane
from telemetry.metrics import Metric
from telemetry.records import EventRecord, RequestRecord
from telemetry.settings import Resource
from telemetry.tokens import Tokens

logger = logging.getLogger(__name__)

KIND = "azureEventHub"
AUDIENCE = "https://eventhubs.azure.net"
VERSION = "2014-01"
LIMIT = 240_000  # bytes of the events of a batch
EACH = 200  # bytes that an event costs beside its own
LINGER = 0.25  # seconds
SINGLE, BATCH = "application/atom+xml;type=entry;charset=utf-8", "application/vnd.microsoft.servicebus.json"

Group = tuple[str, str]  # partition id and partition key


class _Hub:
    """One logger's hub: what waits to be put together, and the lane."""

    def __init__(self, name: str, tokens: Tokens, closed: Closed) -> None:
        self._tokens = tokens
        self._closed = closed
        self._hub = EventHub("")
        self._origin: Origin | None = None  # of the lane's thread, for what was the hub when it was made
        self._origin_url = ""
        self._buffered = True
        self.waiting: dict[Group, tuple[list[bytes], int]] = {}
        self.since = 0.0
        self.lane = Lane(f"the event hub of logger {name}", self._send, spool=f"eventhub-{name}")

    def use(self, hub: EventHub, buffered: bool) -> None:
        self._hub, self._buffered = hub, buffered

    def add(self, event: EventRecord) -> None:
        if not self._buffered:
            self._put((event.partition_id, event.partition_key), [event.content])
            return
        if not self.waiting:
            self.since = time.monotonic()
        group = (event.partition_id, event.partition_key)
        held, size = self.waiting.pop(group, ([], 0))
        cost = len(event.content) + EACH
        if held and size + cost > LIMIT:
            self._put(group, held)
            held, size = [], 0
        held.append(event.content)
        self.waiting[group] = (held, size + cost)

    def flush(self) -> None:
        for group, (held, _) in self.waiting.items():
            self._put(group, held)
        self.waiting.clear()

    def _put(self, group: Group, events: list[bytes]) -> None:
        """A line that says where to, then the body."""
        partition, key = group
        texts = [event.decode("utf-8", "replace") for event in events]
        batch = len(events) > 1
        head = {"partition": partition, "key": key, "batch": batch}
        body = events[0]
        if batch:
            more = {"BrokerProperties": {"PartitionKey": key}} if key else {}
            body = orjson.dumps([{"Body": text, **more} for text in texts])
        self.lane.put(orjson.dumps(head) + b"\n" + body, len(events))

    def _send(self, data: bytes, timeout: float) -> None:
        line, _, body = data.partition(b"\n")
        head = orjson.loads(line)
        hub = self._hub
        if self._origin is None or self._origin_url != hub.url:
            self.close()
            self._origin, self._origin_url = Origin(hub.url, self._closed), hub.url
        headers = {"Content-Type": BATCH if head["batch"] else SINGLE, "User-Agent": "passerelle"}
        if head["key"]:
            headers["BrokerProperties"] = json.dumps({"PartitionKey": head["key"]})
        if hub.key:
            headers["Authorization"] = hub.signature(time.time())
        else:
            headers["Authorization"] = f"Bearer {self._tokens.token(AUDIENCE, hub.client_id)}"
        place = f"/partitions/{quote(head['partition'], safe='')}" if head["partition"] else ""
        answer = self._origin.post(f"{place}/messages?timeout=60&api-version={VERSION}", body, headers, timeout)
        if answer.status == 401 and not hub.key:
            self._tokens.forget(AUDIENCE, hub.client_id)
        answer.judge()

    def close(self) -> None:
        """The lane is idle, or calls it."""
        if self._origin is not None:
            self._origin.close()


class EventHubs:
    """A hub for each logger of the configuration."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._closed = closed_to(settings)
        self._settings = settings
        self._tokens = Tokens(IdentitySettings.read(settings))
        self._hubs: dict[str, _Hub] = {}  # by id in lower case
        self._leaving: list[_Hub] = []  # of loggers that are gone
        self._told: set[str] = set()

    @property
    def lanes(self) -> Sequence[Lane]:
        return [hub.lane for hub in (*self._hubs.values(), *self._leaving)]

    @property
    def holds(self) -> bool:
        return any(hub.waiting for hub in self._hubs.values())

    def direct(self, directory: Directory) -> None:
        found = {each.id.lower(): each for each in directory.named(KIND)}
        for name in [name for name in self._hubs if name not in found]:
            gone = self._hubs.pop(name)
            gone.flush()
            self._leaving.append(gone)
        self._told.clear()
        for name, each in found.items():
            hub = self._usable(each)
            if hub is None:
                continue
            if name not in self._hubs:
                self._hubs[name] = self._returned(each) or _Hub(each.id, self._tokens, self._closed)
            self._hubs[name].use(hub, each.buffered)
        self._leave()

    def events(self, events: Iterable[EventRecord]) -> None:
        self._take(events)
        for hub in self._hubs.values():
            if not hub.lane.queued:
                hub.flush()

    def _take(self, events: Iterable[EventRecord]) -> None:
        for event in events:
            hub = self._hubs.get(event.logger.lower())
            if hub is not None:
                hub.add(event)
            elif event.logger not in self._told:
                self._told.add(event.logger)
                logger.warning(
                    "Events for logger '%s' are dropped: it is no event hub that can be used.",
                    event.logger,
                    extra={"event": "EventsDropped"},
                )

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        """Events have a way of their own."""

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Only events go there."""

    def tick(self, resource: Resource) -> None:
        now = time.monotonic()
        for hub in self._hubs.values():
            if now - hub.since >= LINGER:
                hub.flush()
        self._leave()

    def flush(self) -> None:
        for hub in self._hubs.values():
            hub.flush()

    def _usable(self, found: Logger) -> EventHub | None:
        try:
            hub = event_hub(dict(found.credentials))
            if not permitted(hub.url, self._settings):
                raise ValueError("its endpoint is plain http, which net.client.http.allowed forbids")
        except ValueError as problem:
            logger.error(
                "Logger '%s' cannot be used, its events are dropped: %s.",
                found.id,
                problem,
                extra={"event": "LoggerUnusable"},
            )
            return None
        return hub

    def _returned(self, found: Logger) -> _Hub | None:
        """The hub of a logger that was gone for a moment: its lane holds the folder on disk."""
        for hub in self._leaving:
            if hub.lane.spool == f"eventhub-{found.id}":
                self._leaving.remove(hub)
                return hub
        return None

    def _leave(self) -> None:
        for hub in [hub for hub in self._leaving if not hub.lane.queued]:
            hub.lane.finish(time.monotonic())
            hub.close()
            self._leaving.remove(hub)


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> EventHubs:
    return EventHubs(settings)
