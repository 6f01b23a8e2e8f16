"""A process with a journal, for tests that kill it: `python parent.py RECORDS SECONDS SETTINGS-JSON [log]`.

Prints one line `child PID` on standard error once the records are appended, closes after SECONDS, prints the counters.
With `log` it logs a line for each record too.
"""

import asyncio
import json
import logging
import sys

from telemetry.journal import Journal
from telemetry.log import configure
from tests.telemetry.sample import record


async def main(count: int, seconds: float, settings: dict[str, str]) -> None:
    journal = Journal(settings, "parent:1")
    journal.start()
    for number in range(count):
        journal.append(record(correlation_id=f"c{number}"))
        logging.getLogger("parent").info("%d", number)
    await asyncio.sleep(0.3)
    print(f"child {journal.child_pid}", file=sys.stderr, flush=True)
    await asyncio.sleep(seconds)
    print("closing", file=sys.stderr, flush=True)
    await journal.close(2)
    print(f"written {journal.written} dropped {journal.dropped}", file=sys.stderr, flush=True)


if sys.argv[4:] == ["log"]:
    configure(json.loads(sys.argv[3]), "parent")
asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])))
