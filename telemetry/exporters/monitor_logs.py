"""Request logs to Log Analytics: rows of `encode/rows.py` through the Logs Ingestion API.

    POST {endpoint}/dataCollectionRules/{rule}/streams/{stream}?api-version=2023-01-01

Rules
1. Only when `telemetry.logs.cloud.endpoint` names a data collection endpoint; then the rule and an identity are needed.
2. A request holds at most `LIMIT` bytes of JSON, before compression: the service takes 1 MB. Rows wait for at most
   `LINGER` seconds.
3. A diagnostic of the configuration whose logger is of type azureMonitor decides which requests are told, by sampling
   and `alwaysLog`, and what of their messages; without any, all are.
4. The official client is the oracle of the tests. It is not used here: it would parse the rows again to split and
   compress them, and it keeps nothing through an outage.

https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from telemetry.batch import Batch
from telemetry.diagnostics import Diagnostic, Directory
from telemetry.encode.rows import row
from telemetry.https import Origin, checked
from telemetry.identity import IdentitySettings
from telemetry.lane import Lane
from telemetry.metrics import Metric
from telemetry.records import RequestRecord
from telemetry.sampling import sampled
from telemetry.settings import Resource
from telemetry.tokens import Tokens, identity

KIND = "azureMonitor"
ENDPOINT = "telemetry.logs.cloud.endpoint"
RULE = "telemetry.logs.cloud.rule"
STREAM = "telemetry.logs.cloud.stream"
DEFAULT_STREAM = "Custom-ApiManagementGatewayLogs_CL"
VERSION = "2023-01-01"
AUDIENCE = "https://monitor.azure"
LIMIT = 950_000  # bytes
LINGER = 2.0  # seconds


class MonitorLogs:
    """`endpoint` is the URL of a data collection endpoint, or of a rule that has its own."""

    def __init__(self, endpoint: str, rule: str, stream: str, tokens: Tokens) -> None:
        self._origin = Origin(endpoint)
        self._target = (
            f"/dataCollectionRules/{quote(rule, safe='')}/streams/{quote(stream, safe='')}?api-version={VERSION}"
        )
        self._tokens = tokens
        self._audience = audience(endpoint, AUDIENCE)
        self._lane = Lane("Azure Monitor (logs)", self._send, spool="azure-monitor-logs")
        self.lanes = (self._lane,)
        self._directory = Directory()
        self.waiting = 0  # of the last records, how many are not in the lane
        self._rows: list[bytes] = []
        self._bytes = 0
        self._since = 0.0

    def records(self, batch: Batch, resource: Resource) -> None:
        for record, kind in zip(batch, batch.kinds, strict=True):
            self.waiting += 1
            diagnostic = self._diagnostic(record)
            if diagnostic is not None and sampled(record, diagnostic) is None:
                continue
            made = row(record, kind, resource.region, diagnostic)
            if len(made) > LIMIT:
                self._lane.dropped["too-long"] += 1
                continue
            if self._bytes + len(made) > LIMIT:
                self._flush()
                self.waiting = 1
            if not self._rows:
                self._since = time.monotonic()
            self._rows.append(made)
            self._bytes += len(made) + 1
        if not self._rows:
            self.waiting = 0

    def direct(self, directory: Directory) -> None:
        self._directory = directory

    def _diagnostic(self, record: RequestRecord) -> Diagnostic | None:
        for applied in self._directory.of(record):
            if applied.logger.type == KIND:
                return applied.diagnostic
        return None

    def tick(self, resource: Resource) -> None:
        if self._rows and time.monotonic() - self._since >= LINGER:
            self._flush()

    def metrics(self, metrics: Sequence[Metric], resource: Resource) -> None:
        """Metrics have a way of their own; this is also the end, where no row may be left."""
        self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._lane.put(b"[" + b",".join(self._rows) + b"]", len(self._rows))
            self._rows, self._bytes = [], 0
        self.waiting = 0

    def _send(self, data: bytes, timeout: float) -> None:
        headers = {
            "Authorization": f"Bearer {self._tokens.token(self._audience)}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
            "User-Agent": "passerelle",
        }
        answer = self._origin.post(self._target, gzip.compress(data, 1), headers, timeout)
        if answer.status == 401:
            self._tokens.forget(self._audience)
        answer.judge()


def audience(endpoint: str, stem: str) -> str:
    """The resource that a token is for, in the cloud that `endpoint` is of: https://monitor.azure.com and its like."""
    host = endpoint.partition("://")[2].partition("/")[0].partition(":")[0].lower()
    return f"{stem}.{next((cloud for cloud in ('us', 'cn') if host.endswith(f'.azure.{cloud}')), 'com')}"


def from_settings(settings: Mapping[str, str], read: Callable[[], list[Metric]]) -> MonitorLogs | None:
    endpoint, rule = settings.get(ENDPOINT, "").strip(), settings.get(RULE, "").strip()
    if not endpoint:
        if rule:
            raise ValueError(f"setting {RULE} is {rule!r}, but {ENDPOINT} is not set")
        return None
    if not rule:
        raise ValueError(f"setting {RULE} is empty; it must be the immutable id of the data collection rule (dcr-...)")
    stream = settings.get(STREAM, "").strip() or DEFAULT_STREAM
    tokens = identity(IdentitySettings.read(settings), ENDPOINT)
    return MonitorLogs(checked(endpoint, ENDPOINT, settings), rule, stream, tokens)
