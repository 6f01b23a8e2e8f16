"""HTTP/2 vectors: frames of one connection, and what must become of them. Read from frames.yaml.

id, name        how it is told of
why             the section of the RFC, or what goes wrong elsewhere
send            a list of frames:
                {head: ...}   a good request (GET /ok of gw.test on stream 1, which it ends), but for `stream`,
                              `method`, `scheme`, `authority`, `path`, `end`; `first` and `plus` are fields before
                              and behind its own, `without` names what is left out, `fields` replaces all; `many`
                              fields more, each `wide`; `refer` to the last field so often, by its index
                {data: ...}   `body` on `stream` (1), with `end`
                {raw: ...}    `type`, `flags`, `stream`, `body`, and `size` where that lies; `times`
                A text may be {repeat: text, times: number}; characters are bytes (Latin-1)
expect          how the gateway may answer: `goaway CODE`, `reset STREAM`, or a status. Nothing is dispatched but
                with a status of 200
late            what is wrong may come behind what was dispatched: never all of it
forbid          regular expressions over the bytes that a backend sees
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hpack import Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame

from tests.proxy.http2_peer import Peer
from tests.wire.gateway import Gateway

TABLE = Path(__file__).parent / "frames.yaml"
LARGEST = 16_384  # bytes of a frame
PATIENCE = 5.0  # seconds
APART = 0.001  # between two pieces
_KEYS = {"id", "name", "why", "send", "expect", "late", "forbid"}
_HEAD = {
    "stream", "method", "scheme", "authority", "path", "end", "first", "plus", "without", "fields", "many", "wide",
    "refer",
}  # fmt: skip


@dataclass(slots=True, frozen=True)
class FrameVector:
    """See the head of this module."""

    id: str
    name: str
    why: str
    frames: tuple[dict[str, Any], ...]
    expect: tuple[str, ...]
    late: bool = False
    forbid: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return "http2"


def table() -> list[FrameVector]:
    """Raises ValueError for a row that says something unknown."""
    found = []
    for row in yaml.safe_load(TABLE.read_text()):
        unknown = row.keys() - _KEYS | {key for each in row["send"] for key in each.get("head", {}).keys() - _HEAD}
        if unknown:
            raise ValueError(f"{row.get('id')} has unknown keys: {', '.join(sorted(unknown))}")
        found.append(
            FrameVector(
                row["id"], row["name"], row["why"], tuple(row["send"]), tuple(str(each) for each in row["expect"]),
                row.get("late", False), tuple(row.get("forbid", ())),
            )
        )  # fmt: skip
    names = [each.id for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"ids are used twice: {', '.join(sorted(twice))}")
    return found


async def try_frames(
    made: Gateway, vectors: Sequence[FrameVector], tls: ssl.SSLContext | None, pieces: int = 1
) -> dict[str, str]:
    """What is wrong, by id; over TLS with a context that offers HTTP/2, else with prior knowledge."""
    wrong = {each.id: problem for each in vectors if (problem := await judge(made, each, tls, pieces))}
    if pieces > 1:  # who still writes when the gateway closes may lose what it said, but not each time
        again = [each for each in vectors if each.id in wrong for _ in range(3)]
        well = {each.id for each in again if not await judge(made, each, tls, pieces)}
        wrong = {id: problem for id, problem in wrong.items() if "closed instead" not in problem or id not in well}
    return wrong


async def judge(made: Gateway, vector: FrameVector, tls: ssl.SSLContext | None = None, pieces: int = 1) -> str:
    """Empty when the vector holds, else what came instead."""
    made.backend.seen.clear()
    port = made.tls_port if tls is not None else made.port
    name = "gw.test" if tls is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    peer = Peer(reader, writer)
    try:
        peer.greet()
        await _send(peer, bytes_of(peer.encoder, vector), pieces)
        got = await _outcome(peer)
    finally:
        writer.transport.abort()
    await asyncio.sleep(0.01)
    seen = b"".join(made.backend.requests)
    text = seen.decode("latin-1")
    if re.search(r"(?m)^[A-Z]+ [^ ]*/canary", text.split("\r\n\r\n")[0]) or len(made.backend.requests) > 1:
        return f"the canary was dispatched: {seen[:300]!r}"
    if got not in vector.expect:
        return f"{got} instead of {' or '.join(vector.expect)}"
    if got != "200" and seen and not vector.late:
        return f"was dispatched: {seen[:200]!r}"
    for pattern in vector.forbid:
        if re.search(pattern, text):
            return f"{pattern!r} is in {text[:300]!r}"
    return "" if got != "200" or seen else "was not dispatched"


async def _send(peer: Peer, data: bytes, pieces: int) -> None:
    size = len(data) // pieces + 1
    for start in range(0, len(data), size):
        if peer.reader._eof:  # type: ignore[attr-defined]
            break  # what it said is still to be read
        peer.write(data[start : start + size])
        if pieces > 1:
            await asyncio.sleep(APART)


async def _outcome(peer: Peer) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            while (frame := await peer.read()) is not None:
                if isinstance(frame, GoAwayFrame):
                    return f"goaway {frame.error_code}"
                if isinstance(frame, RstStreamFrame):
                    return f"reset {frame.error_code}"
                if isinstance(frame, HeadersFrame) and (status := frame.fields[":status"])[0] != "1":  # type: ignore[attr-defined]
                    return str(status)
    except TimeoutError:
        return "silence"
    return "closed"


def bytes_of(encoder: Encoder, vector: FrameVector) -> bytes:
    """What is sent, behind the preface and settings."""
    frames = [frame for each in vector.frames for frame in _frames(encoder, each)]
    return b"".join(each if isinstance(each, bytes) else each.serialize() for each in frames)


def _frames(encoder: Encoder, row: dict[str, Any]) -> list[Frame | bytes]:
    ((kind, said),) = row.items()
    if kind == "data":
        frame = DataFrame(said.get("stream", 1), _bytes(said["body"]))
        if said.get("end"):
            frame.flags.add("END_STREAM")
        return [frame]
    if kind == "raw":
        body = _bytes(said["body"])
        head = said.get("size", len(body)).to_bytes(3, "big") + bytes((said["type"], said["flags"]))
        return [(head + said["stream"].to_bytes(4, "big") + body) * said.get("times", 1)]
    return _head(encoder, said)


def _head(encoder: Encoder, said: dict[str, Any]) -> list[Frame | bytes]:
    default = {"method": "GET", "scheme": "http", "path": "/ok", "authority": "gw.test"}
    own = [[f":{name}", said.get(name, value)] for name, value in default.items()]
    own = [each for each in own if each[0] not in said.get("without", ())]
    more = [[f"x-{number}", "a" * said.get("wide", 1)] for number in range(said.get("many", 0))]
    fields = said.get("fields", [*said.get("first", ()), *own, *said.get("plus", ()), *more])
    block = encoder.encode([(_bytes(name), _bytes(value)) for name, value in fields], huffman=False)
    block += b"\xbe" * said.get("refer", 0)  # 62: what was added to the table last
    parts = [block[start : start + LARGEST] for start in range(0, len(block), LARGEST)] or [b""]
    stream = said.get("stream", 1)
    frames: list[Frame | bytes] = [
        HeadersFrame(stream, parts[0], flags=["END_STREAM"] if said.get("end", True) else [])
    ]
    frames += [ContinuationFrame(stream, part) for part in parts[1:]]
    frames[-1].flags.add("END_HEADERS")  # type: ignore[union-attr]
    return frames


def _bytes(text: Any) -> bytes:
    if isinstance(text, dict):
        text = text["repeat"] * text["times"]
    return str(text).encode("latin-1")
