"""A metrics store with what a telemetry child told it over OTLP, as `compose/` has them wired."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from telemetry.journal import Journal
from telemetry.records import RequestRecord
from tests.dashboards import install
from tests.telemetry.sample import ERROR, failed, record

# the same as in compose/compose.yaml
EVERYTHING = '{__name__!=""}'
# each with a hit and a miss of a cache by each of two sidecars
ROUNDS = 7
FLAGS = ("-opentelemetry.usePrometheusNaming",)


@pytest.fixture(scope="session")
def tools() -> None:
    try:
        install.install()
    except install.NotHere as reason:
        pytest.skip(str(reason))


@dataclass(slots=True)
class Store:
    url: str
    # seconds since the epoch; queries are of then, so that a long run of them does not leave what was told behind
    told: float | None = None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        when = {} if self.told is None else {"time": f"{self.told:.3f}"}
        address = f"{self.url}/api/v1/query?{urlencode({'query': expression, 'nocache': '1', **when})}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                document = orjson.loads(answer.read())
        except urllib.error.HTTPError as failure:
            raise AssertionError(f"{expression}: {failure.read()[:500]!r}") from None
        found: list[dict[str, Any]] = document["data"]["result"]
        return found

    def metrics(self, expression: str) -> set[str]:
        return {series["metric"].get("__name__", "") for series in self.query(expression)}


def requests() -> list[RequestRecord]:
    """Something for every panel to show."""
    limited = ERROR._replace(source="rate-limit-by-key", reason="RateLimitExceeded")
    spent = ERROR._replace(source="quota", reason="QuotaExceeded")
    return [
        record(),
        record(api_id="books", product_id="", cache="hit", backend_url="", backend_ms=0.0, backend_status=0),
        record(api_id="books", cache="miss"),
        failed(),
        record(status=429, last_error=limited, backend_url="", backend_status=0, backend_ms=0.0),
        record(status=403, last_error=spent, api_id="books", backend_url="", backend_status=0, backend_ms=0.0),
        record(status=404, api_id="", operation_id="", route="", backend_url="", backend_status=0),
        record(status=0, last_error=ERROR._replace(source="client-connection", reason="ClientConnectionFailure")),
    ]


async def tell(settings: dict[str, str], rounds: int, pause: float) -> None:
    """Two sidecars' telemetry children, while requests are made and at their end."""
    journals = [Journal(settings, f"host:{number}") for number in (1, 2)]
    for journal in journals:
        journal.start()
        journal.identify("edge", "lab")
        journal.stand(41, 42, time.time() - 3)
    for _ in range(rounds):
        for journal in journals:
            for each in requests():
                journal.append(each)
        await asyncio.sleep(pause)
    for journal in journals:
        await journal.close()


@pytest.fixture(scope="session")
def store(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        str(install.STORE), f"-storageDataPath={folder / 'data'}", f"-httpListenAddr=127.0.0.1:{port}",
        "-search.latencyOffset=0s", "-memory.allowedBytes=64MB", "-retentionPeriod=1d", "-inmemoryDataFlushInterval=1s",
        *FLAGS,
    ]  # fmt: skip
    with open(folder / "log", "wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        found = Store(f"http://127.0.0.1:{port}")
        try:
            _wait(f"{found.url}/health", process, folder / "log")
            settings = {
                "telemetry.logs.std": "none",
                "observability.opentelemetry.enabled": "true",
                "observability.opentelemetry.collector.uri": f"{found.url}/opentelemetry",
                "observability.opentelemetry.protocol": "http/protobuf",
                "observability.opentelemetry.traces.enabled": "false",
                "observability.opentelemetry.logs.enabled": "false",
                "observability.opentelemetry.metrics.interval": "1",
                "observability.opentelemetry.system-metrics.enabled": "true",
            }
            asyncio.run(tell(settings, ROUNDS, pause=0.6))
            _wait_for_samples(found)
            found.told = time.time()
            yield found
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the metrics store did not start: {log.read_text()[-500:]}")


def _wait_for_samples(store: Store) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        enough = len(store.query("count_over_time(apim_config_version[1m]) > 2")) == 2
        # the last export is in memory for a while before it is found
        totals = store.query("sum(apim_cache_requests_total)")
        if enough and totals and float(totals[0]["value"][1]) == 2 * 2 * ROUNDS:
            return
        time.sleep(0.2)
    raise AssertionError(f"the store has {store.metrics(EVERYTHING)}")
