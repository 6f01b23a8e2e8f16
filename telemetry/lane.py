"""One destination's queue and its sender thread: what is slow or broken there stays there.

Rules
1. `put` never waits for the destination. Once `attach` has given the lane a folder, a payload is a file before anyone
   tries to send it, so the end of this process, however sudden, loses none. Without a folder, or while its disk cannot
   be written, payloads wait in memory.
2. Payloads are sent one at a time, in the order they were put, also those that an earlier process left. One is tried
   until it is delivered, refused for good, too old, or pushed out by newer ones; retries back off 1 s .. 30 s with
   jitter, or as the destination asks.
3. Disk and memory are bounded; what overflows is dropped, oldest first. Everything that is lost is counted, by reason.
4. After `finish` it tries on until the deadline or the first failure. Files then wait for the next process, what is in
   memory only is counted as dropped.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from telemetry.payload import Later, Partly, Payload, Refused
from telemetry.spool import Folder, Stored

__all__ = ["Lane", "Later", "Partly", "Payload", "Refused", "Send"]

logger = logging.getLogger(__name__)

BACKOFF = (1.0, 30.0)  # seconds: first and longest
LONGEST_WISH = 3600.0  # seconds; what a destination may ask for
MAX_BYTES = 16 * 1024 * 1024
SEND_TIMEOUT = 10.0  # seconds
PACK_ABOVE = 1024  # bytes
GZIP = b"\x1f\x8b"  # how what is packed already begins


Send = Callable[[bytes, float], None]


class Lane:
    """`send(data, timeout)` returns when delivered; raises Later, Refused or Partly. Counters are in items.

    `spool` names the lane's folder on disk, "" for memory only; `share` is how many lanes of one destination share its
    limit there. `latest`: a newer payload replaces those that wait, because it says all that they did. `timeout` is
    seconds for one try.
    """

    def __init__(
        self,
        name: str,
        send: Send,
        *,
        spool: str = "",
        share: int = 1,
        latest: bool = False,
        timeout: float = SEND_TIMEOUT,
        max_bytes: int = MAX_BYTES,
        max_payloads: int = 10_000,
    ) -> None:
        self.name = name
        self.spool = spool
        self.share = share
        self.exported = 0
        self.retried = 0
        self.dropped: collections.Counter[str] = collections.Counter()
        self._send = send
        self._latest = latest
        self._longest = timeout
        self._max_bytes = max_bytes
        self._max_payloads = max_payloads
        self._max_disk = 0
        self._max_age = 0  # nanoseconds; 0 for ever
        self._folder: Folder | None = None
        self._key = 0
        self._items = 0
        self._bytes = 0  # in memory only
        self._disk = 0
        self._in_memory: collections.deque[Payload] = collections.deque()
        self._on_disk: collections.deque[Payload] = collections.deque()
        self._sending: Payload | None = None
        self._draft: Stored | None = None
        self._changed = threading.Condition()
        self._deadline: float | None = None  # set while closing
        self._failing = False
        self._unwritable = False
        self._thread = threading.Thread(target=self._run, name=f"lane-{name}", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> int:
        """Items that wait or are being sent."""
        return self._items

    @property
    def on_disk(self) -> int:
        """Bytes that the lane's files take."""
        return self._disk

    @property
    def kept(self) -> int:
        """Items that wait on disk."""
        with self._changed:
            waiting = [*self._on_disk, self._sending] if self._sending else list(self._on_disk)
            return sum(payload.count for payload in waiting if payload.stored)

    @property
    def finishing(self) -> bool:
        """Whether what cannot be sent now is not sent any more."""
        return self._deadline is not None

    @property
    def attached(self) -> bool:
        return self._folder is not None

    def attach(self, folder: Folder, max_disk: int, max_age: float) -> None:
        """Keep payloads there from now on, at most `max_disk` bytes and `max_age` seconds; what an earlier process left
        there is sent first. Raises OSError."""
        left, broken = folder.index()
        with self._changed:
            self._folder, self._max_disk, self._max_age = folder, max_disk // self.share, int(max_age * 1e9)
            self.dropped["unreadable"] += sum(stored.count for stored in broken)
            self._inherit(left)

    def inherit(self, left: Sequence[Stored]) -> None:
        """Files that were put into the lane's folder by somebody else."""
        with self._changed:
            self._inherit(left)

    def put(self, data: bytes, count: int) -> None:
        self.commit(self.prepare(data, count))

    def prepare(self, data: bytes, count: int) -> Payload:
        """The work of a `put`. Who puts the same records into several lanes commits them together, so that a kill does
        not find them in some."""
        with self._changed:
            self._key = max(self._key + 1, time.time_ns())
            payload = Payload(self._key, count, data)
            self._stage(payload)
            return payload

    def publish(self, payload: Payload) -> None:
        """The part of `commit` that waits for the kernel: done for all lanes first, the rest takes microseconds."""
        with self._changed:
            self._publish(payload)

    def commit(self, payload: Payload) -> None:
        """Put what was prepared; in the order in which it was."""
        with self._changed:
            if self._deadline is not None and self._folder is None:
                self.dropped["shutdown"] += payload.count
                return
            if self._latest:
                self._supersede()
            self._items += payload.count
            if payload.stored is not None or self._publish(payload):
                self._on_disk.append(payload)
            else:
                self._in_memory.append(payload)
                self._bytes += len(payload.data or b"")
            self._undraft()
            self._trim()
            self._changed.notify()

    def draft(self, data: bytes, count: int) -> None:
        """What the next `put` of a `latest` lane would say if it came now: sent only by the next process, if this one
        ends without another word. Not counted, and nothing where there is no disk."""
        with self._changed:
            if self._folder is None:
                return
            self._key = max(self._key + 1, time.time_ns())
            try:
                draft = self._folder.write(self._key, data, count, False)
            except OSError:
                return  # the next `put` tells
            self._undraft()
            self._draft = draft
            self._disk += draft.room

    def finish(self, deadline: float) -> None:
        """Take nothing more and try what is left until `deadline`, monotonic seconds."""
        with self._changed:
            self._deadline = deadline
            while self._in_memory:  # the disk may be back
                payload = self._in_memory[0]
                length = len(payload.data or b"")
                if not self._store(payload):
                    break
                self._bytes -= length
                self._on_disk.append(self._in_memory.popleft())
            self._on_disk = collections.deque(sorted(self._on_disk, key=lambda payload: payload.key))
            self._changed.notify()

    def join(self, deadline: float) -> None:
        """Wait for the end, until `deadline` at the latest."""
        self._thread.join(max(0.0, deadline - time.monotonic()))

    # ---- all below with the lock held, except `_run` and what it calls outside of it

    def _inherit(self, left: Sequence[Stored]) -> None:
        if not left:
            return
        payloads = [Payload(stored.key, stored.count, None, stored, left=True) for stored in left]
        self._on_disk = collections.deque(sorted([*self._on_disk, *payloads], key=lambda payload: payload.key))
        self._items += sum(stored.count for stored in left)
        self._disk += sum(stored.room for stored in left)
        self._key = max(self._key, left[-1].key)
        self._trim()
        self._changed.notify()

    def _store(self, payload: Payload) -> bool:
        """Make a file of it; False while that cannot be done."""
        self._stage(payload)
        return self._publish(payload)

    def _stage(self, payload: Payload) -> None:
        data = payload.data
        if self._folder is None or data is None:
            return
        # A short outage need not cost the time to compress; in a long one four times as much finds room, or more.
        scarce = self._disk > self._max_disk // 4 or len(data) > self._max_disk // 8
        pack = scarce and len(data) > PACK_ABOVE and not data.startswith(GZIP)
        try:
            staged = self._folder.stage(payload.key, data, payload.count, pack)
            if staged.room > self._max_disk:
                self._folder.withdraw(staged)
            else:
                payload.staged = staged
        except OSError as failure:
            self._not_written(failure)

    def _publish(self, payload: Payload) -> bool:
        staged, payload.staged = payload.staged, None
        if self._folder is None or staged is None:
            return False
        try:
            self._folder.publish(staged)
        except OSError as failure:
            self._not_written(failure)
            return False
        payload.stored = staged
        self._unwritable = False
        self._disk += staged.room
        if self._behind:
            payload.data = None  # it waits there; what is sent at once need not be read again
        return True

    @property
    def _behind(self) -> bool:
        return self._failing or bool(self._on_disk)

    def _not_written(self, failure: OSError) -> None:
        if not self._unwritable:
            logger.warning(
                "Telemetry for %s cannot be kept on disk: %s. It is kept in memory, oldest dropped first; check "
                "telemetry.spool.path.",
                self.name,
                failure.strerror or failure,
                extra={"event": "TelemetrySpoolFailed"},
            )
        self._unwritable = True

    def _undraft(self) -> None:
        if self._draft is not None and self._folder is not None:
            self._disk -= self._draft.room
            with contextlib.suppress(OSError):
                self._folder.remove(self._draft)
            self._draft = None

    def _supersede(self) -> None:
        for queue in (self._in_memory, self._on_disk):
            for payload in [each for each in queue if not each.left]:
                queue.remove(payload)
                self._forget(payload)

    def _trim(self) -> None:
        while self._on_disk and self._disk > self._max_disk:
            self._drop(self._on_disk.popleft(), "spool-full")
        while len(self._in_memory) > 1 and (self._bytes > self._max_bytes or len(self._in_memory) > self._max_payloads):
            self._drop(self._in_memory.popleft(), "queue-full")

    def _drop(self, payload: Payload, reason: str) -> None:
        self.dropped[reason] += payload.count
        self._forget(payload)

    def _forget(self, payload: Payload) -> None:
        """It is in no queue any more."""
        self._items -= payload.count
        if payload.stored is None:
            self._bytes -= len(payload.data or b"")
            return
        self._disk -= payload.stored.room
        try:
            if self._folder is not None:
                self._folder.remove(payload.stored)
        except OSError as failure:
            logger.warning(
                "A file of telemetry that is done with cannot be removed (%s); it may be sent twice.",
                failure.strerror or failure,
                extra={"event": "TelemetrySpoolFailed"},
            )

    def _first(self) -> collections.deque[Payload] | None:
        """The queue whose head is the oldest of all."""
        if self._in_memory and self._on_disk:
            return self._in_memory if self._in_memory[0].key < self._on_disk[0].key else self._on_disk
        return self._on_disk or self._in_memory or None

    def _next(self) -> tuple[Payload, bytes] | None:
        """The oldest payload and what to send; None at the end."""
        with self._changed:
            while True:
                queue = self._first()
                if queue is None:
                    if self._deadline is not None:
                        return None
                    self._changed.wait()
                    continue
                if self._deadline is not None and time.monotonic() >= self._deadline:
                    return None
                payload = queue.popleft()
                if self._max_age and time.time_ns() - payload.key > self._max_age:
                    self._drop(payload, "expired")
                    continue
                try:
                    data = self._data(payload)
                except (OSError, ValueError) as failure:
                    logger.warning("A file of telemetry is lost: %s", failure, extra={"event": "TelemetrySpoolFailed"})
                    self._drop(payload, "unreadable")
                    continue
                self._sending = payload
                return payload, data

    def _data(self, payload: Payload) -> bytes:
        if payload.data is not None:
            return payload.data
        assert self._folder is not None
        assert payload.stored is not None
        return self._folder.read(payload.stored)

    def _run(self) -> None:
        backoff = BACKOFF[0]
        while (found := self._next()) is not None:
            payload, data = found
            wish = 0.0
            again: Payload | None = None
            try:
                self._send(data, self._timeout())
            except Later as later:
                self._report(later.reason)
                wish, again = later.after, payload
            except Partly as partly:
                wish, again = partly.after, self._divide(payload, partly)
            except Refused as refused:
                self._report(refused.reason, kept=False)
                self._done(payload, "refused")
            except Exception as failure:
                # A bug of ours or of a library: this payload is lost, the lane is not.
                self._report(f"{type(failure).__name__}: {failure}", kept=False)
                self._done(payload, "error")
            else:
                self._done(payload)
                self._recovered()
            if again is None:
                backoff = BACKOFF[0]
                continue
            wait = min(wish, LONGEST_WISH) or backoff * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret
            backoff = min(backoff * 2, BACKOFF[1])
            self.retried += 1
            if not self._give_back(again, wait, asked=wish > 0):
                break
        self._end()

    def _done(self, payload: Payload, dropped: str = "") -> None:
        with self._changed:
            self._sending = None
            if dropped:
                self._drop(payload, dropped)
            else:
                self.exported += payload.count
                self._forget(payload)

    def _divide(self, payload: Payload, partly: Partly) -> Payload | None:
        """Count what is done; what is to be tried again takes the payload's place."""
        self._report(partly.reason, kept=False)
        with self._changed:
            self.dropped["refused"] += partly.refused
            self.exported += max(0, payload.count - partly.refused - partly.rest_count)
            rest = None
            if partly.rest_count:
                rest = Payload(payload.key, partly.rest_count, partly.rest, left=payload.left)
                self._items += rest.count
                if not self._store(rest):
                    self._bytes += len(partly.rest)
            if rest is not None and rest.stored is not None and rest.stored == payload.stored:
                payload.stored, payload.data = None, b""  # the new file stands where the old one was
                self._disk -= rest.stored.room
            self._forget(payload)
            self._sending = rest
            return rest

    def _give_back(self, payload: Payload, wait: float, asked: bool) -> bool:
        """Put it in front again, then wait; False when the lane ends. `asked`: the destination named the time."""
        with self._changed:
            self._sending = None
            if self._latest and not payload.left and (self._in_memory or self._on_disk):
                self._forget(payload)  # what it says is said again by the newer one
            elif payload.stored is not None:
                self._on_disk.appendleft(payload)
                if payload.data is not None and len(self._on_disk) > 1:
                    payload.data = None
            else:
                self._in_memory.appendleft(payload)
            self._trim()
            if self._deadline is not None:
                return False
            ended = self._changed.wait_for(lambda: self._deadline is not None, wait)
            return not (ended and asked and self._on_disk and not self._in_memory)

    def _end(self) -> None:
        with self._changed:
            while self._in_memory:
                self._drop(self._in_memory.popleft(), "shutdown")

    def _timeout(self) -> float:
        deadline = self._deadline
        return self._longest if deadline is None else max(0.05, min(self._longest, deadline - time.monotonic()))

    def _report(self, reason: str, kept: bool = True) -> None:
        """Say it when it begins, not every time."""
        if not self._failing:
            self._failing = True
            where = "on disk" if self._folder is not None and not self._unwritable else "in memory"
            what = f"It is kept {where}, oldest dropped first." if kept else "What it refuses is dropped and counted."
            logger.warning(
                "Telemetry cannot reach %s: %s. %s",
                self.name,
                reason,
                what,
                extra={"event": "TelemetryExportFailed"},
            )

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            logger.info("Telemetry reaches %s again.", self.name, extra={"event": "TelemetryExportRecovered"})
