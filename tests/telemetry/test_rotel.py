"""Through a collector that others wrote (rotel, a wheel with its program in it) to our sink: all three signals."""

from __future__ import annotations

import asyncio
import importlib.util
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telemetry.journal import Journal
from tests.ports import free_port
from tests.telemetry.sample import failed, record
from tests.telemetry.sink import Sink

QUIET = {"telemetry.logs.std": "none"}


def program() -> Path:
    found = importlib.util.find_spec("rotel")
    path = Path(found.origin or "").parent / "rotel-agent" if found else None
    if path is None or not path.is_file():
        pytest.skip("no collector here: pip install rotel==0.0.1a15 (it has wheels for Linux)")
    return path


@contextmanager
def rotel(sink: Sink, directory: Path) -> Iterator[dict[str, int]]:
    ports = {"grpc": free_port(), "http": free_port()}
    command = [program(), "start", "--pid-file", directory / "pid"]
    for name, port in ports.items():
        command += [f"--otlp-{name}-endpoint", f"127.0.0.1:{port}"]
    command += ["--exporter", "otlp", "--otlp-exporter-protocol", "grpc"]
    command += ["--otlp-exporter-endpoint", f"http://127.0.0.1:{sink.port}"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    try:
        end = time.monotonic() + 10
        for port in ports.values():
            while True:
                assert process.poll() is None, (directory / "log").read_text()
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert time.monotonic() < end, (directory / "log").read_text()
                time.sleep(0.02)
        yield ports
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_understands_all_three_signals(protocol: str, tmp_path: Path) -> None:
    with Sink() as sink, rotel(sink, tmp_path) as ports:
        settings = {
            **QUIET,
            "observability.opentelemetry.enabled": "true",
            "observability.opentelemetry.protocol": protocol,
            "observability.opentelemetry.collector.uri": f"http://127.0.0.1:{ports[protocol.partition('/')[0]]}",
        }
        journal = Journal(settings, "host:1")
        journal.start()
        for number in range(600):
            journal.append(record(correlation_id=f"c{number}"))
        journal.append(failed())
        await journal.close()
        await asyncio.to_thread(
            sink.wait, lambda: len(sink.spans()) == 1202 and len(sink.logs()) == 601 and "Requests" in sink.metrics()
        )
        assert {log.event_name for log in sink.logs()} == {"GatewayLogs"}
        assert sum(point.as_int for point in sink.metrics()["Requests"].sum.data_points) == 601
