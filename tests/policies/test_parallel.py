"""wait and limit-concurrency in time: what runs at once, what is ended, and what is left when a client goes away."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field

import pytest

from passerelle.cases.world import World, content, policies
from proxy.messages import Body, Headers, Response
from proxy.ports import Outgoing


@dataclass
class Gated:
    """A transport whose answers come when their host's gate opens."""

    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    inside: set[str] = field(default_factory=set)
    ended: list[str] = field(default_factory=list)

    def gate(self, host: str) -> asyncio.Event:
        return self.gates.setdefault(host, asyncio.Event())

    async def send(self, request: Outgoing) -> Response:
        host = request.url.host
        self.inside.add(host)
        try:
            await self.gate(host).wait()
        except asyncio.CancelledError:
            self.ended.append(host)
            raise
        finally:
            self.inside.discard(host)
        return Response(200, "OK", Headers(), Body(host.encode()))


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def world(gated: Gated) -> World:
    return World(transport=gated)  # type: ignore[arg-type]


def waiting(which: str, *hosts: str, more: str = "") -> str:
    children = "".join(
        f'<send-request response-variable-name="{host[0]}"><set-url>https://{host}</set-url></send-request>'
        for host in hosts
    )
    return policies(f'<wait for="{which}">{children}</wait>{more}<return-response/>')


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_children_run_at_once_and_all_waits_for_the_last(world: World, gated: Gated) -> None:
    exchange = world.exchange()
    serving = asyncio.create_task(world.serve(exchange, waiting("all", "a.example", "b.example", "c.example")))
    await settle()
    assert gated.inside == {"a.example", "b.example", "c.example"}
    gated.gate("c.example").set()
    gated.gate("a.example").set()
    await settle()
    assert not serving.done()
    gated.gate("b.example").set()
    assert (await serving).status == 200
    assert {name: exchange.variables[name].body.content() for name in "abc"} == {
        "a": b"a.example",
        "b": b"b.example",
        "c": b"c.example",
    }


async def test_any_goes_on_with_the_first_and_ends_the_others(world: World, gated: Gated) -> None:
    exchange = world.exchange()
    serving = asyncio.create_task(world.serve(exchange, waiting("any", "a.example", "b.example")))
    await settle()
    gated.gate("b.example").set()
    assert (await serving).status == 200
    assert gated.ended == ["a.example"]
    assert set(exchange.variables) == {"b"}


async def test_a_client_that_goes_away_ends_all_children(world: World, gated: Gated) -> None:
    serving = asyncio.create_task(world.serve(world.exchange(), waiting("all", "a.example", "b.example")))
    await settle()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert sorted(gated.ended) == ["a.example", "b.example"]
    assert not gated.inside


async def test_a_place_is_held_while_the_policies_run_and_freed_by_cancellation(world: World, gated: Gated) -> None:
    text = policies(backend='<limit-concurrency key="k" max-count="2"><forward-request/></limit-concurrency>')
    first, second = (asyncio.create_task(world.serve(world.exchange(), text)) for _ in range(2))
    await settle()
    assert world.in_flight == {"k": 2}
    assert (await world.serve(world.exchange(), text)).status == 429
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert world.in_flight == {"k": 1}
    third = asyncio.create_task(world.serve(world.exchange(), text))
    await settle()
    assert world.in_flight == {"k": 2}
    gated.gate("backend.example").set()
    assert [(await each).status for each in (second, third)] == [200, 200]
    assert world.in_flight == {}


async def test_the_timeout_of_send_request_covers_the_body(world: World) -> None:
    async def slow() -> Response:
        async def chunks():  # type: ignore[no-untyped-def]
            yield b"first"
            await asyncio.sleep(60)

        return Response(200, "OK", Headers(), Body(stream=chunks()))

    class Slow:
        async def send(self, request: Outgoing) -> Response:
            return await slow()

    world.transport = Slow()  # type: ignore[assignment]
    exchange = world.exchange()
    call = '<send-request response-variable-name="r" timeout="0.05"><set-url>https://a.example</set-url></send-request>'
    assert (await world.serve(exchange, policies(call))).status == 500
    assert exchange.last_error is not None
    assert (exchange.last_error.source, exchange.last_error.reason) == ("send-request", "Timeout")


LIMITED = '<limit-concurrency key="k" max-count="1"><forward-request/></limit-concurrency>'


async def test_a_place_is_held_until_the_answer_has_come() -> None:
    world = World()
    response = await world.serve(world.exchange(), policies(backend=LIMITED))
    assert world.in_flight == {"k": 1}
    assert (await world.serve(world.exchange(), policies(backend=LIMITED))).status == 429
    assert await content(response) == "backend"
    assert world.in_flight == {}
    response = await world.serve(world.exchange(), policies(backend=LIMITED))
    await response.body.discard()
    assert world.in_flight == {}
    response = await world.serve(world.exchange(), policies(backend=LIMITED))
    response.body = Body()  # somebody forgets it
    gc.collect()
    assert world.in_flight == {}


async def test_an_answer_that_fails_or_is_replaced_frees_its_place() -> None:
    world = World()
    replaced = policies(backend=LIMITED, outbound="<return-response/>")
    assert (await world.serve(world.exchange(), replaced)).status == 200
    assert world.in_flight == {}
    failed = policies(backend=LIMITED, outbound='<set-variable name="x" value="@(1 / int.Parse("0"))" />')
    assert (await world.serve(world.exchange(), failed)).status == 500
    assert world.in_flight == {}


async def test_another_attempt_of_the_same_request_takes_its_own_place() -> None:
    world = World()
    again = f'<retry condition="@(context.Response.StatusCode == 503)" count="3" interval="0">{LIMITED}</retry>'
    world.transport.answers = [{"status": 503}, {"status": 503}, {}]
    response = await world.serve(world.exchange(), policies(backend=again))
    assert (response.status, len(world.transport.sent), world.in_flight) == (200, 3, {"k": 1})
    assert await content(response) == "backend"
    assert world.in_flight == {}
