"""`retry`: runs its policies again while a condition holds.

https://learn.microsoft.com/azure/api-management/retry-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import GatewayError
from proxy.pipeline.registry import ANYWHERE, Handler, Outcome, policy
from proxy.pipeline.steps import read_bodies, run_steps

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element

MAX_WAIT = 3600.0  # seconds; no single wait is longer, whatever the numbers say


@policy("retry", sections=ANYWHERE)
def retry(element: Element, compiler: Compiler) -> Handler:
    """Run the policies inside once, then again while the condition holds."""
    condition = element.boolean("condition")
    count = element.integer("count", minimum=1, maximum=50)
    interval = element.number("interval", minimum=0)
    max_interval = element.number("max-interval", None, minimum=0)
    delta = element.number("delta", None, minimum=0)
    first_fast = element.boolean("first-fast-retry", False)
    steps = compiler.sequence(element).steps

    def wait(exchange: Exchange, attempt: int) -> float:
        """Seconds before retry number `attempt` (from 1): fixed, linear with delta, exponential with max-interval."""
        if attempt == 1 and first_fast.get(exchange):
            return 0.0
        seconds = interval.get(exchange)
        longest = MAX_WAIT if max_interval is None else min(max_interval.get(exchange), MAX_WAIT)
        if delta is not None and max_interval is None:
            seconds += (attempt - 1) * delta.get(exchange)
        elif delta is not None:
            spread = 0.8 + 0.4 * exchange.ports.clock.random()
            seconds += (2 ** (attempt - 1) - 1) * spread * delta.get(exchange)
        return min(seconds, longest)

    async def holds(exchange: Exchange) -> bool:
        if condition.reads:
            await read_bodies(exchange, condition.reads)
        return condition.get(exchange)

    async def holds_after_failure(exchange: Exchange) -> bool:
        """A condition that cannot be evaluated without a response is no reason to go on."""
        try:
            return await holds(exchange)
        except GatewayError:
            return False

    async def handle(exchange: Exchange) -> Outcome | None:
        retries = count.get(exchange)
        attempt = 0
        while True:
            try:
                outcome = await run_steps(steps, exchange)
                if outcome is not None:
                    return outcome
            except GatewayError:
                if attempt >= retries or not await holds_after_failure(exchange):
                    raise
            else:
                if attempt >= retries or not await holds(exchange):
                    return None
            attempt += 1
            seconds = wait(exchange, attempt)
            if seconds > 0:
                await exchange.ports.clock.sleep(seconds)

    return handle
