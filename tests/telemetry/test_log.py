import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from telemetry import log


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in [each for each in root.handlers if isinstance(each, log.LineHandler | logging.NullHandler)]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def lines(settings: dict[str, str]) -> list[str]:
    stream = io.StringIO()
    handler = log.configure(settings, "proxy", stream)
    logger = logging.getLogger("proxy.app")
    logger.debug("Loose %s", "talk")
    logger.info("Started.", extra={"event": "GatewayStartup", "fields": {"version": "1.2", "apiId": "echo"}})
    logger.warning("Hm\nforged")
    try:
        raise KeyError("boo")
    except KeyError:
        logger.exception("Failed.", extra={"event": "ErrorLoggingRequest"})
    logger.critical("Gone.")
    handler.flush()
    return stream.getvalue().splitlines()


def test_text() -> None:
    started, warning, error, fatal = lines({})
    assert re.fullmatch(
        r"\[Info\] \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} \[GatewayStartup\], "
        r"message: Started\., version: 1\.2, apiId: echo, source: proxy",
        started,
    )
    assert warning.startswith("[Warn] ")
    assert "[proxy.app], message: Hm\\nforged" in warning
    assert error.startswith("[Error] ")
    assert "exception: Traceback" in error
    assert "KeyError: 'boo'" in error
    assert fatal.startswith("[Fatal] ")


def test_json() -> None:
    started, _, error, _ = map(json.loads, lines({"telemetry.logs.std": "json"}))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", started.pop("timestamp"))
    assert started == {
        "level": "Info",
        "eventType": "GatewayStartup",
        "source": "proxy",
        "message": "Started.",
        "apiId": "echo",
        "tags": {"version": "1.2", "logger": "proxy.app"},
    }
    assert error["exception"].endswith("KeyError: 'boo'")


@pytest.mark.parametrize(
    ("level", "count"), [("all", 5), ("debug", 5), ("info", 4), ("warn", 3), ("error", 2), ("fatal", 1)]
)
def test_levels(level: str, count: int) -> None:
    assert len(lines({"telemetry.logs.std.level": level})) == count


def test_none_is_silent() -> None:
    assert lines({"telemetry.logs.std": "none"}) == []


@pytest.mark.parametrize(("name", "value"), [("telemetry.logs.std", "xml"), ("telemetry.logs.std.level", "loud")])
def test_a_bad_setting_names_itself(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"setting {name} is '{value}'")):
        log.configure({name: value}, "proxy", io.StringIO())


def test_colour_only_on_a_terminal_that_wants_it() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert log.colored({}, Terminal())
    assert not log.colored({"telemetry.logs.std.color": "false"}, Terminal())
    assert not log.colored({}, io.StringIO())
    record = logging.LogRecord("x", logging.INFO, "", 0, "m", (), None)
    assert log.Formatter("text", "proxy", color=True).format(record).startswith("\x1b[32m[Info]\x1b[0m ")


def test_a_stuck_reader_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUEUE_LINES", 10)
    stuck = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            stuck.wait(10)
            return super().write(text)

    stream = Stuck()
    handler = log.configure({}, "proxy", stream)
    assert isinstance(handler, log.LineHandler)
    for number in range(50):
        logging.getLogger().info("%d", number)
    assert handler.dropped >= 38
    stuck.set()
    handler.flush()
    logging.getLogger().info("after")
    handler.flush()
    assert "[LogLinesDropped], count: " in stream.getvalue()
    assert "message: after" in stream.getvalue()


def test_the_end_of_a_process_does_not_wait_for_a_dead_pipe() -> None:
    """Its log, its telemetry child and the child's log all write into one that is full."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "tests.telemetry.parent", "2000", "1.5", "{}", "log"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    with parent.stdout, parent.stderr:
        while parent.stderr.readline() != b"closing\n":
            pass
        began = time.monotonic()
        parent.wait(30)
        took = time.monotonic() - began
        assert len(os.read(parent.stdout.fileno(), 1 << 20)) > 40_000
    assert took < 1.9, "it was ended by its deadlines, or waited for more than one"


def test_what_a_reader_takes_slowly_is_written_to_the_end() -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            time.sleep(0.01)
            return super().write(text)

    stream = Slow()
    handler = log.configure({}, "proxy", stream)
    for number in range(40):
        logging.getLogger().info("%d", number)
    handler.close()
    assert len(stream.getvalue().splitlines()) == 40


def test_configuring_again_replaces() -> None:
    first, second = io.StringIO(), io.StringIO()
    log.configure({}, "a", first)
    handler = log.configure({}, "b", second)
    logging.getLogger().info("x")
    handler.flush()
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1
