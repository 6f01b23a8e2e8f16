"""Sections, errors and what comes last."""

from __future__ import annotations

import asyncio
import json

import pytest

from passerelle.cases.world import World, content, policies, streamed
from proxy.errors import Origin
from proxy.exchange import Exchange
from proxy.messages import Body, Response
from proxy.pipeline.link import Pipeline
from proxy.pipeline.registry import RESPOND, Handler, Outcome
from proxy.pipeline.run import execute
from proxy.pipeline.steps import Block, Late, Step

FAIL = '<set-variable name="x" value="@(1 / int.Parse("0"))"/>'


def step(handler: Handler, source: str = "test", reads: frozenset[str] = frozenset()) -> Step:
    return Step.of(handler, Origin(source, "api", "inbound", f"{source}[1]", "the-id"), reads)


async def test_sections_run_in_order_and_the_response_is_there() -> None:
    world = World()
    exchange = world.exchange()
    response = await world.serve(exchange, policies())
    assert (response.status, await content(response)) == (200, "backend")
    assert (exchange.backend_method, exchange.backend_url) == ("GET", "https://backend.example/base/orders/7")
    assert exchange.backend_status == 200


async def test_respond_skips_everything_else() -> None:
    world = World()
    exchange = world.exchange()
    on_error = "<set-status code='500'/>"
    response = await world.serve(
        exchange, policies("<return-response/>", outbound="<set-status code='202'/>", on_error=on_error)
    )
    assert (response.status, world.transport.sent, exchange.errors) == (200, [], [])


async def test_an_error_skips_the_rest_and_answers_with_the_default_body() -> None:
    world = World()
    exchange = world.exchange()
    response = await world.serve(exchange, policies(FAIL + "<set-variable name='y' value='1'/>"))
    assert (response.status, response.reason) == (500, "Internal Server Error")
    assert response.headers["Content-Type"] == "application/json"
    text = await content(response)
    assert text.startswith('{ "statusCode": 500, "message": "Internal server error", "activityId": "')
    assert json.loads(text)["activityId"] == str(exchange.request_id)
    assert "y" not in exchange.variables
    assert world.transport.sent == []


async def test_last_error_tells_all_and_on_error_sees_it() -> None:
    world = World()
    exchange = world.exchange()
    inbound = "<rate-limit-by-key id='limit' calls='0' renewal-period='30' counter-key='k'/>"
    on_error = "<set-header name='X-Why'><value>@(context.LastError.Reason)</value></set-header>"
    world.clock.advance(1.5)
    response = await world.serve(exchange, policies(inbound, on_error=on_error))
    assert (response.status, response.headers["X-Why"]) == (429, "RateLimitExceeded")
    last = exchange.last_error
    assert last is not None
    assert (last.source, last.scope, last.section) == ("rate-limit-by-key", "api", "inbound")
    assert (last.path, last.policy_id, last.elapsed) == ("rate-limit-by-key[1]", "limit", 1500)


async def test_an_error_in_on_error_is_the_newest_and_ends_it() -> None:
    world = World()
    exchange = world.exchange()
    inbound = "<check-header name='A' failed-check-httpcode='401' failed-check-error-message='No' ignore-case='true'/>"
    response = await world.serve(exchange, policies(inbound, on_error=FAIL + "<set-status code='299'/>"))
    assert response.status == 500
    assert [error.reason for error in exchange.errors] == ["HeaderNotFound", "ExpressionValueEvaluationFailure"]
    assert exchange.last_error == exchange.errors[-1]


async def test_return_response_in_on_error() -> None:
    world = World()
    on_error = "<return-response><set-status code='299' reason='x'/></return-response><set-status code='298'/>"
    response = await world.serve(world.exchange(), policies(FAIL, on_error=on_error))
    assert (response.status, await content(response)) == (299, "")


async def test_a_surprise_is_a_500_and_only_the_log_knows(caplog: pytest.LogCaptureFixture) -> None:
    def surprise(exchange: Exchange) -> Outcome | None:
        raise ZeroDivisionError("secret detail")

    world = World()
    exchange = world.exchange()
    await execute(Pipeline(inbound=(step(surprise),)), exchange)
    assert exchange.response is not None
    assert exchange.response.status == 500
    assert b"secret" not in exchange.response.body.content()
    assert exchange.last_error is not None
    assert (exchange.last_error.source, exchange.last_error.path) == ("test", "test[1]")
    assert "secret" not in exchange.last_error.message
    assert "secret detail" in caplog.text


