"""Log lines have the shapes of the gateway we replace, and never hold up the agent."""

from __future__ import annotations

import io
import json
import re
import threading
import time

from syncagent.log import Log


def lines(style: str, level: str = "all") -> list[str]:
    stream = io.StringIO()
    log = Log(style, level, True, "SyncAgent", stream)
    log.debug("NoNewEvents", "nothing")
    log.info("ConfigurationReceived", "version 7\n[Error] forged", cursor=7)
    log.error("ConfigSyncFailed", "broken")
    log.close()
    return stream.getvalue().splitlines()


def test_text() -> None:
    first, second, third = lines("text")
    assert re.fullmatch(r"\[Verbose\] \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} \[NoNewEvents\], message: nothing", first)
    assert second.endswith("[ConfigurationReceived], message: version 7\\n[Error] forged, cursor: 7")
    assert third.startswith("[Error] ")


def test_json() -> None:
    entry = json.loads(lines("json")[1])
    assert entry["level"] == "Info"
    assert entry["eventType"] == "ConfigurationReceived"
    assert entry["source"] == "SyncAgent"
    assert entry["message"] == "version 7\n[Error] forged"
    assert entry["cursor"] == 7
    assert entry["timestamp"].endswith("Z")


def test_levels() -> None:
    assert [len(lines("text", level)) for level in ("all", "info", "error", "fatal")] == [3, 2, 1, 0]
    assert lines("none") == []


def test_a_blocked_reader_costs_lines_and_not_time() -> None:
    class Blocked(io.StringIO):
        released = threading.Event()

        def write(self, text: str) -> int:
            self.released.wait()
            return len(text)

    stream = Blocked()
    log = Log("text", "info", False, "SyncAgent", stream)
    began = time.monotonic()
    for _ in range(5_000):
        log.info("Event", "text")
    assert time.monotonic() - began < 2
    stream.released.set()
    log.close()
