"""`python -m tests.telemetry.outage [--seconds 600 ...]`: an outage of the collector, and kill -9 of everything in it.

Sources (`source.py`: a sidecar's journal and its telemetry child, real processes) make records all the time. The
collector goes away; half-way through, all sources and all children are killed and started again, as often as asked for;
then it comes back. What arrived is compared with what was made:

    made        records that a source has handed to its journal
    arrived     different ones among what the collector took, of each signal
    dropped     and counted, because the spool was full (--megabytes)
    missing     made, neither arrived nor counted; or counted and arrived
    twice       arrived more than once
    out of order  arrived before one that the same source made earlier
    in metrics  requests that the newest export of each child counts; a kill may take, or count twice, the last second

It ends with 1 when something is missing or out of order, or more than one in a thousand arrived twice.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.telemetry.sink import Sink
from tests.telemetry.source import COUNT, origin

ROOT = Path(__file__).resolve().parents[2]
SIGNALS = ("logs", "trace")
SERVER = 2  # span kind
ALLOWED_TWICE = 0.001


@dataclass
class Found:
    """What arrived of one signal. `last` is (life, number) by source; `twice` counts the surplus."""

    seen: dict[tuple[int, int], set[int]] = field(default_factory=lambda: collections.defaultdict(set))
    last: dict[int, tuple[int, int]] = field(default_factory=dict)
    twice: int = 0
    disorder: int = 0

    def add(self, trace: bytes) -> None:
        source, life, number = origin(trace)
        numbers = self.seen[source, life]
        if number in numbers:
            self.twice += 1
            return
        numbers.add(number)
        if (life, number) < self.last.get(source, (0, 0)):
            self.disorder += 1
        self.last[source] = (life, number)


class Tally(Sink):
    """A sink that keeps no message, only what it said."""

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.found = {signal: Found() for signal in SIGNALS}
        self.counted: dict[tuple[str, int], int] = {}  # requests by instance and start
        self.dropped: dict[tuple[str, int], dict[str, int]] = {}  # items by destination

    def keep(self, signal: str, message: Any) -> None:
        if signal == "metrics":
            self._metrics(message)
            return
        found = self.found[signal]
        if isinstance(message, ExportLogsServiceRequest):
            for logs in message.resource_logs:
                for log in logs.scope_logs[0].log_records:
                    found.add(log.trace_id)
        elif isinstance(message, ExportTraceServiceRequest):
            for spans in message.resource_spans:
                for span in spans.scope_spans[0].spans:
                    if span.kind == SERVER:
                        found.add(span.trace_id)

    def _metrics(self, message: ExportMetricsServiceRequest) -> None:
        for group in message.resource_metrics:
            values = {pair.key: pair.value.string_value for pair in group.resource.attributes}
            for metric in group.scope_metrics[0].metrics:
                points = metric.sum.data_points
                if metric.name not in ("Requests", "apim.telemetry.dropped") or not points:
                    continue
                child = values["service.instance.id"], points[0].start_time_unix_nano
                if metric.name == "Requests":
                    self.counted[child] = sum(point.as_int or int(point.as_double) for point in points)
                    continue
                dropped = self.dropped[child] = collections.Counter()
                for point in points:
                    labels = {pair.key: pair.value.string_value for pair in point.attributes}
                    dropped[labels["destination"]] += point.as_int

    def arrived(self) -> int:
        return sum(len(numbers) for found in self.found.values() for numbers in list(found.seen.values()))

    def lost(self, signal: str) -> int:
        """Records of which a signal was dropped and counted; each has one log record and two spans."""
        name, items = ("the collector (logs)", 1) if signal == "logs" else ("the collector (traces)", 2)
        return sum(dropped[name] // items + dropped["journal"] for dropped in self.dropped.values())


class Source:
    """A source that can be killed and started again. `made` is its records by life."""

    def __init__(self, number: int, rate: float, directory: Path, settings: Mapping[str, str]) -> None:
        self._number, self._rate, self._directory, self._settings = number, rate, directory, settings
        self._life = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._life += 1
        with (self._directory / f"source-{self._number}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, str(ROOT / "tests" / "telemetry" / "source.py")),
                    *(str(self._number), str(self._life), str(self._rate)),
                    str(self._acknowledged(self._life)),
                    json.dumps(dict(self._settings)),
                ],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def pids(self, whom: str) -> list[int]:
        """The source and its child, or one of them."""
        assert self._process
        if self._process.returncode is not None:
            return []
        pid = self._process.pid
        children: list[int] = []
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
        return {"everything": [pid, *children], "children": children, "sources": [pid]}[whom]

    def wait(self) -> None:
        assert self._process
        self._process.wait()

    def stop(self) -> None:
        assert self._process
        self._process.terminate()
        self._process.wait(10)

    def made(self) -> dict[int, int]:
        lives = range(1, self._life + 1)
        paths = {life: self._acknowledged(life) for life in lives}
        return {life: COUNT.unpack(path.read_bytes())[0] for life, path in paths.items() if path.exists()}

    def _acknowledged(self, life: int) -> Path:
        return self._directory / f"made-{self._number}-{life}"


@dataclass
class Report:
    """Records. `missing` and `out of order` are of the worse signal; `drained` is seconds from the collector's return
    until the last record arrived."""

    made: int = 0
    arrived: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    dropped: int = 0
    twice: int = 0
    disorder: int = 0
    in_metrics: int = 0
    most_on_disk: int = 0
    left_on_disk: int = 0
    drained: float = 0.0

    @property
    def good(self) -> bool:
        return not self.missing and not self.disorder and self.twice <= self.made * ALLOWED_TWICE

    def __str__(self) -> str:
        share = self.twice / self.made if self.made else 0.0
        return "\n".join(
            (
                f"made          {self.made:>9,}",
                *(f"arrived {signal:<6}{count:>9,}" for signal, count in self.arrived.items()),
                f"missing       {self.missing:>9,}",
                f"dropped       {self.dropped:>9,}  (counted)",
                f"twice         {self.twice:>9,}  ({share:.3%})",
                f"out of order  {self.disorder:>9,}",
                f"in metrics    {self.in_metrics:>9,}",
                f"on disk       {self.most_on_disk / 2**20:>9.1f}  MiB at most, {self.left_on_disk} files at the end",
                f"drained in    {self.drained:>9.1f}  s",
            )
        )


def run(
    directory: Path,
    *,
    seconds: float,
    before: float,
    after: float,
    rate: float,
    sources: int = 2,
    kills: int = 1,
    whom: str = "everything",
    protocol: str = "grpc",
    fault: str = "down",
    megabytes: int = 256,
    patience: float = 90.0,
) -> Report:
    """An outage of `seconds`; `fault` is a mode of the sink, or `down`: connections are refused; `whom` is everything,
    children or sources, or gently for SIGTERM to the sources."""
    spool = directory / "spool"
    with Tally(protocol) as sink:
        settings = {
            **sink.settings,
            "telemetry.logs.std": "none",
            "telemetry.spool.path": str(spool),
            "telemetry.spool.megabytes": str(megabytes),
            "observability.opentelemetry.collector.timeout": "2",
        }
        running = [Source(number, rate / sources, directory, settings) for number in range(1, sources + 1)]
        try:
            for each in running:
                each.start()
            time.sleep(before)
            sink.down() if fault == "down" else setattr(sink, "mode", fault)
            report = Report()
            for _ in range(kills):
                report.most_on_disk = max(report.most_on_disk, _wait(seconds / (kills + 1), spool))
                if whom == "gently":
                    for each in running:
                        each.stop()
                for pid in [pid for each in running for pid in each.pids(whom)]:
                    os.kill(pid, signal.SIGKILL)
                for each in running if whom != "children" else ():
                    each.wait()
                    each.start()
            report.most_on_disk = max(report.most_on_disk, _wait(seconds / (kills + 1), spool))
            sink.up() if fault == "down" else setattr(sink, "mode", "ok")
            back = time.monotonic()
            time.sleep(after)
            made = {(at, life): count for at, each in enumerate(running, 1) for life, count in each.made().items()}
            end = back + patience
            arrived = sink.arrived()
            while any(_missing(found, made) for found in sink.found.values()) and time.monotonic() < end:
                time.sleep(0.1)
                if arrived != (arrived := sink.arrived()):
                    report.drained = time.monotonic() - back
                if report.drained and megabytes < 256 and len(list(spool.rglob("*-*-*"))) <= 2:
                    break  # what is missing now was dropped
        finally:
            for each in running:
                each.stop()
        made = {(at, life): count for at, each in enumerate(running, 1) for life, count in each.made().items()}
        _settle(report, sink, made)
        report.left_on_disk = len([path for path in spool.rglob("*-*-*") if path.is_file()])
        return report


def _wait(seconds: float, spool: Path) -> int:
    """The most bytes that the spool had in that time."""
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(0.5, seconds / 4))
        sizes = 0
        for path in spool.rglob("*-*-*"):
            try:
                sizes += path.stat().st_size
            except FileNotFoundError:
                continue
        most = max(most, sizes)
    return most


def _missing(found: Found, made: Mapping[tuple[int, int], int]) -> int:
    """Of copies: the collector's threads go on counting."""
    return sum(count - len([n for n in list(found.seen[key]) if n < count]) for key, count in list(made.items()))


