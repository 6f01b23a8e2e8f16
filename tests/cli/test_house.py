"""Starting, watching and ending real processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from passerelle import child as child_module
from passerelle import house as house_module
from passerelle.child import Child
from passerelle.home import Home
from passerelle.house import House, StartFailed, Stopped
from passerelle.rooms import Room
from passerelle.voice import Voice

STAND_IN = Path(__file__).with_name("stand_in.py")


class StandIn(Room):
    """A room whose program is the stand-in."""

    __slots__ = ()

    def argv(self) -> list[str]:
        return [sys.executable, str(STAND_IN), *self.arguments]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "data")
    home.prepare()
    return home


@pytest.fixture
def house(home: Home) -> House:
    return House(home, Voice(copy_logs=True))


def room(name: str, *arguments: str) -> Room:
    return StandIn(name, "stand_in", {}, arguments)


def until(ready: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.02)


def has_spoken(child: Child) -> bool:
    return "is here" in child.last_lines()


def test_children_end_in_the_order_of_their_groups(house: House, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    children = [house.start(room(name, name, str(notes))) for name in ("plane", "agent", "s1", "s2", "other")]
    until(lambda: all(has_spoken(child) for child in children))
    house.end(["s1", "s2"], ["agent"], ["plane"])
    ended = notes.read_text().split()
    assert set(ended[:2]) == {"s1", "s2"}
    assert ended[2:] == ["agent", "plane", "other"]
    assert all(child.returncode() == 0 for child in children)


def test_a_stubborn_child_is_killed_after_the_grace(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house_module, "GRACE", 0.3)
    child = house.start(room("stubborn", "stubborn"))
    until(lambda: has_spoken(child))
    house.end()
    assert child.returncode() == -signal.SIGKILL


def test_a_death_is_reported_once_with_what_to_do(house: House, home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    gone, stays = house.start(room("gone", "waits")), house.start(room("stays", "waits"))
    until(lambda: has_spoken(gone) and has_spoken(stays))
    os.kill(gone.pid, signal.SIGKILL)
    until(lambda: gone.returncode() is not None)
    house.report_deaths()
    house.report_deaths()
    said = capfd.readouterr().err
    assert said.count("gone has ended (signal SIGKILL)") == 1
    assert f"passerelle start gone --data {home.root}" in said.replace("'", "")
    assert str(home.log("gone")) in said
    assert stays.returncode() is None
    house.end()


def test_a_child_that_ends_while_starting_shows_its_last_words(house: House) -> None:
    child = house.start(room("short", "ends"))
    with pytest.raises(StartFailed, match=r"(?s)short ended while it was starting \(exit code 3\).*ends is here"):
        house.wait_for(child, lambda: False, 10, "readiness")


def test_a_child_that_is_never_ready_is_named(house: House) -> None:
    child = house.start(room("slow", "waits"))
    with pytest.raises(StartFailed, match=r"slow runs, but readiness is not so after 0\.2 s"):
        house.wait_for(child, lambda: False, 0.2, "readiness")
    house.end()


def test_a_signal_ends_every_wait(house: House) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        house.listen_to_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            house.watch()
        with pytest.raises(Stopped):
            house.start(room("late", "waits"))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_logs_are_copied_with_the_name_of_the_process(house: House, capfd: pytest.CaptureFixture[str]) -> None:
    child = house.start(room("talker", "waits"))
    until(lambda: has_spoken(child))
    house.pause(0)
    house.pause(0)
    assert capfd.readouterr().err.count("[talker] waits is here") == 1
    house.end()


def test_how_it_was_started_is_written_down_privately(house: House, home: Home) -> None:
    child = house.start(room("kept", "waits"))
    launch = home.launch("kept")
    assert stat.S_IMODE(launch.stat().st_mode) == 0o600
    assert json.loads(launch.read_text())["argv"] == child.room.argv()
    house.end()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    parent_code = f"""
import sys, time
sys.path[:0] = [{str(Path(__file__).parents[2])!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
from passerelle.child import Child
from passerelle.home import Home
import test_house
home = Home(Path({str(tmp_path / "data")!r})); home.prepare()
child = Child(test_house.room("orphan", "orphan", {str(notes)!r}), home, {{}})
while "is here" not in child.last_lines(): time.sleep(0.02)
print("up", flush=True); time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
    until(lambda: notes.exists() and notes.read_text() == "orphan\n")


class Chatter(Room):
    """A room whose program writes numbered lines for as long as it lives."""

    __slots__ = ()

    def argv(self) -> list[str]:
        code = (
            "import os, time, itertools\nfor n in itertools.count():\n os.write(1, b'%07d\\n' % n); time.sleep(0.0005)"
        )
        return [sys.executable, "-c", code]


def test_a_log_that_grows_is_set_aside_while_its_process_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "LARGEST_LOG", 2_000)
    child = house.start(Chatter("chatter", "chatter", {}))
    old = child.log.with_name("chatter.log.1")
    for turn in range(3):
        until(lambda: child.log.stat().st_size > 2_000)
        child.turn_log_over()
        numbers = [int(line) for file in (old, child.log) for line in file.read_text().splitlines()]
        assert numbers == sorted(numbers)
        assert numbers[-1] - numbers[0] - len(numbers) < 5, f"lost many in turn {turn}"
        assert stat.S_IMODE(old.stat().st_mode) == 0o600
    assert child.returncode() is None
    house.end()
    assert not list(child.log.parent.glob("*.part"))
