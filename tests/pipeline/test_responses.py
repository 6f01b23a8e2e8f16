"""What is kept of a streamed response, when, and when not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from passerelle.cases.world import World, streamed
from proxy.errors import BackendConnectionFailure
from proxy.messages import Body, Response
from proxy.pipeline import responses
from proxy.pipeline.responses import CachingPlan, find_response, keep_response


class Stream(AsyncIterator[bytes]):
    """Chunks that were asked for are counted; an error may end them."""

    def __init__(self, chunks: list[bytes], error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.asked = 0
        self.closed = False

    async def __anext__(self) -> bytes:
        if self.asked == len(self.chunks):
            raise self.error or StopAsyncIteration
        self.asked += 1
        return self.chunks[self.asked - 1]

    async def aclose(self) -> None:
        self.closed = True


async def kept(world: World, body: Body, take: int | None = None) -> bytes | None:
    """Keep a response with this body, let the client take so many chunks of it, and look it up again."""
    exchange = world.exchange()
    plan = CachingPlan(world.cache, "key")
    response = Response(body=body)
    await keep_response(exchange, plan, response, 60, "api cache-store[1]")
    if take is None:
        await response.body.read(10**9)
    else:
        stream = response.body.take()
        assert stream is not None
        for _ in range(take):
            await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
    found = await find_response(exchange, plan)
    return None if found is None else found.body.content()


async def test_a_stream_is_kept_with_its_last_byte() -> None:
    assert await kept(World(), Body(None, streamed(b"whole"))) == b"whole"


async def test_chunks_are_asked_for_one_by_one() -> None:
    world, stream = World(), Stream([b"a", b"b"])
    response = Response(body=Body(None, stream))
    await keep_response(world.exchange(), CachingPlan(world.cache, "key"), response, 60, "")
    taken = response.body.take()
    assert taken is not None
    assert await anext(taken) == b"a"
    assert stream.asked == 1


async def test_what_the_client_did_not_take_is_not_kept_and_ends() -> None:
    stream = Stream([b"a", b"b"])
    assert await kept(World(), Body(None, stream), take=2) is None
    assert stream.closed


async def test_a_body_shorter_than_it_says_is_not_kept() -> None:
    assert await kept(World(), Body(None, Stream([b"abc"]), length=5)) is None
    assert await kept(World(), Body(None, Stream([b"abcde"]), length=5)) == b"abcde"


async def test_a_body_that_breaks_off_is_not_kept() -> None:
    world = World()
    with pytest.raises(BackendConnectionFailure):
        await kept(world, Body(None, Stream([b"a"], BackendConnectionFailure("gone"))))
    assert len(world.cache) == 0


async def test_what_is_too_large_streams_on_and_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responses, "MAX_CACHED_BODY", 10)
    assert await kept(World(), Body(None, Stream([b"x" * 6, b"x" * 5]))) is None
    assert await kept(World(), Body(None, Stream([b"x" * 11]), length=11)) is None
    assert await kept(World(), Body(b"x" * 11)) is None
    assert await kept(World(), Body(None, Stream([b"x" * 5, b"x" * 5]))) == b"x" * 10


async def test_each_hit_is_a_response_of_its_own() -> None:
    world = World()
    assert await kept(world, Body(b"whole")) == b"whole"
    plan = CachingPlan(world.cache, "key")
    first = await find_response(world.exchange(), plan)
    second = await find_response(world.exchange(), plan)
    assert first is not None
    assert second is not None
    first.headers["X-A"] = "1"
    assert "X-A" not in second.headers


async def test_foreign_bytes_are_a_miss() -> None:
    world = World()
    for data in (b"", b"short", b"\x00" * 10, b"\x00" * 10 + b"sa text", b"\xff" * 40):
        await world.cache.put("key", data, 60)
        assert await find_response(world.exchange(), CachingPlan(world.cache, "key")) is None
