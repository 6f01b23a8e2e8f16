"""Cloud metrics: Requests, Duration and BackendDuration, each minute, as custom metrics of an Azure resource.

    POST https://{region}.monitoring.azure.com{resource}/metrics

Rules
1. On unless `telemetry.metrics.cloud` is false, but only where `telemetry.metrics.cloud.resource` names a resource:
   nothing tells a gateway without Azure's own configuration endpoint where its metrics belong.
2. Names and dimensions are those of the gateway's platform metrics, in the namespace "API Management".
3. Each document is what one minute added (number, sum, least, greatest). It is kept through an outage; the service
   takes nothing that is older than 20 minutes, and what it refuses is counted.
4. At most `MAX_SERIES` series per metric and minute; what comes later is counted in one series of "(other)".

https://learn.microsoft.com/azure/azure-monitor/essentials/metrics-store-custom-rest-api
https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-apimanagement-service-metrics
"""

from __future__ import annotations

import datetime
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import orjson

from telemetry.exporters.monitor_logs import audience
from telemetry.https import Origin, checked
from telemetry.identity import IdentitySettings
from telemetry.lane import Lane
from telemetry.metrics import Metric, category
from telemetry.records import RequestRecord
from telemetry.settings import Resource, flag
from telemetry.tokens import Tokens, identity

logger = logging.getLogger(__name__)

SETTING = "telemetry.metrics.cloud"
RESOURCE = "telemetry.metrics.cloud.resource"
REGION = "telemetry.metrics.cloud.region"
ENDPOINT = "telemetry.metrics.cloud.endpoint"
NAMESPACE = "API Management"
AUDIENCE = "https://monitoring.azure"
MINUTE = 60  # seconds
GRACE = 2.0  # seconds after a minute's end in which its last records arrive
MAX_SERIES = 2000
SERIES = 500  # per document
NONE, OTHER = "None", "(other)"
_RESOURCE = re.compile(r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers(?:/[^/\s]+){3,}", re.IGNORECASE)

Key = tuple[str, ...]


@dataclass(slots=True)
class _Sums:
    """One metric of one minute: [number, sum, least, greatest] by values of its dimensions."""

    name: str
    dimensions: tuple[str, ...]
    series: dict[Key, list[float]] = field(default_factory=dict)

    def add(self, key: Key, value: float) -> None:
        row = self.series.get(key)
        if row is None:
            if len(self.series) >= MAX_SERIES:
                key = (OTHER,) * len(key)
            row = self.series.setdefault(key, [0, 0.0, value, value])
        row[0] += 1
        row[1] += value
        row[2] = min(row[2], value)
        row[3] = max(row[3], value)

    def documents(self, begin: int) -> Iterator[tuple[bytes, int]]:
        """JSON and number of series of each; `begin` is the minute in Unix seconds."""
        rows = list(self.series.items())
        when = datetime.datetime.fromtimestamp(begin, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for start in range(0, len(rows), SERIES):
            part = rows[start : start + SERIES]
            base = {
                "metric": self.name,
                "namespace": NAMESPACE,
                "dimNames": self.dimensions,
                "series": [
                    {"dimValues": key, "min": least, "max": greatest, "sum": total, "count": count}
                    for key, (count, total, least, greatest) in part
                ],
            }
            yield orjson.dumps({"time": when, "data": {"baseData": base}}), len(part)
        self.series.clear()


class MonitorMetrics:
    """`endpoint` is the regional one; `resource` the ARM id that the metrics are about."""

    def __init__(self, endpoint: str, resource: str, tokens: Tokens, clock: Callable[[], float] = time.time) -> None:
        self._origin = Origin(endpoint)
        self._target = f"{resource}/metrics"
        self._tokens = tokens
        self._audience = audience(endpoint, AUDIENCE)
        self._lane = Lane("Azure Monitor (metrics)", self._send, spool="azure-monitor-metrics")
        self.lanes = (self._lane,)
        self._clock = clock
        self._minute = self._now()
        place = ("Location", "Hostname")
        codes = ("BackendResponseCode", "GatewayResponseCode")
        categories = ("BackendResponseCodeCategory", "GatewayResponseCodeCategory")
        self._requests = _Sums("Requests", (*place, "LastErrorReason", *codes, *categories, "ApiId"))
        self._duration = _Sums("Duration", (*place, "ApiId"))
        self._backend = _Sums("BackendDuration", (*place, "ApiId"))

    def records(self, batch: Sequence[RequestRecord], resource: Resource) -> None:
        location = resource.region or NONE
        for record in batch:
            # A host name that a client invented is no dimension: as in `telemetry/metrics.py`.
            api, host = record.api_id or NONE, (record.host if record.api_id else "") or NONE
            self._requests.add(
                (
                    location,
                    host,
                    (record.last_error.reason if record.last_error else "") or NONE,
                    str(record.backend_status or NONE),
                    str(record.status or NONE),
                    category(record.backend_status),
                    category(record.status),
                    api,
                ),
                1,
            )
            self._duration.add((location, host, api), record.total_ms)
            if record.backend_url:
                self._backend.add((location, host, api), record.backend_ms)

    def tick(self, resource: Resource) -> None:
        minute = self._now()
        if minute != self._minute:
            self.flush()
            self._minute = minute

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """These are cumulative; what Azure wants is counted here."""

    def _now(self) -> int:
        return int(self._clock() - GRACE) // MINUTE

    def flush(self) -> None:
        """What the minute has so far; at the end nothing is left."""
        for sums in (self._requests, self._duration, self._backend):
            for document, count in sums.documents(self._minute * MINUTE):
                self._lane.put(document, count)

    def _send(self, data: bytes, timeout: float) -> None:
        headers = {
            "Authorization": f"Bearer {self._tokens.token(self._audience)}",
            "Content-Type": "application/json",
            "User-Agent": "passerelle",
        }
        answer = self._origin.post(self._target, data, headers, timeout)
        if answer.status == 401:
            self._tokens.forget(self._audience)
        answer.judge()


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> MonitorMetrics | None:
    wanted, resource = flag(settings, SETTING, True), settings.get(RESOURCE, "").strip().rstrip("/")
    if not wanted:
        return None
    if not resource:
        if settings.get(SETTING, "").strip():
            logger.warning(
                "%s is on, but %s is not set: no metrics go to Azure Monitor.",
                SETTING,
                RESOURCE,
                extra={"event": "CloudMetricsOff"},
            )
        return None
    if not _RESOURCE.fullmatch(resource):
        raise ValueError(
            f"setting {RESOURCE} is {resource!r}; it must be the ARM id of a resource, /subscriptions/.../providers/..."
        )
    region, endpoint = settings.get(REGION, "").strip().lower().replace(" ", ""), settings.get(ENDPOINT, "").strip()
    if not endpoint and not re.fullmatch(r"[a-z0-9]+", region):
        raise ValueError(f"setting {REGION} is {region!r}; it must be the region of the resource, such as westeurope")
    url = checked(endpoint or f"https://{region}.monitoring.azure.com", ENDPOINT, settings)
    return MonitorMetrics(url, resource, identity(IdentitySettings.read(settings), RESOURCE))
