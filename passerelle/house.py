"""The running house: starts rooms in order, waits for them, watches them, and ends them in order.

One thread and no callbacks: a signal only sets a flag, which every wait looks at.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType

from passerelle.child import Child
from passerelle.home import Home
from passerelle.rooms import Room
from passerelle.voice import Voice

GRACE = 10.0  # seconds between SIGTERM and SIGKILL
GLANCE = 0.1  # seconds between two looks at a thing that is awaited


class Stopped(Exception):
    """A person or a supervisor asked us to end."""


class StartFailed(Exception):
    """A process did not come up; the text says which one, why, and where its log is."""


class House:
    """The children of one `up`, in the order of their start."""

    def __init__(self, home: Home, voice: Voice) -> None:
        self._home = home
        self._voice = voice
        self._children: list[Child] = []
        self._reported: set[int] = set()
        self._stop = threading.Event()
        self._asked = 0.0
        self._hurry = False

    def listen_to_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # Ctrl-C a second time: do not wait for anyone. Not at once, since `make` and a terminal may both tell us.
        if number == signal.SIGINT and self._stop.is_set() and time.monotonic() - self._asked > 1:
            self._hurry = True
        if not self._stop.is_set():
            self._asked = time.monotonic()
            self._stop.set()

    def start(self, room: Room) -> Child:
        if self._stop.is_set():
            raise Stopped
        child = Child(room, self._home, os.environ)
        self._children.append(child)
        return child

    def wait_for(self, child: Child, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Return once `ready`. Raises `StartFailed` when the child dies or is too late, `Stopped` when asked to end."""
        deadline = time.monotonic() + seconds
        while not ready():
            if child.returncode() is not None:
                self._reported.add(child.pid)
                raise StartFailed(
                    f"{child.name} ended while it was starting ({child.how_it_ended()}). "
                    f"Its last words, of {child.log}:\n{child.last_lines()}"
                )
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{child.name} runs, but {what} is not so after {seconds:g} s. "
                    f"Its last words, of {child.log}:\n{child.last_lines()}"
                )
            self.pause(GLANCE)

    def pause(self, seconds: float) -> None:
        """Sleep, repeating new log lines. Raises `Stopped` at once when asked to end."""
        self._voice.copy_logs(self._children)
        if self._stop.wait(seconds):
            raise Stopped

    def watch(self, each_time: Callable[[], None] = lambda: None) -> None:
        """Until asked to end: say which child died, and go on. Raises `Stopped`."""
        while True:
            self.pause(0.2)
            self.report_deaths()
            for child in self._children:
                child.turn_log_over()
            each_time()

    def report_deaths(self) -> None:
        for child in self._children:
            if child.returncode() is not None and child.pid not in self._reported:
                self._reported.add(child.pid)
                self._voice.say(
                    f"{child.name} has ended ({child.how_it_ended()}); the others go on. "
                    f"Start it again: {child.start_again()}   its log: {child.log}",
                    style="bold red",
                )

    def end(self, *groups: Iterable[str]) -> None:
        """End our children, a group of names after the other; those that are in no group come last, newest first.

        Processes that a person started again are theirs and stay.
        """
        left = list(self._children)
        for names in [set(group) for group in groups]:
            group = [child for child in left if child.name in names]
            left = [child for child in left if child.name not in names]
            self._end_together(group)
        for child in reversed(left):
            self._end_together([child])
        self._voice.copy_logs(self._children)

    def _end_together(self, children: list[Child]) -> None:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + GRACE
        for child in children:
            while not child.wait(GLANCE):
                if self._hurry or time.monotonic() > deadline:
                    why = "you are in a hurry" if self._hurry else f"it did not end by itself within {GRACE:g} s"
                    self._voice.say(f"{child.name} was killed: {why}", "red")
                    child.kill()
