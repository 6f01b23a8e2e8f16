"""One HTTP/1.1 connection to a backend: llhttp reads its answers, a bell rings for whoever waits for them.

aiohttp's connector opens it (DNS, happy eyeballs, TLS), which is why it is one of aiohttp's protocols; from then on
bytes come here, until a WebSocket takes the connection over.

Rules
1. One answer at a time. Bytes that nobody asked for, or that come behind an answer, make the connection useless.
2. The head is there once its last line is; of the body so much is held that reading goes on smoothly (READ_BUFFER),
   then the backend waits.
3. Answers to HEAD, and 204 and 304, have no body, whatever their fields say; a 1xx that says it has one is no answer.
4. An answer without a length ends with the connection; any other that ends with it is broken.
5. What is wrong is kept in `failure`, and everybody who waits is told.
6. How an answer is cut into pieces changes nothing. llhttp reads other protocols, too, so what an answer begins with is
   looked at, also behind interim answers: up to the final head they are read one by one.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

import aiohttp
from aiohttp.client_proto import ResponseHandler
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from proxy.adapters.drive import Bell
from proxy.adapters.extent import Lines
from proxy.adapters.fields import CODING, LENGTH, NAMES, PLAIN, Field, end_to_end, name_of
from proxy.adapters.outbox import Outbox
from proxy.errors import BackendConnectionFailure, GatewayError
from proxy.messages import Headers

READ_BUFFER = 64 * 1024  # bytes; reading pauses at twice this
MAX_HEAD = 256 * 1024  # bytes of all fields of an answer
MAX_FIELDS = 512
_ORDINARY = b"HTTP/1.1 "
_OTHERS = (b"RTSP/", b"ICE/")  # what llhttp reads besides HTTP
_ENDED = "the backend closed the connection"

Informed = Callable[[int, Headers], None]


class Interim:
    """What happens with 1xx answers: 100 lets a waiting body go, the others are told to whoever wants to know."""

    __slots__ = ("_go", "_inform")

    def __init__(self, go: asyncio.Event | None, inform: Informed | None) -> None:
        self._go, self._inform = go, inform

    def __call__(self, status: int, headers: Headers) -> None:
        if status == 100:
            if self._go is not None:
                self._go.set()
        elif self._inform is not None:
            self._inform(status, headers)


class BackendConnection(ResponseHandler):
    """`send` begins an exchange; `head()` and `chunk()` wait for its parts; `complete` when all of it is here.

    After the head: `status`, `reason`, `fields`, `length` of the body in bytes or None, and `trailers` once complete.
    `deadline` is when whoever sweeps shall give up the wait for a head, monotonic seconds, 0 for never.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.bell = Bell(loop)
        self.asked = False  # an exchange is going on
        self.headed = False  # the final head is here
        self.complete = False  # and all of the answer
        self.deadline = 0.0
        self.since = 0.0  # when it went back to its pool
        self.used = False
        self.failure: BaseException | None = None
        self.status = 0
        self.reason = ""
        self.fields: list[Field] = []
        self.trailers: list[Field] = []
        self.length: int | None = None
        self.interim: Informed | None = None
        self.timer: asyncio.TimerHandle | None = None  # of a wait that is short
        self.tunnelled = False
        self.pool: list[BackendConnection] | None = None  # where it waits for the next request
        self._reader: HttpResponseParser | None = None
        self._head_only = False
        self._bodiless = False
        self._asker: select.poll | None = None
        self._surplus = False
        self._ordinary = False  # what is being read is a final answer of HTTP/1.1
        self._begun = b""  # else what it begins with
        self._lines: Lines | None = None
        self._until_end = False
        self._stopped = False
        self._keeps = False
        self._bare = 0  # bytes since the last of a body
        self._held = 0
        self._parts: list[bytes] = []

    # what the transport does with it

    def send(self, data: bytes, head_only: bool, deadline: float, outbox: Outbox | None = None) -> None:
        """Begin an exchange with a request head and as much of its body as is there; `outbox` if that is all."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        if self._reader is None:
            self._reader = HttpResponseParser(self)
        self.asked, self.used, self.deadline = True, True, deadline
        self._head_only = head_only
        self.headed = self.complete = self._until_end = self._keeps = self._bodiless = self._ordinary = False
        self._begun, self._lines = b"", None
        self._held = self._bare = 0
        self.length = None
        self.fields = []
        self.trailers = []
        self.reason = ""
        self.interim = None
        if outbox is None:
            transport.write(data)
        else:
            outbox.write(transport, data)

    def content(self) -> bytes:
        """What is here of the body, taken."""
        parts = self._parts
        if len(parts) == 1:
            content = parts[0]
        elif not parts:
            return b""
        else:
            content = b"".join(parts)
        parts.clear()
        self._held = 0
        if self._stopped:
            self._stopped = False
            self._resume_transport_reading()
        return content

    def finish(self) -> bool:
        """End the exchange; True when another one may follow."""
        self.asked = False
        self.interim = None
        whole = self.complete and not self._surplus and not self._parts
        if whole and self._keeps and self.transport is not None and self.failure is None:
            if self._bodiless:
                self._reader = None  # it may still wait for a body that does not come
            return True
        self.close()
        return False

    def close(self) -> None:
        self.asked = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self._reader = None
        self.failure = None  # its traceback knows who asked
        self._parts.clear()
        super().close()

    def fail(self, failure: BaseException) -> None:
        """Give up from outside; on the event loop, not in a task."""
        if self.failure is None:
            self.failure = failure
        if self.transport is not None:
            self.transport.abort()
        self.bell.ring()

    def late(self) -> None:
        """A timer's: no head came in time."""
        if self.asked and not self.headed:
            self.fail(TimeoutError())

    def uploaded(self, upload: asyncio.Task[None]) -> None:
        """The end of the task that sent the body. A client that failed to send is the cause of what follows; a backend
        that closed while we sent may have answered before, and that answer is read."""
        failure = None if upload.cancelled() else upload.exception()
        if isinstance(failure, GatewayError) and self.asked and not self.headed:
            self.fail(failure)

    # what llhttp calls

    def on_message_begin(self) -> None:
        if self.complete:
            self._surplus = True

    def on_status(self, reason: bytes) -> None:
        if not self.headed:
            self.reason += str(reason, "latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.headed:
            if not (self._surplus or self._bodiless):
                self.trailers.append((name, value))
        else:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        reader = self._reader
        if self._surplus or reader is None:
            return
        if len(self.fields) > MAX_FIELDS:
            raise ValueError("the header fields of the answer are too many or too large")
        status = self.status = reader.get_status_code()
        if not self._ordinary and reader.get_http_version() not in ("1.1", "1.0"):
            raise ValueError("its version is none of HTTP/1's")
        if status < 200 and status != 101:
            kinds = {name_of(raw).kind: value for raw, value in self.fields}
            if status < 100 or CODING in kinds or kinds.get(LENGTH, b"0").strip(b"0 "):
                raise ValueError("an informational answer has a body, or none that is known")
            return
        self._bodiless = self._head_only or status in (204, 304) or status == 101
        self._keeps = reader.should_keep_alive()
        coded, size, known = False, 0, NAMES
        for raw, value in self.fields:
            size += len(raw) + len(value)
            kind = (known.get(raw) or name_of(raw)).kind
            if kind is PLAIN:
                continue
            if kind is LENGTH:
                self.length = int(value)
            elif kind is CODING:
                if coded or value.strip().lower() != b"chunked":
                    raise ValueError("its transfer coding is not chunked alone")
                coded = reader.get_http_version() == "1.1"
                if not coded:
                    raise ValueError("HTTP/1.0 has no transfer codings")
        if size > MAX_HEAD:
            raise ValueError("the header fields of the answer are too many or too large")
        if coded:
            self.length = None
        elif self.length is None and not self._bodiless:
            self._until_end = True
        self.headed, self.complete = True, self._bodiless

    def on_body(self, part: bytes) -> None:
        if self._bodiless or self._surplus:
            self._surplus = True
            return
        self._parts.append(part)
        self._held += len(part)
        self._bare = 0

    def on_message_complete(self) -> None:
        if self._surplus:
            return
        if self.headed:
            if len(self.trailers) > MAX_FIELDS:
                raise ValueError("the trailers of the answer are too many")
            self.complete = True
            return
        status, fields, self.fields, self.reason = self.status, self.fields, [], ""
        self._begun = b""
        if self.interim is not None and (status != 100 or isinstance(self.interim, Interim)):
            self.interim(status, end_to_end(fields))

    # what the connection tells

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        if not self.asked or reader is None:
            if self.tunnelled or not self.used:
                super().data_received(data)  # a WebSocket, or an HTTP proxy's answer to CONNECT
            else:
                self.retire()
            return
        if not (self.headed or self._ordinary):
            if self._begun or not data.startswith(_ORDINARY) or data[len(_ORDINARY) : len(_ORDINARY) + 1] <= b"1":
                self._begin(data)
                return
            self._ordinary = True
        self._read(reader, data)

    def _begin(self, data: bytes) -> None:
        """Interim answers, and a final one that began in pieces, or is of another version, or none at all."""
        self._lines = lines = self._lines or Lines()
        start, size = 0, len(data)
        while start < size and not self.headed and self.failure is None and (reader := self._reader) is not None:
            end = lines.end(data, start)
            if len(self._begun) <= len(_ORDINARY):
                self._begun = (self._begun + data[start:end]).lstrip(b"\r\n")[: len(_ORDINARY) + 1]
            if self._begun.startswith(_OTHERS):
                self._broken("it speaks another protocol")
                return
            if self._begun.startswith(_ORDINARY) and self._begun[len(_ORDINARY) :] > b"1":
                self._ordinary, end = True, size
            self._read(reader, data[start:end])
            start = end
        if start < size and self.failure is None:
            self.data_received(data[start:])

    def _read(self, reader: HttpResponseParser, data: bytes) -> None:
        self._bare += len(data)
        try:
            reader.feed_data(data)
        except HttpParserUpgrade as upgrade:
            if self.status == 101:
                self.complete, self.tunnelled, self._upgraded = True, True, True
                self._reader, self.asked = None, False
                self._tail += data[upgrade.args[0] :]
                self.bell.ring()
                return
            self._broken("it switched protocols without being asked")
            return
        except HttpParserError as problem:
            cause = problem.__context__
            self._broken(str(cause if isinstance(cause, ValueError) else problem))
            return
        if self._bare > 2 * MAX_HEAD:
            self._broken("its fields have no end")
            return
        if self.headed:
            if self.timer is not None:
                self.timer.cancel()
                self.timer = None
            if self._held > 2 * READ_BUFFER and not self._stopped and not self.complete:
                self._stopped = True
                self._pause_transport_reading()
            self.bell.ring()

    def eof_received(self) -> None:
        if self.pool is not None:
            self.retire()
        elif not self.asked and not self.tunnelled:
            super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        asked = self.asked
        if asked and self.headed and not self.complete:
            if self._until_end and exc is None and self.failure is None:
                self.complete, self._keeps = True, False
            elif self.failure is None:
                self.failure = BackendConnectionFailure(f"The backend broke off its answer: {exc or _ENDED}.")
        elif asked and not self.complete and self.failure is None:
            self.failure = aiohttp.ServerDisconnectedError(str(exc or _ENDED))
        self._reader = None
        pool, self.pool = self.pool, None
        if pool is not None and self in pool:
            pool.remove(self)
        super().connection_lost(exc)
        if asked:
            self.bell.ring()

    def ended(self) -> bool:
        """Whether the backend has closed, or says what nobody asked for, and the event loop has not told it yet."""
        asker = self._asker
        try:
            if asker is None:
                asker = self._asker = select.poll()
                asker.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)  # type: ignore[union-attr]
            return bool(asker.poll(0))
        except (AttributeError, OSError, ValueError):
            return True

    def retire(self) -> None:
        """Leave the pool for good."""
        pool, self.pool = self.pool, None
        if pool is not None and self in pool:
            pool.remove(self)
        self.close()

    def _broken(self, why: str) -> None:
        self.failure = BackendConnectionFailure(f"The backend's answer is not valid: {why}.")
        if self.transport is not None:
            self.transport.abort()
        self.bell.ring()
