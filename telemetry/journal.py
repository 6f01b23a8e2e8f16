"""The hot path's only door to telemetry: append a record, forget it.

Rules
1. `append` costs less than a microsecond and never waits: the queue is bounded, and when it is full the new record is
   dropped and counted.
2. The event loop writes batches to a pipe without blocking; a full pipe leaves the records in the queue.
3. A dead telemetry child is replaced with a back-off, one that reads nothing is ended; requests never notice. The child
   is started by exec, never by a bare fork, and ends by itself when the pipe closes, so it cannot outlive a killed
   parent.
4. What policies want said (`event`) waits in a queue of its own, bounded in bytes; a record never waits behind it.
5. What the child counted comes back on a second pipe, a document every few seconds, and goes to `figures` unread.
6. Where telemetry waits on disk for its destination, each record is also on a trail (`trail.py`) until it is safe, so
   that the end of this process and its child, however sudden, loses none.
7. Single-threaded: everything runs on the loop that called `start`.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from telemetry.frames import (
    EVENTS,
    IDENTITY,
    LIMITS,
    LOGGERS,
    STANDING,
    TRAIL,
    BrokenPipeStream,
    documents,
    pack,
    pack_records,
    plain,
)
from telemetry.records import EventRecord, Row
from telemetry.trail import EVENTS as TRAIL_OF_EVENTS
from telemetry.trail import Trail, begin

QUEUE_LIMIT = 50_000  # records
BATCH = 512  # records per frame
EVENT_HUB = b"azureEventHub"  # in a frame of loggers
EVENT_BYTES = 32 * 1024 * 1024  # of events that wait
EVENT_COST = 500  # bytes in memory beside its own, at most
EVENT_FRAME = 1024 * 1024  # bytes of events per frame
FRAMES_PER_TURN = 4  # so that a backlog never holds the loop for more than a few milliseconds
FLUSH_INTERVAL = 0.1  # seconds
BACKOFF = (0.2, 10.0)  # seconds: first and longest wait before a dead child is replaced
HEALTHY_AFTER = 30.0  # seconds a child must live for the back-off to start anew
STUCK = 30.0  # seconds without reading anything from a full pipe, after which a child is ended and replaced
PIPE_BYTES = 1024 * 1024
READ = 256 * 1024  # bytes
# The child makes and frees messages of a mebibyte all the time; asking the kernel for new pages each time would be a
# tenth of its work. glibc reads these, other C libraries do not mind.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "33554432"}

# Settings that name a destination which is kept on disk.
KEPT = (
    "telemetry.logs.cloud.endpoint",
    "telemetry.applicationinsights.connection",
    "telemetry.applicationinsights.connection.file",
)

logger = logging.getLogger(__name__)


class Journal:
    """Carries request records to this process's telemetry child.

    `settings` are the dotted settings; they reach the child as its environment, above this process's own. `instance`
    names this worker in telemetry and must be unique among the workers that report to one collector.
    `figures` takes what the child counted, as JSON (`telemetry/figures.py`); without it nothing is counted.
    Counters since the start, in records: `written` to the pipe, `dropped`; `respawned` counts replaced children.
    """

    def __init__(
        self,
        settings: Mapping[str, str],
        instance: str,
        *,
        limit: int = QUEUE_LIMIT,
        figures: Callable[[bytes], None] | None = None,
    ) -> None:
        self.written = 0
        self.dropped = 0
        self.dropped_events = 0
        self.respawned = 0
        self._settings = settings
        self._instance = instance
        self._limit = limit
        self._queue: collections.deque[Row | bytes] = collections.deque()
        self._trail: Trail | None = None
        self._frames: collections.deque[tuple[bytes, int]] = collections.deque()
        self._events: collections.deque[EventRecord] = collections.deque()
        self._event_bytes = 0
        self._event_trail: Trail | None = None
        self._announced = True  # to the child: where the trail of events is
        self._offset = 0  # bytes of the first frame that the pipe has taken
        self._told: dict[str, bytes] = {}  # the newest frame of each kind: the next child has to hear it, too
        self._untold: set[str] = set()  # kinds whose newest frame is not on its way yet
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._figures = figures
        self._way_back = -1
        self._heard = bytearray()
        self._waiting_for_room = False
        self._waiting_since = 0.0
        self._born = 0.0
        self._backoff = BACKOFF[0]
        self._respawn_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        if _wants_trail(settings):
            self.keep_trail()

    @property
    def child_pid(self) -> int | None:
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start the child and the flush timer; needs a running loop."""
        self._loop = asyncio.get_running_loop()
        self._spawn()
        self._timer = self._loop.call_later(FLUSH_INTERVAL, self._tick)

    def append(self, record: Row) -> None:
        """Take one finished request: a RequestRecord, or its values in a plain tuple."""
        queue = self._queue
        length = len(queue)
        if length >= self._limit:
            self.dropped += 1
            return
        queue.append(record if self._trail is None else self._trail.write(record))
        if length == BATCH and self._loop is not None:
            self._loop.call_soon(self._flush)

    def event(self, event: EventRecord) -> bool:
        """Take what a policy wants said; False when too much waits already, and then it is dropped."""
        size = _size(event)
        if size > EVENT_FRAME or self._event_bytes + size > EVENT_BYTES or not self._limit:
            self.dropped_events += 1
            return False
        self._events.append(event)
        self._event_bytes += size
        if self._event_trail is not None:
            self._event_trail.write(plain(event))
        return True

    def keep_trail(self) -> None:
        """Have a trail from now on; call it before a destination that is kept on disk gets its first record."""
        if self._trail is None:
            self._trail = begin({**os.environ, **self._settings}, self._instance)
            if self._trail is not None and self._pipe >= 0:
                self._frames.append((self._trail_frame(len(self._queue)), 0))

    def identify(self, gateway_id: str, region: str) -> None:
        """What only the configuration knows of this gateway; call it whenever that changes."""
        self._tell(IDENTITY, pack(IDENTITY, (gateway_id, region)))

    def stand(self, version: int, newest: int, confirmed: float) -> None:
        """Which configuration is in force (`state.py` has the words); call it whenever that changes."""
        self._tell(STANDING, pack(STANDING, (version, newest, confirmed)))

    def limit(self, up: bool, server: int, local: int, refused: int, seconds: float) -> None:
        """How the limits server does (`state.py` has the words); call it now and then, where there is one."""
        self._tell(LIMITS, pack(LIMITS, (up, server, local, refused, seconds)))

    def direct(self, loggers: bytes, sends: bool = False) -> None:
        """Where the configuration sends telemetry: a frame of `diagnostics.frame`, whenever that changes; and whether
        it sends any."""
        if sends:
            self.keep_trail()
        if EVENT_HUB in loggers and self._event_trail is None:
            self._event_trail = begin({**os.environ, **self._settings}, self._instance, TRAIL_OF_EVENTS)
            self._announced = False
        self._tell(LOGGERS, loggers)

    def _tell(self, kind: str, frame: bytes) -> None:
        if frame != self._told.get(kind):
            self._told[kind] = frame
            self._untold.add(kind)

    async def close(self, timeout: float = 2.0) -> None:
        """Write what is left and let the child finish, all within `timeout` seconds; then it is ended."""
        deadline = time.monotonic() + timeout
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (
            self._pipe >= 0
            and (self._queue or self._events or self._frames)
            and time.monotonic() < deadline - timeout / 2
        ):
            self._flush()
            await asyncio.sleep(0.005)
        self._loop = None
        self._limit = 0
        if self._trail is None:
            self.dropped += len(self._queue) + sum(count for _, count in self._frames)
        self._queue.clear()
        self._frames.clear()
        self._close_pipe()
        if self._child is not None:
            await self._end(self._child, deadline)
        for trail in (self._trail, self._event_trail):
            if trail is not None:
                trail.close()
        self._trail = self._event_trail = None

    async def _end(self, child: subprocess.Popen[bytes], deadline: float) -> None:
        # A process's end is no event that every event loop knows, so it is looked for.
        while child.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if child.poll() is None:
            child.kill()
            # A killed process is gone at once, unless the kernel holds it: then it is not ours to wait for.
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
        self._child = None
        self._close_way_back()

    def _spawn(self) -> None:
        root = str(Path(__file__).resolve().parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        # What authenticates the gateway is none of the child's business.
        known = {
            name: text for name, text in {**os.environ, **self._settings}.items() if not name.startswith("config.")
        }
        environment = {**MALLOC, **known, "instance.id": self._instance, "PYTHONPATH": path}
        self._born = time.monotonic()
        command, theirs = [sys.executable, "-P", "-m", "telemetry"], -1
        try:
            if self._figures is not None:
                self._way_back, theirs = os.pipe2(os.O_CLOEXEC)
                command.append(str(theirs))
            self._child = subprocess.Popen(  # noqa: S603 - this very interpreter, and a number
                command,
                stdin=subprocess.PIPE,
                env=environment,
                pass_fds=() if theirs < 0 else (theirs,),
                start_new_session=True,  # a Ctrl-C is the sidecar's: what drains is still to be recorded
            )
        except OSError as failure:
            self._child_died(f"it could not be started: {failure}")
            return
        finally:
            if theirs >= 0:
                os.close(theirs)
        self._listen()
        stdin = self._child.stdin
        assert stdin is not None
        # The descriptor is ours from here: a buffered file object would block on a full pipe.
        try:
            self._pipe = os.dup(stdin.fileno())
        except OSError as failure:  # no descriptor is left
            self._child.kill()
            self._child.wait()
            self._child_died(f"its pipe could not be had: {failure}")
            return
        finally:
            stdin.close()
        os.set_blocking(self._pipe, False)
        with contextlib.suppress(OSError, AttributeError):  # a smaller pipe only means more turns
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._offset = 0
        self._frames.extendleft((frame, 0) for frame in self._told.values())
        self._untold.clear()
        self._announced = self._event_trail is None
        if self._trail is not None:
            waiting = len(self._queue) + sum(count for _, count in self._frames)
            self._frames.appendleft((self._trail_frame(waiting), 0))

    def _trail_frame(self, waiting: int) -> bytes:
        """`waiting` records go into the pipe after it and have been counted."""
        assert self._trail is not None
        return pack(TRAIL, (str(self._trail.path), self._trail.number - waiting))

    def _listen(self) -> None:
        if self._way_back >= 0 and self._loop is not None:
            os.set_blocking(self._way_back, False)
            self._loop.add_reader(self._way_back, self._hear, self._loop)

    def _hear(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Take what the child has told; False when there is nothing now."""
        try:
            data = os.read(self._way_back, READ)
            self._heard += data
            for document in documents(self._heard):
                if self._figures is not None:
                    self._figures(document)
        except BlockingIOError:
            return False
        except (OSError, BrokenPipeStream) as failure:
            logger.error("The figures of the telemetry child cannot be read: %s", failure)
            data = b""
        if not data:
            loop.remove_reader(self._way_back)
        return bool(data)

    def _close_way_back(self) -> None:
        """Hear what a child that has ended still said."""
        if self._way_back < 0:
            return
        loop = asyncio.get_running_loop()
        while self._hear(loop):
            pass
        loop.remove_reader(self._way_back)
        os.close(self._way_back)
        self._way_back = -1
        self._heard.clear()

    def _tick(self) -> None:
        assert self._loop is not None
        self._timer = self._loop.call_later(FLUSH_INTERVAL, self._tick)  # first: whatever fails below, it goes on
        now = time.monotonic()
        if self._child is not None and self._child.poll() is not None:
            self._child_died(f"it ended with code {self._child.returncode}")
        elif self._child is not None and self._waiting_for_room and now - self._waiting_since > STUCK:
            logger.warning(
                "The telemetry child has read nothing for %.0f s; it is ended.",
                STUCK,
                extra={"event": "TelemetryChildStuck"},
            )
            self._child.kill()  # the next tick sees it gone
        elif self._child is None and now >= self._respawn_at:
            self.respawned += 1
            self._spawn()
        self._flush()

    def _flush(self) -> None:
        """Move records from the queue to the pipe until one is empty or the other is full."""
        if self._pipe < 0 or self._waiting_for_room:
            return
        for _ in range(FRAMES_PER_TURN):
            if not self._frames and self._untold:
                self._frames.append((self._told[self._untold.pop()], 0))
            if not self._frames:
                self._pack_batch()
                self._pack_events()
            if not self._frames:
                return
            frame, count = self._frames[0]
            try:
                self._offset += os.write(self._pipe, memoryview(frame)[self._offset :])
            except BlockingIOError:
                self._wait_for_room()
                return
            except OSError:
                return  # the child is gone; the next tick sees why and the frame is sent again to the next one
            if self._offset == len(frame):
                self._frames.popleft()
                self._offset = 0
                self.written += count
        if self._loop is not None:
            self._loop.call_soon(self._flush)

    def _pack_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
        if not batch:
            return
        for frame, count in pack_records(batch, self.dropped, self.respawned):
            if count:
                self._frames.append((frame, count))
            else:
                self.dropped += 1

    def _pack_events(self) -> None:
        events, size = [], 0
        while self._events and size + _size(self._events[0]) <= EVENT_FRAME:
            event = self._events.popleft()
            size += _size(event)
            events.append(plain(event))
        self._event_bytes -= size
        if events or not self._announced:
            # Nothing waits in front of it, so the child has the events before these, or they are on the trail.
            trail = self._event_trail
            path, number = (str(trail.path), trail.number - len(self._events)) if trail is not None else ("", 0)
            self._frames.append((pack(EVENTS, (self.dropped_events, events, path, number)), 0))
            self._announced = True

    def _wait_for_room(self) -> None:
        if self._loop is not None and not self._waiting_for_room:
            self._waiting_for_room = True
            self._waiting_since = time.monotonic()
            self._loop.add_writer(self._pipe, self._room)

    def _room(self) -> None:
        self._stop_waiting()
        self._flush()

    def _stop_waiting(self) -> None:
        if self._waiting_for_room and self._loop is not None:
            self._loop.remove_writer(self._pipe)
        self._waiting_for_room = False

    def _child_died(self, why: str) -> None:
        self._close_pipe()
        self._close_way_back()
        self._child = None
        now = time.monotonic()
        if now - self._born > HEALTHY_AFTER:
            self._backoff = BACKOFF[0]
        self._respawn_at = now + self._backoff
        logger.warning(
            "The telemetry child is gone (%s); the next one starts in %.1f s. Requests are served as before.",
            why,
            self._backoff,
            extra={"event": "TelemetryChildDied"},
        )
        self._backoff = min(self._backoff * 2, BACKOFF[1])

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._stop_waiting()
            os.close(self._pipe)
            self._pipe = -1
            self._offset = 0


def _size(event: EventRecord) -> int:
    """Bytes that it takes in memory, more or less, and never less in a frame."""
    return len(event.content) + 4 * (len(event.partition_key) + len(event.partition_id)) + EVENT_COST


def _wants_trail(settings: Mapping[str, str]) -> bool:
    """Is there a destination in the settings that is kept on disk?"""
    collector = settings.get("observability.opentelemetry.enabled", "").strip().lower() == "true"
    return collector or any(settings.get(name, "").strip() for name in KEPT)
