"""`wait`: runs its policies at the same time.

Rules
1. `all`: goes on when every child has completed; the first failure ends the others.
2. `any`: goes on with the first child that succeeded and ends the others; when all fail, the first failure counts.
3. No child outlives the policy, also when the client goes away.

https://learn.microsoft.com/azure/api-management/wait-policy
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.expressions.slices import GivingWay
from proxy.pipeline.registry import BACKEND, INBOUND, OUTBOUND, RESPOND, Handler, Outcome, policy
from proxy.pipeline.steps import run_steps

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element
    from proxy.pipeline.steps import Step

CHILDREN = ("send-request", "cache-lookup-value", "choose")
Child = asyncio.Task[Outcome | None]


@policy("wait", sections={INBOUND, BACKEND, OUTBOUND})
def wait(element: Element, compiler: Compiler) -> Handler:
    """Run the policies inside at the same time and go on when all, or any, have completed."""
    which = element.choice("for", "all", "any", default="all")
    steps = compiler.parallel(element).steps
    for node in element.node.children:
        if node.name not in (*CHILDREN, "include-fragment"):
            message = f"<wait> takes {', '.join(CHILDREN)}, and no <{node.name}>."
            element.issue(message, "unknown-element", offset=node.offset + 1)

    async def handle(exchange: Exchange) -> Outcome | None:
        children = [asyncio.create_task(_run(step, exchange)) for step in steps]
        try:
            return await (_any(children) if which.get(exchange) == "any" else _all(children))
        finally:
            for child in children:
                child.cancel()
            await asyncio.gather(*children, return_exceptions=True)

    return handle


async def _run(step: Step, exchange: Exchange) -> Outcome | None:
    return await GivingWay(run_steps((step,), exchange))


async def _all(children: Sequence[Child]) -> Outcome | None:
    for child in asyncio.as_completed(children):
        if await child is RESPOND:
            return RESPOND
    return None


async def _any(children: Sequence[Child]) -> Outcome | None:
    failure: Exception | None = None
    for child in asyncio.as_completed(children):
        try:
            return await child
        except Exception as problem:
            failure = failure or problem
    if failure is not None:
        raise failure
    return None
