"""The journal with a real child: what arrives, what a dead or slow child costs, how it ends."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from telemetry import frames
from telemetry import journal as module
from telemetry.diagnostics import Logger, frame
from telemetry.journal import Journal
from tests.telemetry.sample import failed, record
from tests.telemetry.sink import Sink
from tests.telemetry.waiting import until

ROOT = Path(__file__).resolve().parents[2]
QUIET = {"telemetry.logs.std": "none"}
# As the sidecar makes them; what is the same object is written once to a frame, so they are not.
ROWS = [tuple(record(correlation_id=f"c{n}", url=f"http://gw/{n:0400}")) for n in range(600)]


def alive(pid: int) -> bool:
    """Running, not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def environment_of(pid: int | None) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


async def test_records_reach_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    journal = Journal({"telemetry.logs.std": "json"}, "host:1")
    journal.start()
    journal.identify("gw-1", "lab")
    sent = [failed(correlation_id=f"c{n}") for n in range(1500)]
    for each in sent:
        journal.append(each)
    await journal.close()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["correlationId"] for line in lines] == [each.correlation_id for each in sent]
    assert {line["region"] for line in lines} == {"lab"}
    assert (journal.written, journal.dropped) == (1500, 0)
    journal.append(record())
    assert journal.dropped == 1, "after the end nothing is taken"


async def test_text_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    journal = Journal({}, "host:1")
    journal.start()
    journal.append(record(url="http://gw/x?subscription-key=hush"))
    await journal.close()
    out = capfd.readouterr().out
    assert out.startswith("[Info] 2024-01-19T07:39:54.666 [GatewayLogs], isRequestSuccess: True, totalTime: 374, ")
    assert "hush" not in out


async def test_errors_only_means_no_request_lines(capfd: pytest.CaptureFixture[str]) -> None:
    journal = Journal({"telemetry.logs.std.level": "error"}, "host:1")
    journal.start()
    journal.append(record())
    await journal.close()
    assert capfd.readouterr().out == ""


async def test_the_child_gets_the_environment_but_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("config.service.auth", "GatewayKey hush")
    monkeypatch.setenv("telemetry.logs.std", "json")
    journal = Journal({**QUIET, "config.sync.token.file": "/token"}, "host:1")
    journal.start()
    journal.append(record())
    await until(lambda: journal.written == 1)
    environment = environment_of(journal.child_pid)
    await journal.close()
    assert "telemetry.logs.std=none" in environment, "settings stand above the environment"
    assert "instance.id=host:1" in environment
    assert not [each for each in environment if each.startswith("config.")]


async def test_a_full_queue_drops_the_newest_and_counts() -> None:
    journal = Journal(QUIET, "host:1", limit=10)
    for _ in range(25):
        journal.append(record())
    assert journal.dropped == 15
    journal.start()
    await until(lambda: journal.written == 10)
    await journal.close()


async def test_a_record_that_cannot_be_packed_is_counted_and_the_others_arrive() -> None:
    journal = Journal(QUIET, "host:1")
    journal.start()
    for each in (record(), record(url="x" * 5_000_000), record()):
        journal.append(each)
    await journal.close()
    assert (journal.written, journal.dropped) == (2, 1)


async def test_a_killed_child_is_replaced_and_records_flow_again(caplog: pytest.LogCaptureFixture) -> None:
    with Sink() as sink:
        journal = Journal({**QUIET, **sink.settings}, "host:1")
        journal.start()
        journal.append(record())
        await until(lambda: journal.written == 1)
        first = journal.child_pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: journal.respawned == 1 and journal.child_pid not in (None, first))
        journal.append(record(correlation_id="after"))
        await journal.close()
        assert [
            value.value.string_value for log in sink.logs() for value in log.attributes if value.key == "correlationId"
        ][-1] == "after"
        respawned = sink.metrics()["apim.telemetry.respawned"].sum.data_points[0].as_int
        assert respawned == 1
    assert "ended with code -9" in caplog.text


async def test_a_child_that_cannot_start_is_tried_again_with_a_back_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BACKOFF", (0.05, 0.2))
    journal = Journal({**QUIET, "telemetry.metrics.naming": "nonsense"}, "host:1")
    journal.start()
    for _ in range(100):
        journal.append(record())
    await until(lambda: journal.respawned >= 2)
    await journal.close()
    assert "ended with code 2" in caplog.text


async def test_a_lack_of_descriptors_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(module, "BACKOFF", (0.05, 0.05))
    monkeypatch.setattr(module.os, "dup", none_left)
    journal = Journal(QUIET, "host:1")
    journal.start()
    assert journal.child_pid is None
    monkeypatch.undo()
    journal.append(record())
    await until(lambda: journal.written == 1)
    await journal.close()


async def test_the_same_identity_again_takes_no_room() -> None:
    journal = Journal(QUIET, "host:1")
    journal.start()
    for _ in range(1000):
        journal.identify("gw-1", "lab")
    assert len(journal._frames) + len(journal._untold) == 1
    await journal.close()


async def test_a_stuck_child_costs_nothing_but_records() -> None:
    """A stopped child reads nothing: the pipe fills, then the queue, and the loop never waits."""
    journal = Journal(QUIET, "host:1", limit=5000)
    journal.start()
    pid = journal.child_pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    try:
        worst = 0.0
        began = time.thread_time()
        for start in range(100):
            turn = time.thread_time()
            for number in range(200):
                journal.append(ROWS[(start % 3) * 200 + number])
            await asyncio.sleep(0)
            worst = max(worst, time.thread_time() - turn)
        assert time.thread_time() - began < 20_000 * 20e-6, "20 us a record"
        assert worst < 0.1, "packing is spread over turns"
        await asyncio.sleep(0.25)
        assert journal.dropped > 0
        assert len(journal._queue) <= 5000
        idle = time.thread_time()
        await asyncio.sleep(0.5)
        assert time.thread_time() - idle < 0.1, "nobody spins for room"
        began = time.monotonic()
        await journal.close(1.0)
        assert time.monotonic() - began < 5
        assert not alive(pid)
        assert journal.written + journal.dropped == 20_000
    finally:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


