"""`limit-concurrency`: lets only so many requests at a time run the policies inside.

https://learn.microsoft.com/azure/api-management/limit-concurrency-policy
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import PolicyRefused
from proxy.pipeline.registry import ANYWHERE, Handler, Outcome, policy
from proxy.pipeline.steps import run_steps

if TYPE_CHECKING:
    from proxy.exchange import Exchange
    from proxy.pipeline.compile import Compiler
    from proxy.pipeline.element import Element


@policy("limit-concurrency", sections=ANYWHERE)
def limit_concurrency(element: Element, compiler: Compiler) -> Handler:
    """Refuse a request while too many others run the policies inside."""
    key = element.string("key")
    maximum = element.literal_integer("max-count", minimum=1)
    steps = compiler.sequence(element).steps

    async def handle(exchange: Exchange) -> Outcome | None:
        name = key.get(exchange)
        in_flight = exchange.ports.in_flight
        inside = in_flight.get(name, 0)
        if inside >= maximum:
            raise PolicyRefused(
                429, "Too Many Requests", "ConcurrencyLimitExceeded", "Too many concurrent requests. Try again later."
            )
        in_flight[name] = inside + 1
        try:
            return await run_steps(steps, exchange)
        finally:
            in_flight[name] -= 1
            if not in_flight[name]:
                del in_flight[name]

    return handle
