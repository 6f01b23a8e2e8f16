"""A process with a journal, for tests that kill it: `python parent.py RECORDS SECONDS SETTINGS-JSON`.

Prints one line `child PID` on standard error once the records are appended, closes after SECONDS, prints the counters.
"""

import asyncio
import json
import sys

from telemetry.journal import Journal
from tests.telemetry.sample import record


async def main(count: int, seconds: float, settings: dict[str, str]) -> None:
    journal = Journal(settings, "parent:1")
    journal.start()
    for number in range(count):
        journal.append(record(correlation_id=f"c{number}"))
    await asyncio.sleep(0.3)
    print(f"child {journal.child_pid}", file=sys.stderr, flush=True)
    await asyncio.sleep(seconds)
    await journal.close(2)
    print(f"written {journal.written} dropped {journal.dropped}", file=sys.stderr, flush=True)


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])))
