"""Every request is told to a collector, to local logs and to Prometheus; none of them can slow or stop a request."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house import House, Load, descendants, request, wait_until

pytestmark = pytest.mark.e2e


def _sink_class() -> Any:
    path = Path(__file__).parents[1] / "telemetry" / "sink.py"
    spec = importlib.util.spec_from_file_location("otlp_sink", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["otlp_sink"] = module
    spec.loader.exec_module(module)
    return module.Sink


@pytest.fixture(scope="module")
def collector() -> Iterator[Any]:
    with _sink_class()() as sink:
        yield sink


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, collector: Any, backend: str) -> Iterator[House]:
    environment = {**collector.settings, "observability.opentelemetry.metrics.interval": "1"}
    it = House(tmp_path_factory.mktemp("told"), environment=environment)
    try:
        it.start()
        it.api("shop", backend)
        it.everywhere("/shop/x", lambda r: r.status == 200)
        yield it
    finally:
        it.stop()


def attributes(item: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in item.attributes}


def test_spans_logs_and_metrics_reach_the_collector(told: House, collector: Any) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    reply = request(told.gateways[0] + "/shop/traced?q=1", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    passed_on = reply.json["headers"]["traceparent"]
    assert passed_on.split("-")[1] == trace
    spans = collector.wait(lambda: [s for s in collector.spans() if s.trace_id.hex() == trace] or None)
    collector.wait(lambda: len([s for s in collector.spans() if s.trace_id.hex() == trace]) == 2)
    spans = {span.kind: span for span in collector.spans() if span.trace_id.hex() == trace}
    server, client = spans[2], spans[3]
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    assert client.parent_span_id == server.span_id
    assert client.span_id.hex() == passed_on.split("-")[2]
    assert server.name.startswith("GET /")
    assert attributes(server)["http.response.status_code"] == 200
    assert attributes(server)["apim.api.id"] == "shop"
    collector.wait(lambda: [log for log in collector.logs() if log.trace_id.hex() == trace])
    names = collector.wait(lambda: {"Requests", "http.server.request.duration"} <= set(collector.metrics()) and True)
    assert names


def test_each_request_has_exactly_one_local_line(told: House) -> None:
    mark = f"mark{time.time_ns()}"
    for status, path in ((200, f"/shop/{mark}"), (404, f"/nowhere/{mark}")):
        assert request(told.gateways[0] + path).status == status
    log = told.data / "logs" / "sidecar-1.log"

    def lines() -> list[str]:
        return [line for line in log.read_text().splitlines() if mark in line and "GatewayLogs" in line]

    wait_until(lambda: len(lines()) >= 2, what="two request lines")
    assert len(lines()) == 2
    assert '"responseCode": 404' in lines()[1]
    assert '"reason": "OperationNotFound"' in lines()[1]


def test_prometheus_shows_the_same_counts(told: House) -> None:
    endpoint = told.processes("proxy")[0].environment["telemetry.metrics.local.prometheus.endpoint"]
    for _ in range(3):
        request(told.gateways[0] + "/shop/counted")

    def count() -> float:
        text = request(f"http://{endpoint}/metrics").body.decode()
        return sum(float(n) for n in re.findall(r"^azure_apim_Requests\S*\{[^}]*\} (\S+)", text, re.MULTILINE))

    wait_until(lambda: count() >= 4, what="the counter to move")


def test_a_killed_child_and_a_silent_collector_cost_no_request(told: House, collector: Any) -> None:
    with Load([gateway + "/shop/x" for gateway in told.gateways]) as load:
        time.sleep(1)
        for sidecar in told.processes("proxy"):
            child = next(p for p in descendants(sidecar.pid) if p.module == "telemetry")
            os.kill(child.pid, signal.SIGKILL)
        time.sleep(1.5)
        collector.mode = "hang"
        time.sleep(2)
        collector.mode = "ok"
    assert load.failures == []
    assert load.total > 300
    for sidecar in told.processes("proxy"):
        assert [p for p in descendants(sidecar.pid) if p.module == "telemetry"]
