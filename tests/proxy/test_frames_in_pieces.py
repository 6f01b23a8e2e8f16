"""What becomes of frames of HTTP/2 must not depend on how their bytes are cut into pieces: see test_cuts.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hpack import Decoder, Encoder
from http2_peer import PREFACE
from hyperframe.frame import Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame
from test_cuts import Pipe, World, settled

from proxy.adapters.connection import Connection
from tests.wire.cuts import pieces
from tests.wire.frames import FrameVector, bytes_of, table

LARGEST = 20_000  # bytes of frames that are tried


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def outcome(written: bytes) -> str:
    """How the gateway answered first: `goaway CODE`, `reset CODE` or a status."""
    decoder, at = Decoder(), 0
    while at + 9 <= len(written):
        frame, length = Frame.parse_frame_header(memoryview(written[at : at + 9]))
        frame.parse_body(memoryview(written[at + 9 : at + 9 + length]))
        at += 9 + length
        if isinstance(frame, GoAwayFrame):
            return f"goaway {frame.error_code}"
        if isinstance(frame, RstStreamFrame):
            return f"reset {frame.error_code}"
        if isinstance(frame, HeadersFrame):
            return dict(decoder.decode(frame.data))[":status"]
    return "silence"


async def verdict(world: World, cut: Sequence[bytes], eager: bool = False) -> tuple[str, int]:
    """The answer, and how many requests went on whole. The backend begins when all of the pieces are there, or, where
    it is `eager`, takes each part of a body as soon as it comes."""
    loop = asyncio.get_running_loop()
    world.backend.gone.clear()
    world.backend.turns = 0 if eager else 3 * len(cut) + 10
    connection = Connection(world.server, loop)
    pipe = Pipe(loop, connection)
    connection.connection_made(pipe)
    for piece in cut:
        loop.call_soon(World.feed, pipe, piece)
        await asyncio.sleep(0)
        if eager:
            await settled(loop)
    await settled(loop)
    pipe.close()
    await settled(loop)
    assert world.server.sidecar.in_flight == 0
    return outcome(pipe.written), len(world.backend.gone)


def test_vectors(world: World) -> None:
    found: dict[str, str] = {}

    async def tried() -> None:
        for vector in table():
            data = PREFACE + SettingsFrame(0, {}).serialize() + bytes_of(Encoder(), vector)
            if len(data) > LARGEST:
                continue
            whole = await verdict(world, [data])
            step = len(data) // 300 + 1
            cuts = {
                "byte by byte": range(step, len(data), step),
                "without its last byte": [len(data) - 1],
                **{f"at {at}": [at] for at in range(len(PREFACE), len(data), len(data) // 20)},
            }
            for name, places in cuts.items():
                if (got := await verdict(world, pieces(data, places))) != whole:
                    found[f"{vector.id} {name}"] = f"{got}, whole {whole}"

    world.runner.run(tried())
    assert not found, "\n".join(f"{name}: {problem}" for name, problem in found.items())


BAD_ENDS = {
    "malformed trailers": {"head": {"fields": [["x-a", "b\r\nx-evil: 1"]]}},
    "more than the length": {"data": {"body": "b", "end": True}},
    "a reset": {"raw": {"type": 3, "flags": 0, "stream": 1, "body": "\0\0\0\x08"}},
    "a frame that breaks the connection": {"raw": {"type": 6, "flags": 0, "stream": 1, "body": "12345678"}},
}


@pytest.mark.parametrize("end", BAD_ENDS)
def test_a_message_that_ends_badly_goes_nowhere_whole(world: World, end: str) -> None:
    """Also where its body is as long as its head says: who gets that over HTTP/1.1 has a whole request."""

    async def tried() -> None:
        for length in (0, 1):
            begin = {"head": {"method": "POST", "end": False, "plus": [["content-length", str(length)]]}}
            body: list[dict[str, Any]] = [{"data": {"body": "a"}}] * length
            vector = FrameVector("", "", "", (begin, *body, BAD_ENDS[end]), ())
            data = PREFACE + SettingsFrame(0, {}).serialize() + bytes_of(Encoder(), vector)
            for cut in ([data], pieces(data, range(len(data)))):
                answer, gone = await verdict(world, cut, eager=True)
                assert gone == 0, (length, answer)

    world.runner.run(tried())