def _settle(report: Report, sink: Tally, made: Mapping[tuple[int, int], int]) -> None:
    report.made = sum(made.values())
    report.dropped = max(sink.lost(signal) for signal in SIGNALS)
    report.arrived = {signal: sum(map(len, found.seen.values())) for signal, found in sink.found.items()}
    report.missing = max(abs(_missing(found, made) - sink.lost(signal)) for signal, found in sink.found.items())
    report.twice = max(found.twice for found in sink.found.values())
    report.disorder = max(found.disorder for found in sink.found.values())
    report.in_metrics = sum(sink.counted.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="of the outage")
    parser.add_argument("--rate", type=float, default=200, help="records a second, of all sources")
    parser.add_argument("--sources", type=int, default=2)
    parser.add_argument("--kills", type=int, default=1, help="of everything, evenly over the outage")
    parser.add_argument("--megabytes", type=int, default=256, help="of the spool, for each source")
    parser.add_argument("--whom", choices=("everything", "children", "sources", "gently"), default="everything")
    parser.add_argument("--protocol", choices=("grpc", "http"), default="grpc")
    parser.add_argument("--fault", choices=("down", "unavailable", "throttled", "hang", "garbage"), default="down")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report = run(
            Path(name),
            seconds=chosen.seconds,
            before=10,
            after=10,
            rate=chosen.rate,
            sources=chosen.sources,
            kills=chosen.kills,
            whom=chosen.whom,
            megabytes=chosen.megabytes,
            protocol=chosen.protocol,
            fault=chosen.fault,
        )
    print(report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
