"""Local metrics: StatsD over UDP, `telemetry.metrics.local` statsd.

    Requests:1|c                 a counter, with the dimensions that OTLP has
    DurationInMS:374|ms          timings; BackendDurationInMS and ClientDurationInMS too, with the host name alone

    tag format   where tags stand
    dogStatsD    Requests:1|c|@0.5|#Hostname:gw,Status:Successful
    librato      Requests#Hostname=gw,Status=Successful:1|c|@0.5
    influxDB     Requests,Hostname=gw,Status=Successful:1|c|@0.5
    none         nowhere

Rules
1. `sampling` is decided per request: all its lines are sent, or none; the rate is told, so that counters come out
   right.
2. Lines are put together to datagrams that fit a packet of any network. What nobody takes is counted and gone.
3. A tag's value has no character that means something to a server.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from telemetry.batch import Batch
from telemetry.datagrams import Datagrams
from telemetry.lane import Lane
from telemetry.log import choice
from telemetry.metrics import HOSTNAME, REQUEST_DIMENSIONS, Metric, request_values
from telemetry.records import RequestRecord
from telemetry.settings import Resource, address

SETTING = "telemetry.metrics.local"
PREFIX = "telemetry.metrics.local.statsd"
FORMATS = ("dogstatsd", "librato", "influxdb", "none")
PACKET = 1432  # bytes
PORT = "8125"
_MEANS_SOMETHING = re.compile(r"[^\w./+-]", re.ASCII)

Tags = tuple[tuple[str, str], ...]


class StatsD:
    """`rate` is above 0 and at most 1; `tags` is one of FORMATS."""

    def __init__(
        self, target: tuple[str, int], rate: float, tags: str, chance: Callable[[], float] = random.random
    ) -> None:
        self._rate = rate
        self._suffix = "" if rate == 1 else f"|@{rate:g}"
        self._format = tags
        self._chance = chance
        self._lane = Lane("StatsD", Datagrams(target).send)
        self.lanes = (self._lane,)
        self._name = lru_cache(maxsize=4096)(self._parts)

    def records(self, batch: Batch, resource: Resource) -> None:
        lines: list[str] = []
        requests: Counter[Tags] = Counter()
        key = ("statsd", resource)
        for record, kind in zip(batch, batch.kinds, strict=True):
            if self._rate < 1 and self._chance() >= self._rate:
                continue
            if (made := kind.made.get(key)) is None:
                made = kind.made[key] = _tags(record, resource)
            tags, host = made
            requests[tags] += 1
            lines.append(self._line("DurationInMS", record.total_ms, "ms", host))
            lines.append(self._line("ClientDurationInMS", record.client_ms, "ms", host))
            if record.backend_url:
                lines.append(self._line("BackendDurationInMS", record.backend_ms, "ms", host))
        lines += [self._line("Requests", count, "c", tags) for tags, count in requests.items()]
        self._put(lines)

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """A StatsD server adds up by itself."""

    def tick(self, resource: Resource) -> None:
        """Nothing is collected."""

    def _line(self, metric: str, value: float, kind: str, tags: Tags) -> str:
        head, tail = self._name(metric, tags)
        number = f"{value:.3f}".rstrip("0").rstrip(".") if kind == "ms" else f"{value:g}"
        return f"{head}:{number}|{kind}{self._suffix}{tail}"

    def _parts(self, metric: str, tags: Tags) -> tuple[str, str]:
        """What stands before the value and what after the rate."""
        if self._format == "none":
            return metric, ""
        mark = ":" if self._format == "dogstatsd" else "="
        joined = ",".join(f"{name}{mark}{_MEANS_SOMETHING.sub('_', value)}" for name, value in tags)
        if self._format == "dogstatsd":
            return metric, f"|#{joined}"
        return f"{metric}{'#' if self._format == 'librato' else ','}{joined}", ""

    def _put(self, lines: Sequence[str]) -> None:
        packet: list[str] = []
        size = 0
        for line in lines:  # all ASCII, so characters are bytes
            if packet and size + len(line) + 1 > PACKET:
                self._lane.put("\n".join(packet).encode(), len(packet))
                packet, size = [], 0
            packet.append(line)
            size += len(line) + 1
        if packet:
            self._lane.put("\n".join(packet).encode(), len(packet))


def _tags(record: RequestRecord, resource: Resource) -> tuple[Tags, Tags]:
    """Those of the counter and of the timings: a kind decides them."""
    values = request_values(record, resource)
    return tuple(zip(REQUEST_DIMENSIONS, values, strict=True)), (("Hostname", values[HOSTNAME]),)


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> StatsD | None:
    if choice(settings, SETTING, ("none", "statsd"), "none") == "none":
        return None
    name = f"{PREFIX}.endpoint"
    text = settings.get(name, "").strip()
    target = address(settings, name, f"{text}:{PORT}" if text and ":" not in text else "")
    if target is None:
        raise ValueError(f"setting {name} is empty; with telemetry.metrics.local statsd it must be host:port")
    name = f"{PREFIX}.sampling"
    text = settings.get(name, "").strip() or "1"
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise ValueError(f"setting {name} is {text!r}; it must be a number from 0 to 1")
    tags = choice(settings, f"{PREFIX}.tag-format", FORMATS, "dogstatsd")
    return StatsD(target, rate, tags) if rate else None
