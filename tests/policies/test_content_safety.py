"""Windows of long texts, and streams that are checked on their way by."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from passerelle.cases.world import World, document, policies
from proxy.config.resources import Backend
from proxy.messages import Body, Response
from proxy.pipeline.compile import Environment
from proxy.pipeline.content_safety import windows

SAFETY = Environment(backends={"safety": Backend("safety", "https://safety.example")})


@pytest.mark.parametrize(
    ("text", "size", "overlap", "expected"),
    [
        ("", 3, 0, []),
        ("abc", 3, 0, ["abc"]),
        ("abcd", 3, 0, ["abc", "d"]),
        ("abcdefg", 4, 2, ["abcd", "cdef", "efg"]),
        ("abcd", 2, 1, ["ab", "bc", "cd"]),
    ],
)
def test_windows(text: str, size: int, overlap: int, expected: list[str]) -> None:
    assert list(windows(text, size, overlap)) == expected


async def test_a_long_prompt_is_looked_at_in_pieces() -> None:
    world = World()
    world.transport.answers = [{"body": '{"userPromptAnalysis":{"attackDetected":false}}'}]
    body = json.dumps({"input": "a" * 10_005})
    text = policies(inbound='<llm-content-safety backend-id="safety" shield-prompt="true" />')
    await world.serve(world.exchange("POST", body=body), [document(text, environment=SAFETY)])
    asked = [json.loads(sent.body)["userPrompt"] for sent in world.transport.sent[:-1]]
    assert [len(each) for each in asked] == [10_000, 5]


class Upstream(AsyncIterator[bytes]):
    """Events of a model; knows how many were taken and whether it was closed."""

    def __init__(self, texts: list[str]) -> None:
        self.left = [f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n".encode() for text in texts]
        self.closed = False

    async def __anext__(self) -> bytes:
        if not self.left or self.closed:
            raise StopAsyncIteration
        return self.left.pop(0)

    async def aclose(self) -> None:
        self.closed = True


async def _stream(upstream: Upstream, severities: list[int]) -> Response:
    world = World()
    text = policies(
        outbound='<llm-content-safety backend-id="safety" window-size="4"><categories>'
        '<category name="Hate" threshold="2" /></categories></llm-content-safety>'
    )
    found = [{"body": json.dumps({"categoriesAnalysis": [{"category": "Hate", "severity": n}]})} for n in severities]
    world.transport.answers = [{}, *found]
    send = world.transport.send

    async def answer(request):  # type: ignore[no-untyped-def]
        response = await send(request)
        if request.url.host == "backend.example":
            response.headers["Content-Type"] = "text/event-stream"
            response.body = Body(None, upstream)
        return response

    world.transport.send = answer  # type: ignore[method-assign]
    return await world.serve(world.exchange(), [document(text, environment=SAFETY)])


async def test_a_stream_goes_on_while_its_end_is_not_there() -> None:
    upstream = Upstream(["good", "fine", "evil", "more"])
    response = await _stream(upstream, [0, 0, 5])
    chunks = response.body.chunks()
    assert b"good" in await anext(chunks)
    assert len(upstream.left) == 3
    assert b"fine" in await anext(chunks)
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)
    assert upstream.closed
    assert len(upstream.left) == 1


async def test_a_client_that_goes_away_closes_the_stream() -> None:
    upstream = Upstream(["good", "fine"])
    response = await _stream(upstream, [0])
    await response.body.discard()
    assert upstream.closed
