import threading
import time
from collections.abc import Callable

import pytest

from telemetry import lane as module
from telemetry.lane import Lane, Later, Partly, Refused


class Destination:
    """Answers with the faults it was given, then takes everything."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.taken: list[bytes] = []
        self.asked = 0
        self.open = threading.Event()
        self.open.set()

    def __call__(self, data: bytes, timeout: float) -> None:
        self.asked += 1
        self.open.wait(timeout)
        if self.faults:
            raise self.faults.pop(0)
        self.taken.append(data)


def until(ready: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def end(lane: Lane, seconds: float = 1.0) -> None:
    deadline = time.monotonic() + seconds
    lane.finish(deadline)
    lane.join(deadline)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", (0.01, 0.05))


def test_in_order_and_counted() -> None:
    where = Destination()
    lane = Lane("x", where)
    for number in range(5):
        lane.put(b"%d" % number, 10)
    end(lane)
    assert where.taken == [b"0", b"1", b"2", b"3", b"4"]
    assert (lane.exported, lane.queued, dict(lane.dropped)) == (50, 0, {})


def test_later_is_tried_again_in_order(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    where = Destination(Later("down"), Later("down", after=0.02))
    lane = Lane("x", where)
    lane.put(b"a", 1)
    lane.put(b"b", 1)
    until(lambda: lane.exported == 2)
    assert where.taken == [b"a", b"b"]
    end(lane)
    assert [record.event for record in caplog.records] == ["TelemetryExportFailed", "TelemetryExportRecovered"]


def test_refused_is_dropped_and_the_next_goes_on() -> None:
    where = Destination(Refused("400"), RuntimeError("bug"))
    lane = Lane("x", where)
    for data in (b"a", b"b", b"c"):
        lane.put(data, 3)
    until(lambda: where.taken)
    end(lane)
    assert where.taken == [b"c"]
    assert lane.dropped == {"refused": 3, "error": 3}


def test_a_full_queue_drops_the_oldest() -> None:
    where = Destination()
    where.open.clear()
    lane = Lane("x", where, max_bytes=40)
    lane.put(b"0" * 10, 1)
    until(lambda: where.asked)  # it is being sent
    for number in range(1, 6):
        lane.put(b"%d" % number * 10, 1)
    assert lane.queued == 4
    assert lane.dropped == {"queue-full": 2}
    where.open.set()
    end(lane)
    assert [data[:1] for data in where.taken] == [b"0", b"3", b"4", b"5"]


def test_only_the_newest_waits_when_asked_so() -> None:
    where = Destination()
    where.open.clear()
    lane = Lane("x", where, latest=True)
    lane.put(b"0", 1)
    until(lambda: where.asked)
    for data in (b"1", b"2", b"3"):
        lane.put(data, 1)
    where.open.set()
    end(lane)
    assert where.taken == [b"0", b"3"]
    assert not lane.dropped, "what a newer one says again is not lost"


def test_one_that_failed_gives_way_to_a_newer_one_when_asked_so() -> None:
    where = Destination(Later("down", after=5))
    lane = Lane("x", where, latest=True)
    lane.put(b"0", 1)
    until(lambda: lane.retried)
    lane.put(b"1", 1)
    end(lane)
    assert where.taken == [b"1"]
    assert (lane.exported, lane.queued) == (1, 0)


def test_put_never_waits_and_the_end_keeps_its_deadline() -> None:
    where = Destination()
    where.open.clear()
    lane = Lane("x", where)
    began = time.monotonic()
    for _ in range(1000):
        lane.put(b"x", 1)
    assert time.monotonic() - began < 5
    end(lane, 0.1)
    assert time.monotonic() - began < 5
    where.open.set()


def test_what_is_left_at_the_end_is_counted() -> None:
    where = Destination(*[Later("down")] * 1000)
    lane = Lane("x", where)
    lane.put(b"a", 2)
    lane.put(b"b", 3)
    end(lane)
    assert lane.dropped == {"shutdown": 5}
    lane.put(b"c", 1)
    assert lane.dropped == {"shutdown": 6}


def test_of_a_partial_success_each_item_is_counted_where_it_went() -> None:
    where = Destination(Partly("two are bad", refused=2), Partly("one later", refused=1, rest=b"b'", rest_count=3))
    lane = Lane("x", where)
    lane.put(b"a", 10)
    lane.put(b"b", 10)
    lane.put(b"c", 1)
    until(lambda: len(where.taken) == 2)
    end(lane)
    assert where.taken == [b"b'", b"c"]
    assert (lane.exported, lane.queued, dict(lane.dropped)) == (8 + 9 + 1, 0, {"refused": 3})
