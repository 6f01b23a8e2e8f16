"""`Step` and `Block`: compiled policies, and the loops that run them.

Rules
1. A step is asynchronous or it has no reads and never waits; both are known when configuration is applied.
2. Bodies that a step reads are buffered before it runs.
3. An error leaves with the origin of the innermost step; what is no GatewayError becomes one, and its cause is logged.
4. A block of synchronous steps is itself synchronous, so that whole branches run without one `await`.
5. Whether somebody looks on (`Exchange.watch`) is asked once per run of a block, not per step.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from proxy.errors import GatewayError, Origin
from proxy.pipeline.registry import Handler, Outcome

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.watch import Watch

log = logging.getLogger("proxy.pipeline")


class Base(Enum):
    """`<base/>`: where the broader scope's section is spliced in."""

    BASE = "base"


BASE = Base.BASE


@dataclass(slots=True, frozen=True, eq=False)
class Step:
    """One policy ready to run. `reads` names the messages whose bodies must be buffered first."""

    run: Any  # a Handler; Any, since the loops know from `is_async` what it returns
    is_async: bool
    origin: Origin
    reads: frozenset[str] = frozenset()

    @staticmethod
    def of(handler: Handler, origin: Origin, reads: frozenset[str] = frozenset()) -> Step:
        return Step(handler, inspect.iscoroutinefunction(handler), origin, reads)


@dataclass(slots=True, frozen=True, eq=False)
class Late:
    """Something for `Exchange.after_outbound`: runs last, with the bodies that it reads buffered."""

    run: Callable[[Exchange], None]
    reads: frozenset[str] = frozenset()


class Block:
    """The policies of a container, as one handler: `run`, a coroutine function only if `is_async`."""

    __slots__ = ("is_async", "run", "steps")

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)
        self.is_async = any(step.is_async or step.reads for step in self.steps)
        self.run: Any = _asynchronous(self.steps) if self.is_async else _synchronous(self.steps)

    def __call__(self, exchange: Exchange) -> Any:
        return self.run(exchange)


def _synchronous(steps: tuple[Step, ...]) -> Handler:
    pairs = tuple((step.run, step) for step in steps)

    def run(exchange: Exchange) -> Outcome | None:
        if exchange.watch is not None:
            return _watched_now(steps, exchange, exchange.watch)
        for handler, step in pairs:
            try:
                outcome: Outcome | None = handler(exchange)
            except Exception as problem:
                raise located(problem, step) from problem.__cause__
            if outcome is not None:
                return outcome
        return None

    return run


def _asynchronous(steps: tuple[Step, ...]) -> Handler:
    async def run(exchange: Exchange) -> Outcome | None:
        return await run_steps(steps, exchange)

    return run


async def run_steps(steps: Sequence[Step], exchange: Exchange) -> Outcome | None:
    """Run steps in order; the outcome of the one that ended them early, else None."""
    if exchange.watch is not None:
        return await _watched(steps, exchange, exchange.watch)
    for step in steps:
        try:
            if step.reads:
                await read_bodies(exchange, step.reads)
            outcome: Outcome | None = await step.run(exchange) if step.is_async else step.run(exchange)
        except Exception as problem:
            raise located(problem, step) from problem.__cause__
        if outcome is not None:
            return outcome
    return None


def _watched_now(steps: Sequence[Step], exchange: Exchange, watch: Watch) -> Outcome | None:
    """As the loop of a synchronous block, for someone who looks on."""
    for step in steps:
        with watch.step(step.origin, exchange) as told:
            try:
                outcome: Outcome | None = step.run(exchange)
            except Exception as problem:
                raise located(problem, step) from problem.__cause__
            told.outcome = outcome
        if outcome is not None:
            return outcome
    return None


async def _watched(steps: Sequence[Step], exchange: Exchange, watch: Watch) -> Outcome | None:
    """As `run_steps`, for someone who looks on."""
    for step in steps:
        with watch.step(step.origin, exchange) as told:
            try:
                if step.reads:
                    await read_bodies(exchange, step.reads)
                outcome: Outcome | None = await step.run(exchange) if step.is_async else step.run(exchange)
            except Exception as problem:
                raise located(problem, step) from problem.__cause__
            told.outcome = outcome
        if outcome is not None:
            return outcome
    return None


async def read_bodies(exchange: Exchange, reads: frozenset[str]) -> None:
    """Buffer what is declared to be read and is there."""
    if "request" in reads and not exchange.request.body.buffered:
        await exchange.request.body.read()
    if "response" in reads and exchange.response is not None and not exchange.response.body.buffered:
        await exchange.response.body.read()


def located(problem: Exception, step: Step) -> GatewayError:
    """The error with its place in the policy; a surprise becomes a 500 whose cause only the log shows."""
    if isinstance(problem, GatewayError):
        if problem.origin is None:
            problem.origin = step.origin
        return problem
    at = step.origin
    log.error("policy %s failed in %s of %s", at.path, at.section, at.scope, exc_info=problem)
    return GatewayError(
        f"Policy '{at.source}' failed.",
        reason="PolicyFailure",
        origin=at,
        detail=f"{type(problem).__name__}: {problem}",
    )
