"""A sidecar without a gateway: `python source.py NUMBER LIFE RATE ACKNOWLEDGED SETTINGS-JSON`.

It has a journal with a telemetry child and appends RATE records a second until SIGTERM, then closes. The trace id of a
record says where it comes from (`trace_id`); how many there are is written to the file ACKNOWLEDGED after each of them,
so the file is right however the process ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import sys
import time

from telemetry.journal import Journal
from tests.telemetry.sample import record

STEP = 0.005  # seconds
COUNT = struct.Struct("<Q")


def trace_id(source: int, life: int, number: int) -> str:
    """32 hexadecimal digits. Sources and lives count from 1, so that it is never zero."""
    return f"{source:04x}{life:04x}{number:024x}"


def origin(trace: bytes) -> tuple[int, int, int]:
    """Source, life and number of a trace id."""
    return int.from_bytes(trace[:2]), int.from_bytes(trace[2:4]), int.from_bytes(trace[4:])


async def main(source: int, life: int, rate: float, acknowledged: str, settings: dict[str, str]) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    journal = Journal(settings, f"source:{source}")
    journal.start()
    file = os.open(acknowledged, os.O_WRONLY | os.O_CREAT, 0o600)
    began, number = time.monotonic(), 0
    while not ended.is_set():
        due = int((time.monotonic() - began) * rate)
        while number < due:
            url = f"http://gw/{os.urandom(40).hex()}"  # what waits is compressed, and paths are not all alike
            journal.append(record(trace_id=trace_id(source, life, number), url=url))
            number += 1
            os.pwrite(file, COUNT.pack(number), 0)
        await asyncio.sleep(STEP)
    await journal.close(2)
    print(json.dumps({"written": journal.written, "dropped": journal.dropped, "respawned": journal.respawned}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], json.loads(sys.argv[5])))