async def test_what_a_stopped_child_could_not_take_is_counted_and_the_rest_arrives_when_it_goes_on() -> None:
    with Sink() as sink:
        journal = Journal({**QUIET, **sink.settings, "telemetry.spool.path": "none"}, "host:1", limit=3000)
        journal.start()
        journal.append(tuple(record()))
        await until(lambda: journal.written == 1)
        pid = journal.child_pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(9_999):
                journal.append(ROWS[number % 600])
                if not number % 500:
                    await asyncio.sleep(0)
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(lambda: not journal._queue and not journal._frames)
        journal.append(tuple(record()))  # so that the last counters cross the pipe
        await until(lambda: journal.written + journal.dropped == 10_001)
        assert (journal.child_pid, journal.respawned) == (pid, 0)
        await journal.close(5)
        assert 0 < journal.dropped < 7000
        assert len(sink.logs()) == journal.written
        found = [point for point in sink.metrics()["apim.telemetry.dropped"].sum.data_points if point.as_int]
        assert [point.as_int for point in found] == [journal.dropped]


async def test_a_child_that_never_reads_again_is_replaced(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "STUCK", 0.3)
    journal = Journal(QUIET, "host:1", limit=5000)
    journal.start()
    first = journal.child_pid
    assert first
    os.kill(first, signal.SIGSTOP)
    try:
        for number in range(12_000):
            journal.append(ROWS[number % 600])
        await until(lambda: journal.child_pid not in (None, first))
        monkeypatch.undo()  # the next one has all the time it needs to start
        assert not alive(first)
        await until(lambda: not journal._queue and not journal._frames)
        await journal.close()
    finally:
        if alive(first):
            os.kill(first, signal.SIGKILL)
    assert "read nothing" in caplog.text
    assert journal.respawned == 1
    assert journal.written + journal.dropped == 12_000


@pytest.mark.parametrize("mode", ["hang", "unavailable"])
async def test_a_collector_that_is_no_help_slows_nothing(mode: str) -> None:
    with Sink(mode=mode) as sink:
        journal = Journal({**QUIET, **sink.settings, "observability.opentelemetry.metrics.interval": "1"}, "host:1")
        journal.start()
        sample = record()
        began = time.perf_counter()
        for _ in range(10):
            for _ in range(500):
                journal.append(sample)
            await asyncio.sleep(0.01)
        busy = time.perf_counter() - began - 0.1
        await until(lambda: journal.written == 5000 and sink.calls)
        assert journal.dropped == 0
        assert busy < 1.0
        began = time.monotonic()
        await journal.close(2)
        assert time.monotonic() - began < 5


async def test_an_unreachable_collector_slows_nothing() -> None:
    settings = {
        "observability.opentelemetry.enabled": "true",
        "observability.opentelemetry.collector.uri": "http://127.0.0.1:9",
    }
    journal = Journal({**QUIET, **settings}, "host:1")
    journal.start()
    for _ in range(2000):
        journal.append(record())
    await until(lambda: journal.written == 2000)
    began = time.monotonic()
    await journal.close(2)
    assert time.monotonic() - began < 5


def test_the_child_ends_when_its_parent_is_killed() -> None:
    with Sink() as sink:
        parent = subprocess.Popen(
            [
                sys.executable,
                __file__.replace("test_journal", "parent"),
                "5",
                "60",
                json.dumps({**QUIET, **sink.settings}),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert parent.stderr
        with parent.stderr:
            child = int(parent.stderr.readline().split()[1])
            assert alive(child)
            parent.kill()
            parent.wait()
        end = time.monotonic() + 2.0
        while alive(child) and time.monotonic() < end:
            time.sleep(0.02)
        assert not alive(child)
        assert len(sink.logs()) == 5, "what the child held was delivered first"


def test_signals_to_the_group_do_not_end_the_child_before_its_parent() -> None:
    """Ctrl-C reaches both; the records of the requests that drain are still written."""
    parent = subprocess.Popen(
        [sys.executable, __file__.replace("test_journal", "parent"), "3", "1.5", "{}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert parent.stderr
    assert parent.stdout
    child = int(parent.stderr.readline().split()[1])
    first = parent.stdout.readline()
    for each in (signal.SIGINT, signal.SIGTERM):
        os.kill(child, each)
    time.sleep(0.2)
    assert alive(child)
    out, err = parent.stdout.read(), parent.stderr.read()
    parent.stdout.close()
    parent.stderr.close()
    parent.wait(10)
    assert "written 3 dropped 0" in err
    assert (first + out).count("[GatewayLogs]") == 3


def test_the_hot_process_never_imports_opentelemetry() -> None:
    code = (
        "import sys, telemetry.journal, telemetry.log, telemetry.records;"
        "print([name for name in sys.modules if name.split('.')[0] in ('opentelemetry', 'grpc', 'google')])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_loggers_are_told_to_every_child() -> None:
    journal = Journal({}, "a:1")
    told = frame((Logger("ai", "applicationInsights", (("key", "s3cret"),)),), (), (), ())
    journal.direct(told)
    journal.identify("gw", "here")
    assert journal._told == {"loggers": told, "identity": frames.pack("identity", ("gw", "here"))}


def test_too_many_loggers_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="longer than"):
        frame((Logger("x" * 5_000_000, "applicationInsights"),), (), (), ())