async def test_the_innermost_step_is_the_origin() -> None:
    def surprise(exchange: Exchange) -> Outcome | None:
        raise ZeroDivisionError

    async def waiting(exchange: Exchange) -> Outcome | None:
        return None

    for inner in ([step(surprise, "inner")], [step(waiting), step(surprise, "inner")]):
        exchange = World().exchange()
        await execute(Pipeline(inbound=(step(Block(inner).run, "outer"),)), exchange)
        assert exchange.last_error is not None
        assert exchange.last_error.source == "inner"


async def test_cancellation_passes_through() -> None:
    async def cancelled(exchange: Exchange) -> Outcome | None:
        raise asyncio.CancelledError

    on_error_ran = []
    pipeline = Pipeline(inbound=(step(cancelled),), on_error=(step(lambda exchange: on_error_ran.append(1)),))
    with pytest.raises(asyncio.CancelledError):
        await execute(pipeline, World().exchange())
    assert on_error_ran == []


async def test_bodies_are_buffered_before_the_step_that_reads_them() -> None:
    seen = []

    def read(exchange: Exchange) -> Outcome | None:
        seen.append(exchange.request.body.content())
        return None

    reads = frozenset({"request", "response"})  # there is no response yet, and that is no failure
    for made in (step(read, reads=reads), step(Block([step(read, reads=reads)]).run)):
        exchange = World().exchange(method="POST", body="streamed", stream=True)
        await execute(Pipeline(inbound=(made,)), exchange)
    assert seen == [b"streamed", b"streamed"]


async def test_a_body_beyond_the_limit_is_413() -> None:
    world = World()
    exchange = world.exchange(method="POST", body=b"x" * (2 * 1024 * 1024 + 1), stream=True)
    inbound = "<set-variable name='b' value='@(context.Request.Body.As<string>())'/>"
    response = await world.serve(exchange, policies(inbound))
    assert response.status == 413
    assert exchange.last_error is not None
    assert exchange.last_error.source == "set-variable"


def test_a_block_is_asynchronous_only_if_it_must() -> None:
    def sync(exchange: Exchange) -> Outcome | None:
        return RESPOND

    async def waiting(exchange: Exchange) -> Outcome | None:
        return None

    assert not Block([step(sync), step(sync)]).is_async
    assert Block([step(sync), step(sync)]).run(World().exchange()) is RESPOND
    assert Block([step(sync), step(waiting)]).is_async
    assert Block([step(sync, reads=frozenset({"request"}))]).is_async


async def test_late_tasks_run_on_any_response_and_their_failure_is_only_recorded() -> None:
    from proxy.errors import ExpressionFailed

    def add_late(exchange: Exchange) -> Outcome | None:
        def announce(exchange: Exchange) -> None:
            assert exchange.response is not None
            exchange.response.headers["X-Late"] = exchange.response.body.content().decode()

        def fail(exchange: Exchange) -> None:
            raise ExpressionFailed("late")

        exchange.after_outbound += [Late(fail), Late(announce, frozenset({"response"}))]
        exchange.response = Response(body=Body(stream=streamed(b"abc")))
        return RESPOND

    exchange = World().exchange()
    await execute(Pipeline(inbound=(step(add_late),)), exchange)
    assert exchange.response is not None
    assert (exchange.response.status, exchange.response.headers["X-Late"]) == (200, "abc")
    assert [error.reason for error in exchange.errors] == ["ExpressionValueEvaluationFailure"]
    assert exchange.last_error is None


async def test_a_response_that_is_replaced_is_closed() -> None:
    class Stream:
        closed = False

        def __aiter__(self) -> Stream:
            return self

        async def __anext__(self) -> bytes:
            raise StopAsyncIteration

        async def aclose(self) -> None:
            self.closed = True

    for policy in ("<return-response/>", "<mock-response/>", "<set-body>x</set-body>", FAIL):
        world = World()
        exchange = world.exchange()
        stream = Stream()
        exchange.response = Response(body=Body(stream=stream))
        await world.serve(exchange, policies(backend="", outbound=policy))
        assert stream.closed, policy
