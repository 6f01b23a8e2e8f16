"""`choose`: runs the policies of the first branch whose condition is true.

https://learn.microsoft.com/azure/api-management/choose-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import GatewayError, Origin
from proxy.pipeline.registry import ANYWHERE, Handler, Outcome, policy

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("choose", sections=ANYWHERE)
def choose(element: Element, compiler: Compiler) -> Handler:
    """Run the first branch whose condition is true, else `otherwise`."""
    branches = [
        (when, when.boolean("condition"), compiler.sequence(when)) for when in element.children("when", required=True)
    ]
    otherwise_element = element.child("otherwise")
    otherwise = compiler.sequence(otherwise_element) if otherwise_element else None
    blocks = [block for *_, block in branches] + ([otherwise] if otherwise else [])
    conditions = tuple(
        (condition.get, block.run, block.is_async, _place(when, element, compiler))
        for when, condition, block in branches
    )

    def handle(exchange: Exchange) -> Outcome | None:
        for condition, run, _, place in conditions:
            try:
                holds = condition(exchange)
            except GatewayError as problem:
                problem.origin = problem.origin or place
                raise
            if holds:
                return run(exchange)  # type: ignore[no-any-return]
        return otherwise.run(exchange) if otherwise else None

    async def handle_async(exchange: Exchange) -> Outcome | None:
        for condition, run, is_async, place in conditions:
            try:
                holds = condition(exchange)
            except GatewayError as problem:
                problem.origin = problem.origin or place
                raise
            if holds:
                outcome = run(exchange)
                return await outcome if is_async else outcome  # type: ignore[no-any-return]
        if otherwise is None:
            return None
        outcome = otherwise.run(exchange)
        return await outcome if otherwise.is_async else outcome  # type: ignore[no-any-return]

    return handle_async if any(block.is_async for block in blocks) else handle


def _place(when: Element, element: Element, compiler: Compiler) -> Origin:
    """Where a condition stands, as documented for LastError.Path: choose[3]/when[2]."""
    return Origin(element.name, compiler.scope, compiler.section, when.path, element.policy_id)
