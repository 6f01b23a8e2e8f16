"""One request through its pipeline: inbound, backend, outbound; on an error, on-error.

Rules
1. Afterwards `exchange.response` is always there.
2. RESPOND ends everything: no later section runs, and on-error neither. ANSWERED leads from inbound to outbound.
3. An error is recorded, becomes the default error response, and on-error may change that. An error in on-error is
   recorded too, and its response stands.
4. What policies left in `after_outbound` runs last, on whatever response there is.
5. For a CORS preflight only the cors policies run; without any of them it is a 404.
6. Cancellation passes through: nobody is left to answer.
7. Where expressions may last, they give way to other requests; where none may, nothing is paid for that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from proxy.errors import BackendErrorStatus, GatewayError, OperationNotFound
from proxy.exchange import Exchange
from proxy.expressions.slices import GivingWay
from proxy.messages import Body, Headers, Response
from proxy.pipeline.link import Pipeline
from proxy.pipeline.preflight import is_preflight
from proxy.pipeline.registry import ANSWERED, RESPOND
from proxy.pipeline.steps import Late, Step, located, read_bodies, run_steps


def execute(pipeline: Pipeline, exchange: Exchange) -> Awaitable[None]:
    """Run the pipeline; the answer is in `exchange.response`."""
    work = _execute(pipeline, exchange)
    return GivingWay(work) if pipeline.lasting or exchange.ports.waits else work


async def _execute(pipeline: Pipeline, exchange: Exchange) -> None:
    try:
        inbound = pipeline.inbound
        if exchange.request.method == "OPTIONS" and is_preflight(exchange):
            await _preflight(inbound, exchange)
            return
        outcome = await run_steps(inbound, exchange) if inbound else None
        if outcome is None:
            backend = pipeline.backend
            if len(backend) == 1 and backend[0].is_async and not backend[0].reads and exchange.watch is None:
                try:  # as `run_steps` would, without a coroutine for the loop
                    outcome = await backend[0].run(exchange)
                except Exception as problem:
                    raise located(problem, backend[0]) from problem.__cause__
            else:
                outcome = await run_steps(backend, exchange)
        if outcome is not RESPOND:
            if exchange.response is None:
                exchange.response = Response()
            if exchange.before_outbound is not None and outcome is None:
                for each in exchange.before_outbound:
                    await each(exchange)
            outbound: Sequence[Step] = pipeline.outbound
            if outcome is ANSWERED and exchange.resume_after:
                outbound = _behind(outbound, exchange.resume_after)
            if outbound:
                await run_steps(outbound, exchange)
    except GatewayError as error:
        await _on_error(pipeline, exchange, error)
    if exchange.response is None:
        exchange.response = Response()
    if exchange.after_outbound:
        await _after_outbound(exchange)


async def _preflight(inbound: Sequence[Step], exchange: Exchange) -> None:
    policies = [step for step in inbound if step.origin.source == "cors"]
    if not policies:
        raise OperationNotFound("a CORS preflight, and the operation has no cors policy")
    if await run_steps(policies, exchange) is not RESPOND:
        exchange.response = Response()


def _behind(steps: Sequence[Step], mark: str) -> Sequence[Step]:
    """The steps behind the one that is at the mark's place or holds it; all, if there is none any more."""
    scope, _, path = mark.partition(" ")
    for index in range(len(steps) - 1, -1, -1):
        origin = steps[index].origin
        if origin.scope == scope and f"{path}/".startswith(f"{origin.path}/"):
            return steps[index + 1 :]
    return steps


async def _on_error(pipeline: Pipeline, exchange: Exchange, error: GatewayError) -> None:
    await fail(exchange, error)
    try:
        await run_steps(pipeline.on_error, exchange)
    except GatewayError as newer:
        await fail(exchange, newer)


async def fail(exchange: Exchange, error: GatewayError) -> None:
    """Record an error and make the default response for it; also for errors outside of any policy."""
    last = error.last_error(exchange.elapsed_ms())
    exchange.last_error = last
    exchange.errors.append(last)
    if exchange.response is not None:
        if isinstance(error, BackendErrorStatus):
            return
        await exchange.response.body.discard()
    exchange.response = error_response(error, exchange.activity_id)


def error_response(error: GatewayError, activity_id: str) -> Response:
    headers: Headers = Headers(error.headers)
    headers["Content-Type"] = "application/json"
    return Response(error.status, error.phrase, headers, Body(error.body(activity_id)), cause=error.reason)


async def _after_outbound(exchange: Exchange) -> None:
    late: list[Late] = exchange.after_outbound
    for task in late:
        try:
            if task.reads:
                await read_bodies(exchange, task.reads)
            task.run(exchange)
        except GatewayError as error:  # too late to answer with it, not too late to tell
            exchange.errors.append(error.last_error(exchange.elapsed_ms()))
    late.clear()
