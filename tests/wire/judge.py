"""One vector against one port, and what is wrong with what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.wire.gateway import Recorder
from tests.wire.vectors import Vector

QUIET = 0.3  # seconds without a byte after which an answer is taken for all there is
SETTLED = 0.02  # the same, when as many whole answers are there as there are requests
_INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)[^\r]*\r\n(?:[^\r]+\r\n)*\r\n")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")


@dataclass(slots=True)
class Port:
    """Where vectors are sent; with `tls` over TLS."""

    number: int
    tls: ssl.SSLContext | None = None

    async def talk(self, vector: Vector) -> tuple[bytes, bool]:
        """What came back until silence, and whether the gateway closed."""
        name = "gw.test" if self.tls is not None else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.number, ssl=self.tls, server_hostname=name)
        received, closed = b"", False
        sending = asyncio.create_task(self._send(writer, vector))
        try:
            while not closed:
                sent = sending.done()
                try:
                    async with asyncio.timeout(SETTLED if sent and _settled(vector, received) else QUIET):
                        chunk = await reader.read(2**20)
                except TimeoutError:
                    if sent:
                        break
                    continue
                received, closed = received + chunk, not chunk
        except ConnectionError:
            closed = True
        finally:
            writer.transport.abort()
            sending.cancel()
            await asyncio.wait([sending])
        return received, closed

    async def _send(self, writer: asyncio.StreamWriter, vector: Vector) -> None:
        for number, piece in enumerate(vector.pieces):
            if number and vector.pause:
                await asyncio.sleep(vector.pause)
            if writer.transport.is_closing():
                return
            writer.write(piece)
        if vector.half_close and self.tls is None:
            with contextlib.suppress(OSError):  # the gateway has closed
                writer.write_eof()


def _settled(vector: Vector, received: bytes) -> bool:
    """Nothing but silence is expected to follow."""
    if vector.close:
        return False
    if vector.to == "upstream":
        return received.startswith(b"HTTP/1.1 ") and _whole(_INTERIM.sub(b"", received))
    wanted = vector.requests or 1
    answers = re.findall(rb"HTTP/1\.1 [2-5]\d\d", received)
    return len(answers) >= wanted and (vector.expect != "reject") and _whole(received.rpartition(b"HTTP/1.1 ")[2])


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    if not end:
        return False
    if length is not None:
        return len(body) >= int(length[1])
    return body.endswith(b"0\r\n\r\n") or bool(re.search(rb"^(?:HTTP/1\.1 )?(?:204|304|205)", head))


Judge = Callable[[Port, Recorder, Vector], Awaitable[str]]


async def judge(port: Port, backend: Recorder, vector: Vector) -> str:
    """Empty when the vector holds, else what came instead."""
    return await _JUDGES[vector.to](port, backend, vector)


async def _server(port: Port, backend: Recorder, vector: Vector) -> str:
    backend.seen.clear()
    received, closed = await port.talk(vector)
    await asyncio.sleep(0.005)
    seen = list(backend.requests)
    if any(len(words := each.split(b"\r\n")[0].split()) > 1 and b"/canary" in words[1] for each in seen):
        return f"the canary was dispatched: {seen}"
    if problem := _status(vector, received):
        return problem
    if vector.expect == "reject":
        whole = b"\r\n\r\n" + (vector.body or b"")
        if seen and not (vector.late and not any(each.endswith(whole) for each in seen)):
            return f"was dispatched: {seen[0][:160]!r}"
        if re.match(rb"HTTP/1\.1 2", received):
            return f"was served: {received[:160]!r}"
        if vector.close and not closed:
            return f"the connection stayed open: {received[:160]!r}"
        return "" if closed or received[:10] >= b"HTTP/1.1 4" else f"neither refused nor closed: {received[:160]!r}"
    if vector.or_reject and not seen and (closed or received.startswith(b"HTTP/1.1 4")):
        return ""
    if not seen:
        return f"was refused: {received[:200]!r}"
    if vector.requests is not None and len(seen) != vector.requests:
        return f"{len(seen)} requests were dispatched instead of {vector.requests}: {received[:300]!r}"
    if vector.path and seen[0].split()[1] != vector.path.encode("latin-1"):
        return f"its path was {seen[0].split()[1]!r}"
    if vector.body is not None and not seen[0].endswith(b"\r\n\r\n" + vector.body):
        return f"its body was wrong: {seen[0][-160:]!r}"
    if problem := _patterns(vector, b"".join(seen)):
        return problem
    return "the connection stayed open" if vector.close and not closed else ""


async def _proxy(port: Port, backend: Recorder, vector: Vector) -> str:
    backend.seen.clear()
    received, _ = await port.talk(vector)
    wire = b"".join(backend.requests)
    if problem := _status(vector, received):
        return problem
    if not wire and re.match(rb"HTTP/1\.1 [245]", received) and (vector.or_reject or not vector.require):
        return ""  # answered here, and nothing forbidden went on
    return _patterns(vector, wire) or ("" if wire else f"was refused: {received[:200]!r}")


async def _upstream(port: Port, backend: Recorder, vector: Vector) -> str:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for number, piece in enumerate(vector.pieces):
            if number and vector.pause:
                await asyncio.sleep(vector.pause)
            if writer.transport.is_closing():
                return
            writer.write(piece)
        await writer.drain()
        if vector.half_close:
            with contextlib.suppress(OSError):  # the gateway has had enough
                writer.write_eof()
                await reader.read()

    await backend.hang_up()
    backend.script = script
    try:
        asked = Vector(vector.id, "", "", "upstream", (b"GET /u HTTP/1.1\r\nHost: gw.test\r\n\r\n",), vector.expect)
        received, closed = await port.talk(asked)
    finally:
        backend.script = None
    final = _INTERIM.sub(b"", received) if received.startswith(b"HTTP/1.1 1") else received
    if not final.startswith(b"HTTP/1.1 ") and not closed:
        return f"no answer: {received[:200]!r}"
    if problem := _status(vector, final):
        return problem
    if len(re.findall(rb"HTTP/1\.1 [1-5]\d\d ", final)) > 1:
        return f"two answers: {final[:300]!r}"
    refused = bool(re.match(rb"HTTP/1\.1 5\d\d", final)) or (closed and not _whole(final))
    if vector.expect == "reject":
        return "" if refused else f"was taken: {final[:300]!r}"
    if refused and vector.or_reject:
        return ""
    if refused:
        return f"was refused: {final[:300]!r}"
    if vector.body is not None and not final.endswith(vector.body) and not _joined(final).endswith(vector.body):
        return f"body: {final[-200:]!r}"
    return _patterns(vector, received)


def _joined(answer: bytes) -> bytes:
    """A chunked body without its chunks' sizes."""
    return b"".join(re.findall(rb"\r\n[0-9a-f]+\r\n(.+?)(?=\r\n)", answer, re.DOTALL))


def _status(vector: Vector, received: bytes) -> str:
    found = re.match(rb"HTTP/1\.1 (\d\d\d)", _INTERIM.sub(b"", received))
    told = int(found[1]) if found else 0
    if vector.status is not None and told != vector.status:
        return f"{told or 'nothing'} was answered instead of {vector.status}: {received[:160]!r}"
    if vector.to != "upstream" and told == 500:
        return f"a server error: {received[:200]!r}"
    return ""


def _patterns(vector: Vector, data: bytes) -> str:
    text = data.decode("latin-1")
    for pattern in vector.forbid:
        if re.search(pattern, text):
            return f"{pattern!r} is in {text[:400]!r}"
    for pattern in vector.require:
        if not re.search(pattern, text):
            return f"{pattern!r} is not in {text[:400]!r}"
    return ""


_JUDGES: dict[str, Judge] = {"server": _server, "proxy": _proxy, "upstream": _upstream}
