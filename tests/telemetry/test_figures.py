"""What telemetry costs, printed; the bounds are far above, to catch a change of kind and not a busy machine.

`make bench-telemetry` measures it properly."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from telemetry.journal import Journal
from tests.telemetry.sample import record
from tests.telemetry.sink import Sink
from tests.telemetry.waiting import until

RECORDS = 10_000
TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / TICKS


async def run(settings: dict[str, str]) -> tuple[float, float, float]:
    """Microseconds per record: append alone, append and flush of this thread's CPU, CPU of the child."""
    journal = Journal(settings, "figures:1")
    journal.start()
    journal.append(record())
    await until(lambda: journal.written == 1)
    await asyncio.sleep(0.6)
    assert journal.child_pid
    before = cpu(journal.child_pid)
    sample = [record(correlation_id=f"c{n}", url=f"http://gw.example:8080/shop/orders/{n}") for n in range(RECORDS)]
    appending = 0.0
    began = time.thread_time()
    for start in range(0, RECORDS, 250):
        clock = time.thread_time()
        for each in sample[start : start + 250]:
            journal.append(each)
        appending += time.thread_time() - clock
        await asyncio.sleep(0.002)
    await until(lambda: journal.written == RECORDS + 1)
    hot = time.thread_time() - began
    used = before
    while True:  # until the child has been idle for a moment
        await asyncio.sleep(0.3)
        now = cpu(journal.child_pid)
        if now - used < 0.01:
            break
        used = now
    child = cpu(journal.child_pid) - before
    await journal.close()
    assert journal.dropped == 0
    return appending * 1e6 / RECORDS, hot * 1e6 / RECORDS, child * 1e6 / RECORDS


async def test_figures(capfd: pytest.CaptureFixture[str]) -> None:
    with Sink() as sink:
        otlp = await run({"telemetry.logs.std": "none", **sink.settings})
    quiet = await run({"telemetry.logs.std": "none"})
    text = await run({})
    with capfd.disabled():
        for name, (append, hot, child) in {"metrics only": quiet, "text log": text, "OTLP grpc": otlp}.items():
            print(
                f"\n  {name:13} append {append:.2f} us, with flush {hot:.2f} us, child {child:.1f} us per record",
                end="",
            )
    assert max(otlp[0], quiet[0], text[0]) < 3
    assert max(otlp[1], quiet[1], text[1]) < 15
    assert otlp[2] < 90
